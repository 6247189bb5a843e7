//! `health`: asks a running balancer how it is. Containers call it, which have neither shell nor curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use reqwest::Url;
use serde_json::Value;

use super::failure::{Failure, finish};
use super::web::{Said, Web, base, call};
use super::{Exit, Flags, Surroundings, complain, say};
use crate::config::{Http, LoadError};

/// What the verb can be told.
#[derive(Clone, Debug, Args)]
pub(super) struct HealthArgs {
    /// The balancer's URL [default: this machine, at the address and port of the configuration]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ask whether it may be sent requests, instead of whether it lives
    #[arg(long)]
    ready: bool,
    /// How long the answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    timeout: u64,
}

pub(super) fn run(args: &HealthArgs, flags: &Flags, around: &Surroundings) -> Exit {
    finish(async {
        let url = match &args.url {
            Some(url) => base(url).map_err(|why| Failure::Wrong(format!("--url {why}")))?,
            None => configured(flags, around)?,
        };
        Ok(ask(&url, args).await.unwrap_or_else(|failure| {
            complain(&failure.to_string());
            Exit::Unwell
        }))
    })
}

/// Where the balancer of this configuration listens.
fn configured(flags: &Flags, around: &Surroundings) -> Result<Url, Failure> {
    let source = flags.source(around).map_err(LoadError::from);
    let loaded = source.and_then(|source| source.load(&around.environment));
    let parsed = loaded.map_err(|error| match error {
        LoadError::Faulty(_) => Failure::Wrong(error.to_string()),
        LoadError::Away(..) => Failure::Away(error.to_string()),
    })?;
    let address = reachable(&parsed.config.http);
    Url::parse(&format!("http://{address}")).map_err(|error| Failure::Fault(error.to_string()))
}

/// The address by which this machine reaches itself there.
fn reachable(http: &Http) -> SocketAddr {
    let ip = match http.address {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, http.port)
}

async fn ask(url: &Url, args: &HealthArgs) -> Result<Exit, Failure> {
    let web = Web::new("the balancer", url, Duration::from_secs(args.timeout.max(1)))?;
    let path = if args.ready { "readyz" } else { "healthz" };
    let said = web.send(web.client().get(call(url, &[path]))).await?;
    if said.status.is_success() {
        return Ok(say(if args.ready { "ready\n" } else { "alive\n" }));
    }
    complain(&format!("{} answered {}{}", web.whom(), said.status, reasons(&said)));
    Ok(Exit::Unwell)
}

/// Why it is not ready, as `/readyz` says it.
fn reasons(said: &Said) -> String {
    let body: Value = serde_json::from_slice(&said.body).unwrap_or_default();
    let reasons = body["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
    reasons.fold(String::new(), |text, reason| format!("{text}\n- {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_stands_for_all_is_asked_on_loopback() {
        let check = |address: &str, expected: &str| {
            let address = address.parse().expect("an address");
            let http = Http { address, port: 80, trusted_proxies: Vec::new() };
            assert_eq!(reachable(&http).to_string(), expected);
        };
        check("0.0.0.0", "127.0.0.1:80");
        check("::", "[::1]:80");
        check("10.1.2.3", "10.1.2.3:80");
    }
}
