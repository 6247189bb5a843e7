//! What goes wrong between a verb and its balancer, and the codes that say so.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::shell::{Ended, Shell, Stage, ended};
use crate::program::free_address;
use crate::world::KEY;

/// Every verb that asks the balancer something.
const VERBS: [&str; 12] = [
    "apply -f t.yml",
    "get instances",
    "get tenants",
    "get meetings",
    "describe tenant t.example.org",
    "describe instance http://s",
    "describe config",
    "delete tenant t.example.org",
    "cluster-info",
    "drain http://s",
    "tag http://s blue",
    "explain",
];

fn with_tenant(shell: Shell) -> Shell {
    shell.write("t.yml", "kind: Tenant\nspec: {host: t.example.org}\n");
    shell
}

#[tokio::test]
async fn a_balancer_that_is_away_is_69() {
    let shell = with_tenant(Shell::knowing(&format!("http://{}", free_address()), "k"));
    for verb in VERBS {
        let Ended { code, out, err } = shell.run(verb).await;
        assert_eq!((code, out.as_str()), (Some(69), ""), "{verb}: {err}");
        assert!(err.starts_with("the balancer at http://127.0.0.1:"), "{verb}: {err}");
        assert!(err.ends_with("onnection refused (os error 111)\n"), "{verb}: {err}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_64_and_never_shown() {
    let stage = Stage::bare(1).await;
    let shell = with_tenant(Shell::knowing(&stage.program.url("/"), "wrong-key-0123456789"));
    for verb in &VERBS[..4] {
        let said = shell.run(verb).await;
        assert_eq!((said.code, said.out.as_str()), (Some(64), ""), "{verb}: {said:?}");
        assert!(said.err.ends_with(" refuses the key\n"), "{verb}: {said:?}");
        shell.assert_untold(&said, "wrong-key");
    }
}

#[tokio::test]
async fn too_many_wrong_keys_have_to_wait() {
    let stage = Stage::bare(1).await;
    let shell = Shell::knowing(&stage.program.url(""), "wrong-key-0123456789");
    for _ in 0..20 {
        let said = shell.run("get tenants").await;
        assert_eq!(said.code, Some(64), "{said:?}");
        if said.err.contains("too many wrong keys from here: wait ") {
            return;
        }
    }
    panic!("nobody was slowed down");
}

#[tokio::test]
async fn flags_and_a_variable_win_over_the_file() {
    let stage = Stage::bare(1).await;
    let shell = Shell::knowing("http://127.0.0.1:1", "wrong-key-0123456789");
    let url = stage.program.url("/admin/api");
    let by_flags = shell.run(&format!("get tenants --bbs {url} --key {KEY}")).await;
    assert_eq!(by_flags.code, Some(0), "{by_flags:?}");
    let mut command = shell.command(&["get", "tenants", "-b", &url]);
    command.env("BBS_ADMIN_API_KEY", KEY);
    assert_eq!(ended(command).await.code, Some(0));

    shell.write("other.yml", &format!("bbs: {url}\napiKey: {KEY}\n"));
    for line in [
        "get tenants --config other.yml",
        "--config other.yml get tenants",
        "get -config=other.yml tenants",
    ] {
        let said = shell.run(line).await;
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
    }
    let nothing = Shell::new().run("get tenants").await;
    assert_eq!(nothing.code, Some(64));
    assert!(nothing.err.contains("init config --bbs URL --key KEY"), "{nothing:?}");
}

/// Somebody who takes calls and answers each with this text, or never.
async fn stand_in(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            if let Some(answer) = answer {
                let length = answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
                let head = format!("Content-Length: {length}\r\nConnection: close\r\n\r\n");
                let _ = stream
                    .write_all(answer.replacen("\r\n\r\n", &format!("\r\n{head}"), 1).as_bytes())
                    .await;
                let _ = stream.shutdown().await;
            }
            open.push(stream);
        }
    });
    url
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_away() {
    let shell = Shell::knowing(&stand_in(None).await, "k");
    let began = std::time::Instant::now();
    let said = shell.run("get tenants --timeout 1").await;
    assert_eq!(said.code, Some(69), "{said:?}");
    assert!(said.err.ends_with("did not answer within 1 s\n"), "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn who_is_no_balancer_is_told_apart() {
    for (answer, code, says) in [
        ("HTTP/1.1 200 OK\r\n\r\n<html>", 64, "gave no JSON: is its URL that of a balancer?\n"),
        (
            "HTTP/1.1 200 OK\r\n\r\n{\"secret\":\"hidden\"}",
            70,
            "gave an answer of another form (Data)\n",
        ),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", 64, "name its own URL\n"),
        ("HTTP/1.1 404 Not Found\r\n\r\n404 page not found", 64, "refuses: 404 page not found\n"),
        (
            "HTTP/1.1 503 Unavailable\r\n\r\nthe pool is not loaded yet",
            69,
            "can't do it now: the pool is not loaded yet\n",
        ),
        ("HTTP/1.1 500 Oh\r\n\r\nboom", 70, "failed: boom\n"),
    ] {
        let said = Shell::knowing(&stand_in(Some(answer)).await, "k").run("get tenants").await;
        assert_eq!(said.code, Some(code), "{answer}: {said:?}");
        assert!(said.err.ends_with(says), "{answer}: {said:?}");
    }
}

#[tokio::test]
async fn wrong_usage_is_64() {
    let shell = Shell::knowing("http://127.0.0.1:1", "k");
    for line in [
        "get",
        "get callbacks-of-old",
        "get instances --json --csv",
        "apply",
        "describe tenant",
        "delete",
        "drain",
        "tag http://s",
        "get tenants --timeout 0",
        "import",
        "import scalelite",
        "import b3scale",
    ] {
        let said = shell.run(line).await;
        assert_eq!(said.code, Some(64), "{line}: {said:?}");
    }
    for line in [
        "get --help",
        "get instances --help",
        "apply --help",
        "import scalelite --help",
        "init tenant --help",
    ] {
        let said = shell.run(line).await;
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
    }
    let help = shell.out("drain --help").await;
    assert!(help.contains("`ps`") && help.contains(".bbsctl.yml"), "{help}");
}
