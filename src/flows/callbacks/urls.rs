//! Callback URLs on their way through us: ours to instances, the client's own back to it.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;

use crate::bbb::callback::{Escape, Restorer, Sealed, Stream, asks_for_callbacks, rewritten};
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::{Tenant, TenantId};
use crate::flows::World;
use crate::flows::answer::Answer;
use crate::flows::refusal::Refusal;

/// The key is read at the start; a create is refused within a second when the store is away.
const KEY_WITHIN: Duration = Duration::from_millis(900);

impl World {
    /// A create's query whose callback URLs are ours, if instances are to call us.
    pub async fn called_back<'q>(
        &self,
        tenant: &Tenant,
        meeting: &MeetingId,
        query: &'q str,
    ) -> Result<Cow<'q, str>, Refusal> {
        let Some(base) = &self.config.callbacks.base_url else {
            if !self.actors.callbacks.are_wanted() && asks_for_callbacks(query) {
                self.actors.callbacks.want();
            }
            return Ok(query.into());
        };
        let sealer = self.actors.callbacks.sealer_within(KEY_WITHIN).await;
        let sealer = sealer.ok_or(Refusal::Internal("reach its store"))?;
        let nonce = self.randomness.draw();
        Ok(Cow::Owned(rewritten(query, |kind, url| {
            let (tenant, meeting) = (tenant.id.as_str().to_owned(), meeting.as_str().to_owned());
            let sealed = Sealed::Meeting { tenant, meeting, url: url.to_owned(), nonce };
            sealer.url(base, kind, &sealed)
        })))
    }

    /// What puts a tenant's URLs back; none before the key was read, when no URL was sealed here.
    pub fn restorer(&self, tenant: &TenantId, escape: Escape) -> Option<Restorer> {
        let sealer = self.actors.callbacks.sealer()?;
        Some(Restorer::new(sealer, tenant.as_str(), escape))
    }

    /// An answer in XML with the client's own URLs where an instance shows ours.
    pub fn restored(&self, tenant: &Tenant, answer: Answer) -> Answer {
        let Some(restorer) = self.restorer(&tenant.id, Escape::Xml) else { return answer };
        match answer {
            Answer::Passed(body) => Answer::Passed(whole(&restorer, body)),
            Answer::Merged(parts) => {
                let mut stream = Stream::new(restorer);
                let mut own: Vec<Bytes> = parts.into_iter().map(|p| stream.push(p)).collect();
                own.push(stream.end());
                own.retain(|part| !part.is_empty());
                Answer::Merged(own)
            }
            Answer::Passing { body, .. } => {
                let stream = Some(Stream::new(restorer));
                Answer::Passing { length: None, body: Body::new(Restoring { body, stream }) }
            }
            other => other,
        }
    }
}

/// A text with the client's own URLs.
pub(super) fn whole(restorer: &Restorer, body: Bytes) -> Bytes {
    match restorer.whole(&body) {
        Cow::Borrowed(_) => body,
        Cow::Owned(own) => own.into(),
    }
}

/// A body whose URLs are put back while it passes.
struct Restoring {
    body: Body,
    /// None once the body has ended.
    stream: Option<Stream>,
}

impl http_body::Body for Restoring {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if self.stream.is_none() {
                return Poll::Ready(None);
            }
            let next = ready!(Pin::new(&mut self.body).poll_frame(context));
            let Some(stream) = self.stream.as_mut() else { return Poll::Ready(None) };
            let out = match next {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(part) => stream.push(part),
                    Err(_) => continue, // trailers, which BBB has none of
                },
                Some(Err(error)) => {
                    self.stream = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    let rest = stream.end();
                    self.stream = None;
                    rest
                }
            };
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt;

    use super::*;
    use crate::bbb::callback::{Kind, Sealer};

    #[tokio::test]
    async fn a_body_that_comes_in_parts_shows_the_clients_url() {
        let sealer = Arc::new(Sealer::new([1; 32]));
        let (tenant, meeting) = ("t.example.org".to_owned(), "room".to_owned());
        let sealed = Sealed::Meeting { tenant, meeting, url: "https://t/end?a&b".into(), nonce: 1 };
        let url = sealer.url("https://lb", Kind::End, &sealed);
        let text = format!("<a>{url}</a><b>x</b> tail{url}");
        let parts: Vec<_> = text.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
        let parts = futures_util::stream::iter(parts.into_iter().map(Ok::<_, axum::Error>));
        let stream = Some(Stream::new(Restorer::new(sealer, "t.example.org", Escape::Xml)));
        let body = Body::new(Restoring { body: Body::from_stream(parts), stream });
        let whole = body.collect().await.expect("a body").to_bytes();
        assert_eq!(whole, format!("<a>https://t/end?a&amp;b</a><b>x</b> tail{url}"));
    }
}
