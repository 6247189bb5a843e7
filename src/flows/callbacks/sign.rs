//! What is sent to a tenant's server, signed as its own BBB server would.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};

use crate::bbb::checksum::{self, Algorithm};
use crate::bbb::jwt::{self, Claims, Hash, JwtError};
use crate::domain::delivery::{Delivery, Payload};
use crate::domain::tenant::Tenant;
use crate::outside::targets::Call;

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("bigblueswarm/", env!("CARGO_PKG_VERSION")));
/// By which receivers know analytics.
const ANALYTICS_AGENT: HeaderValue = HeaderValue::from_static("BigBlueButton Analytics Callback");
/// So long an analytics token is good, in seconds.
const GOOD_FOR: u64 = 24 * 3600;

/// The call that a delivery is; `now` is in seconds since 1970.
pub(super) fn signed(delivery: Delivery, tenant: &Tenant, now: u64) -> Result<Call, JwtError> {
    let secret = tenant.secrets.first().ok_or(JwtError::NoSecret)?.reveal();
    let Delivery { target, query, payload, .. } = delivery;
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, AGENT);
    let (method, url, body) = match payload {
        Payload::Get => (Method::GET, appended(&target, query.as_deref()), Bytes::new()),
        Payload::RecordingReady { claims } => {
            let token = jwt::sign(Hash::Hs256, &claims, secret)?;
            headers.insert(CONTENT_TYPE, FORM);
            (Method::POST, target, form(&[("signed_parameters", &token)]).into())
        }
        Payload::Analytics { body } => {
            let claims = Claims::from_iter([("exp".to_owned(), (now + GOOD_FOR).into())]);
            let token = jwt::sign(Hash::Hs512, &claims, secret)?;
            let bearer = HeaderValue::try_from(format!("Bearer {token}"));
            let mut bearer = bearer.map_err(|_| JwtError::Unmade)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
            headers.insert(CONTENT_TYPE, JSON);
            headers.insert(USER_AGENT, ANALYTICS_AGENT);
            (Method::POST, target, body)
        }
        Payload::Event { event, timestamp } => {
            let domain = &*tenant.host;
            let body = form(&[("domain", domain), ("event", &event), ("timestamp", &timestamp)]);
            let sum = checksum::sign(algorithm(tenant), &target, &body, secret);
            headers.insert(CONTENT_TYPE, FORM);
            let url = appended(&target, Some(&format!("checksum={sum}")));
            (Method::POST, url, body.into())
        }
    };
    Ok(Call { method, url, headers, body })
}

/// The hash of webhooks: SHA-1, as receivers know it, unless the tenant excludes it.
fn algorithm(tenant: &Tenant) -> Algorithm {
    let allowed = Algorithm::ALL.into_iter().find(|a| tenant.algorithms.contains(*a));
    allowed.unwrap_or(Algorithm::Sha256)
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A URL with more in its query, before its fragment.
fn appended(url: &str, query: Option<&str>) -> String {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return url.to_owned() };
    let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let joint = match url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, has)) if has.ends_with('&') => "",
        Some(_) => "&",
    };
    [url, joint, query, fragment].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbb::callback::Kind;
    use crate::domain::delivery::DeliveryId;
    use crate::domain::secret::Secret;
    use crate::domain::tenant::{TenantDocument, TenantId, TenantSpec};

    const SECRET: &str = "secret-of-t-0123456789";

    fn tenant(algorithms: &[Algorithm]) -> Tenant {
        let spec = TenantSpec {
            host: "t.example.org".into(),
            secret: Some(SECRET.into()),
            secrets: vec!["an older one".into()],
            algorithms: algorithms.to_vec(),
            ..TenantSpec::default()
        };
        let document = TenantDocument {
            kind: "Tenant".into(),
            spec,
            metadata: Default::default(),
            instances: Vec::new(),
        };
        document.resolve(&Secret::new("global"))
    }

    fn call(target: &str, query: Option<&str>, payload: Payload, allowed: &[Algorithm]) -> Call {
        let (id, kind) = (DeliveryId::of(Kind::End, "", b""), Kind::End);
        let (target, query) = (target.to_owned(), query.map(Into::into));
        let tenant_id = TenantId::new("t.example.org");
        let delivery = Delivery { id, tenant: tenant_id, kind, target, query, hook: None, payload };
        signed(delivery, &tenant(allowed), 1000).expect("a call")
    }

    #[test]
    fn what_the_instance_appended_is_appended() {
        for (target, query, url) in [
            ("https://x/end", Some("recordingmarks=false"), "https://x/end?recordingmarks=false"),
            ("https://x/end?a=b", Some("c=d"), "https://x/end?a=b&c=d"),
            ("https://x?", Some("c=d"), "https://x?c=d"),
            ("https://x/end?a=b#f", Some("c=d"), "https://x/end?a=b&c=d#f"),
            ("https://x/end?a=%20", None, "https://x/end?a=%20"),
            ("https://x/end", Some(""), "https://x/end"),
        ] {
            let call = call(target, query, Payload::Get, &[]);
            assert_eq!((call.method, call.url.as_str()), (Method::GET, url));
        }
    }

    #[test]
    fn tokens_are_signed_with_the_tenants_first_secret() {
        let claims = Claims::from_iter([("record_id".to_owned(), "r".into())]);
        let ready =
            call("https://x", None, Payload::RecordingReady { claims: claims.clone() }, &[]);
        let body = String::from_utf8_lossy(&ready.body).into_owned();
        let token = body.strip_prefix("signed_parameters=").expect("a form");
        assert_eq!(jwt::verify(Hash::Hs256, token, SECRET, 0), Ok(claims));
        let body = Bytes::from_static(b"{}");
        let analytics = call("https://x", None, Payload::Analytics { body }, &[]);
        let bearer = analytics.headers[AUTHORIZATION].to_str().expect("text");
        let token = bearer.strip_prefix("Bearer ").expect("a bearer");
        let claims = jwt::verify(Hash::Hs512, token, SECRET, 0).expect("signed");
        assert_eq!(claims.get("exp").and_then(|exp| exp.as_u64()), Some(1000 + GOOD_FOR));
        assert_eq!(analytics.headers[USER_AGENT], "BigBlueButton Analytics Callback");
    }

    #[test]
    fn events_are_signed_as_webhooks_are() {
        let event = || Payload::Event { event: "[{\"a\":\"b c\"}]".into(), timestamp: "17".into() };
        let body = "domain=t.example.org&event=%5B%7B%22a%22%3A%22b+c%22%7D%5D&timestamp=17";
        for (allowed, algorithm) in [
            (&[][..], Algorithm::Sha1),
            (&[Algorithm::Sha512, Algorithm::Sha256], Algorithm::Sha256),
        ] {
            let sent = call("https://x/hook?a=b", None, event(), allowed);
            assert_eq!(sent.body, body);
            let sum = checksum::sign(algorithm, "https://x/hook?a=b", body, SECRET);
            assert_eq!(sent.url, format!("https://x/hook?a=b&checksum={sum}"));
        }
    }
}
