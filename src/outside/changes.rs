//! Hearing that the configuration's source has changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::{ConfigSource, Consul};

/// Who writes a file does so in several steps: what comes together counts as one change.
const SETTLES_WITHIN: Duration = Duration::from_millis(200);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A file system that tells nothing is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What is listened to.
pub enum Changes {
    Consul(Agent),
    File(Folder),
    /// Nothing that could change.
    None,
}

impl Changes {
    pub fn of(source: &ConfigSource) -> Self {
        match source {
            ConfigSource::Consul(consul) => Self::Consul(Agent::new(consul.clone())),
            ConfigSource::File(file) => Self::File(Folder::new(file)),
            ConfigSource::Given(_) => Self::None,
        }
    }

    /// Waits for the next change; something may have changed too before the first.
    pub async fn next(&mut self) {
        match self {
            Self::Consul(agent) => agent.next().await,
            Self::File(folder) => folder.next().await,
            Self::None => std::future::pending().await,
        }
    }
}

/// An agent of Consul, asked by questions that it holds until something changes.
pub struct Agent {
    consul: Consul,
    /// The number of the last change that was heard of; 0 before the first.
    seen: u64,
    failing: bool,
}

impl Agent {
    fn new(consul: Consul) -> Self {
        Self { consul, seen: 0, failing: false }
    }

    async fn next(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.consul.changed(self.seen).await {
                // A number that went back is another Consul's, or a restored one's: all may be new.
                Ok(now) if now != self.seen => {
                    self.recovers();
                    // Never 0, which would not be held.
                    self.seen = now.max(1);
                    return;
                }
                Ok(_) => self.recovers(),
                Err(why) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        warn!(%why, "changes of the configuration are not heard");
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn recovers(&mut self) {
        if std::mem::take(&mut self.failing) {
            info!("changes of the configuration are heard again");
        }
    }
}

/// The folder of a file: editors and Kubernetes put another file in its place, which only the folder tells.
pub struct Folder {
    file: PathBuf,
    /// Of the file's bytes as they were last; none when it can't be read.
    digest: Option<u64>,
    heard: mpsc::Receiver<()>,
    /// Held, as it stops when it is dropped.
    _watcher: Option<RecommendedWatcher>,
}

impl Folder {
    fn new(file: &Path) -> Self {
        let (tell, heard) = mpsc::channel(1);
        let watcher = watcher(file, tell);
        if let Err(error) = &watcher {
            warn!(%error, "changes of the configuration's file are only looked for");
        }
        // Unread, so that a change between the program's own reading and now is noticed.
        Self { file: file.to_owned(), digest: None, heard, _watcher: watcher.ok() }
    }

    async fn next(&mut self) {
        loop {
            let digest = digest(self.file.clone()).await;
            if digest.is_some() && digest != self.digest {
                self.digest = digest;
                return;
            }
            let told = tokio::time::timeout(LOOK_EVERY, self.heard.recv()).await;
            if told == Ok(None) {
                sleep(LOOK_EVERY).await; // there is no watcher
            }
            sleep(SETTLES_WITHIN).await;
            while self.heard.try_recv().is_ok() {}
        }
    }
}

fn watcher(file: &Path, tell: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let folder = std::path::absolute(file)?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    let mut watcher = notify::recommended_watcher(move |_| {
        let _ = tell.try_send(()); // one that waits says the same
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

async fn digest(file: PathBuf) -> Option<u64> {
    let bytes = tokio::fs::read(file).await.ok()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(hasher.finish())
}
