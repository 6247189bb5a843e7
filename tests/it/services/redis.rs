//! Redis for tests: single servers, a master that Sentinels watch, a Cluster; each test has its own.

mod certificates;
mod cluster;
mod sentinel;
mod way;

pub(crate) use certificates::Certificates;
pub(crate) use cluster::RedisCluster;
pub(crate) use sentinel::{MASTER, RedisSentinels};
pub(crate) use way::Way;

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::free_port;

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running server. Killed on drop.
pub(crate) struct RedisServer {
    child: Option<Child>,
    directory: TempDir,
    port: u16,
    options: Vec<String>,
    /// Its configuration file, where it needs one.
    file: Option<String>,
}

/// What every server is told.
const PLAIN: [&str; 2] = ["--save", ""];
/// A replica is given all data without waiting for others that may want it.
const AT_ONCE: [&str; 2] = ["--repl-diskless-sync-delay", "0"];
/// What has every write on disk before it is answered.
pub(crate) const APPENDING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

impl RedisServer {
    /// Starts a server that keeps nothing over a restart.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server that has every write on disk before it answers.
    pub(crate) fn start_appending() -> Self {
        Self::start_with(&APPENDING)
    }

    /// Starts a server with these further arguments.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::start_from(None, &[&PLAIN, options].concat())
    }

    /// Starts a server with a configuration file.
    fn start_from(file: Option<String>, options: &[&str]) -> Self {
        let mut server = Self {
            child: None,
            directory: tempfile::tempdir().expect("a directory for redis-server"),
            port: 0,
            options: options.iter().map(|option| option.to_string()).collect(),
            file,
        };
        // Somebody else may take the free port before the server does.
        for _ in 0..5 {
            server.port = free_port();
            if server.try_start() {
                return server;
            }
        }
        let log = std::fs::read_to_string(server.directory.path().join("log")).unwrap_or_default();
        panic!("redis-server does not start: {log}");
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Asks it one thing.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(format!("redis://{}", self.address()))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
    }

    /// Whether what it says of itself has this line.
    pub(crate) fn says(&self, section: &str, line: &str) -> bool {
        let info: redis::RedisResult<String> = self.ask(&["INFO", section]);
        info.is_ok_and(|info| info.lines().any(|said| said == line))
    }

    /// Kills the server; what it did not write down is lost.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be killed");
            child.wait().expect("the server ends");
        }
    }

    /// Kills the server, and what it wrote down is lost too.
    pub(crate) fn stop_and_forget(&mut self) {
        self.stop();
        let written = self.directory.path().join("appendonlydir");
        std::fs::remove_dir_all(written).expect("it appended");
    }

    /// Starts it again on the same port and directory.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server still runs");
        assert!(self.try_start(), "redis-server does not start again on port {}", self.port);
    }

    /// Holds the server: it accepts connections and answers nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// A plain connection, for looking at what is stored and for changing it behind the store's back.
    pub(crate) fn connection(&self) -> redis::Connection {
        let client =
            redis::Client::open(format!("redis://{}", self.address())).expect("an address");
        client.get_connection().expect("the server answers")
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("a running server").id().to_string();
        let done = Command::new("kill").args([signal, &pid]).status().expect("kill can be run");
        assert!(done.success(), "kill {signal} failed");
    }

    fn try_start(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        if let Some(text) = &self.file {
            let file = self.directory.path().join("conf");
            // A Sentinel writes what it knows into it.
            if !file.exists() {
                std::fs::write(&file, text).expect("the file is written");
            }
            command.arg(file);
        }
        command.args(["--port", &port, "--bind", "127.0.0.1", "--loglevel", "notice"]);
        command.arg("--dir").arg(self.directory.path());
        command.arg("--logfile").arg(self.directory.path().join("log"));
        command.args(&self.options).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("redis-server is missing: apt-get install redis-server");
        self.child = Some(child);
        let by = Instant::now() + READY_WITHIN;
        while Instant::now() < by {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() {
                self.child = None;
                return false;
            }
            if self.answers() {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        self.stop();
        false
    }

    /// Whether it answers, be it with a demand for a password. Another test's server may have taken the port
    /// first, and would answer until ours finds that out.
    fn answers(&self) -> bool {
        match self.ask::<String>(&["INFO", "server"]) {
            Ok(info) => {
                let own = self.child.as_ref().map(|child| format!("process_id:{}", child.id()));
                let is_ours = info.lines().any(|line| Some(line) == own.as_deref());
                is_ours && self.ask::<String>(&["PING"]).is_ok()
            }
            Err(e) => e.code() == Some("NOAUTH"),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until this is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let by = Instant::now() + READY_WITHIN;
    while !is_so() {
        assert!(Instant::now() < by, "{what}: not within {READY_WITHIN:?}");
        sleep(Duration::from_millis(20));
    }
}
