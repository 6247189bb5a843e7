//! A Telegraf agent of its own for each test.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::built::program;
use super::influxd::{BUCKET, ORGANIZATION};

/// The agent's file as it is given to users, which the tests change in its addresses only.
const GIVEN: &str = include_str!("../../../config/compose/telegraf.conf");

/// The file that agents of v3 have, which the tests change in what its plugin says only.
const V3: &str = include_str!("telegraf-v3.conf");

/// A running agent. Killed on drop.
pub(crate) struct Telegraf {
    child: Child,
    directory: TempDir,
}

impl Telegraf {
    /// Measures this machine in the name of an instance, and asks `bbb` for what its BBB plugin would say;
    /// writes to every target, each a URL and a token.
    pub(crate) fn start(instance: &str, bbb: &str, targets: &[(String, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory for telegraf");
        let (head, output) = GIVEN.split_once("[[outputs.influxdb_v2]]").expect("an output");
        let mut text = head.replace("\"5s\"", "\"1s\"").replace("$BIGBLUESWARM_HOST", instance);
        for (url, token) in targets {
            let output = output.replace("$INFLUX_URL", url).replace("$INFLUX_TOKEN", token);
            text += &format!("[[outputs.influxdb_v2]]{output}\n");
        }
        Self::with(directory, &(text + &asking(bbb)), &[])
    }

    /// Measures nothing here and passes on what this address says, in the name of an instance.
    pub(crate) fn start_beside(instance: &str, figures: &str, target: &str, token: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for telegraf");
        let (head, _) = GIVEN.split_once("[[inputs.cpu]]").expect("an input");
        let (_, output) = GIVEN.split_once("[[outputs.influxdb_v2]]").expect("an output");
        let head = head.replace("\"5s\"", "\"1s\"").replace("$BIGBLUESWARM_HOST", instance);
        let output = output.replace("$INFLUX_URL", target).replace("$INFLUX_TOKEN", token);
        let text = format!("{head}[[outputs.influxdb_v2]]{output}\n{}", asking(figures));
        Self::with(directory, &text, &[])
    }

    /// Measures this machine as v3's guide configures agents; the plugin writes these lines again and again.
    pub(crate) fn start_as_v3(instance: &str, plugin: &str, url: &str, token: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for telegraf");
        let lines = directory.path().join("plugin");
        std::fs::write(&lines, plugin).expect("written");
        let text = V3.replace("PLUGIN", &lines.display().to_string());
        let given = [
            ("BIGBLUESWARM_HOST", instance),
            ("INFLUXDB_URL", url),
            ("INFLUXDB_TOKEN", token),
            ("INFLUXDB_ORG", ORGANIZATION),
            ("INFLUXDB_BUCKET", BUCKET),
        ];
        Self::with(directory, &text, &given)
    }

    fn with(directory: TempDir, text: &str, environment: &[(&str, &str)]) -> Self {
        let file = directory.path().join("telegraf.conf");
        std::fs::write(&file, text).expect("written");
        let log = File::create(directory.path().join("log")).expect("a log");
        let mut command = Command::new(program("telegraf"));
        command.arg("--config").arg(&file).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log")).stderr(log);
        command.envs(environment.iter().copied());
        Self { child: command.spawn().expect("telegraf starts"), directory }
    }

    /// Ends it as an operator does, so that it writes what it still has.
    pub(crate) fn stop(&mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().expect("kill can be run");
        assert!(told.success());
        self.child.wait().expect("it ends");
    }

    pub(crate) fn said(&self) -> String {
        let log: &Path = &self.directory.path().join("log");
        std::fs::read_to_string(log).unwrap_or_default()
    }
}

/// The input that asks this address for line protocol.
fn asking(url: &str) -> String {
    format!("[[inputs.http]]\n  urls = [\"{url}\"]\n  data_format = \"influx\"\n")
}

impl Drop for Telegraf {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
