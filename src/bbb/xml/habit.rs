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
        if tag.is_empty() || !begins_with(inside, tag.as_bytes()) {
            self.look(&text[at + 1..])?;
        } else {
            self.last = next;
        }
        let tag = &self.known[self.last].tag;
        let inner = &inside[tag.len()..];
        let len = text_len(inner)?;
        let end = inner[len..].strip_prefix(b"</")?;
        let whole = begins_with(end, tag.as_bytes()) && may_pass(&tag[..tag.len() - 1]);
        whole.then_some(bytes.len() - end.len() + tag.len())
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

/// The same as `starts_with`, which for so short a text costs less without a call.
fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..start.len()) else { return false };
    let (Some((_, end)), Some((_, last))) = (bytes.split_last_chunk(), start.split_last_chunk())
    else {
        return bytes.iter().eq(start);
    };
    let words = bytes.chunks_exact(8).zip(start.chunks_exact(8));
    // The last word overlaps the one before it.
    u64::from_le_bytes(*end) == u64::from_le_bytes(*last)
        && words.into_iter().all(|(a, b)| word(a) == word(b))
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// The length of text up to a `<` or `&`. Most texts are so short that a search by blocks takes longer to begin.
fn text_len(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let has = |word: u64, byte: u8| {
        let zeroed = word ^ (ONES * u64::from(byte));
        zeroed.wrapping_sub(ONES) & !zeroed & HIGH
    };
    for (n, chunk) in bytes.chunks_exact(8).take(3).enumerate() {
        let word = word(chunk);
        // The lowest mark is right; those above it may not be.
        let found = has(word, b'<') | has(word, b'&');
        if found != 0 {
            return Some(n * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    memchr2(b'<', b'&', bytes)
}
