//! init config, init instances, init tenant: the files that bbsctl writes, for the verbs and for bbsctl.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::shell::{Shell, Stage};
use crate::world::KEY;

#[tokio::test]
async fn a_config_is_written_for_the_verbs_and_for_bbsctl() {
    let stage = Stage::bare(1).await;
    let shell = Shell::new();
    let url = stage.program.url("");
    let said = shell.run(&format!("init config --bbs {url} --key {KEY}")).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    shell.assert_untold(&said, KEY);
    let path = ".bigblueswarm/.bbsctl.yml";
    assert_eq!(shell.read(path), format!("bbs: {url}\napiKey: {KEY}\n"));
    let mode = fs::metadata(shell.path(path)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(shell.out("get instances --json").await.trim(), "[]");

    let again = shell.run(&format!("init config -b {url} -k {KEY}")).await;
    assert_eq!(again.code, Some(3), "{again:?}");
    let other = shell.run("init config --bbs http://other --key other").await;
    assert_eq!(other.code, Some(64));
    assert!(other.err.contains(".bbsctl.yml is there already"), "{other:?}");
    assert_eq!(shell.run("init config --bbs http://other --key other --force").await.code, Some(0));
    assert_eq!(shell.read(path), "bbs: http://other\napiKey: other\n");
}

#[tokio::test]
async fn a_config_may_lie_elsewhere_and_take_the_key_from_a_variable() {
    let shell = Shell::new();
    let mut command =
        shell.command(&["init", "config", "--bbs", "https://bbs", "--dest", "deep/folder"]);
    command.env("BBS_ADMIN_API_KEY", "of-the-variable");
    assert_eq!(super::shell::ended(command).await.code, Some(0));
    assert_eq!(
        shell.read("deep/folder/.bbsctl.yml"),
        "bbs: https://bbs\napiKey: of-the-variable\n"
    );
    assert_eq!(shell.run("init config --bbs https://bbs --config x.yml").await.code, Some(0));
    assert_eq!(shell.read("x.yml"), "bbs: https://bbs\napiKey: ''\n");
    let wrong = shell.run("init config --bbs bbs.example.org").await;
    assert_eq!(wrong.code, Some(64));
    assert!(wrong.err.starts_with("--bbs: "), "{wrong:?}");
}

#[tokio::test]
async fn documents_are_written_to_be_edited_and_applied() {
    let stage = Stage::bare(1).await;
    let shell = &stage.shell;
    let said =
        shell.out("init tenant --host a.example.org:8443 --meeting_pool 10 --user_pool -1").await;
    assert!(said.contains("apply -f ") && said.contains("a.example.org:8443.tenant.yml"), "{said}");
    let path = ".bigblueswarm/a.example.org:8443.tenant.yml";
    let body: String = shell
        .read(path)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(
        body,
        "kind: Tenant\nspec:\n  host: a.example.org:8443\n  meeting_pool: 10\ninstances: []\n"
    );
    assert_eq!(
        shell.out(&format!("apply -f {path}")).await,
        "Tenant a.example.org:8443: created\n"
    );

    assert_eq!(shell.run("init instances --dest .").await.code, Some(0));
    let list = shell
        .read("instances.yml")
        .replace("instances: {}", &format!("instances:\n  {}: s", stage.sims[0].url));
    shell.write("instances.yml", &list);
    assert_eq!(shell.out("apply -f instances.yml").await, "InstanceList of 1: 1 added\n");
    assert_eq!(shell.run("init instances -d .").await.code, Some(64), "what was edited stays");

    for line in [
        "init tenant",
        "init tenant --host a/b",
        "init tenant --host h --user_pool -2",
        "init nonsense",
    ] {
        assert_eq!(shell.run(line).await.code, Some(64), "{line}");
    }
}
