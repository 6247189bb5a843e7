//! Stories about the built program as it is called from a shell.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const SOUND: &str =
    "bigblueswarm:\n  secret: a-secret-of-the-swarm\nadmin:\n  apiKey: a-key-of-the-admins\n";
const FAULTY: &str = "bigblueswarm:\n  secret: a-secret-of-the-swarm\n  sercet: twice\nadmin:\n  apiKey: a-key-of-the-admins\nport: many\n";

/// A folder that is the program's home and working directory, and nothing of our own environment.
struct Shell(TempDir);

/// How a call ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bigblueswarm"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.0.path());
        command
    }

    fn run(&self, line: &str) -> Ended {
        ended(self.command(line))
    }
}

fn ended(mut command: Command) -> Ended {
    let output = command.output().expect("started");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn check_names_every_fault_with_file_line_and_key() {
    let shell = Shell::new();
    shell.write("faulty.yml", FAULTY);
    let Ended { code, out, err } = shell.run("check -config faulty.yml");
    assert_eq!(code, Some(64));
    assert_eq!(out, "");
    let expected = "faulty.yml:3: bigblueswarm.sercet: unknown key; did you mean secret?\n\
                    faulty.yml:6: port: expected a port from 1 to 65535\n";
    assert_eq!(err, expected);
}

#[test]
fn a_faulty_configuration_ends_the_program_in_every_spelling_of_the_flag() {
    let shell = Shell::new();
    shell.write("faulty.yml", FAULTY);
    for line in [
        "-config faulty.yml",
        "--config faulty.yml",
        "-config=faulty.yml",
        "--config=faulty.yml",
        "serve -config faulty.yml",
        "-log.level debug -config=faulty.yml -log.path bbs.log -sentry.dsn x -sentry.rates 0.5",
    ] {
        let Ended { code, err, .. } = shell.run(line);
        assert_eq!(code, Some(64), "{line}: {err}");
        assert_eq!(err.lines().count(), 2, "{line}: {err}");
        assert!(err.contains("faulty.yml:3: ") && err.contains("faulty.yml:6: "), "{line}: {err}");
    }
    assert!(!shell.path("bbs.log").exists());
}

#[test]
fn without_a_flag_the_configuration_is_the_predecessors() {
    let shell = Shell::new();
    let missing = shell.run("");
    assert_eq!(missing.code, Some(64));
    assert!(
        missing.err.contains(".bigblueswarm/bigblueswarm.yaml: can't be read"),
        "{}",
        missing.err
    );
    fs::create_dir(shell.path(".bigblueswarm")).expect("folder");
    shell.write(".bigblueswarm/bigblueswarm.yaml", SOUND);
    assert_eq!(shell.run("check").code, Some(0));
}

#[test]
fn a_consul_that_is_away_is_told_by_check_and_one_that_is_none_is_wrong() {
    let check = |line: &str, expected: i32, what: &str| {
        let Ended { code, err, .. } = Shell::new().run(line);
        assert_eq!(code, Some(expected), "{line}: {err}");
        assert!(err.contains(what), "{line}: {err}");
    };
    // Nothing listens on the port of TCP's own multiplexer.
    check("check -config=consul:http://127.0.0.1:1", 69, "Consul can't be reached");
    check("check -config consul:127.0.0.1:8500", 64, "expected");
    check("-config consul:ftp://127.0.0.1", 64, "expected http:// or https://");
    check("init -config consul:http://127.0.0.1:1", 64, "name one by --config");
}

#[test]
fn check_shows_what_is_in_force_without_secrets() {
    let shell = Shell::new();
    shell.write("c.yml", &format!("{SOUND}balancer:\n  cpu_limit: 80\n"));
    let mut command = shell.command("check -config c.yml");
    command.env("BBS_PORT", "9000");
    let Ended { code, out, err } = ended(command);
    assert_eq!(code, Some(0));
    assert!(out.contains("port: 9000\n") && out.contains("  cpuLimit: 80\n"), "{out}");
    assert!(out.contains("  cpuMetric: \"system\"\n"), "{out}");
    assert!(!out.contains("a-secret") && !out.contains("a-key"), "{out}");
    assert!(err.starts_with("warning: c.yml:6: balancer.cpuLimit: "), "{err}");
}

#[test]
fn a_variable_that_no_key_has_is_a_warning_as_is_what_a_service_of_that_name_sets() {
    let shell = Shell::new();
    shell.write("c.yml", SOUND);
    let mut command = shell.command("check -config c.yml");
    command.env("BBS_PROT", "9000");
    command.env("BBS_PORT", "tcp://10.43.7.21:8080").env("BBS_SERVICE_HOST", "10.43.7.21");
    command.env("BBS_PORT_8080_TCP_ADDR", "10.43.7.21");
    let Ended { code, out, err } = ended(command);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("port: 8080\n"), "{out}");
    for said in [
        "warning: environment: BBS_PROT: no key has this variable; did you mean BBS_PORT?\n",
        "warning: environment: BBS_PORT: is what Kubernetes says of a service named bbs",
        "warning: environment: BBS_SERVICE_HOST: no key has this variable",
        "warning: environment: BBS_PORT_8080_TCP_ADDR: no key has this variable",
    ] {
        assert!(err.contains(said), "{err}");
    }
    let mut command = shell.command("check -config c.yml");
    command.env("BBS_PORT", "eighty");
    let Ended { code, err, .. } = ended(command);
    assert_eq!(code, Some(64));
    assert!(err.contains("environment: BBS_PORT: "), "{err}");
}

