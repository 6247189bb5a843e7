//! The embedded store alone: its file.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bigblueswarm::domain::meeting::{MeetingId, RouteState};
use bigblueswarm::domain::tenant::{TenantDocument, TenantSpec};
use bigblueswarm::outside::store::embedded::Embedded;
use bigblueswarm::outside::store::{Becomes, ChangeAsk, InstanceRecord, Step, Store, StoreError};
use tokio::sync::mpsc;

use super::home::{DEADLINE, change, claim, claimed, instance, key, record, take, tenant};

fn open(path: &Path) -> Result<Embedded, StoreError> {
    Embedded::open(path, DEADLINE)
}

/// Tells the test below that it is the writer, and where.
const WRITER: &str = "BIGBLUESWARM_TEST_WRITER";

/// One test in two processes: the outer one starts itself anew as the writer and kills that.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9_and_a_second_process_is_refused() {
    if let Some(path) = std::env::var_os(WRITER) {
        write_until_killed(&PathBuf::from(path)).await;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("swarm.redb");
    let this =
        "store::embedded::what_was_acknowledged_survives_kill_9_and_a_second_process_is_refused";
    let mut writer = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", this, "--nocapture"])
        .env(WRITER, &path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a second process");
    let mut lines = BufReader::new(writer.stdout.take().expect("its output")).lines();
    let mut acknowledged = Vec::new();
    let ack = |line: String| line.strip_prefix("ack ").map(str::to_owned);
    while acknowledged.len() < 30 {
        let line = lines.next().expect("the writer goes on").expect("text");
        acknowledged.extend(ack(line));
        if acknowledged.len() == 10 {
            let refused = open(&path).err();
            let in_use = path.display().to_string();
            assert!(matches!(refused, Some(StoreError::InUse(file)) if file == in_use));
        }
    }
    writer.kill().expect("it can be killed");
    writer.wait().expect("it ends");
    acknowledged.extend(lines.map_while(Result::ok).filter_map(ack));
    let store = open(&path).expect("the file is sound");
    let keys = acknowledged.iter().map(|name| key(name)).collect();
    let records = store.routes(keys).await.expect("records");
    assert!(records.iter().all(|record| record[&tenant("t")].instance == instance("a")));
    claimed(&store, "one more", "t", &["a"]).await;
}

async fn write_until_killed(path: &Path) -> ! {
    let store = open(path).expect("a new file");
    for n in 0_u64.. {
        let name = format!("room {n}");
        let route = claimed(&store, &name, "t", &["a"]).await;
        println!("ack {name}");
        std::io::stdout().flush().expect("the reader listens");
        let confirmed = Becomes::State(RouteState::Confirmed);
        take(&store, lazy(change(&name, "t", Some(route.version), confirmed))).await;
    }
    unreachable!("killed long before");
}

fn lazy(step: Step) -> Step {
    match step {
        Step::Change(ask) => Step::Change(ChangeAsk { durable: false, ..ask }),
        claim @ Step::Claim(_) => claim,
    }
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("swarm.redb");
    let first = open(&path).expect("it opens");
    assert!(matches!(open(&path).err(), Some(StoreError::InUse(_))));
    claimed(&first, "room", "t", &["a"]).await;
    drop(first);
    let second = open(&path).expect("it is free");
    assert_eq!(second.all_routes().await.expect("routes").len(), 1);
}

/// A copy of the file is what a crash would leave: everything that redb gave to the kernel.
#[tokio::test]
async fn lazy_changes_reach_the_disk_by_themselves() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, crashed) = (directory.path().join("swarm.redb"), directory.path().join("copy.redb"));
    let store = open(&path).expect("it opens");
    let route = claimed(&store, "room", "t", &["a"]).await;
    let confirmed = Becomes::State(RouteState::Confirmed);
    take(&store, lazy(change("room", "t", Some(route.version), confirmed.clone()))).await;
    assert_eq!(state_in_copy(&path, &crashed).await, RouteState::Claimed);
    let state = store.routes(vec![key("room")]).await.expect("a record")[0][&tenant("t")].state;
    assert_eq!(state, RouteState::Confirmed);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(state_in_copy(&path, &crashed).await, RouteState::Confirmed);
}

async fn state_in_copy(path: &Path, copy: &Path) -> RouteState {
    std::fs::copy(path, copy).expect("a copy");
    let store = open(copy).expect("what a crash leaves can be opened");
    store.routes(vec![key("room")]).await.expect("a record")[0][&tenant("t")].state
}

#[tokio::test]
async fn lazy_changes_are_on_disk_when_the_store_was_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("swarm.redb");
    let store = open(&path).expect("it opens");
    let route = claimed(&store, "room", "t", &["a"]).await;
    take(&store, lazy(change("room", "t", Some(route.version), Becomes::Removed))).await;
    drop(store);
    assert_eq!(open(&path).expect("it opens").all_routes().await.expect("routes"), []);
}

