//! What an instance answers about its hooks.

use crate::bbb::xml::{Place, Step, Walk, XmlFault, is_success, read};

/// A hook that an instance lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// As the instance names it; mostly a number.
    pub id: String,
    pub url: String,
}

/// Reads a whole answer to hooks/list. One that says FAILED or has no list is a fault, so that it is never
/// taken for an empty list.
pub fn scan(body: &[u8]) -> Result<Vec<Listed>, XmlFault> {
    let mut walk = Walk::<At>::new(body);
    let (mut hooks, mut now, mut text) = (Vec::new(), Listed::default(), String::new());
    let (mut returncode, mut listed) = (None, false);
    loop {
        match walk.next()? {
            Step::Open { place, .. } => {
                text.clear();
                listed |= matches!(place, At::Hooks);
            }
            Step::Text(_, piece) => text.push_str(piece),
            Step::Char(_, piece) => text.push(piece),
            Step::Close { place, .. } => match place {
                At::Returncode => {
                    returncode.get_or_insert_with(|| std::mem::take(&mut text));
                }
                At::Id => now.id = text.trim().to_owned(),
                At::Url => text.clone_into(&mut now.url),
                At::Hook => hooks.push(std::mem::take(&mut now)),
                At::Response | At::Hooks => {}
            },
            Step::End => break,
        }
    }
    if !is_success(&returncode.filter(|code| !code.is_empty()).ok_or(XmlFault::NoReturncode)?) {
        return Err(XmlFault::failed(read(body)?.message_key.as_deref()));
    }
    if listed { Ok(hooks) } else { Err(XmlFault::NoHooks) }
}

#[derive(Clone, Copy)]
enum At {
    Response,
    Returncode,
    Hooks,
    Hook,
    Id,
    Url,
}

impl Place for At {
    const ROOT: Self = Self::Response;

    fn child(self, name: &str) -> Option<Self> {
        Some(match (self, name) {
            (Self::Response, "returncode") => Self::Returncode,
            (Self::Response, "hooks") => Self::Hooks,
            (Self::Hooks, "hook") => Self::Hook,
            (Self::Hook, "hookID") => Self::Id,
            (Self::Hook, "callbackURL") => Self::Url,
            _ => return None,
        })
    }

    fn has_text(self) -> bool {
        matches!(self, Self::Returncode | Self::Id | Self::Url)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bbb::xml::model::broken;

    const LIST: &[u8] = b"<response><returncode>SUCCESS</returncode><hooks><hook><hookID>1</hookID>\
        <callbackURL><![CDATA[http://a/?x=1&y]]></callbackURL><meetingID><![CDATA[m]]></meetingID></hook>\
        <hook><hookID>b-2</hookID><callbackURL>http://b/?x&amp;y</callbackURL><other/></hook></hooks></response>";

    #[test]
    fn a_list_is_read_and_nothing_else_is_taken_for_one() {
        let hook = |id: &str, url: &str| Listed { id: id.into(), url: url.into() };
        let expected = vec![hook("1", "http://a/?x=1&y"), hook("b-2", "http://b/?x&y")];
        assert_eq!(scan(LIST), Ok(expected));
        let check = |body: &str, expected| assert_eq!(scan(body.as_bytes()), expected, "{body}");
        check("<response><returncode>SUCCESS</returncode><hooks></hooks></response>", Ok(vec![]));
        check("<response><returncode>SUCCESS</returncode><hooks/></response>", Ok(vec![]));
        check("<response><returncode>SUCCESS</returncode></response>", Err(XmlFault::NoHooks));
        let failed = super::super::failed("listHookError", "An error");
        check(&failed, Err(XmlFault::Failed(Some("listHookError".into()))));
        check("<html></html>", Err(XmlFault::WrongRoot));
    }

    proptest! {
        #[test]
        fn no_answer_makes_reading_panic(body in broken(LIST)) {
            let _ = scan(&body);
        }
    }
}
