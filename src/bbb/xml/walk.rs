//! A walk through a document: every check of well-formedness that we ask for, and the places a reader cares about.
//!
//! Lists of many instances are read for every getMeetings, and part by part as they arrive, which is why the
//! document is taken apart here and not by a library: a walk can stop at any byte and go on later, allocates
//! nothing, and looks at most bytes once. The tests hold it against `quick-xml`.

use std::ops::Range;

use memchr::memmem::find;
use memchr::{memchr, memchr2, memchr3};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart};

use super::XmlFault;
use super::habit::Habit;

/// Elements within elements; BBB needs ten.
pub(super) const MAX_DEPTH: usize = 64;
const BOM: &str = "\u{FEFF}";

/// The elements a reader cares about. Which one an element is depends on its parent too, so that the
/// same name at another depth means nothing.
pub(in crate::bbb) trait Place: Copy {
    /// The element `response`.
    const ROOT: Self;
    /// The place of an element of this name in this place; none when it and all within it don't matter.
    fn child(self, name: &str) -> Option<Self>;
    /// Whether the text directly in such an element matters.
    fn has_text(self) -> bool;
}

/// What comes next in a place that matters.
pub(in crate::bbb) enum Step<'a, P> {
    /// An element starts; `at` is where its `<` stands in the document.
    Open { place: P, name: &'a str, at: usize },
    /// Some of the text directly in an element, with references resolved.
    Text(P, &'a str),
    /// A character of the text directly in an element that was written as a reference.
    Char(P, char),
    /// An element ends; `end` is behind its `>`.
    Close { place: P, end: usize },
    /// The document ends here and is well, unless more comes.
    End,
}

/// How far a walk has come; it can go on with the bytes from there.
pub(in crate::bbb) struct Progress<P> {
    /// The bytes of the document behind us.
    pub(in crate::bbb) at: usize,
    /// Length of the byte order mark.
    mark: usize,
    /// The open elements, outermost first, each with where its name begins in `names`.
    trail: Vec<(Option<P>, usize)>,
    names: String,
    rooted: bool,
    /// The element opened last was written `<x/>`.
    empty: bool,
    habit: Habit,
}

impl<P> Default for Progress<P> {
    fn default() -> Self {
        let (trail, names) = (Vec::with_capacity(8), String::with_capacity(64));
        Self { at: 0, mark: 0, trail, names, rooted: false, empty: false, habit: Habit::default() }
    }
}

/// A document, or the next part of one, being read to its last byte.
pub(in crate::bbb) struct Walk<'a, P> {
    progress: Progress<P>,
    /// What is left of the part, as far as it is UTF-8.
    rest: &'a str,
    /// What it means if that is not enough, or is not all.
    behind: Behind,
}

/// What stands behind the part of a document that is UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// The start of a character.
    Start,
    /// Something else than UTF-8.
    Garbage,
}

impl<'a, P: Place> Walk<'a, P> {
    /// Begins with a whole document.
    pub(in crate::bbb) fn new(body: &'a [u8]) -> Self {
        Self::resume(Progress::default(), body)
    }

    /// Goes on where a walk was suspended, with the bytes from there on.
    pub(in crate::bbb) fn resume(progress: Progress<P>, bytes: &'a [u8]) -> Self {
        let (rest, behind) = match std::str::from_utf8(bytes) {
            Ok(rest) => (rest, Behind::Nothing),
            Err(error) => {
                let well = &bytes[..error.valid_up_to()];
                let behind = error.error_len().map_or(Behind::Start, |_| Behind::Garbage);
                (std::str::from_utf8(well).unwrap_or_default(), behind)
            }
        };
        let mut walk = Self { progress, rest, behind };
        if walk.progress.at == 0 && rest.starts_with(BOM) {
            walk.progress.mark = walk.take(BOM.len()).len();
        }
        walk
    }

    /// Stops here. Everything before [`Progress::at`] was read and is not needed again.
    pub(in crate::bbb) fn suspend(self) -> Progress<P> {
        self.progress
    }

    /// The place of the innermost element that is open.
    pub(in crate::bbb) fn place(&self) -> Option<P> {
        self.progress.trail.last().filter(|_| !self.progress.empty)?.0
    }

