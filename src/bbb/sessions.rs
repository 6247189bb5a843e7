//! Lists of sessions: taking an instance's apart, and making one of the parts, whose bytes stay as they are.

use std::ops::Range;

use super::reply;
use super::xml::{Place, Step, Walk, XmlFault, is_success, read};

/// A user's session in an instance's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Where `<meeting>…</meeting>` stands in the answer.
    pub span: Range<usize>,
    /// The internal id of the meeting that it is in.
    pub internal_id: String,
}

/// Reads a whole answer to getSessions. One that says FAILED or has no list is a fault too.
pub fn scan(body: &[u8]) -> Result<Vec<Session>, XmlFault> {
    let mut walk = Walk::<At>::new(body);
    let (mut code, mut text, mut listed) = (None, String::new(), false);
    let (mut sessions, mut start, mut id) = (Vec::new(), 0, None);
    loop {
        match walk.next()? {
            Step::Open { place, at, .. } => {
                text.clear();
                match place {
                    At::Sessions => listed = true,
                    At::Session => (start, id) = (at, None),
                    _ => {}
                }
            }
            Step::Text(_, piece) => text.push_str(piece),
            Step::Char(_, piece) => text.push(piece),
            Step::Close { place: At::Returncode, .. } => {
                code.get_or_insert_with(|| std::mem::take(&mut text));
            }
            Step::Close { place: At::Id, .. } => {
                id.get_or_insert_with(|| std::mem::take(&mut text));
            }
            Step::Close { place: At::Session, end } => {
                let internal_id = id.take().unwrap_or_default();
                sessions.push(Session { span: start..end, internal_id });
            }
            Step::End => break,
            Step::Close { .. } => {}
        }
    }
    let code = code.filter(|code| !code.is_empty()).ok_or(XmlFault::NoReturncode)?;
    if !is_success(&code) {
        return Err(XmlFault::failed(read(body)?.message_key.as_deref()));
    }
    if listed { Ok(sessions) } else { Err(XmlFault::NoSessions) }
}

/// The answer that lists these sessions, each given as its raw `<meeting>…</meeting>`.
pub fn merged<'a>(sessions: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut sessions = sessions.into_iter().peekable();
    if sessions.peek().is_none() {
        return reply::NO_SESSIONS.as_bytes().to_vec();
    }
    let mut answer = b"<response>\n<returncode>SUCCESS</returncode>\n<sessions>\n".to_vec();
    for session in sessions {
        answer.extend_from_slice(session);
        answer.push(b'\n');
    }
    answer.extend_from_slice(b"</sessions>\n</response>");
    answer
}

#[derive(Clone, Copy)]
enum At {
    Response,
    Returncode,
    Sessions,
    Session,
    Id,
}

impl Place for At {
    const ROOT: Self = Self::Response;

    fn has_text(self) -> bool {
        matches!(self, Self::Returncode | Self::Id)
    }

    fn child(self, name: &str) -> Option<Self> {
        Some(match (self, name) {
            (Self::Response, "returncode") => Self::Returncode,
            (Self::Response, "sessions") => Self::Sessions,
            (Self::Sessions, "meeting") => Self::Session,
            (Self::Session, "meetingID") => Self::Id,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::xml::model::{broken, word};
    use super::*;

    const ONE: &str = "<meeting>\n<meetingID>c2-1</meetingID>\n<meetingName>A &amp; B</meetingName>\n\
        <userName><x><meetingID>y</meetingID></x>Ada</userName>\n</meeting>";

    fn list(sessions: &str) -> String {
        format!(
            "<response>\n<returncode>SUCCESS</returncode>\n<sessions>{sessions}</sessions>\n</response>"
        )
    }

    #[test]
    fn sessions_are_taken_apart_and_put_together() {
        let body = list(&[ONE, "<meeting/>", ONE].concat());
        let found = scan(body.as_bytes()).expect("a list");
        let ids: Vec<_> = found.iter().map(|s| s.internal_id.as_str()).collect();
        assert_eq!(ids, ["c2-1", "", "c2-1"]);
        assert_eq!(&body[found[0].span.clone()], ONE);
        let again = merged([ONE.as_bytes(), ONE.as_bytes()]);
        assert_eq!(scan(&again).expect("a list").len(), 2);
        assert_eq!(merged([]), reply::NO_SESSIONS.as_bytes());
        assert_eq!(scan(reply::NO_SESSIONS.as_bytes()), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_of_sessions_is_a_fault() {
        let check = |body: &str, fault| assert_eq!(scan(body.as_bytes()), Err(fault));
        check("<response><returncode>SUCCESS</returncode></response>", XmlFault::NoSessions);
        check("<response><sessions/></response>", XmlFault::NoReturncode);
        let failed = reply::failed("checksumError", "m");
        check(&failed, XmlFault::Failed(Some("checksumError".into())));
        check(&list("<!DOCTYPE x>"), XmlFault::Doctype);
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_session_comes_out_as_it_was(names in prop::collection::vec(word(), 0..6)) {
            let raw: Vec<String> = names.iter().map(|name| {
                format!("<meeting><meetingID>a</meetingID><userName>{}</userName></meeting>", reply::escape(name))
            }).collect();
            let body = list(&raw.concat());
            let found = scan(body.as_bytes()).expect("a list");
            let parts: Vec<&[u8]> = found.iter().map(|s| &body.as_bytes()[s.span.clone()]).collect();
            prop_assert_eq!(&parts, &raw.iter().map(|r| r.as_bytes()).collect::<Vec<_>>());
            let again = merged(parts.iter().copied());
            prop_assert_eq!(scan(&again).expect("a list").len(), raw.len());
        }

        #[test]
        fn a_malformed_list_ends_in_a_fault_or_a_list(body in broken(b"<response><returncode>SUCCESS</returncode><sessions><meeting><meetingID>a</meetingID></meeting></sessions></response>")) {
            if let Ok(found) = scan(&body) {
                prop_assert!(found.iter().all(|s| s.span.end <= body.len()));
            }
        }
    }
}
