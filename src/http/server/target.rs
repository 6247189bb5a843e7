//! Whom a request is for: exactly one host, or it goes no further.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, Version};

/// Checks that the request names one host, and that its URI names no other one. Afterwards it
/// carries exactly one `Host` header, whatever its version.
pub(super) fn settle(parts: &mut Parts) -> Result<(), &'static str> {
    if parts.method == Method::CONNECT {
        return Err("this is no proxy");
    }
    match named(parts)? {
        Some(host) => parts.headers.insert(HOST, host),
        None => None,
    };
    Ok(())
}

/// The host to be added, for a request that has it only in its URI.
fn named(parts: &Parts) -> Result<Option<HeaderValue>, &'static str> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("more than one Host");
    }
    let authority = parts.uri.authority().map(Authority::as_str);
    match (host, authority) {
        (Some(host), authority) => {
            let host = host.to_str().ok().filter(|h| is_host(h)).ok_or("invalid Host")?;
            match authority {
                Some(other) if !other.eq_ignore_ascii_case(host) => Err("the URI has another host"),
                _ => Ok(None),
            }
        }
        (None, Some(authority)) if parts.version >= Version::HTTP_2 => {
            let host = Some(authority).filter(|a| is_host(a)).ok_or("invalid authority")?;
            HeaderValue::from_str(host).map(Some).map_err(|_| "invalid authority")
        }
        (None, _) => Err("no Host"),
    }
}

/// Whether a text is a host with or without a port, and nothing besides.
pub(crate) fn is_host(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    if !text.is_empty() && text.bytes().all(is_plain) {
        return true; // as nearly every host is
    }
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let host = authority.host();
    let Some(rest) = text.strip_prefix(host) else { return false };
    let port = rest.strip_prefix(':');
    // A comma is two hosts that somebody joined.
    !host.is_empty()
        && !host.contains(',')
        && match port {
            Some(port) => port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok(),
            None => rest.is_empty(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: Version, uri: &str, hosts: &[&'static str], expected: Result<&str, ()>) {
        let mut request = http::Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let settled = settle(&mut parts).map_err(|_| ());
        let host = settled.map(|()| parts.headers[HOST].to_str().unwrap());
        assert_eq!(host, expected, "{uri} {hosts:?}");
        assert!(expected.is_err() || parts.headers.get_all(HOST).iter().count() == 1);
    }

    #[test]
    fn one_host_is_named_or_the_request_is_refused() {
        let one = Version::HTTP_11;
        check(one, "/", &["a.example.org"], Ok("a.example.org"));
        check(one, "/", &["a.example.org:8443"], Ok("a.example.org:8443"));
        check(one, "/", &["[::1]:8443"], Ok("[::1]:8443"));
        check(one, "/", &[], Err(()));
        check(one, "/", &["a.example.org", "b.example.org"], Err(()));
        check(one, "/", &["a.example.org", "a.example.org"], Err(()));
        check(Version::HTTP_10, "/", &["a.example.org"], Ok("a.example.org"));
        check(Version::HTTP_10, "/", &[], Err(()));
        for bad in ["", "a b", "a/b", "user@a", "a:x", "a:70000", "a,b", "a?b", ":80"] {
            check(one, "/", &[bad], Err(()));
        }
    }

    #[test]
    fn an_absolute_uri_names_the_same_host() {
        let one = Version::HTTP_11;
        check(one, "http://a.example.org/x", &["A.example.org"], Ok("A.example.org"));
        check(one, "http://b.example.org/x", &["a.example.org"], Err(()));
        check(one, "http://a.example.org:81/x", &["a.example.org"], Err(()));
        check(one, "http://a.example.org/x", &[], Err(()));
    }

    #[test]
    fn the_authority_of_http_2_becomes_the_host() {
        let two = Version::HTTP_2;
        check(two, "http://a.example.org:8443/x", &[], Ok("a.example.org:8443"));
        check(two, "http://a.example.org/x", &["a.example.org"], Ok("a.example.org"));
        check(two, "http://a.example.org/x", &["b.example.org"], Err(()));
        check(two, "/x", &[], Err(()));
        check(two, "http://user@a.example.org/x", &[], Err(()));
    }
}
