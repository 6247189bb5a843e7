//! A list of meetings as it arrives, of which only the meeting that is arriving is held.

use std::sync::Arc;

use super::{At, Listed, Memo, Scan};
use crate::bbb::xml::{Progress, Walk, XmlFault};

/// An answer to getMeetings that is read part by part.
#[derive(Default)]
pub struct Reading {
    progress: Progress<At>,
    scan: Scan,
    /// What is needed again: the bytes of a meeting that has begun, and of what could not be read yet.
    held: Vec<u8>,
    /// Where these begin in the answer.
    base: usize,
    /// How many bytes there must be before another look is worth it. They double, so that something
    /// without an end is not read again for each part.
    enough: usize,
    /// What the list held the last time, and which of it is expected.
    last: Arc<Memo>,
    expected: usize,
    now: Memo,
}

impl Reading {
    /// Begins with a list that held this the last time.
    pub fn after(last: Arc<Memo>) -> Self {
        Self { now: last.next(), last, ..Self::default() }
    }

    /// Takes the next part. Each meeting that is whole now goes to `take` with its bytes (its place in the
    /// answer is not told); what came of an answer counts for nothing if the answer turns out to be bad.
    pub fn push(
        &mut self,
        part: &[u8],
        take: impl FnMut(Arc<Listed>, &[u8]),
    ) -> Result<(), XmlFault> {
        if self.held.len() + part.len() < self.enough {
            self.held.extend_from_slice(part);
            return Ok(());
        }
        match self.read(part, take) {
            Err(XmlFault::Truncated) => Ok(()),
            other => other,
        }
    }

    /// The answer ends here: is it a whole list? Then this is what it held.
    pub fn finish(mut self, take: impl FnMut(Arc<Listed>, &[u8])) -> Result<Memo, XmlFault> {
        self.read(&[], take)?;
        self.scan.verdict()?;
        Ok(self.now)
    }

    fn read(
        &mut self,
        part: &[u8],
        mut take: impl FnMut(Arc<Listed>, &[u8]),
    ) -> Result<(), XmlFault> {
        let mut held = std::mem::take(&mut self.held);
        let fresh = held.is_empty();
        if !fresh {
            held.extend_from_slice(part);
        }
        let bytes = if fresh { part } else { &held };
        let base = self.base;
        let progress = std::mem::take(&mut self.progress);
        let unread = progress.at - base;
        let mut walk = Walk::resume(progress, &bytes[unread..]);
        let (last, expected, now) = (&self.last, &mut self.expected, &mut self.now);
        let known = |text: &str| last.recall(text, expected);
        let outcome = self.scan.run(&mut walk, known, |listed, span| {
            let raw = &bytes[span.start - base..span.end - base];
            now.remember(raw, listed.clone());
            take(listed, raw);
        });
        self.progress = walk.suspend();
        let at = self.progress.at;
        self.base = if self.scan.inside { self.scan.start } else { at };
        let (done, unread) = (self.base - base, bytes.len() - (at - base));
        if fresh {
            held.extend_from_slice(&part[done..]);
        } else {
            held.drain(..done);
        }
        self.enough = held.len() + unread;
        self.held = held;
        outcome
    }
}
