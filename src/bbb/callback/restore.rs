//! The client's own URLs where an instance shows ours: in whole answers, and in those that pass in parts.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::{Kind, PATH, Sealed, Sealer};

/// A URL of ours is at most so long; what is longer is passed on as it is.
const LONGEST: usize = 16 * 1024;
/// What stands in every URL of ours, also where a slash is escaped.
const MARK: &[u8] = b"/callbacks";
const CDATA: &[u8] = b"![CDATA[";

/// How a text is written down where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    Xml,
    Json,
}

/// Puts one tenant's URLs back where ours stand. Only a token that we made for this tenant is replaced.
#[derive(Clone, Debug)]
pub struct Restorer {
    sealer: Arc<Sealer>,
    tenant: Arc<str>,
    escape: Escape,
}

impl Restorer {
    pub fn new(sealer: Arc<Sealer>, tenant: impl Into<Arc<str>>, escape: Escape) -> Self {
        Self { sealer, tenant: tenant.into(), escape }
    }

    /// The same text with the tenant's own URLs; borrowed where there was none of ours.
    pub fn whole<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut out: Option<Vec<u8>> = None;
        let (mut done, mut from) = (0, 0);
        while let Some(at) = memmem::find(&text[from..], MARK).map(|at| from + at) {
            let start =
                text[done..at].iter().rposition(|b| is_edge(*b)).map_or(done, |p| done + p + 1);
            let end = text[at..].iter().position(|b| is_edge(*b)).map_or(text.len(), |p| at + p);
            if let Some(own) = self.own(&text[start..end]) {
                let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
                out.extend_from_slice(&text[done..start]);
                out.extend_from_slice(&own);
                done = end;
            }
            from = end;
        }
        match out {
            Some(mut out) => {
                out.extend_from_slice(&text[done..]);
                Cow::Owned(out)
            }
            None => Cow::Borrowed(text),
        }
    }

    /// What stands in place of this word, if it is a URL of ours.
    fn own(&self, word: &[u8]) -> Option<Vec<u8>> {
        if word.len() > LONGEST {
            return None;
        }
        let raw = word.strip_prefix(CDATA).and_then(|rest| rest.strip_suffix(b"]]"));
        let url = std::str::from_utf8(raw.unwrap_or(word)).ok()?;
        let url = match self.escape {
            Escape::Json => Cow::Owned(url.replace("\\/", "/")),
            Escape::Xml => Cow::Borrowed(url),
        };
        let (kind, token) = parts(&url)?;
        let Sealed::Meeting { tenant, url: own, .. } = self.sealer.open(kind, token)? else {
            return None;
        };
        if tenant != *self.tenant {
            return None;
        }
        Some(match (self.escape, raw) {
            (Escape::Xml, Some(_)) if own.contains("]]>") => return None,
            (Escape::Xml, Some(_)) => [CDATA, own.as_bytes(), b"]]"].concat(),
            (Escape::Xml, None) => quick_xml::escape::escape(&*own).as_bytes().to_vec(),
            (Escape::Json, _) => {
                let quoted = serde_json::to_string(&own).ok()?;
                quoted.get(1..quoted.len() - 1)?.as_bytes().to_vec()
            }
        })
    }
}

/// Kind and token of a URL of ours. Whatever its base: that may have been another one in its day.
fn parts(url: &str) -> Option<(Kind, &str)> {
    let (rest, token) = url.rsplit_once('/')?;
    let (rest, kind) = rest.rsplit_once('/')?;
    let of_ours = rest.ends_with(PATH.trim_end_matches('/'));
    let web = rest.starts_with("http://") || rest.starts_with("https://");
    Some((Kind::named(kind).filter(|_| of_ours && web)?, token))
}

/// What can't stand in a URL of ours.
fn is_edge(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'"' | b' ' | b'\t' | b'\r' | b'\n')
}

/// The same for a text that comes in parts: a word is held back until its end is known, if it may be ours.
#[derive(Debug)]
pub struct Stream {
    restorer: Restorer,
    held: BytesMut,
    /// Inside a word that is not ours.
    passing: bool,
}

impl Stream {
    pub fn new(restorer: Restorer) -> Self {
        Self { restorer, held: BytesMut::new(), passing: false }
    }

    /// What can be passed on now that this part came.
    pub fn push(&mut self, part: Bytes) -> Bytes {
        let mut text = part;
        let mut out = BytesMut::new();
        if self.passing {
            let edge = text.iter().position(|b| is_edge(*b));
            out.extend_from_slice(&text.split_to(edge.unwrap_or(text.len())));
            self.passing = edge.is_none();
        }
        if !self.held.is_empty() {
            self.held.extend_from_slice(&text);
            text = std::mem::take(&mut self.held).freeze();
        }
        let word = text.iter().rposition(|b| is_edge(*b)).map_or(0, |at| at + 1);
        let rest = text.split_off(word);
        if may_be_ours(&rest) {
            self.held = rest.into();
        } else {
            self.passing = !rest.is_empty() || self.passing;
            let whole = self.restorer.whole(&text);
            if out.is_empty() && matches!(whole, Cow::Borrowed(_)) && rest.is_empty() {
                return text;
            }
            out.extend_from_slice(&whole);
            out.extend_from_slice(&rest);
            return out.freeze();
        }
        let whole = self.restorer.whole(&text);
        if out.is_empty() && matches!(whole, Cow::Borrowed(_)) {
            return text;
        }
        out.extend_from_slice(&whole);
        out.freeze()
    }

    /// What was held back when the last part has come.
    pub fn end(&mut self) -> Bytes {
        let held = std::mem::take(&mut self.held).freeze();
        match self.restorer.whole(&held) {
            Cow::Owned(own) => own.into(),
            Cow::Borrowed(_) => held,
        }
    }
}

/// Whether a word that begins so may become a URL of ours.
fn may_be_ours(word: &[u8]) -> bool {
    let bare = word.strip_prefix(CDATA).unwrap_or(word);
    let begins = |text: &[u8], with: &[u8]| text.starts_with(with) || with.starts_with(text);
    !word.is_empty() && word.len() <= LONGEST && (begins(bare, b"http") || begins(word, CDATA))
}

#[cfg(test)]
mod tests;
