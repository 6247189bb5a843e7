//! No secret, password, checksum, key or token stands anywhere that others read: logs, metrics, probes.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use bigblueswarm::bbb::query;
use bigblueswarm::sim::{BadXml, BbbClient, Fault, SimHandle};
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::program::{Home, PATIENTLY, Program, TOKEN, servers};
use crate::services::redis::RedisServer;
use crate::world::{Client, GLOBAL, KEY, T, U};

const PASSWORDS: [&str; 4] =
    ["moderator-pw-9f2c", "attendee-pw-71aa", "guessed-pw-4c4c", "phone-pin-8181"];
const GUESSED_KEY: &str = "guessed-admin-key-5d5d";
const GUESSED_TOKEN: &str = "guessed-ingest-token-6e6e";
const GUESSED_SECRET: &str = "guessed-tenant-secret-7f7f";
const SECOND_SECRET: &str = "second-secret-of-t-8a8a";
const NEW_SECRET: &str = "new-global-secret-9b9b9b";

/// What must not be read anywhere, and who uses it.
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn of(sims: &[SimHandle]) -> Self {
        let named = [GLOBAL, KEY, TOKEN, T.secret, U.secret, GUESSED_KEY, GUESSED_TOKEN];
        let more = [GUESSED_SECRET, SECOND_SECRET, NEW_SECRET];
        let all = named.iter().chain(&more).chain(&PASSWORDS).map(|secret| secret.to_string());
        Self(all.chain(sims.iter().map(|sim| sim.secret().to_owned())).collect())
    }

    /// Notes the checksum of a URL or query.
    fn note(&mut self, url: &str) {
        let query = url.split_once('?').map_or(url, |(_, query)| query);
        self.0.extend(query::value(query, "checksum").map(|sum| sum.into_owned()));
    }

    async fn note_what_was_asked(&mut self, sims: &[SimHandle]) {
        for sim in sims {
            sim.server.requests().await.iter().for_each(|seen| self.note(&seen.query));
        }
    }

    #[track_caller]
    fn assert_not_in(&self, place: &str, text: &str) {
        assert!(self.0.len() > 20, "only {} secrets are looked for", self.0.len());
        for secret in self.0.iter().filter(|secret| !secret.is_empty()) {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{place} shows {secret}");
        }
        for part in ["fullName=", "moderatorPW", "meetingID=", "checksum="] {
            let line = text.lines().find(|line| line.contains(part));
            assert_eq!(line, None, "{place} shows a query");
        }
    }
}

/// A caller who notes what must not be shown.
struct Caller<'a> {
    client: BbbClient,
    secrets: &'a mut Secrets,
}

impl<'a> Caller<'a> {
    fn of(program: &Program, tenant: Client, secrets: &'a mut Secrets) -> Self {
        Self { client: program.client(tenant), secrets }
    }

    async fn call(&mut self, call: &str, query: &str) -> String {
        let url = self.client.url(call, query);
        self.secrets.note(&url);
        let reply = self.client.get(call, query).await.expect("an answer");
        if let Some(to) = reply.location() {
            self.secrets.note(to);
        }
        for name in ["session_token", "auth_token", "attendeePW", "moderatorPW"] {
            self.secrets.0.extend(reply.value(name));
        }
        reply.text()
    }
}

const CREATE: &str =
    "name=Room&attendeePW=attendee-pw-71aa&moderatorPW=moderator-pw-9f2c&voicePin=phone-pin-8181";

/// Creates, joins, and everything that clients do wrong.
async fn clients_do_all_they_can(program: &Program, secrets: &mut Secrets) {
    for tenant in [T, U] {
        let mut caller = Caller::of(program, tenant, secrets);
        for n in 0..5 {
            let made =
                caller.call("create", &format!("{CREATE}&meetingID=m{n}-{}", tenant.host)).await;
            assert!(made.contains("SUCCESS"), "{made}");
        }
        let id = format!("meetingID=m0-{}", tenant.host);
        let join = format!("fullName=Ada&{id}&password=moderator-pw-9f2c");
        caller.call("join", &join).await;
        let session = caller.call("join", &format!("{join}&redirect=false")).await;
        assert!(session.contains("SUCCESS"), "{session}");
        caller.call("join", &format!("fullName=Eve&{id}&password=guessed-pw-4c4c")).await;
        caller.call("join", &format!("{join}&errorRedirectUrl=%zz")).await;
        caller.call("end", &format!("{id}&password=guessed-pw-4c4c")).await;
        for call in ["getMeetingInfo", "isMeetingRunning", "getMeetings", "unknownCall"] {
            caller.call(call, &id).await;
        }
        caller.call("create", &format!("{CREATE}&meetingID=a&meetingID=b")).await;
        caller.call("create", &format!("{CREATE}&meetingID=%ff")).await;
        caller.call("create", &format!("{CREATE}&{id}&checksum=abc")).await;
    }
    for wrong in [
        Client::of(T.host, GUESSED_SECRET),
        Client::of(T.host, U.secret),
        Client::of("nobody.example.org", T.secret),
    ] {
        let mut caller = Caller::of(program, wrong, secrets);
        caller.call("create", &format!("{CREATE}&meetingID=wrong")).await;
        caller.call("join", "fullName=Eve&meetingID=wrong&password=guessed-pw-4c4c").await;
    }
}

