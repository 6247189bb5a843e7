//! The names of a list's meetings, for admins.

use crate::bbb::xml::{Place, Step, Walk, XmlFault};

/// The names of the meetings of a list that [`scan`](super::scan) takes, in its order; empty for one without a name.
pub fn names(body: &[u8]) -> Result<Vec<String>, XmlFault> {
    let mut walk = Walk::<Named>::new(body);
    let mut names: Vec<String> = Vec::new();
    // Of several elements of this name the first counts.
    let mut seen = false;
    loop {
        match (walk.next()?, names.last_mut()) {
            (Step::Open { place: Named::Meeting, .. }, _) => {
                names.push(String::new());
                seen = false;
            }
            (Step::Text(_, piece), Some(name)) if !seen => name.push_str(piece),
            (Step::Char(_, piece), Some(name)) if !seen => name.push(piece),
            (Step::Close { place: Named::Name, .. }, _) => seen = true,
            (Step::End, _) => return Ok(names),
            _ => {}
        }
    }
}

/// The places that [`names`] cares about.
#[derive(Clone, Copy)]
enum Named {
    Response,
    Meetings,
    Meeting,
    Name,
}

impl Place for Named {
    const ROOT: Self = Self::Response;

    fn child(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Response, "meetings") => Some(Self::Meetings),
            (Self::Meetings, "meeting") => Some(Self::Meeting),
            (Self::Meeting, "meetingName") => Some(Self::Name),
            _ => None,
        }
    }

    fn has_text(self) -> bool {
        matches!(self, Self::Name)
    }
}
