//! HTTP as verbs speak it: every call has a deadline, every answer a bound, and no redirect is followed.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};

use super::failure::Failure;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// A way to one server.
pub(super) struct Web {
    client: Client,
    /// What the server is called when it does not answer.
    whom: String,
    within: Duration,
}

/// What the server said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// Seconds to wait, if it asks for that.
    pub(super) retry_after: Option<u64>,
}

impl Web {
    /// A way to the server of this URL, each of whose answers must be whole `within` that time.
    pub(super) fn new(whom: &str, url: &Url, within: Duration) -> Result<Self, Failure> {
        // Whoever chose a provider of TLS before is right too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connect = CONNECT_WITHIN.min(within);
        let builder = Client::builder().connect_timeout(connect).timeout(within);
        let builder = builder.redirect(Policy::none());
        // The proxy of the environment is not meant for what runs on this machine.
        let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| Failure::Fault(innermost(&error)))?;
        Ok(Self { client, whom: format!("{whom} at {url}"), within })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What the server is called.
    pub(super) fn whom(&self) -> &str {
        &self.whom
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Said, Failure> {
        let mut answer = request.send().await.map_err(|error| self.away(&error))?;
        let retry_after =
            answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let mut said = Said { status: answer.status(), body: Vec::new(), retry_after };
        while let Some(piece) = answer.chunk().await.map_err(|error| self.away(&error))? {
            if said.body.len() + piece.len() > MOST_BYTES {
                return Err(Failure::Fault(format!("{} answers without end", self.whom)));
            }
            said.body.extend_from_slice(&piece);
        }
        Ok(said)
    }

    fn away(&self, error: &reqwest::Error) -> Failure {
        let whom = &self.whom;
        if error.is_timeout() {
            let seconds = self.within.as_secs();
            return Failure::Away(format!("{whom} did not answer within {seconds} s"));
        }
        Failure::Away(format!("{whom} can't be reached: {}", innermost(error)))
    }
}

impl Said {
    /// The body as one line or more for people, without what could upset a terminal.
    pub(super) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let shown = text.chars().filter(|c| !c.is_control() || *c == '\n').take(4_000);
        shown.collect::<String>().trim().to_owned()
    }
}

/// A URL that a server can be called by: no login in it, no slash at its end, no query.
pub(super) fn base(text: &str) -> Result<Url, &'static str> {
    let mut url =
        Url::parse(text.trim()).map_err(|_| "is no URL, such as https://bbs.example.org")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must start with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password");
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The URL of a call: these segments behind the base's path.
pub(super) fn call(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// The reason behind all others, which says most in the fewest words.
fn innermost(error: &reqwest::Error) -> String {
    let mut reason: &dyn Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let url = base(text).map(|url| call(&url, &["admin", "api", "tenants", "a/b:80"]));
        assert_eq!(url.as_ref().map(Url::as_str), expected.as_ref().map(|url| *url));
    }

    #[test]
    fn a_base_may_have_a_path_and_calls_go_behind_it() {
        check("http://bbs:8080", Ok("http://bbs:8080/admin/api/tenants/a%2Fb:80"));
        check(" https://bbs/deep/?x=1#y ", Ok("https://bbs/deep/admin/api/tenants/a%2Fb:80"));
        check("bbs:8080", Err("must start with http:// or https://"));
        check("", Err("is no URL, such as https://bbs.example.org"));
        check("ftp://bbs", Err("must start with http:// or https://"));
        check("http://ada:pw@bbs", Err("must not hold a user or password"));
    }

    #[test]
    fn what_runs_on_this_machine_is_known() {
        let is = |text: &str| is_loopback(&base(text).unwrap());
        assert!(is("http://localhost:1") && is("http://127.0.0.2") && is("http://[::1]:8080"));
        assert!(!is("http://bbs.example.org") && !is("http://10.0.0.1"));
    }
}
