//! Ids that look like internal ids: every call reaches the meeting of whoever calls, and no other.

mod any;
mod copies;
mod hostile;
mod killed;
mod named;
mod odd;
mod parents;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bigblueswarm::bbb::query;
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::{Ask, InternalIds, Lookup, Meeting, SimServer, SimSettings, Version};
use http::{Method, header};
use sha1::{Digest, Sha1};

pub(crate) use self::copies::behind_our_back;
use crate::world::{Client, Plan, Reply, World, plan};

/// Longer than two sweeps.
const SWEPT: Duration = Duration::from_secs(25);

/// What kind of servers there are.
#[derive(Clone, Copy, Debug)]
struct Kind(Version, Lookup, InternalIds);

const KINDS: [Kind; 7] = [
    Kind(Version::V2_5, Lookup::ByPrefix, InternalIds::Hashed),
    Kind(Version::V2_5, Lookup::ByExternalId, InternalIds::Hashed),
    Kind(Version::V2_7, Lookup::ByPrefix, InternalIds::Hashed),
    Kind(Version::V3_0, Lookup::ByPrefix, InternalIds::Hashed),
    Kind(Version::V4_0, Lookup::ByPrefix, InternalIds::Hashed),
    Kind(Version::V3_0, Lookup::ByPrefix, InternalIds::Drawn),
    Kind(Version::V3_0, Lookup::ByExternalId, InternalIds::Drawn),
];

impl Kind {
    fn server(self, n: usize) -> SimServer {
        let settings = SimSettings::new(
            &format!("http://s{n}.example.org"),
            &format!("secret-of-s{n}-0123456789"),
        );
        let settings = SimSettings {
            version: self.0,
            lookup: self.1,
            internal_ids: self.2,
            seed: n as u64,
            lenient_ids: true,
            ..settings
        };
        SimServer::start(settings, Arc::new(RuntimeClock::start()))
    }

    /// A pool of such servers.
    fn pool(self, instances: usize) -> Plan {
        plan(instances).servers((1..=instances).map(|n| self.server(n)).collect())
    }
}

fn sha1_hex(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}

/// A text as the value of a parameter.
fn value(text: &str) -> String {
    let mut query = String::new();
    query::append(&mut query, "v", text);
    query["v=".len()..].to_owned()
}

/// What only answers about a tenant's own meetings say.
fn mark(of: Client) -> String {
    format!("mark-of-{}", of.host)
}

/// Creates a meeting that bears its tenant's mark.
async fn create(world: &World, by: Client, meeting: &str) -> Reply {
    let (meeting, mark) = (value(meeting), mark(by));
    let query = format!(
        "name={mark}&meetingID={meeting}&attendeePW=a-{mark}&moderatorPW=m-{mark}&meta_word={mark}"
    );
    by.call(world, "create", &query).await
}

/// Everything but create that can be done about a meeting and leaves it there, each with its answer.
async fn all_but_end(world: &World, by: Client, meeting: &str) -> Vec<(&'static str, Reply)> {
    let id = value(meeting);
    let join = format!("fullName=Ada&meetingID={id}&role=VIEWER");
    let post = |call, query: &str| {
        let request = by.request(Method::POST, &by.path(call, query));
        let body = "<modules><module name='presentation'/></modules>";
        request.header(header::CONTENT_TYPE, "application/xml").body(Body::from(body))
    };
    let insert = post("insertDocument", &format!("meetingID={id}")).expect("a request");
    let mut replies = vec![
        ("getMeetingInfo", by.call(world, "getMeetingInfo", &format!("meetingID={id}")).await),
        ("isMeetingRunning", by.call(world, "isMeetingRunning", &format!("meetingID={id}")).await),
        ("join", by.call(world, "join", &join).await),
        ("join", by.call(world, "join", &format!("{join}&redirect=false")).await),
        ("insertDocument", world.send(insert).await),
    ];
    for (_, reply) in &replies {
        go(world, reply).await;
    }
    let chat = by.call(world, "sendChatMessage", &format!("message=Hello&meetingID={id}")).await;
    replies.push(("sendChatMessage", chat));
    replies
}

/// A browser goes where it is sent, if that is one of the servers.
async fn go(world: &World, reply: &Reply) {
    let Some(to) = &reply.location else { return };
    for sim in &world.sims {
        if let Some(path) = to.strip_prefix(&sim.origin()) {
            sim.handle(Ask::get(path.to_owned())).await.expect("an answer");
        }
    }
    world.browsers_arrive().await;
}

/// The meeting that a server takes a text for.
fn meant<'a>(kind: Kind, meetings: &'a [Meeting], text: &str) -> Option<&'a Meeting> {
    let starts = || meetings.iter().find(|m| m.internal_id.starts_with(text));
    let by_prefix = if kind.1 == Lookup::ByPrefix { starts() } else { None };
    by_prefix.or_else(|| meetings.iter().find(|m| m.lives() && m.id == text))
}

/// Whose a meeting is.
fn owner(meeting: &Meeting) -> Option<&str> {
    meeting.meta("bigblueswarm-tenant")
}

/// Calls that do something to a meeting, or say something of it that can't be compared.
const BLIND: [&str; 5] = ["join", "end", "isMeetingRunning", "insertDocument", "sendChatMessage"];

/// Every call of a tenant about a meeting: no answer shows a stranger's, and what goes out means this meeting alone.
async fn use_it(
    world: &World,
    kind: Kind,
    by: Client,
    meeting: &str,
    others: &[Client],
) -> Vec<(&'static str, Reply)> {
    let mut before = Vec::new();
    for sim in &world.sims {
        sim.clear_requests().await;
        before.push(sim.meetings().await);
    }
    let replies = all_but_end(world, by, meeting).await;
    for (sim, meetings) in world.sims.iter().zip(&before) {
        for seen in sim.requests().await.iter().filter(|seen| BLIND.contains(&seen.call())) {
            let text = seen.value("meetingID").unwrap_or_default();
            let Some(meant) = meant(kind, meetings, &text) else { continue };
            let (whose, call) = (owner(meant), seen.call());
            assert_eq!(
                whose,
                Some(by.host),
                "{kind:?}: {call} of {meeting:?} went out as {text:?}"
            );
        }
    }
    for (call, reply) in &replies {
        for other in others {
            let said =
                [reply.body.as_str(), reply.location.as_deref().unwrap_or_default()].concat();
            assert!(!said.contains(&mark(*other)), "{kind:?}: {call} of {meeting:?}: {reply:?}");
        }
    }
    replies
}

/// The living meetings of a tenant, on all servers.
async fn living(world: &World, of: Client) -> Vec<Meeting> {
    let mut all = Vec::new();
    for sim in &world.sims {
        all.extend(sim.meetings().await);
    }
    all.retain(|meeting| meeting.lives() && owner(meeting) == Some(of.host));
    all
}

/// An answer about this very meeting, or a refusal.
#[track_caller]
fn assert_own(reply: &Reply, by: Client, meeting: &str, kind: Kind) {
    let own = reply.succeeded() && reply.value("metadata").contains(&mark(by));
    let id = reply.value("meetingID");
    assert!(own && id == meeting, "{kind:?}: {meeting:?}: {reply:?}");
}
