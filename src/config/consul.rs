//! Consul as the source of a configuration: a key for each section, as the predecessor has them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, StatusCode};
use serde::Deserialize;

use super::fault::Faults;
use super::part::Part;
use super::sheet::Environment;
use crate::domain::secret::Secret;

/// Below it a key for each section: `configuration/balancer`.
const FOLDER: &str = "configuration/";
const READ_WITHIN: Duration = Duration::from_secs(6);
/// So long Consul holds a question whose answer has not changed; it adds a sixteenth.
const HOLD: Duration = Duration::from_secs(55);
const HELD_WITHIN: Duration = Duration::from_secs(65);
/// The largest value Consul takes is half of this.
const LARGEST: usize = 1 << 20;

/// Where Consul is, and how it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Consul {
    /// `http://host:port`, without a slash at its end.
    address: String,
    token: Option<Secret>,
    /// A file with the certificate that signs Consul's own.
    authority: Option<String>,
}

/// What Consul holds, and the number of its last change.
pub(super) struct Held {
    pub(super) parts: Vec<Part>,
    pub(super) index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pair {
    key: String,
    value: Option<String>,
}

impl Consul {
    /// What stands behind `consul:` in `-config`: the URL of an agent.
    pub(super) fn named(url: &str) -> Result<Self, Faults> {
        let wrong = |what: &str| Faults::of_file("-config", format!("consul: {what}"));
        let parsed = reqwest::Url::parse(url)
            .map_err(|_| wrong("expected a URL such as consul:http://127.0.0.1:8500"))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(wrong("expected http:// or https:// and a host"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() || parsed.path() != "/" {
            return Err(wrong("the URL must end with its host and port"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong("the token belongs into the variable CONSUL_HTTP_TOKEN"));
        }
        let address = url.trim_end_matches('/').to_owned();
        Ok(Self { address, token: None, authority: None })
    }

    /// The same with what the environment says, by the names that Consul's own tools use.
    pub(super) fn with(mut self, environment: &Environment) -> Self {
        let said = |name: &str| environment.get(name).filter(|text| !text.is_empty());
        self.token = said("CONSUL_HTTP_TOKEN").map(|token| Secret::new(token.as_str()));
        self.authority = said("CONSUL_CACERT").cloned();
        self
    }

    /// How it is called in faults and logs.
    pub(super) fn name(&self) -> String {
        format!("consul:{}", self.address)
    }

    /// Everything it holds now.
    pub(super) async fn read(&self) -> Result<Held, String> {
        self.ask(None).await
    }

    /// Waits until there is another number than `seen`, or for about a minute; answers the number.
    pub(crate) async fn changed(&self, seen: u64) -> Result<u64, String> {
        Ok(self.ask(Some(seen)).await?.index)
    }

    async fn ask(&self, seen: Option<u64>) -> Result<Held, String> {
        let hold = seen.map(|seen| format!("&index={seen}&wait={}s", HOLD.as_secs()));
        let url = format!("{}/v1/kv/{FOLDER}?recurse{}", self.address, hold.unwrap_or_default());
        let within = if seen.is_some() { HELD_WITHIN } else { READ_WITHIN };
        let mut asked = self.client()?.get(url).timeout(within);
        if let Some(token) = &self.token {
            asked = asked.header("X-Consul-Token", token.reveal());
        }
        let words = |error: reqwest::Error| words(&error);
        let mut answer = asked.send().await.map_err(words)?;
        let index = answer.headers().get("X-Consul-Index");
        let index = index.and_then(|index| index.to_str().ok()?.parse().ok()).unwrap_or_default();
        match answer.status() {
            // There is no such key.
            StatusCode::NOT_FOUND => return Ok(Held { parts: Vec::new(), index }),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                return Err("Consul refuses the token of CONSUL_HTTP_TOKEN".into());
            }
            status if !status.is_success() => return Err(format!("Consul answers {status}")),
            _ => {}
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(words)? {
            body.extend_from_slice(&part);
            if body.len() > 8 * LARGEST {
                return Err("what Consul holds is too large".into());
            }
        }
        let pairs: Vec<Pair> =
            serde_json::from_slice(&body).map_err(|_| "Consul's answer can't be read")?;
        Ok(Held { parts: parts(pairs)?, index })
    }

    fn client(&self) -> Result<Client, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        if let Some(file) = &self.authority {
            let unread = |error: &dyn std::fmt::Display| format!("CONSUL_CACERT {file}: {error}");
            let pem = std::fs::read(file).map_err(|e| unread(&e))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| unread(&e))?;
            client = client.tls_certs_merge(certificates);
        }
        client.build().map_err(|error| words(&error))
    }
}

/// Why there was no answer, with its causes: the first alone says little.
fn words(error: &reqwest::Error) -> String {
    let mut text = String::from("Consul can't be reached");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The texts of the sections; what lies deeper is not ours.
fn parts(pairs: Vec<Pair>) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for Pair { key, value } in pairs {
        let Some(section) = key.strip_prefix(FOLDER) else { continue };
        if section.is_empty() || section.contains('/') {
            continue;
        }
        let bytes = STANDARD.decode(value.unwrap_or_default());
        let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| format!("{key} is not text in UTF-8"))?;
        if text.len() > LARGEST {
            return Err(format!("{key} is larger than 1 MiB"));
        }
        let section = section.to_owned();
        parts.push(Part { file: key, section: Some(section), text: Secret::new(text) });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Result<&str, &str>) {
        let named = Consul::named(url).map(|consul| consul.name());
        let named = named.map_err(|faults| faults.to_string());
        match expected {
            Ok(name) => assert_eq!(named.as_deref(), Ok(name)),
            Err(what) => assert!(named.expect_err("a fault").contains(what), "{url}"),
        }
    }

    #[test]
    fn an_agent_is_named_by_its_url() {
        check("http://127.0.0.1:8500", Ok("consul:http://127.0.0.1:8500"));
        check("https://consul.example.org/", Ok("consul:https://consul.example.org"));
        check("127.0.0.1:8500", Err("expected"));
        check("ftp://host", Err("expected http://"));
        check("http://host/v1", Err("must end with"));
        check("http://host?token=x", Err("must end with"));
        check("http://:secret@host", Err("CONSUL_HTTP_TOKEN"));
    }

    #[test]
    fn keys_of_sections_are_taken_and_others_are_passed_over() {
        let pair = |key: &str, text: &str| Pair {
            key: key.into(),
            value: Some(STANDARD.encode(text)).filter(|text| !text.is_empty()),
        };
        let pairs = vec![
            pair("configuration/", ""),
            pair("configuration/port", "8090"),
            pair("configuration/balancer", "cpuLimit: 80\n"),
            pair("configuration/deeper/key", "x"),
        ];
        let parts = parts(pairs).expect("texts");
        let shown: Vec<_> = parts.iter().map(|p| (p.section.as_deref(), p.text.reveal())).collect();
        assert_eq!(shown, [(Some("port"), "8090"), (Some("balancer"), "cpuLimit: 80\n")]);
        let broken = vec![Pair { key: "configuration/port".into(), value: Some("/w==".into()) }];
        assert!(super::parts(broken).is_err_and(|why| why.contains("configuration/port")));
    }
}
