//! The calls of the admin surface, and what its refusals mean.

use http::{Method, StatusCode};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::target::{Reach, Target};
use crate::cli::failure::Failure;
use crate::cli::table::tame;
use crate::cli::web::{self, Said, Web};
use crate::cli::{Surroundings, complain};

/// What is to be seen to.
#[derive(Deserialize)]
struct Notices {
    notices: Vec<Notice>,
}

#[derive(Deserialize)]
struct Notice {
    about: Option<String>,
    why: String,
}

/// What a post that was done has to say.
#[derive(Deserialize)]
struct Warnings {
    warnings: Vec<String>,
}

/// A way into the admin surface of one balancer.
pub(super) struct Admin {
    web: Web,
    url: Url,
    key: HeaderValue,
}

/// Parameters of a call.
pub(super) type Query<'a> = &'a [(&'a str, &'a str)];

impl Admin {
    /// A way into the balancer that the flags, variables and files name.
    pub(super) fn of(reach: &Reach, around: &Surroundings) -> Result<Self, Failure> {
        let Target { url, key, within } = reach.target(around)?;
        let web = Web::new("the balancer", &url, within)?;
        let key = HeaderValue::from_str(key.reveal());
        let mut key = key.map_err(|_| Failure::Wrong("the key holds what no key can".into()))?;
        key.set_sensitive(true);
        Ok(Self { web, url, key })
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T, Failure> {
        let said = self.call(Method::GET, path, query, None).await?;
        self.read(&self.done(said)?)
    }

    /// Reads something that may not be there.
    pub(super) async fn find<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>, Failure> {
        let said = self.call(Method::GET, path, &[], None).await?;
        // What is not there has no text; what is no call at all says so.
        if said.status == StatusCode::NOT_FOUND && said.body.is_empty() {
            return Ok(None);
        }
        self.read(&self.done(said)?).map(Some)
    }

    /// Changes something.
    pub(super) async fn post(
        &self,
        path: &[&str],
        query: Query<'_>,
        body: Option<String>,
    ) -> Result<(), Failure> {
        let said = self.call(Method::POST, path, query, body).await?;
        let said = self.done(said)?;
        if let Ok(Warnings { warnings }) = serde_json::from_slice(&said.body) {
            warnings.iter().for_each(|warning| complain(&format!("warning: {}", tame(warning))));
        }
        Ok(())
    }

    /// What the balancer says that an operator should see to; nothing where it is too old to say it. With `about`, only
    /// what is about this tenant or instance.
    pub(super) async fn warn(&self, about: Option<&str>) -> Result<(), Failure> {
        let found: Option<Notices> = self.find_or_older(&["notices"]).await?;
        let notices = found.into_iter().flat_map(|found| found.notices);
        let wanted =
            notices.filter(|n| about.is_none_or(|about| n.about.as_deref() == Some(about)));
        wanted.for_each(|notice| complain(&format!("warning: {}", tame(&notice.why))));
        Ok(())
    }

    /// Reads something that an older balancer may not know.
    async fn find_or_older<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>, Failure> {
        let said = self.call(Method::GET, path, &[], None).await?;
        if said.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.read(&self.done(said)?).map(Some)
    }

    /// Changes something, and reads what the balancer says of it, if it says anything.
    pub(super) async fn change<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
        body: Option<String>,
    ) -> Result<Option<T>, Failure> {
        let said = self.done(self.call(Method::POST, path, query, body).await?)?;
        if said.body.is_empty() { Ok(None) } else { self.read(&said).map(Some) }
    }

    /// Deletes something. Nothing there: what the balancer says to that.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<Result<(), String>, Failure> {
        let said = self.call(Method::DELETE, path, &[], None).await?;
        if said.status == StatusCode::NOT_FOUND {
            return Ok(Err(said.text()));
        }
        self.done(said).map(|_| Ok(()))
    }

    /// Whether the balancer's API answers at all.
    pub(super) async fn is_up(&self) -> Result<bool, Failure> {
        let url = web::call(&self.url, &["bigbluebutton", "api"]);
        let said = self.web.send(self.web.client().get(url)).await?;
        Ok(said.status.is_success() && said.text().contains("SUCCESS"))
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
        body: Option<String>,
    ) -> Result<Said, Failure> {
        let path: Vec<&str> = ["admin", "api"].iter().chain(path).copied().collect();
        let mut url = web::call(&self.url, &path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.web.client().request(method, url);
        let request = request.header(AUTHORIZATION, self.key.clone());
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            None => request,
        };
        self.web.send(request).await
    }

    fn done(&self, said: Said) -> Result<Said, Failure> {
        if said.status.is_success() { Ok(said) } else { Err(refusal(self.web.whom(), &said)) }
    }

    fn read<T: DeserializeOwned>(&self, said: &Said) -> Result<T, Failure> {
        serde_json::from_slice(&said.body).map_err(|error| {
            let whom = self.web.whom();
            if said.body.first().is_some_and(|byte| matches!(byte, b'{' | b'[')) {
                // The error's own words may show a value.
                return Failure::Fault(format!(
                    "{whom} gave an answer of another form ({:?})",
                    error.classify()
                ));
            }
            Failure::Wrong(format!("{whom} gave no JSON: is its URL that of a balancer?"))
        })
    }
}

/// What an answer means that is no success.
fn refusal(whom: &str, said: &Said) -> Failure {
    let (status, text) = (said.status, said.text());
    let why = if text.is_empty() { format!("HTTP status {status}") } else { text };
    match status.as_u16() {
        401 | 403 => Failure::Wrong(format!("{whom} refuses the key")),
        429 => {
            let wait = said.retry_after.map_or_else(|| "a while".into(), |s| format!("{s} s"));
            Failure::Wrong(format!("{whom} got too many wrong keys from here: wait {wait}"))
        }
        300..=399 => Failure::Wrong(format!("{whom} sends elsewhere ({status}): name its own URL")),
        502..=504 => Failure::Away(format!("{whom} can't do it now: {why}")),
        500..=599 => Failure::Fault(format!("{whom} failed: {why}")),
        _ => Failure::Wrong(format!("{whom} refuses: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, text: &str, expected: Failure) {
        let status = StatusCode::from_u16(status).unwrap();
        let said = Said { status, body: text.into(), retry_after: Some(6) };
        assert_eq!(refusal("it", &said), expected);
    }

    #[test]
    fn refusals_show_the_balancers_text() {
        check(400, "a\nb\x1b[2J\n", Failure::Wrong("it refuses: a\nb[2J".into()));
        check(404, "", Failure::Wrong("it refuses: HTTP status 404 Not Found".into()));
        check(401, "", Failure::Wrong("it refuses the key".into()));
        check(429, "", Failure::Wrong("it got too many wrong keys from here: wait 6 s".into()));
        check(503, "not loaded", Failure::Away("it can't do it now: not loaded".into()));
        check(500, "x", Failure::Fault("it failed: x".into()));
        check(
            301,
            "",
            Failure::Wrong("it sends elsewhere (301 Moved Permanently): name its own URL".into()),
        );
    }
}
