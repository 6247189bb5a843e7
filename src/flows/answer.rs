//! What a story ends with, and reading what an instance answered.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout, timeout_at};

use crate::bbb::error_page;
use crate::bbb::xml::{self, Envelope, Peek, XmlFault};
use crate::outside::servers::Incoming;

/// So much of an answer may come before its returncode.
const PEEK_BYTES: usize = 64 * 1024;
/// An answer up to this size is there as a whole, and checked, before any of it passes through. Of a
/// larger one so much is checked.
const CHECKED_BYTES: usize = 4 << 20;

/// What the client gets.
#[derive(Debug)]
pub enum Answer {
    /// What an instance said, byte for byte.
    Passed(Bytes),
    /// The same where it refuses, and what it says.
    Failed(Bytes, Box<Envelope>),
    /// What an instance said, its rest still arriving.
    Passing { length: Option<u64>, body: Body },
    /// What is no XML.
    Typed { kind: HeaderValue, body: Bytes },
    /// XML of our own.
    Own(String),
    /// A list of our own making, from what the instances said, in pieces.
    Merged(Vec<Bytes>),
    /// Go there.
    Redirect(String),
    /// The same where a join is refused: the URL has `errors` in its query.
    RefusedTo(String),
}

impl Answer {
    /// What an instance said, whether it agrees or refuses.
    pub fn said(body: Bytes, envelope: Envelope) -> Self {
        if envelope.success { Self::Passed(body) } else { Self::Failed(body, Box::new(envelope)) }
    }
}

/// Why an instance's answer can't be used: by its own fault, or by that of what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BadAnswer {
    #[error("HTTP status {0}")]
    Status(StatusCode),
    /// Clients never read it: it was we who signed.
    #[error("checksumError: it refuses our signature")]
    Signature,
    #[error("no such XML as BBB gives: {0}")]
    Xml(#[from] XmlFault),
    #[error("no JSON, though it says so")]
    Json,
    #[error("the list changed while it was read")]
    Shifted,
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the answer broke off")]
    BrokenOff,
    #[error("the answer did not end in time")]
    Late,
}

/// The whole body, unless it is larger than `most` or slower than `within`. An error page is one whatever its status.
pub async fn whole(answer: Incoming, most: usize, within: Duration) -> Result<Bytes, BadAnswer> {
    if !answer.status.is_success() {
        return Err(BadAnswer::Status(answer.status));
    }
    let body = timeout(within, Limited::new(answer.body, most).collect()).await;
    match body.map_err(|_| BadAnswer::Late)? {
        Ok(body) => {
            let body = body.to_bytes();
            error_in(&body).map_or(Ok(body), Err)
        }
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(BadAnswer::TooLarge(most))
        }
        Err(_) => Err(BadAnswer::BrokenOff),
    }
}

/// What an error page says that came with the status of a success.
fn error_in(body: &[u8]) -> Option<BadAnswer> {
    let status = error_page::status(body)?;
    StatusCode::from_u16(status).ok().map(BadAnswer::Status)
}

/// The whole body and what it says.
pub async fn read(
    answer: Incoming,
    most: usize,
    within: Duration,
) -> Result<(Bytes, Envelope), BadAnswer> {
    let body = whole(answer, most, within).await?;
    let envelope = believed(xml::read(&body)?)?;
    Ok((body, envelope))
}

/// What an instance says, unless that is about our signature.
pub fn believed(said: Envelope) -> Result<Envelope, BadAnswer> {
    if said.failed_with("checksumError") { Err(BadAnswer::Signature) } else { Ok(said) }
}

/// What the start of an answer says.
pub enum Start {
    /// SUCCESS; the answer passes through, its rest unread. With it, the part that was looked at.
    Success(Answer, Bytes),
    /// FAILED, read whole.
    Failed(Bytes, Envelope),
}

impl From<Start> for Answer {
    /// What the instance said, whether it agrees or refuses.
    fn from(said: Start) -> Self {
        match said {
            Start::Success(answer, _) => answer,
            Start::Failed(body, envelope) => Self::said(body, envelope),
        }
    }
}