    /// What is left of the part, as far as it is UTF-8.
    pub(in crate::bbb) fn ahead(&self) -> &'a str {
        self.rest
    }

    /// Passes over so many bytes, which hold whole elements and blanks and are known to be well. Answers where
    /// they begin in the document.
    pub(in crate::bbb) fn pass(&mut self, len: usize) -> usize {
        let at = self.progress.at;
        self.take(len);
        at
    }

    /// Goes on to the next thing that matters; everything on the way is checked all the same.
    /// [`XmlFault::Truncated`] means that more bytes are needed; from any other fault nothing follows.
    pub(in crate::bbb) fn next(&mut self) -> Result<Step<'a, P>, XmlFault> {
        loop {
            if std::mem::take(&mut self.progress.empty) {
                if let Some(step) = self.close() {
                    return Ok(step);
                }
                continue;
            }
            self.pass_leaves();
            let step = match self.rest.as_bytes() {
                [] => return self.ended(),
                [b'<', b'/', ..] => self.end_tag()?,
                [b'<', b'!', ..] => self.declaration()?,
                [b'<', b'?', ..] => self.instruction()?,
                [b'<', ..] => self.start_tag()?,
                [b'&', ..] => self.reference()?,
                rest => {
                    let len = memchr2(b'<', b'&', rest).unwrap_or(rest.len());
                    self.text(len, 0..len)?
                }
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// Passes over elements that don't matter and hold nothing but text, with the blanks between them: most
    /// of a list is such. Stops before anything that needs a closer look.
    fn pass_leaves(&mut self) {
        let Some((place, _)) = self.progress.trail.last() else { return };
        let place = *place;
        if place.is_some_and(Place::has_text) || self.progress.trail.len() == MAX_DEPTH {
            return;
        }
        let (rest, mut passed) = (self.rest, 0);
        let habit = &mut self.progress.habit;
        let may_pass = |name: &str| place.is_none_or(|place| place.child(name).is_none());
        while let Some(len) = habit.leaf(&rest[passed..], may_pass) {
            passed += len;
        }
        self.take(passed);
    }

    /// Nothing is left.
    fn ended(&self) -> Result<Step<'a, P>, XmlFault> {
        let whole = self.progress.rooted && self.progress.trail.is_empty();
        if whole && self.behind == Behind::Nothing { Ok(Step::End) } else { Err(self.more()) }
    }

    /// What it means that what is there is not all of something.
    fn more(&self) -> XmlFault {
        match self.behind {
            Behind::Garbage => XmlFault::NotUtf8,
            Behind::Nothing | Behind::Start => XmlFault::Truncated,
        }
    }

    /// Where this comes, counted from `from`.
    fn find(&self, from: usize, wanted: &str) -> Result<usize, XmlFault> {
        find(&self.rest.as_bytes()[from..], wanted.as_bytes()).ok_or_else(|| self.more())
    }

    /// Takes so many bytes, which end before a whole character.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.progress.at += len;
        taken
    }

    fn start_tag(&mut self) -> Result<Option<Step<'a, P>>, XmlFault> {
        let bytes = self.rest.as_bytes();
        let name_end = 1 + self.rest[1..].bytes().take_while(|b| is_of_name(*b)).count();
        let (len, attributes) = match bytes.get(name_end) {
            Some(b'>') => (name_end + 1, ""),
            None => return Err(self.more()),
            Some(_) => {
                let len = name_end + self.end_of_tag(name_end)?;
                (len, &self.rest[name_end..len - 1])
            }
        };
        let empty = attributes.ends_with('/');
        if name_end == 1 {
            return Err(XmlFault::Malformed);
        }
        if !attributes.is_empty() {
            attributed(attributes.strip_suffix('/').unwrap_or(attributes))?;
        }
        let at = self.progress.at;
        let name = &self.take(len)[1..name_end];
        let place = self.progress.open(name)?;
        self.progress.empty = empty;
        Ok(place.map(|place| Step::Open { place, name, at }))
    }

    /// The length of a tag's rest from `from` to behind its `>`, which does not count in quotes.
    fn end_of_tag(&self, from: usize) -> Result<usize, XmlFault> {
        let rest = &self.rest.as_bytes()[from..];
        let mut at = 0;
        loop {
            let found = memchr3(b'>', b'"', b'\'', &rest[at..]).ok_or_else(|| self.more())?;
            at += found + 1;
            let quote = rest[at - 1];
            if quote == b'>' {
                return Ok(at);
            }
            at += 1 + memchr(quote, &rest[at..]).ok_or_else(|| self.more())?;
        }
    }

    fn end_tag(&mut self) -> Result<Option<Step<'a, P>>, XmlFault> {
        let rest = &self.rest.as_bytes()[2..];
        // Most are as they must be: that is seen without a search for their end.
        let expected = self.progress.innermost();
        let len = match rest.strip_prefix(expected.as_bytes()) {
            Some([b'>', ..]) if !expected.is_empty() => expected.len(),
            _ => {
                let len = memchr(b'>', rest).ok_or_else(|| self.more())?;
                if expected.is_empty()
                    || self.rest[2..2 + len].trim_end_matches(is_blank) != expected
                {
                    return Err(XmlFault::Malformed);
                }
                len
            }
        };
        self.take(2 + len + 1);
        Ok(self.close())
    }

    fn close(&mut self) -> Option<Step<'a, P>> {
        let (place, name) = self.progress.trail.pop()?;
        self.progress.names.truncate(name);
        place.map(|place| Step::Close { place, end: self.progress.at })
    }

    /// A comment, or a section of characters. A document type is refused at its first letter.
    fn declaration(&mut self) -> Result<Option<Step<'a, P>>, XmlFault> {
        const CDATA: &str = "<![CDATA[";
        const COMMENT: &str = "<!--";
        if self.rest[2..].starts_with(['d', 'D']) {
            return Err(XmlFault::Doctype);
        }
        if self.rest.starts_with(CDATA) {
            if self.progress.trail.is_empty() {
                return Err(XmlFault::Outside);
            }
            let len = self.find(CDATA.len(), "]]>")?;
            return self.text(CDATA.len() + len + 3, CDATA.len()..CDATA.len() + len);
        }
        if self.rest.starts_with(COMMENT) {
            let len = self.find(COMMENT.len(), "-->")?;
            self.take(COMMENT.len() + len + 3);
            return Ok(None);
        }
        let unfinished = CDATA.starts_with(self.rest) || COMMENT.starts_with(self.rest);
        Err(if unfinished { self.more() } else { XmlFault::Malformed })
    }

    fn instruction(&mut self) -> Result<Option<Step<'a, P>>, XmlFault> {
        let first = self.progress.at == self.progress.mark;
        if self.rest[2..].starts_with('>') {
            return Err(XmlFault::Malformed);
        }
        let len = self.find(2, "?>")?;
        let content = &self.take(2 + len + 2)[2..2 + len];
        match content.strip_prefix("xml") {
            Some(behind) if behind.is_empty() || behind.starts_with(is_blank) => {
                declared(&BytesDecl::from_start(BytesStart::from_content(content, 3)), first)?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Takes `len` bytes, of which `inner` are text.
    fn text(&mut self, len: usize, inner: Range<usize>) -> Result<Option<Step<'a, P>>, XmlFault> {
        let text = &self.take(len)[inner];
        match self.progress.trail.last() {
            Some((place, _)) => {
                let place = place.filter(|place| place.has_text());
                Ok(place.map(|place| Step::Text(place, text)))
            }
            None if text.chars().all(is_blank) => Ok(None),
            None => Err(XmlFault::Outside),
        }
    }

    fn reference(&mut self) -> Result<Option<Step<'a, P>>, XmlFault> {
        let place = self.progress.trail.last().ok_or(XmlFault::Outside)?.0;
        let place = place.filter(|place| place.has_text());
        let rest = &self.rest.as_bytes()[1..];
        let len = memchr3(b';', b'<', b'&', rest).ok_or_else(|| self.more())?;
        if rest[len] != b';' {
            return Err(XmlFault::Malformed);
        }
        let name = &self.take(len + 2)[1..1 + len];
        if let Some(text) = resolve_xml_entity(name) {
            return Ok(place.map(|place| Step::Text(place, text)));
        }
        let resolved = BytesRef::new(name).resolve_char_ref().ok().flatten();
        let resolved = resolved.ok_or(XmlFault::Entity)?;
        Ok(place.map(|place| Step::Char(place, resolved)))
    }
}

