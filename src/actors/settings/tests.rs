use std::fs;
use std::path::PathBuf;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::actors::seat::seat;

const SOUND: &str =
    "bigblueswarm:\n  secret: a-secret-of-the-swarm\nadmin:\n  apiKey: a-key-of-the-admins\n";

/// A running settings actor, its file, and what its subscriber hears.
struct Story {
    _folder: tempfile::TempDir,
    file: PathBuf,
    settings: SettingsHandle,
    heard: UnboundedReceiver<Arc<Config>>,
    actor: ActorRef<SettingsMessage>,
}

impl Story {
    async fn begin(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("bigblueswarm.yaml");
        fs::write(&file, text).expect("written");
        let source = ConfigSource::File(file.clone());
        let config = source.load(&Environment::new()).expect("sound").config;
        let (tell, heard) = unbounded_channel();
        let subscriber: Subscriber<Arc<Config>> = Box::new(move |config| {
            let _ = tell.send(config);
        });
        let settings =
            Settings { source, environment: Environment::new(), subscribers: vec![subscriber] };
        let (actor, _) = Actor::spawn(None, settings, Arc::new(config)).await.expect("started");
        let (usher, seat) = seat();
        usher.place(actor.clone());
        let story = Self { _folder: folder, file, settings: SettingsHandle(seat), heard, actor };
        assert_eq!(story.reload().await, Ok(Vec::new()), "its first reading is over");
        story
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).expect("written");
    }

    async fn reload(&self) -> Outcome {
        self.settings.reload().await.expect("answered")
    }
}

#[tokio::test]
async fn a_changed_file_applies_and_is_told() {
    let mut story = Story::begin(SOUND).await;
    let before = story.settings.current().await.expect("answered");
    story.write(&format!("{SOUND}balancer:\n  memLimit: 80\n"));
    assert_eq!(story.reload().await, Ok(vec!["balancer.memLimit: 90 → 80".into()]));
    assert_eq!(story.heard.recv().await.expect("told").balancer.mem_limit, 80.0);
    let after = story.settings.current().await.expect("answered");
    assert_eq!((before.balancer.mem_limit, after.balancer.mem_limit), (90.0, 80.0));
}

#[tokio::test]
async fn a_faulty_file_is_refused_with_every_fault_and_the_old_one_stays() {
    let mut story = Story::begin(SOUND).await;
    story.write(&format!("{SOUND}port: x\nbalancer:\n  memLimit: 101\n"));
    let faults = story.reload().await.expect_err("faulty");
    assert_eq!(faults.lines().count(), 2, "{faults}");
    assert!(faults.contains("bigblueswarm.yaml:7: balancer.memLimit: "), "{faults}");
    assert_eq!(story.settings.current().await.expect("answered").balancer.mem_limit, 90.0);
    fs::remove_file(&story.file).expect("removed");
    assert!(story.reload().await.expect_err("gone").contains("can't be read"));
    assert!(story.heard.try_recv().is_err());
}

#[tokio::test]
async fn what_needs_a_restart_is_named_each_time_and_stays_as_it_is() {
    let mut story = Story::begin(SOUND).await;
    story.write(&format!("{SOUND}port: 9000\n"));
    for _ in 0..2 {
        assert_eq!(story.reload().await, Ok(vec!["port: 8080 → 9000 (needs a restart)".into()]));
    }
    assert_eq!(story.settings.current().await.expect("answered").http.port, 8080);
    assert!(story.heard.try_recv().is_err());
}

#[tokio::test]
async fn a_changed_secret_is_named_and_not_shown() {
    let story = Story::begin(SOUND).await;
    story.write(&SOUND.replace("a-key-of", "the-new-key-of"));
    assert_eq!(story.reload().await, Ok(vec!["admin.apiKey changed".into()]));
    let config = story.settings.current().await.expect("answered");
    assert_eq!(config.admin.api_key.reveal(), "the-new-key-of-the-admins");
}

#[tokio::test]
async fn reloads_that_come_together_are_read_one_after_the_other() {
    let story = Story::begin(SOUND).await;
    story.write(&format!("{SOUND}balancer:\n  memLimit: 80\n"));
    let (first, second) = tokio::join!(story.settings.reload(), story.settings.reload());
    let changes: Vec<_> =
        [first, second].into_iter().flat_map(|a| a.expect("answered").expect("sound")).collect();
    assert_eq!(changes, ["balancer.memLimit: 90 → 80"]);
    assert_eq!(story.settings.current().await.expect("answered").balancer.mem_limit, 80.0);
}

#[tokio::test]
async fn a_crowd_of_reloads_is_bounded() {
    let story = Story::begin(SOUND).await;
    let asked = (0..100).map(|_| story.settings.reload());
    let answers = futures_util::future::join_all(asked).await;
    let refused =
        answers.iter().filter(|a| matches!(a, Ok(Err(why)) if why.contains("too many"))).count();
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(refused, 100 - 1 - MOST_WAITING);
}

#[tokio::test]
async fn a_restarted_actor_finds_what_was_reloaded_before() {
    let mut story = Story::begin(SOUND).await;
    let at_start = story.settings.current().await.expect("answered");
    story.write(&format!("{SOUND}balancer:\n  memLimit: 80\n"));
    story.reload().await.expect("sound");
    story.heard.recv().await.expect("told");
    story.actor.stop_and_wait(None, None).await.expect("stopped");

    let source = ConfigSource::File(story.file.clone());
    let settings = Settings { source, environment: Environment::new(), subscribers: Vec::new() };
    let (actor, _) = Actor::spawn(None, settings, at_start).await.expect("started");
    let (usher, seat) = seat();
    usher.place(actor);
    let again = SettingsHandle(seat);
    assert_eq!(again.reload().await.expect("answered"), Ok(Vec::new()));
    assert_eq!(again.current().await.expect("answered").balancer.mem_limit, 80.0);
}