/// Looks at the first bytes: a success passes through once it was checked, a failure is read whole.
pub async fn start(mut answer: Incoming, most: u64, within: Duration) -> Result<Start, BadAnswer> {
    if !answer.status.is_success() {
        return Err(BadAnswer::Status(answer.status));
    }
    let length = answer.headers.get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length| length > most) {
        return Err(BadAnswer::TooLarge(usize::try_from(most).unwrap_or(usize::MAX)));
    }
    let by = Instant::now() + within;
    let first = timeout_at(by, first_bytes(&mut answer.body));
    let (seen, peek) = first.await.map_err(|_| BadAnswer::Late)??;
    match peek {
        Peek::Fault(fault) => {
            let rest = Incoming { body: answer.body, ..answer };
            let rest = whole(rest, error_page::MOST_BYTES, within).await.unwrap_or_default();
            Err(error_in(&[seen, rest].concat()).unwrap_or_else(|| fault.into()))
        }
        Peek::NeedMore => Err(XmlFault::Truncated.into()),
        // All of it came at once, as most do: nothing needs to be awaited.
        Peek::Success if length == Some(seen.len() as u64) => {
            xml::check(&seen)?;
            Ok(Start::Success(Answer::Passed(seen.clone()), seen))
        }
        Peek::Success => {
            let gathered = timeout_at(by, gather(seen, &mut answer.body));
            let (seen, ended) = gathered.await.map_err(|_| BadAnswer::Late)??;
            if ended {
                xml::check(&seen)?;
                return Ok(Start::Success(Answer::Passed(seen.clone()), seen));
            }
            xml::check_start(&seen)?;
            let rest = Limited::new(answer.body, usize::try_from(most).unwrap_or(usize::MAX));
            let body = Body::new(Prefixed { first: Some(seen.clone()), rest });
            Ok(Start::Success(Answer::Passing { length, body }, seen))
        }
        Peek::Failed => {
            let rest = Incoming { body: answer.body, ..answer };
            let rest = whole(rest, PEEK_BYTES, within).await?;
            let body: Bytes = [seen, rest].concat().into();
            let envelope = believed(xml::read(&body)?)?;
            Ok(Start::Failed(body, envelope))
        }
    }
}

/// Bytes until the returncode is known.
async fn first_bytes(body: &mut Body) -> Result<(Bytes, Peek), BadAnswer> {
    let Some(first) = next_bytes(body).await? else { return Err(XmlFault::Truncated.into()) };
    let peek = xml::peek(&first);
    if peek != Peek::NeedMore {
        return Ok((first, peek));
    }
    let mut seen = BytesMut::from(first);
    while seen.len() < PEEK_BYTES {
        let Some(more) = next_bytes(body).await? else { break };
        seen.extend_from_slice(&more);
        let peek = xml::peek(&seen);
        if peek != Peek::NeedMore {
            return Ok((seen.freeze(), peek));
        }
    }
    Err(XmlFault::Truncated.into())
}

/// An answer with what follows its first bytes, as far as it is checked; and whether that is all of it.
async fn gather(first: Bytes, body: &mut Body) -> Result<(Bytes, bool), BadAnswer> {
    let Some(second) = next_bytes(body).await? else { return Ok((first, true)) };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    while all.len() < CHECKED_BYTES {
        let Some(more) = next_bytes(body).await? else { return Ok((all.freeze(), true)) };
        all.extend_from_slice(&more);
    }
    Ok((all.freeze(), false))
}

async fn next_bytes(body: &mut Body) -> Result<Option<Bytes>, BadAnswer> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BadAnswer::BrokenOff)?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A body whose first bytes were read already.
struct Prefixed<B> {
    first: Option<Bytes>,
    rest: B,
}

impl<B> http_body::Body for Prefixed<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, B::Error>>> {
        if let Some(first) = self.first.take() {
            return std::task::Poll::Ready(Some(Ok(http_body::Frame::data(first))));
        }
        std::pin::Pin::new(&mut self.rest).poll_frame(context)
    }
}
