//! Form posts: parameters in the body, which the checksum must cover.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use multer::Multipart;

use super::signed::verified;
use crate::bbb::call::Call;
use crate::bbb::form::{as_query, encoded, sorted};
use crate::bbb::query::{QueryFault, SignedQuery};
use crate::domain::tenant::Tenant;
use crate::flows::refusal::Refusal;

/// The largest form: parameters, no documents.
const MOST_BYTES: usize = 256 * 1024;

/// How a form writes its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Encoded,
    Multipart,
}

impl Form {
    /// The kind of form with this bare Content-Type, if it is one.
    pub(super) fn of(kind: &str) -> Option<Self> {
        match kind {
            "application/x-www-form-urlencoded" => Some(Self::Encoded),
            "multipart/form-data" => Some(Self::Multipart),
            _ => None,
        }
    }

    /// The form's parameters as one text, in their order: those of a form that is no text already are encoded.
    pub(super) async fn text(self, parts: &Parts, body: Body) -> Result<String, Refusal> {
        let bytes = read(body).await?;
        match self {
            Self::Encoded => {
                String::from_utf8(bytes.into()).map_err(|_| QueryFault::NotText("the form").into())
            }
            Self::Multipart => multipart(parts, bytes).await,
        }
    }
}

/// The parameters of a form post as one query without its checksum, once that was verified.
///
/// A checksum covers the URL's query, or, where that is empty, the form: as it is, or sorted and
/// encoded anew. With `unsigned`, as in BBB 3.0, it need not cover the form at all.
pub(super) fn checked(
    tenant: &Tenant,
    call: Call,
    parts: &Parts,
    text: &str,
    unsigned: bool,
) -> Result<String, Refusal> {
    let url = SignedQuery::parse(parts.uri.query().unwrap_or_default())?;
    let form = SignedQuery::parse(text)?;
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

async fn read(body: Body) -> Result<Bytes, Refusal> {
    let read = Limited::new(body, MOST_BYTES).collect().await;
    let bytes = read.map_err(|error| match error.is::<LengthLimitError>() {
        true => Refusal::TooLarge,
        false => Refusal::Internal("read the request's body"),
    })?;
    Ok(bytes.to_bytes())
}

/// The fields that are no files; a file is no parameter.
async fn multipart(parts: &Parts, bytes: Bytes) -> Result<String, Refusal> {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let boundary = multer::parse_boundary(kind.unwrap_or_default());
    let boundary = boundary.map_err(|_| Refusal::ContentType)?;
    let mut form = Multipart::new(stream::iter([Ok::<_, std::io::Error>(bytes)]), boundary);
    let broken = |_| Refusal::from(QueryFault::NotText("the form"));
    let mut parameters = Vec::new();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().map(str::to_owned).filter(|_| field.file_name().is_none());
        let value = field.bytes().await.map_err(broken)?;
        let Some(name) = name else { continue };
        let value = String::from_utf8(value.into());
        parameters.push((name, value.map_err(|_| QueryFault::NotText("the form"))?));
    }
    Ok(encoded(parameters))
}
