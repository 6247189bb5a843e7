//! Form posts: parameters in the body, which the checksum must cover.

use axum::body::Body;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::signed::verified;
use crate::bbb::call::Call;
use crate::bbb::form::{as_query, sorted};
use crate::bbb::query::{QueryFault, SignedQuery};
use crate::domain::tenant::Tenant;
use crate::flows::refusal::Refusal;

/// The largest form: parameters, no documents.
const MOST_BYTES: usize = 256 * 1024;

/// The parameters of a form post as one query without its checksum, once that was verified.
///
/// A checksum covers the URL's query, or, where that is empty, the form: as it is, or sorted and
/// encoded anew. With `unsigned`, as in BBB 3.0, it need not cover the form at all.
pub(super) async fn checked(
    tenant: &Tenant,
    call: Call,
    parts: &Parts,
    body: Body,
    unsigned: bool,
) -> Result<String, Refusal> {
    let text = text(body).await?;
    let url = SignedQuery::parse(parts.uri.query().unwrap_or_default())?;
    let form = SignedQuery::parse(&text)?;
    let supplied = match (url.checksum, form.checksum) {
        (Some(_), Some(_)) => return Err(QueryFault::ChecksumTwice.into()),
        (Some(checksum), None) | (None, Some(checksum)) => checksum,
        (None, None) => return Err(Refusal::Checksum),
    };
    let fits = |covered: &str| verified(tenant, call, supplied, covered);
    let covers_form = url.rest.is_empty() && (fits(&form.rest) || fits(&sorted(&form.rest)));
    let may_leave_form = unsigned || form.rest.is_empty();
    if !(covers_form || may_leave_form && fits(&url.rest)) {
        return Err(Refusal::Checksum);
    }
    let form = as_query(&form.rest);
    let filled = [&*url.rest, &form].into_iter().filter(|part| !part.is_empty());
    Ok(filled.collect::<Vec<_>>().join("&"))
}

async fn text(body: Body) -> Result<String, Refusal> {
    let read = Limited::new(body, MOST_BYTES).collect().await;
    let bytes = read.map_err(|error| match error.is::<LengthLimitError>() {
        true => Refusal::TooLarge,
        false => Refusal::Internal("read the request's body"),
    })?;
    String::from_utf8(bytes.to_bytes().into()).map_err(|_| QueryFault::NotText("the form").into())
}
