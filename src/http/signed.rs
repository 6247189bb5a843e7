//! Who calls, and with which right: the tenant by host or path, the checksum over the raw query.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::request::Parts;
use http::{HeaderMap, header};
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use super::server::is_trusted;
use crate::actors::tenants::FindError;
use crate::bbb::call::Call;
use crate::bbb::checksum::verify;
use crate::bbb::query::SignedQuery;
use crate::domain::secret::Secret;
use crate::domain::tenant::Tenant;
use crate::flows::World;
use crate::flows::refusal::Refusal;

/// What a path of the BBB surface names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// The tenant's host as the path gives it, `/t/HOST/…`, still escaped.
    pub(super) tenant: Option<&'a str>,
    /// What stands behind `/api/`; empty for the root.
    pub(super) call: &'a str,
}

impl<'a> Named<'a> {
    /// Splits a path that one of our routes has matched.
    pub(super) fn of(path: &'a str) -> Self {
        let (tenant, rest) = match path.strip_prefix("/t/").and_then(|p| p.split_once('/')) {
            Some((tenant, rest)) => (Some(tenant), rest),
            None => (None, path.trim_start_matches('/')),
        };
        let rest = rest.strip_prefix("bigbluebutton").unwrap_or(rest).trim_start_matches('/');
        let call = rest.strip_prefix("api").unwrap_or(rest);
        // BBB takes `getMeetings/` for `getMeetings`, and its checksum is made without the slash.
        let call = call.trim_start_matches('/').trim_end_matches('/');
        Self { tenant, call }
    }
}

/// The host by which the tenant is found: the path's, a trusted proxy's word, or the request's own.
pub(super) fn host(parts: &Parts, named: Option<&str>, trusted: &[IpNet]) -> Option<Arc<str>> {
    if let Some(tenant) = named {
        let tenant = percent_decode_str(tenant).decode_utf8().ok()?;
        return Some(undotted(&tenant).into());
    }
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let said = forwarded(&parts.headers, peer, trusted);
    let host = said.or_else(|| parts.headers.get(header::HOST)?.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(|a| a.as_str()));
    host.map(|host| undotted(host).into())
}

/// A host without the dot at the end of its name, which DNS allows and which names the same host.
fn undotted(host: &str) -> Cow<'_, str> {
    let (name, port) = match host.rfind(':') {
        Some(at) if host[at + 1..].bytes().all(|b| b.is_ascii_digit()) => host.split_at(at),
        _ => (host, ""),
    };
    match name.strip_suffix('.') {
        Some(name) if !name.is_empty() => Cow::Owned([name, port].concat()),
        _ => Cow::Borrowed(host),
    }
}

/// The first host of `X-Forwarded-Host`, which counts from a trusted proxy only.
fn forwarded<'h>(
    headers: &'h HeaderMap,
    peer: Option<IpAddr>,
    trusted: &[IpNet],
) -> Option<&'h str> {
    let said = headers.get("x-forwarded-host")?.to_str().ok()?;
    let first = said.split(',').next().unwrap_or_default().trim();
    (!first.is_empty() && peer.is_some_and(|peer| is_trusted(peer, trusted))).then_some(first)
}

impl World {
    /// The tenant of a host.
    pub(super) async fn tenant(&self, host: Option<Arc<str>>) -> Result<Arc<Tenant>, Refusal> {
        let host = host.ok_or(Refusal::TenantNotFound)?;
        match self.actors.tenants.find(host).await? {
            Ok(tenant) => Ok(tenant),
            Err(FindError::Unknown) => Err(Refusal::TenantNotFound),
            Err(FindError::NotLoaded) => Err(Refusal::Internal("load its state")),
        }
    }
}

/// The query without its checksum, which one of the tenant's secrets must have made.
pub(super) fn checked<'q>(
    tenant: &Tenant,
    call: Call,
    raw: &'q str,
) -> Result<Cow<'q, str>, Refusal> {
    let SignedQuery { rest, checksum } = SignedQuery::parse(raw)?;
    let supplied = checksum.ok_or(Refusal::Checksum)?;
    if verified(tenant, call, supplied, &rest) { Ok(rest) } else { Err(Refusal::Checksum) }
}

/// Whether one of the tenant's secrets made this checksum over this text.
pub(super) fn verified(tenant: &Tenant, call: Call, supplied: &str, covered: &str) -> bool {
    let fits = |secret: &Secret| {
        verify(supplied, call.name(), covered, secret.reveal(), tenant.algorithms)
    };
    tenant.secrets.iter().any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, tenant: Option<&str>, call: &str) {
        assert_eq!(Named::of(path), Named { tenant, call }, "{path}");
    }

    #[test]
    fn a_path_names_a_call_and_perhaps_a_tenant() {
        check("/bigbluebutton", None, "");
        check("/bigbluebutton/", None, "");
        check("/bigbluebutton/api", None, "");
        check("/bigbluebutton/api/", None, "");
        check("/bigbluebutton/api/create", None, "create");
        check("/bigbluebutton/api/hooks/create", None, "hooks/create");
        check("/t/a.example.org/bigbluebutton/api/join", Some("a.example.org"), "join");
        check("/t/a%3A8443/bigbluebutton/api/", Some("a%3A8443"), "");
        check("/bigbluebutton/api/getMeetings/", None, "getMeetings");
        check("/bigbluebutton/api/hooks/list/", None, "hooks/list");
    }

    #[test]
    fn a_dot_at_the_end_of_a_host_is_none_of_its_name() {
        for (host, expected) in [
            ("a.example.org.", "a.example.org"),
            ("a.example.org.:8443", "a.example.org:8443"),
            ("a.example.org:8443", "a.example.org:8443"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]"),
            (".", "."),
            ("", ""),
        ] {
            assert_eq!(undotted(host), expected);
        }
    }

    #[test]
    fn only_a_trusted_proxy_names_the_host() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a net")];
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-host", "b.example.org, c".parse().expect("a value"));
        let by = |peer: &str| forwarded(&headers, peer.parse().ok(), &trusted);
        assert_eq!(by("10.1.2.3"), Some("b.example.org"));
        assert_eq!(by("192.0.2.1"), None);
        assert_eq!(forwarded(&headers, None, &trusted), None);
    }
}
