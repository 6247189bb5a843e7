//! Rows X22 to X24: what operators are told, tenants that are renamed, and the first moments.

mod first;
mod full;
mod renamed;
mod told;

use http::Method;
use serde_json::Value;

use crate::world::{Reply, World};

const TOKEN: &str = "token-of-agents-0123456789";

/// What an agent pushes of an instance, in line protocol.
async fn push(world: &World, lines: &str) -> u16 {
    let request = http::Request::post("/api/v2/write?org=o&bucket=b")
        .header("authorization", format!("Token {TOKEN}"))
        .body(axum::body::Body::from(lines.to_owned()));
    world.send(request.expect("a request")).await.status.as_u16()
}

/// What the admin surface says.
async fn admin(world: &World, path: &str) -> Value {
    let reply = world.admin(Method::GET, &format!("/admin/api/{path}"), "").await;
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("no JSON: {reply:?}"))
}

async fn post(world: &World, path: &str, body: &Value) -> Reply {
    world.admin(Method::POST, &format!("/admin/api/{path}"), &body.to_string()).await
}
