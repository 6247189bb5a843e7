//! The walk once more, by `quick-xml`, which knows XML from elsewhere than we do.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use super::model::{broken, cases, document, nodes};
use super::{Place, Progress, Step, Walk, XmlFault};

/// What is found on the way through a document.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Open(String),
    Text(String),
    Close,
}

/// Adds text; pieces that follow each other are one.
fn found_text(all: &mut Vec<Found>, more: &str) {
    match all.last_mut() {
        _ if more.is_empty() => {}
        Some(Found::Text(text)) => text.push_str(more),
        _ => all.push(Found::Text(more.to_owned())),
    }
}

/// A reader who cares about everything.
#[derive(Clone, Copy)]
struct Any;

impl Place for Any {
    const ROOT: Self = Self;

    fn has_text(self) -> bool {
        true
    }

    fn child(self, _: &str) -> Option<Self> {
        Some(Self)
    }
}

/// What our walk finds in a document that comes in parts, each of which ends at one of these places.
fn ours(body: &[u8], ends: &[usize]) -> Result<Vec<Found>, XmlFault> {
    let (mut all, mut progress) = (Vec::new(), Progress::<Any>::default());
    for &end in ends {
        let from = progress.at;
        let mut walk = Walk::resume(progress, &body[from..end]);
        let ended = loop {
            match walk.next() {
                Ok(Step::Open { name, at, .. }) => {
                    assert!(body[at..].starts_with(format!("<{name}").as_bytes()));
                    all.push(Found::Open(name.to_owned()));
                }
                Ok(Step::Text(_, text)) => found_text(&mut all, text),
                Ok(Step::Char(_, c)) => found_text(&mut all, c.encode_utf8(&mut [0; 4])),
                Ok(Step::Close { end, .. }) => {
                    assert_eq!(body[end - 1], b'>');
                    all.push(Found::Close);
                }
                Ok(Step::End) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        match ended {
            Err(XmlFault::Truncated) if end < body.len() => {}
            Err(fault) => return Err(fault),
            Ok(()) => {}
        }
        progress = walk.suspend();
    }
    Ok(all)
}

/// What quick-xml finds; none where it, or a rule of ours beyond its own, refuses the document.
fn theirs(body: &[u8]) -> Option<Vec<Found>> {
    let (mut all, mut depth, mut rooted) = (Vec::new(), 0, false);
    let mark = if body.starts_with("\u{FEFF}".as_bytes()) { 3 } else { 0 };
    let mut reader = Reader::from_reader(body);
    loop {
        let at = mark + usize::try_from(reader.buffer_position()).ok()?;
        let (tag, empty) = match reader.read_event().ok()? {
            Event::Start(tag) => (tag, false),
            Event::Empty(tag) => (tag, true),
            Event::End(_) => {
                depth -= 1;
                all.push(Found::Close);
                continue;
            }
            Event::Text(text) if depth == 0 => {
                let text = text.into_inner();
                text.chars().all(|c| " \t\r\n".contains(c)).then_some(())?;
                continue;
            }
            Event::Text(text) => {
                found_text(&mut all, &text.into_inner());
                continue;
            }
            Event::CData(text) => {
                (depth > 0).then_some(())?;
                found_text(&mut all, &text.into_inner());
                continue;
            }
            Event::GeneralRef(name) => {
                (depth > 0).then_some(())?;
                found_text(&mut all, &resolved(&name)?);
                continue;
            }
            Event::Decl(decl) => {
                let utf8 = |encoding: &str| encoding.eq_ignore_ascii_case("utf-8");
                let known = decl.encoding().is_none_or(|encoding| encoding.is_ok_and(|e| utf8(&e)));
                (at == mark && decl.xml_version().is_ok() && known).then_some(())?;
                continue;
            }
            Event::DocType(_) => return None,
            Event::Comment(_) | Event::PI(_) => continue,
            Event::Eof => return (rooted && depth == 0).then_some(all),
        };
        let name: &str = tag.name().0;
        let forbidden = |c: char| c.is_ascii_control() || "<>&\"'=/!?".contains(c);
        let first = depth > 0 || !rooted && name == "response";
        (!name.is_empty() && !name.contains(forbidden) && first && depth < 64).then_some(())?;
        let attributes = tag.attributes_raw();
        (!attributes.contains('<')).then_some(())?;
        for behind in attributes.split('&').skip(1) {
            resolved(&BytesRef::new(behind.split_once(';')?.0))?;
        }
        rooted = true;
        all.push(Found::Open(name.to_owned()));
        match empty {
            true => all.push(Found::Close),
            false => depth += 1,
        }
    }
}

fn resolved(name: &BytesRef<'_>) -> Option<String> {
    let character = || name.resolve_char_ref().ok().flatten().map(String::from);
    resolve_xml_entity(name).map(str::to_owned).or_else(character)
}

const SAMPLE: &[u8] = b"\xEF\xBB\xBF<?xml version='1.0' encoding='UTF-8'?>\n<!-- a --><response><a b=\"c>&amp;\" d='e'>&lt;f&#65;\
    <![CDATA[<g>]]]]></a ><?h i?><j/><k></k>\xC3\xA9</response>\n";

fn ends() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..8)
}

fn check(body: &[u8], ends: &[prop::sample::Index]) -> Result<(), TestCaseError> {
    let mut ends: Vec<usize> = ends.iter().map(|end| end.index(body.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(body.len());
    let whole = ours(body, &[body.len()]);
    prop_assert_eq!(ours(body, &ends), whole.clone());
    prop_assert_eq!(whole.ok(), theirs(body));
    Ok(())
}

#[test]
fn what_was_found_by_chance_is_found_always() {
    for body in [
        "<response></response>\u{e9}".as_bytes().strip_suffix(b"\xA9").unwrap_or_default(),
        b"<?>ml version='1.0'?><response></response>",
        b"<response><??></response>",
    ] {
        assert_eq!(
            ours(body, &[body.len()]).ok(),
            theirs(body),
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_document_holds_what_quick_xml_finds_in_it((_, body) in document(nodes(6)), ends in ends()) {
        check(&body, &ends)?;
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_document_is_refused_when_quick_xml_refuses_it(body in broken(SAMPLE), ends in ends()) {
        check(&body, &ends)?;
    }
}