#[test]
fn init_writes_what_check_accepts_and_only_its_owner_can_read_it() {
    let shell = Shell::new();
    let Ended { code, out, err } = shell.run("init");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("bigblueswarm check") && out.contains("Telegraf"), "{out}");
    let path = shell.path(".bigblueswarm/bigblueswarm.yaml");
    let mode = fs::metadata(&path).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let checked = shell.run("check");
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(checked.err.starts_with("warning: callbacks.baseUrl: is not set"), "{}", checked.err);
    assert_eq!(checked.err.lines().count(), 1, "{}", checked.err);
    let text = fs::read_to_string(path).expect("text");
    let secret =
        text.lines().find_map(|line| line.trim().strip_prefix("secret: ")?.split(' ').next());
    assert!(secret.is_some_and(|secret| secret.len() > 32 && !out.contains(secret)));
}

#[test]
fn init_sets_the_url_by_which_servers_call_back() {
    let shell = Shell::new();
    let init = "init --config c.yml --base-url https://bbb.example.org";
    assert_eq!(shell.run(init).code, Some(0));
    let Ended { code, out, err } = shell.run("check --config c.yml");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("baseUrl: \"https://bbb.example.org\""), "{out}");
    let wrong = shell.run("init --config d.yml --base-url bbb.example.org");
    assert!(wrong.code == Some(64) && wrong.err.contains("--base-url"), "{}", wrong.err);
}

#[test]
fn init_never_overwrites_unless_told() {
    let shell = Shell::new();
    shell.write("mine.yml", SOUND);
    let refused = shell.run("init --config mine.yml");
    assert_eq!(refused.code, Some(64));
    assert!(refused.err.contains("mine.yml is there already"), "{}", refused.err);
    assert_eq!(fs::read_to_string(shell.path("mine.yml")).expect("text"), SOUND);
    assert_eq!(
        fs::read_dir(shell.0.path()).expect("folder").count(),
        1,
        "nothing else is left behind"
    );

    assert_eq!(shell.run("init --force --config mine.yml").code, Some(0));
    let first = fs::read_to_string(shell.path("mine.yml")).expect("text");
    assert_eq!(shell.run("init --force -config=mine.yml").code, Some(0));
    let second = fs::read_to_string(shell.path("mine.yml")).expect("text");
    assert!(first != SOUND && first != second, "each has secrets of its own");
}

#[test]
fn a_log_file_that_cannot_be_written_is_a_fault() {
    let shell = Shell::new();
    shell.write("c.yml", SOUND);
    let Ended { code, err, .. } = shell.run("-config c.yml -log.path nowhere/bbs.log");
    assert_eq!(code, Some(64));
    assert!(err.contains("log file nowhere/bbs.log: "), "{err}");
}

#[test]
fn the_version_is_said() {
    let expected = format!("bigblueswarm {}\n", env!("CARGO_PKG_VERSION"));
    for line in ["version", "--version", "-version", "-V"] {
        let Ended { code, out, .. } = Shell::new().run(line);
        assert_eq!((code, &out), (Some(0), &expected), "{line}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let Ended { code, out, .. } = Shell::new().run(&format!("completions {shell}"));
        assert_eq!(code, Some(0));
        assert!(out.contains("completions") && out.contains("log.level"), "{shell}");
    }
}

#[test]
fn help_is_no_fault_and_wrong_usage_is() {
    for line in ["--help", "-help", "help", "serve --help"] {
        let Ended { code, out, .. } = Shell::new().run(line);
        assert_eq!(code, Some(0), "{line}");
        assert!(out.contains("--config <PATH>"), "{line}");
    }
    for line in ["sreve", "-confg x", "-log.level loud", "completions tcsh", "init --nope"] {
        let Ended { code, err, .. } = Shell::new().run(line);
        assert_eq!(code, Some(64), "{line}");
        assert!(err.starts_with("error: "), "{line}: {err}");
    }
}
