//! rename: a tenant gets another host.

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
