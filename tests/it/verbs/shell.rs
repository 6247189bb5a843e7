//! A shell whose home holds what `bbsctl` would find there.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use bigblueswarm::sim::SimHandle;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::program::{Home, Program, servers};
use crate::world::KEY;

/// A home directory of its own.
pub(super) struct Shell(TempDir);

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Shell {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    /// One in which `bbsctl init config` was called for this balancer.
    pub(super) fn knowing(url: &str, key: &str) -> Self {
        let shell = Self::new();
        shell.write(".bigblueswarm/.bbsctl.yml", &format!("bbs: {url}\napiKey: {key}\n"));
        shell
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("text")
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).expect("folder");
        fs::write(path, text).expect("written");
    }

    /// The program, with nothing of our own environment.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bigblueswarm"));
        command.args(words).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.0.path()).kill_on_drop(true);
        command
    }

    pub(super) async fn run(&self, line: &str) -> Ended {
        let words: Vec<&str> = line.split_whitespace().collect();
        ended(self.command(&words)).await
    }

    /// What a call prints that must succeed.
    pub(super) async fn out(&self, line: &str) -> String {
        let Ended { code, out, err } = self.run(line).await;
        assert_eq!(code, Some(0), "{line}: {out}{err}");
        out
    }

    /// The same with this text on standard input.
    pub(super) async fn fed(&self, line: &str, text: &str) -> Ended {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = self.command(&words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(text.as_bytes()).await.expect("written");
        drop(input);
        of(child.wait_with_output().await.expect("an end"))
    }

    #[track_caller]
    pub(super) fn assert_untold(&self, said: &Ended, secret: &str) {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{said:?}");
    }
}

pub(super) async fn ended(mut command: Command) -> Ended {
    of(command.output().await.expect("started"))
}

fn of(output: std::process::Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A running balancer and a shell that knows it.
pub(super) struct Stage {
    pub(super) program: Program,
    pub(super) sims: Vec<SimHandle>,
    pub(super) shell: Shell,
    _home: Home,
}

impl Stage {
    /// A balancer that has nothing yet, beside so many servers.
    pub(super) async fn bare(count: usize) -> Self {
        Self::at(Home::new(""), count).await
    }

    async fn at(home: Home, count: usize) -> Self {
        let sims = servers(count).await;
        let program = home.start().await;
        let shell = Shell::knowing(&program.url(""), KEY);
        let began = tokio::time::Instant::now();
        // It listens before it has read its store.
        while shell.run("get instances").await.code != Some(0) {
            assert!(began.elapsed() < crate::program::PATIENTLY, "it does not load");
        }
        Self { program, sims, shell, _home: home }
    }

    /// One that is ready, with so many servers and the tenants T and U.
    pub(super) async fn ready(count: usize) -> Self {
        Self::bare(count).await.filled().await
    }

    /// The same with these further sections.
    pub(super) async fn ready_with(more: &str, count: usize) -> Self {
        Self::at(Home::new(more), count).await.filled().await
    }

    async fn filled(self) -> Self {
        self.program.register(&self.sims).await;
        self.program.ready().await;
        self
    }

    /// The list of its servers as a document.
    pub(super) fn instance_list(&self) -> String {
        let line = |sim: &SimHandle| format!("  {}: {}\n", sim.url, sim.secret());
        let lines: String = self.sims.iter().map(line).collect();
        format!("kind: InstanceList\ninstances:\n{lines}")
    }
}
