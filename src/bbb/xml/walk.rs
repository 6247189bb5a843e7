//! A walk through a document: every check of well-formedness that we ask for, and the places a reader cares about.

use std::borrow::Cow;

use quick_xml::encoding::EncodingError;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader};

use super::XmlFault;

/// Elements within elements; BBB needs ten.
pub(super) const MAX_DEPTH: usize = 64;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The elements a reader cares about. Which one an element is depends on its parent too, so that the
/// same name at another depth means nothing.
pub(in crate::bbb) trait Place: Copy {
    /// The element `response`.
    const ROOT: Self;
    /// The place of an element of this name in this place; none when it and all within it don't matter.
    fn child(self, name: &str) -> Option<Self>;
}

/// What comes next in a place that matters.
pub(in crate::bbb) enum Step<'a, P> {
    /// An element starts; `at` is where its `<` stands.
    Open { place: P, at: usize },
    /// Some of the text directly in an element, with references resolved.
    Text(P, Cow<'a, str>),
    /// A character of the text directly in an element that was written as a reference.
    Char(P, char),
    /// An element ends; `end` is behind its `>`.
    Close { place: P, end: usize },
    /// The document ends and is well.
    End,
}

/// A document being read from its first byte to its last.
pub(in crate::bbb) struct Walk<'a, P> {
    reader: Reader<&'a [u8]>,
    len: usize,
    /// Length of the byte order mark, which the reader drops without counting it.
    bom: usize,
    /// The open elements, outermost first.
    trail: Vec<Option<P>>,
    rooted: bool,
    /// The element opened last was written `<x/>`.
    empty: bool,
}

impl<'a, P: Place> Walk<'a, P> {
    pub(in crate::bbb) fn new(body: &'a [u8]) -> Self {
        Self {
            reader: Reader::from_reader(body),
            len: body.len(),
            bom: if body.starts_with(BOM) { BOM.len() } else { 0 },
            trail: Vec::with_capacity(8),
            rooted: false,
            empty: false,
        }
    }

    /// Goes on to the next thing that matters; everything on the way is checked all the same.
    pub(in crate::bbb) fn next(&mut self) -> Result<Step<'a, P>, XmlFault> {
        loop {
            let step = if std::mem::take(&mut self.empty) { self.close() } else { self.read()? };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    fn read(&mut self) -> Result<Option<Step<'a, P>>, XmlFault> {
        let at = self.offset();
        match self.reader.read_event().map_err(|error| self.fault(&error))? {
            Event::Start(tag) => self.open(&tag, at),
            Event::Empty(tag) => {
                self.empty = true;
                self.open(&tag, at)
            }
            Event::End(_) => Ok(self.close()),
            Event::Text(text) => self.text(text.into_inner()),
            Event::CData(_) if self.trail.is_empty() => Err(XmlFault::Outside),
            Event::CData(text) => self.text(text.into_inner()),
            Event::GeneralRef(name) => self.reference(&name),
            Event::Decl(decl) => declared(&decl, at == self.bom).map(|()| None),
            Event::DocType(_) => Err(XmlFault::Doctype),
            Event::Comment(_) | Event::PI(_) => Ok(None),
            Event::Eof if self.rooted && self.trail.is_empty() => Ok(Some(Step::End)),
            Event::Eof => Err(XmlFault::Truncated),
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>, at: usize) -> Result<Option<Step<'a, P>>, XmlFault> {
        let name = tag.name();
        let name: &str = name.as_ref();
        if !is_name(name) || !is_plain(tag.attributes_raw()) {
            return Err(XmlFault::Malformed);
        }
        if !refers_well(tag.attributes_raw()) {
            return Err(XmlFault::Entity);
        }
        let place = match self.trail.last() {
            Some(_) if self.trail.len() == MAX_DEPTH => return Err(XmlFault::TooDeep),
            Some(parent) => parent.and_then(|parent| parent.child(name)),
            None if self.rooted => return Err(XmlFault::Outside),
            None if name != "response" => return Err(XmlFault::WrongRoot),
            None => Some(P::ROOT),
        };
        self.rooted = true;
        self.trail.push(place);
        Ok(place.map(|place| Step::Open { place, at }))
    }

