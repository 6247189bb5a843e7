//! Formats of one recording that an instance listed apart, together again. Older BBB cuts its pages over formats, so
//! that a recording may stand on two of them, on each with some of its formats.

use super::{Recorded, alone};

/// A recording, raw as `<recording>…</recording>`, with the formats that it has and those that `other` has beside
/// them; all else is as `first` has it, to the byte. None when `other` adds nothing, or either can't be read.
pub fn joined(first: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    if first == other {
        return None;
    }
    let (one, two) = (alone(first)?, alone(other)?);
    let Some(last) = one.formats.last() else {
        return (!two.formats.is_empty()).then(|| other.to_vec());
    };
    let is_known = |name: &str| one.formats.iter().any(|format| format.name == name);
    let more: Vec<&[u8]> = formats(&two, other, |name| !is_known(name));
    if more.is_empty() {
        return None;
    }
    let (before, behind) = first.split_at(last.span.end);
    Some([before, &more.concat(), behind].concat())
}

fn formats<'a>(of: &Recorded, raw: &'a [u8], wanted: impl Fn(&str) -> bool) -> Vec<&'a [u8]> {
    let wanted = of.formats.iter().filter(|format| wanted(&format.name));
    wanted.map(|format| &raw[format.span.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(kind: &str) -> String {
        format!("<format><type>{kind}</type><url>\n https://x/{kind} </url></format>")
    }

    fn recording(playback: &str) -> String {
        format!("<recording><recordID>a</recordID>{playback}<data></data></recording>")
    }

    #[track_caller]
    fn check(first: &str, other: &str, expected: Option<&str>) {
        let joined = joined(first.as_bytes(), other.as_bytes());
        assert_eq!(joined.map(|raw| String::from_utf8(raw).expect("UTF-8")).as_deref(), expected);
    }

    #[test]
    fn formats_that_were_apart_stand_together() {
        let of = |kinds: &[&str]| {
            let all: String = kinds.iter().map(|kind| format(kind)).collect();
            recording(&format!("<playback>\n{all}\n</playback>"))
        };
        check(&of(&["a"]), &of(&["b", "c"]), Some(&of(&["a", "b", "c"])));
        check(&of(&["a", "b"]), &of(&["b", "c"]), Some(&of(&["a", "b", "c"])));
        check(&of(&["a", "b"]), &of(&["b"]), None);
        check(&of(&["a"]), &of(&["a"]), None);
        check(&of(&[]), &of(&["a"]), Some(&of(&["a"])));
        check(&of(&["a"]), &of(&[]), None);
        check(&recording(""), &recording("<playback/>"), None);
        check(&of(&["a"]), "<recording>", None);
        // The same format, printed otherwise.
        let other = of(&["a"]).replace("\n https://x/a ", "https://x/a");
        check(&of(&["a"]), &other, None);
    }
}
