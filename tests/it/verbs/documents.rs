//! apply and delete: what changes, what stands already, what is refused as a whole.

use http::Method;
use serde_json::Value;

use super::shell::{Ended, Shell, Stage};
use crate::program::{free_address, until};

const TENANT: &str = "kind: Tenant\nspec:\n  host: new.example.org\n  secret: a-secret-of-the-new\n  meeting_pool: 3\n";

#[tokio::test]
async fn apply_changes_what_differs_and_then_nothing() {
    let stage = Stage::bare(2).await;
    let list = stage.instance_list();
    stage.shell.write("all.yml", &format!("{list}---\n{TENANT}"));
    let first = stage.shell.run("apply -f all.yml").await;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(first.out, "InstanceList of 2: 2 added\nTenant new.example.org: created\n");

    let again = stage.shell.run("apply --file all.yml").await;
    assert_eq!((again.code, again.err.as_str()), (Some(3), ""));
    assert_eq!(again.out, "InstanceList of 2: unchanged\nTenant new.example.org: unchanged\n");

    stage.shell.write("all.yml", &format!("{list}---\n{}", TENANT.replace('3', "4")));
    let other = stage.shell.run("apply -f all.yml").await;
    assert_eq!(other.code, Some(0), "{other:?}");
    assert_eq!(other.out, "InstanceList of 2: unchanged\nTenant new.example.org: changed\n");
    let there = stage.program.admin(Method::GET, "tenants/new.example.org", "").await;
    let there: Value = serde_json::from_str(&there.text()).unwrap();
    assert_eq!(there["spec"]["meeting_pool"], 4);

    until("swept", async || {
        let states = stage.program.admin(Method::GET, "instances/state", "").await;
        let states: Value = serde_json::from_str(&states.text()).unwrap_or_default();
        states.as_array().is_some_and(|all| all.iter().all(|one| one["swept"] == true))
    })
    .await;
    let url = &stage.sims[0].url;
    let one = format!(r#"{{"kind":"InstanceList","instances":{{"{url}":"another-secret"}}}}"#);
    let fed = stage.shell.fed("apply -f -", &one).await;
    assert_eq!(fed.code, Some(0), "{fed:?}");
    let removed = &stage.sims[1].url;
    let (first, left) = fed.out.split_once('\n').expect("two lines");
    assert_eq!(first, "InstanceList of 1: 1 removed, 1 with another secret");
    let told = format!("{removed} takes no new meetings; left on it: meetings 0, recordings ");
    assert!(left.trim_start().starts_with(&told), "{left}");
    stage.shell.assert_untold(&fed, "another-secret");
}

#[tokio::test]
async fn a_file_with_a_fault_is_refused_whole() {
    let stage = Stage::bare(1).await;
    let faulty = "kind: Tenant\nspec:\n  hots: a.example.org\n---\nkind: Tenants\n";
    stage.shell.write("all.yml", &format!("{}---\n{faulty}", stage.instance_list()));
    let Ended { code, out, err } = stage.shell.run("apply -f all.yml").await;
    assert_eq!((code, out.as_str()), (Some(64), ""));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(
        lines[0].starts_with("all.yml: document 2 (Tenant): spec.hots: unknown field"),
        "{err}"
    );
    assert!(lines[1].starts_with("all.yml: document 3 (Tenants): kind: must be"), "{err}");
    assert_eq!(stage.shell.out("get instances --json").await.trim(), "[]", "nothing was sent");

    let missing = stage.shell.run("apply -f nowhere.yml").await;
    assert_eq!(missing.code, Some(64));
    assert!(missing.err.starts_with("nowhere.yml: can't be read"), "{missing:?}");
}

#[tokio::test]
async fn a_fault_is_found_without_a_balancer() {
    let shell = Shell::knowing(&format!("http://{}", free_address()), "k");
    shell.write("t.yml", "kind: Tenant\nspec:\n  host: h\n  secret: 12345678\n");
    let said = shell.run("apply -f t.yml").await;
    assert_eq!(said.code, Some(64), "{said:?}");
    assert_eq!(
        said.err,
        "t.yml: document 1 (Tenant h): spec.secret: must be a text: put it in quotes\n"
    );
}

#[tokio::test]
async fn what_describe_shows_can_be_applied() {
    let stage = Stage::ready(1).await;
    let url = &stage.sims[0].url;
    let tenant = format!(
        "{TENANT}  secrets: ['1', two]\n  create_overrides: {{record: true}}\nmetadata: {{n: '042'}}\ninstances: ['{url}']\n"
    );
    assert_eq!(stage.shell.fed("apply -f -", &tenant).await.code, Some(0));
    let shown = stage.shell.out("describe tenant new.example.org --show-secrets").await;
    assert!(shown.contains("secret: a-secret-of-the-new\n"), "{shown}");
    let again = stage.shell.fed("apply -f -", &shown).await;
    assert_eq!(again.code, Some(3), "{again:?}\n{shown}");

    let masked = stage.shell.run("describe tenant new.example.org").await;
    stage.shell.assert_untold(&masked, "a-secret-of-the-new");
    stage.shell.assert_untold(&masked, "two");
    assert!(masked.out.contains("secret: '********'\n"), "{}", masked.out);
    let json = stage.shell.out("describe tenant new.example.org --json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["spec"]["secrets"], serde_json::json!(["********", "********"]));
    let none = stage.shell.run("describe tenant none.example.org").await;
    assert_eq!((none.code, none.err.as_str()), (Some(64), "there is no tenant none.example.org\n"));
}

#[tokio::test]
async fn a_tenant_is_deleted_once() {
    let stage = Stage::ready(1).await;
    let gone = stage.shell.run("delete tenant t.example.org").await;
    assert_eq!((gone.code, gone.out.as_str()), (Some(0), "Tenant t.example.org: deleted\n"));
    let again = stage.shell.run("delete tenant t.example.org").await;
    assert_eq!((again.code, again.out.as_str()), (Some(3), ""));
    assert_eq!(again.err, "tenant not found for deletion\n");
    let left = stage.shell.out("get tenants --csv").await;
    assert_eq!(left, "Hostname,Instances\nu.example.org,0\n");
}

#[tokio::test]
async fn an_instance_is_drained_tagged_and_enabled_once() {
    let stage = Stage::ready(1).await;
    let url = &stage.sims[0].url;
    for (line, word) in [("drain", "draining"), ("disable", "disabled"), ("enable", "enabled")] {
        let done = stage.shell.run(&format!("{line} {url}")).await;
        assert_eq!((done.code, done.out), (Some(0), format!("{url}: {word}\n")));
        let again = stage.shell.run(&format!("{line} {url}")).await;
        assert_eq!((again.code, again.out), (Some(3), format!("{url}: {word} already\n")));
    }
    let tagged = stage.shell.run(&format!("tag {url} blue,red")).await;
    assert_eq!((tagged.code, tagged.out), (Some(0), format!("{url}: blue,red\n")));
    assert_eq!(stage.shell.run(&format!("tag {url} blue,red")).await.code, Some(3));
    let unknown = stage.shell.run("drain https://nowhere.example.org/bigbluebutton").await;
    assert_eq!(unknown.code, Some(64));
    assert!(
        unknown
            .err
            .ends_with("instance https://nowhere.example.org/bigbluebutton is not in the pool\n"),
        "{unknown:?}"
    );
}
