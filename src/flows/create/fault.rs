//! In which ways instances did not take a create, and what follows: a fault of theirs, or of the request.

use bytes::Bytes;
use http::StatusCode;

use crate::bbb::xml::Envelope;
use crate::flows::answer::{Answer, BadAnswer};
use crate::flows::ask::CallError;
use crate::flows::refusal::{Refusal, Rejection};
use crate::outside::servers::SendError;

/// How one instance did not take a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No connection stood: it has seen nothing.
    Unreached,
    /// It may have seen the request, and gave no whole answer.
    Silent,
    /// It answered with this status and none of BBB's answers.
    Status(StatusCode),
    /// What it answered is none of BBB's answers.
    Garbage,
    /// It refuses our signature.
    Signature,
    /// FAILED with this key, for a reason that may be its alone.
    Refused(String),
}

impl Fault {
    /// The fault behind an error; none when the client's own body broke off.
    pub(super) fn of(error: &CallError) -> Option<Self> {
        Some(match error {
            CallError::Send(SendError::Request(_)) => return None,
            CallError::Send(SendError::NotSent(_)) => Self::Unreached,
            CallError::Send(SendError::Closed(_) | SendError::Unanswered(_)) => Self::Silent,
            CallError::Bad(BadAnswer::Status(status)) => Self::Status(*status),
            CallError::Bad(BadAnswer::Signature) => Self::Signature,
            CallError::Bad(BadAnswer::BrokenOff | BadAnswer::Late) => Self::Silent,
            CallError::Bad(_) => Self::Garbage,
        })
    }

    /// Whether the meeting may be there in spite of it.
    pub(super) fn may_have_made(&self) -> bool {
        match self {
            Self::Silent | Self::Garbage => true,
            Self::Status(status) => !status.is_client_error(),
            Self::Unreached | Self::Signature | Self::Refused(_) => false,
        }
    }

    /// Whether the instance said something.
    fn is_answer(&self) -> bool {
        !matches!(self, Self::Unreached | Self::Silent)
    }

    /// Whether two instances gave the same wrong answer.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Status(one), Self::Status(other)) => one.as_u16() / 100 == other.as_u16() / 100,
            _ => self.is_answer() && self == other,
        }
    }

    /// What the client reads of its repeated create that the meeting's own instance did not answer as BBB does: there is
    /// no second instance by which to know whose fault that is.
    pub(super) fn alone(&self) -> Refusal {
        match self {
            Self::Unreached | Self::Silent => Refusal::Silent,
            Self::Status(status) => match Rejection::of(*status) {
                Some(rejection) => Refusal::Rejected(rejection, *status),
                None => {
                    Refusal::Server(format!("it answered with HTTP status {}", status.as_u16()))
                }
            },
            Self::Garbage => Refusal::Server("its answer can't be understood".into()),
            Self::Signature => Refusal::Server("it refuses our signature".into()),
            Self::Refused(key) => Refusal::Server(format!("it refused it: {key}")),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Unreached => "they can't be reached".to_owned(),
            Self::Silent => "they did not answer".to_owned(),
            Self::Status(status) => format!("they answered with HTTP status {}", status.as_u16()),
            Self::Garbage => "their answers can't be understood".to_owned(),
            Self::Signature => "it did not arrive as it was sent".to_owned(),
            Self::Refused(key) => format!("they refused it: {key}"),
        }
    }
}

/// All that went wrong with one create so far.
#[derive(Default)]
pub(super) struct Tried {
    faults: Vec<Fault>,
    /// What an instance itself said, if one did.
    refusal: Option<(Bytes, Envelope)>,
}

impl Tried {
    pub(super) fn add(&mut self, fault: Fault, refusal: Option<(Bytes, Envelope)>) {
        self.faults.push(fault);
        self.refusal = refusal.or(self.refusal.take());
    }

    pub(super) fn count(&self) -> usize {
        self.faults.len()
    }

    /// Whether the last instance answered as one before it did: the request is at fault, and no third is asked.
    pub(super) fn is_the_requests(&self) -> bool {
        let Some((last, before)) = self.faults.split_last() else { return false };
        before.iter().any(|fault| fault.is_like(last))
    }

    /// What the client reads when no further instance is tried.
    pub(super) fn end(self) -> Result<Answer, Refusal> {
        let silent = self.faults.iter().any(|fault| !fault.is_answer());
        let certain = self.is_the_requests() || !silent;
        let Some(last) = self.faults.last().filter(|_| certain) else {
            return Err(Refusal::Internal("get an answer from the servers"));
        };
        if let Some((answer, envelope)) = self.refusal {
            return Ok(Answer::said(answer, envelope));
        }
        Err(match last {
            Fault::Signature if self.faults.len() == 1 => {
                Refusal::Server("it refuses our signature".into())
            }
            Fault::Status(status) => match Rejection::of(*status) {
                Some(rejection) => Refusal::Rejected(rejection, *status),
                None => Refusal::Unprocessed(last.words()),
            },
            fault => Refusal::Unprocessed(fault.words()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Fault {
        Fault::Status(StatusCode::from_u16(code).expect("a status"))
    }

    #[track_caller]
    fn check(faults: &[Fault], at_fault: bool, refusal: &str) {
        let mut tried = Tried::default();
        faults.iter().for_each(|fault| tried.add(fault.clone(), None));
        assert_eq!(tried.is_the_requests(), at_fault, "{faults:?}");
        let ended = tried.end().expect_err("a refusal").to_string();
        assert!(ended.contains(refusal), "{faults:?}: {ended}");
    }

    #[test]
    fn a_second_answer_of_the_same_kind_is_the_requests_fault() {
        use Fault::{Garbage, Signature, Silent, Unreached};
        check(&[status(500)], false, "HTTP status 500");
        check(&[status(500), status(502)], true, "HTTP status 502");
        check(&[status(400), status(400)], true, "do not take");
        check(&[status(413), status(414)], true, "do not take");
        check(&[status(500), status(404)], false, "HTTP status 404");
        check(&[status(500), Silent, status(500)], true, "HTTP status 500");
        check(&[Garbage, Garbage], true, "can't be understood");
        check(&[Signature], false, "signature");
        check(&[Signature, Signature], true, "could not process");
        check(&[Silent, Silent], false, "get an answer");
        check(&[Unreached, Unreached], false, "get an answer");
        check(&[status(500), Silent], false, "get an answer");
    }

    #[test]
    fn what_an_instance_itself_says_is_read_by_the_client() {
        let refused = || Fault::Refused("nonUniqueVoiceBridge".into());
        let said = || {
            let xml = b"<response><returncode>FAILED</returncode></response>";
            let envelope = crate::bbb::xml::read(xml).expect("an answer");
            Some((Bytes::from_static(xml), envelope))
        };
        let mut tried = Tried::default();
        tried.add(refused(), said());
        assert!(!tried.is_the_requests());
        tried.add(status(500), None);
        assert!(matches!(tried.end(), Ok(Answer::Failed(..))));
    }
}