/// The same while instances misbehave in every way.
async fn instances_fail(program: &Program, sims: &[SimHandle], secrets: &mut Secrets) {
    let faults = [
        Fault::Internal,
        Fault::Garbage,
        Fault::Truncated,
        Fault::ChecksumError,
        Fault::NotFoundPage,
        Fault::Refuse,
        Fault::HangAfterWork,
        Fault::Xml(BadXml::EntityBomb),
        Fault::RedirectTo(format!("http://{}/?secret={GUESSED_SECRET}", sims[0].address)),
        Fault::Failed { key: PASSWORDS[0].into(), message: PASSWORDS[1].into() },
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        sims[0].server.faults().set(fault.clone()).await;
        sims[1].server.faults().on("create").times(1).set(fault).await;
        let mut caller = Caller::of(program, T, secrets);
        caller.call("create", &format!("{CREATE}&meetingID=faulty-{n}")).await;
        let known = format!("meetingID=m0-{}", T.host);
        for call in ["getMeetingInfo", "isMeetingRunning", "getMeetings", "end"] {
            caller.call(call, &known).await;
        }
        caller.call("join", &format!("fullName=Ada&{known}&redirect=false")).await;
        sleep(Duration::from_millis(300)).await;
        for sim in sims {
            sim.server.faults().clear().await;
        }
    }
}

