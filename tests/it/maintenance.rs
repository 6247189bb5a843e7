//! Stories about a tenant in maintenance: nothing new begins, what runs goes on, and users read why.

use axum::body::Body;
use bigblueswarm::domain::tenant::TenantDocument;
use http::{Method, StatusCode, header};

use crate::world::{Reply, T, U, World, plan};

const TEXT: &str = "Back at 9 o'clock <script>alert(1)</script> & \"well\"";

fn in_maintenance(text: &str) -> TenantDocument {
    let mut document = T.document();
    document.spec.maintenance = Some(text.to_owned());
    document
}

async fn put(world: &World, document: &TenantDocument) {
    let body = serde_json::to_string(document).expect("JSON");
    let put = world.admin(Method::POST, "/admin/api/tenants", &body).await;
    assert_eq!(put.status, 201, "{put:?}");
}

async fn join(world: &World, accept: &str, language: &str) -> Reply {
    let path = T.path("join", "fullName=Ada&meetingID=m1&role=VIEWER");
    let request = T.request(Method::GET, &path).header(header::ACCEPT, accept);
    let request = request.header(header::ACCEPT_LANGUAGE, language).body(Body::empty());
    world.send(request.expect("a request")).await
}

#[tokio::test(start_paused = true)]
async fn while_a_tenant_is_in_maintenance_nothing_new_begins_and_what_runs_goes_on() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    T.create(&world, "gone").await.assert_success();
    put(&world, &in_maintenance(TEXT)).await;
    let refused = T.create(&world, "m2").await;
    refused.assert_failed(200, "maintenance");
    let shown = "Back at 9 o'clock &lt;script&gt;alert(1)&lt;/script&gt; &amp; \"well\"";
    assert_eq!(refused.value("message"), shown);
    T.join(&world, "m1").await.assert_failed(200, "maintenance");
    T.join(&world, "nope").await.assert_failed(200, "maintenance");
    let json = join(&world, "application/json", "de").await;
    assert_eq!(json.json()["response"]["message"], TEXT);
    // What runs goes on.
    T.info(&world, "m1").await.assert_success();
    T.call(&world, "isMeetingRunning", "meetingID=m1").await.assert_success();
    assert!(T.call(&world, "getMeetings", "").await.body.contains("<meetingID>m1<"));
    assert_eq!(T.create(&world, "m1").await.assert_success().key(), "duplicateWarning");
    // A meeting that ended by itself is new again, even before a sweep has seen it gone.
    world.sims[0].forget_meetings().await;
    T.create(&world, "gone").await.assert_failed(200, "maintenance");
    assert_eq!(world.homes("gone").await, Vec::<usize>::new());
    // Other tenants notice nothing.
    U.create(&world, "m2").await.assert_success();
    assert_eq!(U.join(&world, "m2").await.status, 302);
    // And afterwards all is as before.
    put(&world, &in_maintenance(" ")).await;
    T.create(&world, "m2").await.assert_success();
    assert_eq!(T.join(&world, "m2").await.status, 302);
    put(&world, &in_maintenance(TEXT)).await;
    T.end(&world, "m2").await.assert_success();
    put(&world, &T.document()).await;
    T.create(&world, "m3").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn a_browser_reads_the_text_on_a_page_in_its_language() {
    let world = plan(1).tenant(in_maintenance(TEXT)).start().await;
    for (language, title) in [
        ("en-GB", "Maintenance"),
        ("de", "Wartungsarbeiten"),
        ("fr-FR,en;q=0.1", "Maintenance en cours"),
    ] {
        let page = join(&world, "text/html,*/*;q=0.8", language).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.kind.as_deref(), Some("text/html; charset=utf-8"));
        assert!(page.body.contains(&format!("<h1>{title}</h1>")), "{page:?}");
        assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp;"), "{page:?}");
        assert!(!page.body.contains("<script"), "{page:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_text_is_kept_shown_and_survives_a_restart() {
    let world = plan(1).start().await;
    put(&world, &in_maintenance("Zurück um 9:\n  \"bald\" # nicht")).await;
    let next = plan(0).on(&world).store(world.store.clone()).with_what_is_stored().start().await;
    let shown = next.admin(Method::GET, "/admin/api/tenants/t.example.org", "").await;
    assert_eq!(
        serde_json::from_str::<TenantDocument>(&shown.body).expect("a document"),
        in_maintenance("Zurück um 9:\n  \"bald\" # nicht")
    );
    T.create(&next, "m1").await.assert_failed(200, "maintenance");
}
