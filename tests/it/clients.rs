//! What client libraries from the field brought to light.

use std::time::Duration;

use http::StatusCode;

use crate::world::{T, plan};

#[tokio::test(start_paused = true)]
async fn a_join_that_the_instance_refuses_is_redirected_as_bbb_does_even_with_redirect_false() {
    let world = plan(1).start().await;
    T.create(&world, "m1").await.assert_success();
    let join = async |query: &str| T.call(&world, "join", query).await;
    let nameless = "fullName=&meetingID=m1&role=VIEWER&redirect=false";
    let reply = join(nameless).await;
    assert_eq!(reply.status, StatusCode::FOUND, "{reply:?}");
    let target = reply.location.expect("where errors go");
    assert!(target.contains("?errors=[") && target.contains("missingParamFullName"), "{target}");
    let away = format!("{nameless}&errorRedirectUrl=https%3A%2F%2Flms.example.org%2Fx");
    let target = join(&away).await.location.expect("where the client says");
    assert!(target.starts_with("https://lms.example.org/x?errors=["), "{target}");
    // Nobody may put an instance out of use by asking wrongly.
    tokio::time::sleep(Duration::from_secs(1)).await;
    T.create(&world, "m2").await.assert_success();
}
