//! What can be made to go wrong, and when.

use std::time::Duration;

use super::server::SimServer;

/// One way to go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection. On a socket the port is closed if this is set for every call without an end; else the
    /// connection is dropped.
    Refuse,
    /// Takes the request, does nothing, never answers.
    Hang,
    /// Does what was asked, never answers.
    HangAfterWork,
    /// HTTP 500 with a page.
    Internal,
    /// HTTP 404 with a page.
    NotFoundPage,
    /// HTTP 200 with bytes that are no text.
    Garbage,
    /// Does what was asked at once, answers so much later.
    Slow(Duration),
    /// A sound list of meetings of so many MiB.
    Huge { mebibytes: usize },
    /// Does what was asked; the answer breaks off in its middle.
    Truncated,
    /// XML that must not be believed.
    Xml(BadXml),
    /// Finds every checksum wrong.
    ChecksumError,
    /// FAILED with this key and message; nothing is done.
    Failed { key: String, message: String },
    /// A 302 to somewhere else.
    RedirectTo(String),
    /// Knows no meeting: FAILED notFound, in join's dialect for join.
    UnknownMeeting,
}

/// Ways in which XML can be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadXml {
    Doctype,
    EntityBomb,
    DeepNesting,
    TwoRoots,
    /// Bytes that are no UTF-8, though it says so.
    WrongEncoding,
    /// UTF-16 with its mark.
    Utf16,
    /// A declaration of another encoding than UTF-8.
    OtherEncoding,
    /// A document type behind a comment.
    LateDoctype,
    /// An entity that nobody declared.
    UnknownEntity,
}

impl BadXml {
    pub const ALL: [Self; 9] = [
        Self::Doctype,
        Self::EntityBomb,
        Self::DeepNesting,
        Self::TwoRoots,
        Self::WrongEncoding,
        Self::Utf16,
        Self::OtherEncoding,
        Self::LateDoctype,
        Self::UnknownEntity,
    ];
}

/// A fault, for which call, and how many times still.
struct Rule {
    fault: Fault,
    call: Option<String>,
    left: Option<u32>,
}

/// The faults that are set, oldest first.
#[derive(Default)]
pub(super) struct Book(Vec<Rule>);

impl Book {
    pub(super) fn set(&mut self, fault: Fault, call: Option<String>, left: Option<u32>) {
        self.0.push(Rule { fault, call, left });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault for a call, which is used up by one. The one set first counts.
    pub(super) fn take(&mut self, call: &str) -> Option<Fault> {
        let at = self
            .0
            .iter()
            .position(|rule| rule.call.as_deref().is_none_or(|named| named == call))?;
        let rule = &mut self.0[at];
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.0.remove(at);
            }
        }
        Some(fault)
    }

    /// Whether nothing at all gets in.
    pub(super) fn closes_the_door(&self) -> bool {
        self.0.iter().any(|r| r.fault == Fault::Refuse && r.call.is_none() && r.left.is_none())
    }
}

/// Sets faults of one server: `server.faults().on("create").times(1).set(Fault::Hang).await`.
#[must_use = "nothing happens before `set` or `clear`"]
pub struct Faults {
    server: SimServer,
    call: Option<String>,
    times: Option<u32>,
}

impl Faults {
    pub(super) fn of(server: SimServer) -> Self {
        Self { server, call: None, times: None }
    }

    /// For this call only; the root call's name is empty.
    pub fn on(self, call: &str) -> Self {
        Self { call: Some(call.to_owned()), ..self }
    }

    /// For the next so many calls; without this, until cleared.
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Sets a fault behind those that are set.
    pub async fn set(self, fault: Fault) {
        if self.times == Some(0) {
            return;
        }
        let (call, times) = (self.call, self.times);
        self.server.change_faults(move |book| book.set(fault, call, times)).await;
    }

    /// Everything works again.
    pub async fn clear(self) {
        self.server.change_faults(Book::clear).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_used_up_and_keeps_to_its_call() {
        let mut book = Book::default();
        book.set(Fault::Hang, Some("create".into()), Some(2));
        assert_eq!(book.take("end"), None);
        assert_eq!(book.take("create"), Some(Fault::Hang));
        book.set(Fault::Internal, None, None);
        assert_eq!(book.take("create"), Some(Fault::Hang));
        assert_eq!(book.take("create"), Some(Fault::Internal));
        assert!(!book.closes_the_door());
        book.clear();
        assert_eq!(book.take(""), None);
    }

    #[test]
    fn only_a_refusal_of_everything_closes_the_door() {
        let check = |call: Option<&str>, times, closed| {
            let mut book = Book::default();
            book.set(Fault::Refuse, call.map(str::to_owned), times);
            assert_eq!(book.closes_the_door(), closed);
        };
        check(None, None, true);
        check(None, Some(1), false);
        check(Some("create"), None, false);
    }
}
