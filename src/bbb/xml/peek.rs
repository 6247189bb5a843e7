//! A look at the first bytes of an answer that passes through us.

use super::envelope::is_success;
use super::{Place, Step, Walk, XmlFault};

/// What the first bytes of an answer say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peek {
    /// Nothing yet. The caller says how many bytes it waits for; at the end of the body this is a fault.
    NeedMore,
    Success,
    Failed,
    Fault(XmlFault),
}

/// Looks for the returncode; what stands behind it is not looked at. More bytes never change a
/// success or a failure, and never make one of a fault.
pub fn peek(start: &[u8]) -> Peek {
    match returncode(start) {
        Ok(Some(code)) if is_success(&code) => Peek::Success,
        Ok(Some(_)) => Peek::Failed,
        Ok(None) => Peek::Fault(XmlFault::NoReturncode),
        Err(XmlFault::Truncated) => Peek::NeedMore,
        Err(fault) => Peek::Fault(fault),
    }
}

/// The text of the first returncode, none when there is none in it or the answer ends without one.
fn returncode(start: &[u8]) -> Result<Option<String>, XmlFault> {
    let mut walk = Walk::<At>::new(start);
    let mut code = String::new();
    loop {
        match walk.next()? {
            Step::Text(_, piece) => code.push_str(piece),
            Step::Char(_, piece) => code.push(piece),
            Step::Close { place: At::Returncode, .. } => {
                return Ok(Some(code).filter(|code| !code.is_empty()));
            }
            Step::Close { place: At::Response, .. } => return Ok(None),
            _ => {}
        }
    }
}

/// The internal id of the meeting that an answer speaks of, as far as its start shows.
pub fn internal_id(start: &[u8]) -> Option<String> {
    let mut walk = Walk::<Id>::new(start);
    let mut id = String::new();
    loop {
        match walk.next().ok()? {
            Step::Text(_, piece) => id.push_str(piece),
            Step::Char(_, piece) => id.push(piece),
            Step::Close { place: Id::Internal, .. } => return Some(id),
            Step::End => return None,
            _ => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Id {
    Response,
    Internal,
}

impl Place for Id {
    const ROOT: Self = Self::Response;

    fn has_text(self) -> bool {
        matches!(self, Self::Internal)
    }

    fn child(self, name: &str) -> Option<Self> {
        matches!((self, name), (Self::Response, "internalMeetingID")).then_some(Self::Internal)
    }
}

#[derive(Clone, Copy)]
enum At {
    Response,
    Returncode,
}

impl Place for At {
    const ROOT: Self = Self::Response;

    fn has_text(self) -> bool {
        matches!(self, Self::Returncode)
    }

    fn child(self, name: &str) -> Option<Self> {
        matches!((self, name), (Self::Response, "returncode")).then_some(Self::Returncode)
    }
}