impl<P: Place> Progress<P> {
    /// Enters an element.
    fn open(&mut self, name: &str) -> Result<Option<P>, XmlFault> {
        let place = match self.trail.last() {
            Some(_) if self.trail.len() == MAX_DEPTH => return Err(XmlFault::TooDeep),
            Some((parent, _)) => parent.and_then(|parent| parent.child(name)),
            None if self.rooted => return Err(XmlFault::Outside),
            None if name != "response" => return Err(XmlFault::WrongRoot),
            None => Some(P::ROOT),
        };
        self.rooted = true;
        self.trail.push((place, self.names.len()));
        self.names.push_str(name);
        Ok(place)
    }

    /// The name of the element that is to be closed first; empty when there is none.
    fn innermost(&self) -> &str {
        self.trail.last().map_or("", |(_, name)| &self.names[*name..])
    }
}

/// Whether a byte may be part of a tag's name.
pub(super) fn is_of_name(byte: u8) -> bool {
    !MARKUP[usize::from(byte)]
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

/// The bytes that end a tag's name: blanks, what makes it ambiguous, and control characters. Names that XML
/// forbids for other reasons (`<1a>`) are let through, since BBB writes names that users choose: one such
/// attendee must not take the whole list of an instance from all tenants.
const MARKUP: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = b.is_ascii_control()
            || matches!(b, b' ' | b'<' | b'>' | b'&' | b'"' | b'\'' | b'=' | b'/' | b'!' | b'?');
        byte += 1;
    }
    table
};

/// Checks what stands behind a tag's name.
fn attributed(attributes: &str) -> Result<(), XmlFault> {
    if attributes.starts_with(|c: char| !is_blank(c)) || attributes.contains('<') {
        return Err(XmlFault::Malformed);
    }
    if refers_well(attributes) { Ok(()) } else { Err(XmlFault::Entity) }
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

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Whether an element's text says yes.
pub(in crate::bbb) fn truth(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}
