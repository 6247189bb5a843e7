//! README's page "Switch from BigBlueSwarm v3", followed to the letter: its commands are run as they stand there, with
//! other folders and addresses, on what the predecessor left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bigblueswarm::sim::BbbClient;
use tokio::process::Command;
use tokio::time::timeout;

use super::left::{KEY, LB, Left, MEETINGS, V3};
use crate::program::until;
use crate::world::Client;

const README: &str = include_str!("../../../README.md");
const WITHIN: Duration = Duration::from_secs(60);

/// The blocks of commands on the page.
fn blocks() -> Vec<&'static str> {
    let (_, page) = README.split_once("\n## Switch from BigBlueSwarm v3\n").expect("the page");
    let page = page.split_once("\n## ").map_or(page, |(page, _)| page);
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("an end")).collect()
}

/// What of a service manager the page needs: it stops by SIGTERM and waits, and starts as v3's unit says.
const SYSTEMCTL: &str = r#"#!/bin/sh -e
[ "$2" = bigblueswarm ]
case "$1" in
stop)
  pid=$(cat "$HOME/pid")
  kill "$pid"
  while [ -e "/proc/$pid" ] && ! grep -q '^State:.*Z' "/proc/$pid/status"; do sleep 0.05; done ;;
start)
  setsid BIN/bigblueswarm -config "$HOME/.bigblueswarm/bigblueswarm.yaml" >>"$HOME/said" 2>&1 </dev/null &
  echo $! >"$HOME/pid" ;;
*) exit 1 ;;
esac
"#;

/// It notes that it was started, and how.
const PREDECESSOR: &str = "#!/bin/sh\necho \"v3 $*\" >>\"$HOME/v3\"\nexec sleep 600\n";

/// A machine on which v3 runs.
struct Machine {
    left: Left,
    folder: PathBuf,
}

impl Machine {
    async fn with_v3() -> Self {
        let left = Left::behind().await;
        let folder = left.home.path("");
        let machine = Self { left, folder };
        let bin = machine.path("bin");
        for name in ["bin", "stubs", ".bigblueswarm"] {
            fs::create_dir(machine.path(name)).expect("a folder");
        }
        let systemctl = SYSTEMCTL.replace("BIN", bin.to_str().expect("text"));
        executable(&machine.path("stubs/systemctl"), &systemctl);
        executable(&bin.join("bigblueswarm"), PREDECESSOR);
        // What lies in the folder is as small as a link and can be copied.
        let ours = format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_bigblueswarm"));
        executable(&machine.path("bigblueswarm"), &ours);
        let config = machine.left.configured(V3);
        fs::write(machine.path(".bigblueswarm/bigblueswarm.yaml"), config).expect("written");
        let bbsctl = format!("bbs: http://{}\napiKey: {KEY}\n", machine.left.home.address);
        fs::write(machine.path(".bigblueswarm/.bbsctl.yml"), bbsctl).expect("written");
        machine.run("systemctl start bigblueswarm").await;
        until("v3 runs", async || machine.v3_starts().len() == 1).await;
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs the commands as somebody would who types them there; answers what they print.
    async fn run(&self, commands: &str) -> String {
        let bin = self.path("bin");
        let commands = commands.replace("/usr/local/bin", bin.to_str().expect("text"));
        let commands = commands.replace("127.0.0.1:6379", &self.left.redis.address());
        let path = format!("{}:{}:/usr/bin:/bin", self.path("stubs").display(), bin.display());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &commands]).current_dir(&self.folder).env_clear();
        shell.env("HOME", &self.folder).env("PATH", path).kill_on_drop(true);
        shell.env("BBS_HTTP_ADDRESS", "127.0.0.1").env("BBS_HEALTH_SWEEP_INTERVAL", "1s");
        shell.stdin(Stdio::null());
        let output = timeout(WITHIN, shell.output()).await.expect("an end").expect("a shell");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{commands}\n{out}{err}{}", self.left.home.said());
        out
    }

    fn v3_starts(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("v3")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    fn pid(&self) -> Option<String> {
        Some(fs::read_to_string(self.path("pid")).ok()?.trim().to_owned())
    }

    fn client(&self, tenant: Client) -> BbbClient {
        let url = format!("http://{}/bigbluebutton", self.left.home.address);
        BbbClient::new(&url, tenant.secret).host(tenant.host)
    }
}

/// Whatever the service manager started last is ended with the machine.
impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = std::process::Command::new("kill").args(["-KILL", &pid]).status();
        }
    }
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_readme_is_followed_to_the_letter() {
    let [before, switch, look, back] = blocks()[..] else { panic!("four blocks") };
    let machine = Machine::with_v3().await;

    let shown = machine.run(before).await;
    assert!(shown.contains("metricsRange:") && !shown.contains(KEY), "{shown}");
    let copy = fs::read(machine.path("before-the-switch.rdb")).expect("a copy");
    assert!(copy.starts_with(b"REDIS"));
    assert_eq!(machine.v3_starts().len(), 1);

    machine.run(switch).await;
    let looked = machine.run(look).await;
    assert!(looked.contains("BigBlueSwarm API     Up\n"), "{looked}");
    for sim in &machine.left.sims {
        assert!(looked.contains(&sim.url), "{looked}");
    }
    for shown in ["full.example.org", "lb.example.org:8090", "lesson-7", "Tenant  "] {
        assert!(looked.contains(shown), "{shown}: {looked}");
    }
    for (meeting, tenant, n) in MEETINGS {
        let query = bigblueswarm::sim::client::query_of(&[("meetingID", meeting)]);
        let info = machine.client(tenant).get("getMeetingInfo", &query).await.expect("an answer");
        let lives = machine.left.sim(n).server.meeting(meeting).await.expect("it runs");
        assert_eq!(info.value("internalMeetingID"), Some(lives.internal_id), "{meeting}");
    }
    let made = machine.client(LB).get("create", "name=Room&meetingID=ours").await;
    assert!(made.expect("an answer").succeeded());

    machine.run(back).await;
    until("v3 runs again", async || machine.v3_starts().len() == 2).await;
    let starts = machine.v3_starts();
    assert_eq!(starts[0], starts[1], "with the same flags");
    let silent = std::net::TcpStream::connect(machine.left.home.address).is_err();
    assert!(silent, "ours has ended");
    let home = machine.left.homes("ours", LB).await;
    let mut go = machine.left.read();
    assert_eq!(go.meeting("ours").as_ref(), Some(&machine.left.sim(home[0]).url));
    assert_eq!(go.tenant("b.example.org"), Some(machine.left.filled("tenant:b.example.org")));
}
