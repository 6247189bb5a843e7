//! rename: a tenant gets another host. And what verbs say that an operator should see to.

use super::shell::Stage;
use crate::world::{T, U};

#[tokio::test]
async fn x23_a_tenant_is_renamed_from_a_shell() {
    let stage = Stage::ready(1).await;
    let shell = &stage.shell;
    let line = format!("rename tenant {} new.example.org", T.host);
    assert_eq!(shell.out(&line).await, format!("Tenant {}: renamed to new.example.org\n", T.host));
    let again = shell.run(&line).await;
    assert_eq!(again.code, Some(3), "{again:?}");
    assert_eq!(again.out, format!("Tenant new.example.org: renamed from {} already\n", T.host));
    let listed = shell.out("get tenants --csv").await;
    assert!(listed.contains("new.example.org") && !listed.contains(T.host), "{listed}");
    let shown = shell.out("describe tenant new.example.org").await;
    assert!(shown.contains(&format!("tag: {}", T.host)), "{shown}");
    // What is shown can be applied.
    let shown = shell.out("describe tenant new.example.org --show-secrets").await;
    assert_eq!(shell.fed("apply -f -", &shown).await.code, Some(3));
    for (line, why) in [
        (format!("rename tenant new.example.org {}", U.host), "already"),
        ("rename tenant gone.example.org x.example.org".to_owned(), "gone.example.org"),
    ] {
        let refused = shell.run(&line).await;
        assert_eq!(refused.code, Some(64), "{refused:?}");
        assert!(refused.err.contains(why), "{refused:?}");
    }
}

#[tokio::test]
async fn x22_a_shell_is_told_what_to_see_to() {
    let stage = Stage::ready(1).await;
    let shell = &stage.shell;
    let text = format!(
        "kind: Tenant\nspec: {{host: {}, secret: {}}}\ninstances: [\"https://gone.example.org/bigbluebutton\"]\n",
        T.host, T.secret
    );
    let warning = format!("warning: tenant {}: none of its instances is in the pool", T.host);
    let applied = shell.fed("apply -f -", &text).await;
    assert_eq!((applied.code, applied.err.matches(&warning).count()), (Some(0), 1), "{applied:?}");
    let again = shell.fed("apply -f -", &text).await;
    assert_eq!((again.code, again.err.matches(&warning).count()), (Some(3), 1), "{again:?}");
    for (line, told) in [
        (format!("describe tenant {}", T.host), 1),
        (format!("describe tenant {}", U.host), 0),
        ("get instances".to_owned(), 1),
        ("get tenants --json".to_owned(), 1),
        ("cluster-info".to_owned(), 1),
    ] {
        let said = shell.run(&line).await;
        assert_eq!(
            (said.code, said.err.matches(&warning).count()),
            (Some(0), told),
            "{line}: {said:?}"
        );
    }
}
