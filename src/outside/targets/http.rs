//! Calls with reqwest: rustls, no redirects, no proxy, only addresses that may be reached.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::time::timeout;
use url::{Host, Url};

use super::names::{Lookup, NotPermitted, PermittedNames};
use super::{Call, TargetError, Targets};
use crate::config::Callbacks;
use crate::domain::reach::{Inside, permits};
use crate::outside::servers::public_trust;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// So much of an answer is read, and so long, that its connection can be used again.
const MOST_OF_AN_ANSWER: usize = 64 * 1024;
const REST_WITHIN: Duration = Duration::from_secs(1);
/// Connections are kept for the next call for a short while.
const IDLE_FOR: Duration = Duration::from_secs(30);
const IDLE_PER_HOST: usize = 2;

/// The real way to tenants' servers.
pub struct HttpTargets {
    client: Client,
    allowed: Arc<[Inside]>,
}

impl HttpTargets {
    /// Names are looked up by `lookup`.
    pub fn new(rules: &Callbacks, lookup: Arc<dyn Lookup>) -> Result<Self, Box<dyn Error>> {
        let allowed: Arc<[Inside]> = rules.allow.as_slice().into();
        let client = Client::builder()
            .tls_backend_preconfigured(public_trust()?)
            .dns_resolver(PermittedNames { lookup, allowed: allowed.clone() })
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_WITHIN.min(rules.timeout))
            .timeout(rules.timeout)
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .referer(false)
            .build()?;
        Ok(Self { client, allowed })
    }

    /// The URL, if it may be called; a name's addresses are looked at when it is connected to.
    fn checked(&self, url: &str) -> Result<Url, TargetError> {
        let url = Url::parse(url).map_err(|_| TargetError::Refused("the target is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Refused("the target is neither http nor https"));
        }
        let address: IpAddr = match url.host() {
            None => return Err(TargetError::Refused("the target has no host")),
            Some(Host::Domain(_)) => return Ok(url),
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
        };
        match permits(&self.allowed, &address.to_string(), address) {
            true => Ok(url),
            false => Err(TargetError::Refused("the target's address may not be reached")),
        }
    }
}

#[async_trait]
impl Targets for HttpTargets {
    async fn send(&self, call: Call) -> Result<StatusCode, TargetError> {
        let url = self.checked(&call.url)?;
        let request =
            self.client.request(call.method, url).headers(call.headers).body(call.body).send();
        let answer = request.await.map_err(explained)?;
        let status = answer.status();
        let _ = timeout(REST_WITHIN, drain(answer)).await;
        Ok(status)
    }
}

/// Reads the rest of an answer, if it is short.
async fn drain(mut answer: Response) {
    let mut read = 0;
    while let Ok(Some(part)) = answer.chunk().await {
        read += part.len();
        if read > MOST_OF_AN_ANSWER {
            return;
        }
    }
}

/// What went wrong, without the URL.
fn explained(error: reqwest::Error) -> TargetError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if inner.is::<NotPermitted>() {
            return TargetError::Refused("no address of the target's host may be reached");
        }
        cause = inner.source();
    }
    TargetError::Failed(match () {
        () if error.is_timeout() => "no answer in time".into(),
        () if error.is_connect() => "it could not be connected to".into(),
        () => error.without_url().to_string(),
    })
}