#[tokio::test]
async fn a_damaged_file_is_an_error_that_names_it_and_never_a_panic() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("swarm.redb");
    let store = open(&path).expect("it opens");
    for n in 0..200 {
        claimed(&store, &format!("room {n}"), "t", &["a"]).await;
    }
    drop(store);
    let sound = std::fs::read(&path).expect("the file");
    let refused = |content: &[u8]| {
        std::fs::write(&path, content).expect("written");
        let error = open(&path).err().expect("refused");
        let names = error.to_string().contains("swarm.redb");
        assert!(matches!(error, StoreError::Unreadable(_)) && names, "{error}");
    };
    refused(b"kind: Tenant\n");
    refused(&vec![0x5a; 100_000]);
    refused(&vec![0; 100_000]);
    for length in [1, 100, 4096, sound.len() / 2, sound.len() - 4096] {
        refused(&sound[..length]);
    }
    std::fs::write(&path, &sound).expect("written");
    assert_eq!(open(&path).expect("sound again").all_routes().await.expect("routes").len(), 200);
}

#[tokio::test]
async fn a_file_with_a_flipped_byte_never_panics_nor_answers_with_garbage() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("swarm.redb");
    let store = open(&path).expect("it opens");
    for n in 0..20 {
        claimed(&store, &format!("room {n}"), "t", &["a"]).await;
    }
    let expected = store.all_routes().await.expect("routes");
    drop(store);
    let sound = std::fs::read(&path).expect("the file");
    let text = b"https://a.example.org";
    let routes: Vec<usize> =
        sound.windows(text.len()).enumerate().filter(|(_, w)| w == text).map(|(n, _)| n).collect();
    let everywhere = (0..sound.len()).step_by(sound.len() / 60);
    let mut refused = 0;
    for at in routes.into_iter().chain(everywhere) {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, damaged).expect("written");
        match open(&path) {
            // The byte lay in a page that is not in use.
            Ok(store) => assert!(store.all_routes().await.expect("routes") == expected),
            Err(error) => {
                assert!(matches!(error, StoreError::Unreadable(_)), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused >= 20, "{refused}");
}

#[tokio::test]
async fn a_place_where_no_file_can_be_is_told_by_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("file"), "x").expect("written");
    let error = open(&directory.path().join("file/swarm.redb")).err().expect("refused");
    assert!(matches!(&error, StoreError::Away(why) if why.contains("file/swarm.redb")), "{error}");
}

#[tokio::test]
async fn instances_and_tenants_have_a_second_copy_that_a_lost_file_leaves_and_a_damaged_one_names()
{
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("swarm.redb");
    let (copy, before) = (
        directory.path().join("swarm.redb.copy.json"),
        directory.path().join("swarm.redb.copy.before.json"),
    );
    let lines = |path: &Path| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).expect("a copy");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let document = |host: &str| TenantDocument {
        kind: "Tenant".into(),
        spec: TenantSpec { host: host.into(), ..TenantSpec::default() },
        metadata: Default::default(),
        instances: Vec::new(),
    };
    let store = open(&path).expect("it opens");
    let retired = InstanceRecord { retired: true, ..record("b") };
    store.set_instances(vec![record("a"), retired]).await.expect("stored");
    store.put_tenant(document("h")).await.expect("stored");
    store.put_tenant(document("i")).await.expect("stored");
    store.delete_tenant(tenant("h")).await.expect("removed");
    let all = lines(&copy);
    let secret = record("a").secret.reveal().to_owned();
    let urls = serde_json::json!({instance("a").as_str(): secret});
    assert_eq!(all[0], serde_json::json!({"kind": "InstanceList", "instances": urls}));
    assert_eq!((all.len(), &all[1]["spec"]["host"]), (2, &"i".into()));
    drop(store);
    std::fs::write(&path, "damaged").expect("written");
    let refused = open(&path).err().expect("refused").to_string();
    assert!(
        refused.contains("swarm.redb.copy.before.json") && refused.contains("Move "),
        "{refused}"
    );
    std::fs::remove_file(&path).expect("moved away");
    let store = open(&path).expect("a new file");
    store.put_tenant(document("j")).await.expect("stored");
    assert_eq!(lines(&before), all, "it is not overwritten");
    assert_eq!(lines(&copy)[1]["spec"]["host"], "j");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("swarm.redb");
    let _store = open(&path).expect("it opens");
    let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_takes_too_long_is_away_at_the_deadline_and_may_still_be_done() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("swarm.redb");
    let store = Embedded::open(&path, Duration::from_millis(5)).expect("it opens");
    let steps = (0..4000).map(|n| claim(&format!("room {n}"), "t", &["a"])).collect();
    let started = Instant::now();
    assert!(matches!(store.step(steps).await, Err(StoreError::Away(_))));
    let waiting = store.step(vec![claim("after it", "t", &["a"])]).await;
    assert!(matches!(waiting, Err(StoreError::Away(_))), "one at a time: {waiting:?}");
    assert!(started.elapsed() < Duration::from_secs(1));
    drop(store);
    let store = loop {
        match open(&path) {
            Err(StoreError::InUse(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            opened => break opened.expect("free when the work has ended"),
        }
    };
    assert_eq!(store.all_routes().await.expect("routes").len(), 4000);
}

#[tokio::test]
async fn nobody_else_writes_here_and_nobody_left_hints() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("swarm.redb")).expect("it opens");
    assert!(!store.shared());
    let meeting = MeetingId::new("room");
    store.forget_hint(&meeting, &instance("a")).await;
    assert_eq!(store.hint(&meeting).await.expect("an answer"), None);
    let (tell, heard) = mpsc::channel(1);
    let following = tokio::spawn(async move { store.follow(tell).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!following.is_finished());
    drop(heard);
    following.await.expect("it ends when nobody listens");
}