    fn close(&mut self) -> Option<Step<'a, P>> {
        let end = self.offset();
        self.trail.pop().flatten().map(|place| Step::Close { place, end })
    }

    fn text(&self, text: Cow<'a, str>) -> Result<Option<Step<'a, P>>, XmlFault> {
        match self.trail.last() {
            Some(place) => Ok(place.map(|place| Step::Text(place, text))),
            None if text.bytes().all(is_space) => Ok(None),
            None => Err(XmlFault::Outside),
        }
    }

    fn reference(&self, name: &BytesRef<'_>) -> Result<Option<Step<'a, P>>, XmlFault> {
        let place = *self.trail.last().ok_or(XmlFault::Outside)?;
        if let Some(text) = resolve_xml_entity(name) {
            return Ok(place.map(|place| Step::Text(place, Cow::Borrowed(text))));
        }
        let resolved = name.resolve_char_ref().ok().flatten().ok_or(XmlFault::Entity)?;
        Ok(place.map(|place| Step::Char(place, resolved)))
    }

    /// The bytes of the document behind us.
    fn offset(&self) -> usize {
        // A position in a slice fits in its length.
        self.bom + usize::try_from(self.reader.buffer_position()).unwrap_or(self.len)
    }

    /// What an error of the reader means. Whatever the document's end cut in two is said to end too early.
    fn fault(&self, error: &Error) -> XmlFault {
        use quick_xml::errors::{IllFormedError, SyntaxError};
        let left = self.len.saturating_sub(self.offset());
        match error {
            Error::Syntax(SyntaxError::UnclosedDoctype) => XmlFault::Doctype,
            Error::IllFormed(IllFormedError::MissingDoctypeName) => XmlFault::Doctype,
            Error::Encoding(EncodingError::Utf8(e)) if left > 0 || e.error_len().is_some() => {
                XmlFault::NotUtf8
            }
            Error::Encoding(_) => XmlFault::Truncated,
            // The reader stops before a `<` or `<!` that nothing follows.
            Error::Syntax(_) if left <= 2 => XmlFault::Truncated,
            Error::IllFormed(IllFormedError::UnclosedReference) if left == 0 => XmlFault::Truncated,
            _ => XmlFault::Malformed,
        }
    }
}

/// Checks the declaration, which only stands first.
fn declared(decl: &BytesDecl<'_>, first: bool) -> Result<(), XmlFault> {
    if !first || decl.xml_version().is_err() {
        return Err(XmlFault::Malformed);
    }
    match decl.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(Ok(_)) => Err(XmlFault::NotUtf8),
        Some(Err(_)) => Err(XmlFault::Malformed),
    }
}

/// Whether a tag's name holds nothing that another reader could take for markup. Names that XML forbids
/// for other reasons (`<1a>`) are let through, since BBB writes names that users choose: one such
/// attendee must not take the whole list of an instance from all tenants.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.bytes().any(|byte| MARKUP[usize::from(byte)])
}

/// The bytes that make a tag's name ambiguous, and control characters.
const MARKUP: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = b.is_ascii_control()
            || matches!(b, b'<' | b'>' | b'&' | b'"' | b'\'' | b'=' | b'/' | b'!' | b'?');
        byte += 1;
    }
    table
};

/// Whether attributes hold no `<`, where another reader could see an element.
fn is_plain(attributes: &str) -> bool {
    !attributes.contains('<')
}

/// Whether every `&` in attributes starts a reference that needs no declaration.
fn refers_well(attributes: &str) -> bool {
    attributes.split('&').skip(1).all(|behind| {
        behind.split_once(';').is_some_and(|(name, _)| {
            resolve_xml_entity(name).is_some()
                || matches!(BytesRef::new(name).resolve_char_ref(), Ok(Some(_)))
        })
    })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether an element's text says yes.
pub(in crate::bbb) fn truth(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}
