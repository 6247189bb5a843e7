//! The key: who has it passes, who guesses is slowed down.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use metrics::{Counter, counter};
use tracing::{info, warn};

use super::attempts::Attempts;
use super::refusal::Refusal;
use crate::config::Config;
use crate::domain::secret::Secret;
use crate::flows::World;
use crate::http::metrics::recorder;
use crate::http::server::client_address;

/// Asks everybody for the key.
pub(super) struct Gate {
    world: Arc<World>,
    attempts: Attempts,
    wrong: Counter,
    limited: Counter,
}

impl Gate {
    pub(super) fn new(world: Arc<World>) -> Arc<Self> {
        recorder();
        let refused = |why| counter!("bigblueswarm_admin_refused_total", "reason" => why);
        let (wrong, limited) = (refused("key"), refused("limit"));
        Arc::new(Self { world, attempts: Attempts::new(), wrong, limited })
    }

    fn refuse(&self, address: IpAddr) -> Response {
        match self.attempts.wrong(address) {
            Ok(()) => {
                self.wrong.increment(1);
                warn!(client.address = %address, "admin key is wrong");
                StatusCode::UNAUTHORIZED.into_response()
            }
            Err(wait) => {
                self.limited.increment(1);
                let seconds = whole_seconds(wait).to_string();
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)]).into_response()
            }
        }
    }
}

/// Rounded up, so that whoever waits so long is heard.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Lets a request pass that brings the key in force.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let config = match gate.world.actors.settings.current().await {
        Ok(config) => config,
        Err(error) => return Refusal::from(error).into_response(),
    };
    let address = address(&request, &config);
    if !opens(request.headers(), &config.admin.api_key) {
        return gate.refuse(address);
    }
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    info!(client.address = %address, http.method = %method, http.path = path, http.status = status, "admin call");
    response
}

fn address(request: &Request, config: &Config) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    client_address(peer, request.headers(), &config.http.trusted_proxies)
}

/// Whether exactly one key is given, bare or as a bearer token, and it is the right one.
fn opens(headers: &HeaderMap, key: &Secret) -> bool {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return false };
    let Ok(text) = only.to_str() else { return false };
    let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let fits = |text: &str| !key.is_empty() && Secret::new(text.trim()) == *key;
    fits(text) | bearer.is_some_and(|(_, token)| fits(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &[&'static str], key: &'static str, expected: bool) {
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        assert_eq!(opens(&headers, &Secret::new(key)), expected, "{given:?}");
    }

    #[test]
    fn only_the_very_key_opens() {
        check(&["Key-123"], "Key-123", true);
        check(&["Bearer Key-123"], "Key-123", true);
        check(&["bearer  Key-123"], "Key-123", true);
        check(&["key-123"], "Key-123", false);
        check(&["Key-1234"], "Key-123", false);
        check(&["Basic Key-123"], "Key-123", false);
        check(&[""], "Key-123", false);
        check(&[], "Key-123", false);
        check(&["Key-123", "Key-123"], "Key-123", false);
        check(&[""], "", false);
        check(&["Bearer "], "", false);
    }

    #[test]
    fn waits_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(5_001)), 6);
        assert_eq!(whole_seconds(Duration::from_secs(6)), 6);
    }
}
