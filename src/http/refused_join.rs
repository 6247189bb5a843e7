//! A join that is refused: back to where the client says that errors go, else a page for browsers.

use std::borrow::Cow;

use axum::response::Response;
use http::HeaderMap;

use super::pages;
use super::refusal::v3_status;
use super::wanted::Wanted;
use crate::bbb::query::{self, QueryFault};
use crate::bbb::reply::error_redirect;
use crate::domain::tenant::Tenant;
use crate::flows::answer::Answer;
use crate::flows::refusal::Refusal;

/// Where a refusal sends the user, as BBB does: `errorRedirectUrl`, else `logoutURL`, with `errors` in its query.
/// `redirect=false` changes nothing about it. The query's checksum was verified, or anybody could redirect.
///
/// Fails with the refusal itself where the client names no such URL, or where nothing was refused but something of
/// ours failed: then the user may try again. A browser waits on a page for a meeting whose server is away.
pub(super) fn redirected(
    refusal: Refusal,
    tenant: &Tenant,
    query: &str,
    wanted: Wanted,
) -> Result<Answer, Refusal> {
    let may_wait = matches!(refusal, Refusal::Unavailable) && wanted == Wanted::Page;
    if may_wait || matches!(refusal, Refusal::Silent | Refusal::Internal(_) | Refusal::Server(_)) {
        return Err(refusal);
    }
    let query = tenant.rules.join(query);
    let target = ["errorRedirectUrl", "logoutURL"].into_iter().find_map(|name| {
        query::value(&query, name).filter(|url| is_web_url(url)).map(Cow::into_owned)
    });
    let Some(target) = target else { return Err(refusal) };
    let (key, message) = refusal.key_and_message();
    Ok(Answer::RefusedTo(error_redirect(&target, key, &message)))
}

/// The page that a browser shows, with v3's status if `v3_statuses`; `None` where it reads XML as everybody does.
pub(super) fn page(refusal: &Refusal, headers: &HeaderMap, v3_statuses: bool) -> Option<Response> {
    let mut page = match refusal {
        Refusal::Checksum | Refusal::Query(QueryFault::ChecksumTwice) => return None,
        Refusal::Unsupported | Refusal::ContentType | Refusal::TooLarge => return None,
        Refusal::Unavailable | Refusal::Silent | Refusal::Internal(_) | Refusal::Server(_) => {
            pages::waiting(headers)
        }
        Refusal::Maintenance(text) => pages::maintenance(headers, text),
        Refusal::NothingToJoin => pages::no_meeting(headers),
        Refusal::UserPool => pages::full(headers),
        other => pages::unusable(headers, &other.key_and_message().1),
    };
    if let Some(status) = v3_status(refusal).filter(|_| v3_statuses) {
        *page.status_mut() = status;
    }
    Some(page)
}

/// Whether a browser may be sent there: http or https, and nothing that would break a header.
fn is_web_url(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    (lower.starts_with("http://") || lower.starts_with("https://"))
        && url.parse::<http::Uri>().is_ok_and(|uri| uri.authority().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_sent_to_web_pages_only() {
        let check = |url: &str, expected| assert_eq!(is_web_url(url), expected, "{url}");
        check("https://a.example.org/x?y=1", true);
        check("HTTP://a.example.org", true);
        check("javascript:alert(1)", false);
        check("//a.example.org", false);
        check("/x", false);
        check("data:text/html,x", false);
        check("https://", false);
        check("ftp://a.example.org", false);
        check("é", false);
    }
}
