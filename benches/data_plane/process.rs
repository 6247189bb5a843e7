//! The processes: how they start, say that they are ready, what they cost, and that none is left behind.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use procfs::process::{ClearRefs, Process};
use tokio::io::AsyncReadExt;

use crate::Outcome;

/// A child that ends with its handle, or with us.
pub(crate) struct Running {
    child: Child,
    about: Process,
    /// Where it listens, if it said so.
    pub(crate) ports: Vec<u16>,
}

impl Running {
    /// Starts this program again in a role, and waits for its ports.
    pub(crate) fn role(words: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut running = Self::start(command.args(words).stdout(Stdio::piped()))?;
        let out = running.child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        running.ports = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok(running)
    }

    /// Starts a command. It hears of our end by its standard input.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let child = command.stdin(Stdio::piped()).spawn()?;
        let about = Process::new(i32::try_from(child.id())?)?;
        Ok(Self { child, about, ports: Vec::new() })
    }

    pub(crate) fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// `127.0.0.1:PORT` of each port.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// Processor time so far, of all its threads, in its own code and in the kernel's.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = self.about.stat()?;
        let ticks = (stat.utime + stat.stime) as f64;
        Ok(Duration::from_secs_f64(ticks / procfs::ticks_per_second() as f64))
    }

    /// Resident memory now and at most, in bytes.
    pub(crate) fn memory(&self) -> Outcome<(u64, u64)> {
        let status = self.about.status()?;
        let kib = |size: Option<u64>| size.unwrap_or_default() * 1024;
        Ok((kib(status.vmrss), kib(status.vmhwm)))
    }
}

impl Running {
    /// The memory at most is counted from here on.
    pub(crate) fn forget_peak(&self) -> Outcome {
        Ok(self.about.clear_refs(ClearRefs::PeakRSS)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says on which ports a role listens.
pub(crate) fn ready(ports: &[u16]) {
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", ports.join(" "));
    let _ = out.flush();
}

/// Completes when the process that started this one is gone.
pub(crate) async fn parent_gone() {
    let mut byte = [0];
    while tokio::io::stdin().read(&mut byte).await.is_ok_and(|read| read > 0) {}
}
