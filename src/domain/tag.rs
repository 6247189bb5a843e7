//! Tags of instances, and which of them a create asks for.

use std::fmt;

/// The metadata by which a create asks for instances.
pub const TAG_PARAMETER: &str = "meta_server-tag";
/// Stands for instances without any tag.
const UNTAGGED: &str = "none";

/// Which instances a create wants; by default, any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagWish {
    tags: Vec<String>,
    /// Instances without tags fit too.
    untagged: bool,
    required: bool,
}

impl TagWish {
    /// Reads `blue`, `blue;red` (any of them), `none` (instances without tags); a `!` at the end
    /// means that no other will do. Without any tag, any instance will. Commas part tags as well, as Scalelite has them.
    pub fn parse(text: &str) -> Self {
        let mut wish = Self::default();
        for item in text.split([';', ',']).map(str::trim) {
            let name = item.trim_end_matches('!').trim_end();
            wish.required |= name.len() < item.len();
            match name {
                "" => {}
                UNTAGGED => wish.untagged = true,
                name => wish.tags.push(name.to_owned()),
            }
        }
        if wish.is_any() { Self::default() } else { wish }
    }

    /// Whether every instance is as good as another.
    pub fn is_any(&self) -> bool {
        self.tags.is_empty() && !self.untagged
    }

    /// Whether an instance that does not fit won't do.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether an instance of these tags is what is asked for.
    pub fn fits(&self, tags: &[String]) -> bool {
        self.untagged && tags.is_empty() || self.tags.iter().any(|wanted| tags.contains(wanted))
    }
}

impl fmt::Display for TagWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let untagged = self.untagged.then_some(UNTAGGED);
        let all: Vec<&str> = self.tags.iter().map(String::as_str).chain(untagged).collect();
        write!(f, "{}{}", all.join(";"), if self.required { "!" } else { "" })
    }
}

/// What keeps a text from being a tag, or nothing.
pub fn tag_fault(tag: &str) -> Option<&'static str> {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    match tag {
        "" => Some("is empty"),
        UNTAGGED => Some("stands for instances without tags"),
        tag if tag.len() > 64 => Some("is longer than 64 characters"),
        tag if tag.contains(odd) => Some("may hold letters, digits, '-', '_' and '.' only"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, read_as: &str, fits: [bool; 4]) {
        let wish = TagWish::parse(text);
        assert_eq!(wish.to_string(), read_as, "{text}");
        let tags = |tags: &[&str]| tags.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let kinds = [tags(&[]), tags(&["blue"]), tags(&["red", "x"]), tags(&["Blue"])];
        assert_eq!(kinds.map(|tags| wish.fits(&tags)), fits, "{text}");
        assert_eq!(wish.is_required(), read_as.ends_with('!'));
    }

    #[test]
    fn a_wish_names_the_tags_that_fit() {
        check("blue", "blue", [false, true, false, false]);
        check("blue!", "blue!", [false, true, false, false]);
        check("blue;red", "blue;red", [false, true, true, false]);
        check(" blue ; red !", "blue;red!", [false, true, true, false]);
        check("blue!;red", "blue;red!", [false, true, true, false]);
        check("blue,red!", "blue;red!", [false, true, true, false]);
        check("none", "none", [true, false, false, false]);
        check("none!", "none!", [true, false, false, false]);
        check("blue;none", "blue;none", [true, true, false, false]);
        for ignored in ["", " ", ";", "!", ";!;"] {
            assert_eq!(TagWish::parse(ignored), TagWish::default(), "{ignored:?}");
        }
        assert!(TagWish::default().is_any());
    }

    #[test]
    fn a_tag_is_a_plain_word() {
        for good in ["blue", "gpu-2", "a_b.c", "None"] {
            assert_eq!(tag_fault(good), None, "{good}");
        }
        for bad in ["", "none", "a b", "a;b", "a!", "é", &"x".repeat(65)] {
            assert!(tag_fault(bad).is_some(), "{bad}");
        }
    }
}
