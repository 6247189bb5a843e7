//! Which element comes after which: lists are written by templates, so what came last time comes again, and
//! need not be looked at byte by byte to be known.

use memchr::memchr2;

use super::walk::is_of_name;

/// The most names that are remembered; lists have some thirty.
const MOST: usize = 64;

/// A name that was looked at, and what came behind such an element the last time.
struct Known {
    /// The name and its `>`; empty for none.
    tag: Box<str>,
    next: usize,
}

/// The names of elements that held nothing but text.
pub(super) struct Habit {
    known: Vec<Known>,
    last: usize,
}

impl Default for Habit {
    fn default() -> Self {
        Self { known: vec![Known { tag: "".into(), next: 0 }], last: 0 }
    }
}

impl Habit {
    /// The length of blanks and an element behind them that holds only text without references, if that is
    /// what stands here and its name may be passed over.
    pub(super) fn leaf(&mut self, text: &str, may_pass: impl Fn(&str) -> bool) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while matches!(bytes.get(at), Some(b'\n' | b' ' | b'\r' | b'\t')) {
            at += 1;
        }
        let inside = bytes.get(at..)?.strip_prefix(b"<")?;
        let next = self.known[self.last].next;
        let tag = &self.known[next].tag;
        if tag.is_empty() || !inside.starts_with(tag.as_bytes()) {
            self.look(&text[at + 1..])?;
        } else {
            self.last = next;
        }
        let tag = &self.known[self.last].tag;
        let inner = &inside[tag.len()..];
        let len = memchr2(b'<', b'&', inner)?;
        let behind = inner[len..].strip_prefix(b"</")?.strip_prefix(tag.as_bytes())?;
        may_pass(&tag[..tag.len() - 1]).then_some(bytes.len() - behind.len())
    }

    /// Looks at a name that was not expected here, and remembers it.
    fn look(&mut self, text: &str) -> Option<()> {
        let len = text.bytes().take_while(|byte| is_of_name(*byte)).count();
        if len == 0 || text.as_bytes().get(len) != Some(&b'>') {
            return None;
        }
        let tag = &text[..=len];
        let at = self.known.iter().position(|known| *known.tag == *tag).unwrap_or_else(|| {
            if self.known.len() == MOST {
                *self = Self::default();
            }
            self.known.push(Known { tag: tag.into(), next: 0 });
            self.known.len() - 1
        });
        self.known[self.last].next = at;
        self.last = at;
        Some(())
    }
}