/// Admins, agents and strangers, right and wrong.
async fn others_call(program: &Program) {
    let mut document = T.document();
    document.spec.secrets = vec![SECOND_SECRET.into()];
    let document = serde_json::to_string(&document).expect("JSON");
    let broken = [
        document.clone(),
        document.replace("\"kind\"", "\"kin\""),
        document[..document.len() - 3].to_owned(),
        json!({"kind": "Tenant", "spec": {"host": "x", "secret": [SECOND_SECRET]}}).to_string(),
        json!({"kind": "Tenant", "spec": {"host": "x", "secrets": SECOND_SECRET}}).to_string(),
        json!({"kind": "InstanceList", "instances": {"ftp://x": SECOND_SECRET}}).to_string(),
        json!({"kind": "InstanceList", "instances": [SECOND_SECRET]}).to_string(),
    ];
    for path in ["tenants", "instances"] {
        for body in &broken {
            program.admin(Method::POST, path, body).await;
        }
    }
    for path in ["tenants", "instances", "configurations", "cluster", "tenants/t.example.org"] {
        program.admin(Method::GET, path, "").await;
    }
    program.admin(Method::POST, &format!("instances/drain?url={GUESSED_SECRET}"), "").await;
    for _ in 0..12 {
        program.admin_by(GUESSED_KEY, Method::GET, "instances", "").await;
    }
    for line in [
        format!("GET /admin/api/instances?key={GUESSED_KEY} HTTP/1.1\r\nHost: a\r\n"),
        format!(
            "POST /api/v2/write?p={GUESSED_TOKEN} HTTP/1.1\r\nHost: a\r\nAuthorization: Token {GUESSED_TOKEN}\r\nContent-Length: 0\r\n"
        ),
        format!(
            "POST /api/v2/write HTTP/1.1\r\nHost: a\r\nAuthorization: Token {TOKEN}\r\nContent-Length: {}\r\n\r\n{GUESSED_SECRET}",
            GUESSED_SECRET.len()
        ),
        format!("{GUESSED_SECRET} / HTTP/9\r\n"),
        format!(
            "GET /bigbluebutton/api/create?checksum={GUESSED_SECRET} HTTP/1.1\r\nHost: a\r\nHost: {GUESSED_SECRET}\r\n"
        ),
        format!("GET /{GUESSED_SECRET} HTTP/1.1\r\nHost: {GUESSED_SECRET}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{GUESSED_SECRET}\r\n"),
    ] {
        let mut stream = TcpStream::connect(program.address).await.expect("a connection");
        let sent = format!("{line}Connection: close\r\n\r\n");
        stream.write_all(sent.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let _ = timeout(PATIENTLY, stream.read_to_end(&mut answer)).await.expect("an end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_whatever_clients_admins_and_instances_do() {
    let home =
        Home::new("deadlines:\n  attempt: 1s\n  create: 3s\n  connect: 1s\n  firstByte: 1s\n");
    let sims = servers(2).await;
    let mut secrets = Secrets::of(&sims);
    let mut program = home.start_with("-config config.yml -log.level trace -log.path log").await;
    program.register(&sims).await;
    program.ready().await;
    clients_do_all_they_can(&program, &mut secrets).await;
    instances_fail(&program, &sims, &mut secrets).await;
    others_call(&program).await;
    let written = home.written(NEW_SECRET, KEY);
    for text in
        [written.clone(), written.replace("secret:", "sercet:"), format!("{written}port: {KEY}\n")]
    {
        home.write(&text);
        program.signal("-HUP");
        sleep(Duration::from_millis(300)).await;
    }
    for path in ["/metrics", "/readyz", "/healthz"] {
        let shown = program.get(path).await.expect("an answer").text();
        secrets.assert_not_in(path, &shown);
    }
    program.signal("-TERM");
    assert_eq!(program.ended().await, Some(0));
    secrets.note_what_was_asked(&sims).await;
    let log = fs::read_to_string(home.path("log")).expect("a log");
    for heard in ["admin key is wrong", "admin call", "the old one stays", "configuration changed"]
    {
        assert!(log.contains(heard), "the story did not happen: {heard}: {log}");
    }
    secrets.assert_not_in("the log", &log);
    secrets.assert_not_in("standard error", &home.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_redis_or_influxdb_is_shown_when_they_are_away() {
    const PASSWORD: &str = "redis-password-0f0f0f";
    const INFLUX: &str = "influx-token-1a1a1a";
    let mut redis = RedisServer::start_with(&["--requirepass", PASSWORD]);
    let away = crate::program::free_address();
    let home = Home::new(&format!(
        "redis:\n  address: {}\n  password: {PASSWORD}\ninfluxdb:\n  address: http://{away}\n  \
         token: {INFLUX}\n  organization: o\n  bucket: b\nbalancer:\n  pollInterval: 200ms\n",
        redis.address()
    ));
    let sims = servers(1).await;
    let mut secrets = Secrets::of(&sims);
    secrets.0.extend([PASSWORD.to_owned(), INFLUX.to_owned()]);
    let mut program = home.start_with("-config config.yml -log.level trace -log.path log").await;
    program.register(&sims).await;
    program.ready().await;
    let mut caller = Caller::of(&program, T, &mut secrets);
    caller.call("create", &format!("{CREATE}&meetingID=m1")).await;
    redis.stop();
    for n in 0..3 {
        caller.call("create", &format!("{CREATE}&meetingID=refused-{n}")).await;
    }
    caller.call("join", "fullName=Ada&meetingID=m1&password=moderator-pw-9f2c").await;
    sleep(Duration::from_secs(1)).await;
    for path in ["/metrics", "/readyz"] {
        let shown = program.get(path).await.expect("an answer").text();
        secrets.0.iter().for_each(|secret| assert!(!shown.contains(secret), "{path}: {secret}"));
    }
    program.signal("-TERM");
    assert_eq!(program.ended().await, Some(0));
    // A wrong password is refused by the server, and not shown either.
    redis.start_again();
    home.write(&home.written(GLOBAL, KEY).replace(PASSWORD, SECOND_SECRET));
    let program = home.start_with("-config config.yml -log.level trace -log.path log").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(program.readiness().await.0, 503);
    program.kill();
    let log = fs::read_to_string(home.path("log")).expect("a log");
    assert!(log.contains("load figures can't be read"), "{log}");
    assert!(log.contains("was not stored") || log.contains("could not be read"), "{log}");
    secrets.note_what_was_asked(&sims).await;
    for secret in &secrets.0 {
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(line, None, "the log shows {secret}");
    }
    let said = home.said();
    assert!(!secrets.0.iter().any(|secret| said.contains(secret.as_str())), "{said}");
}
