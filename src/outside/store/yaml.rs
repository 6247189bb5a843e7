//! YAML scalars byte for byte as Go's yaml.v3 writes them, so that documents of ours and of the
//! predecessor don't differ. Whether quotes are needed is the library's verdict; which ones, Go's taste.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::civil::Date;

/// Words that YAML 1.1 or 1.2 reads as something other than text.
const WORDS: [&str; 15] = [
    "", "~", "null", "true", "false", "y", "n", "yes", "no", "on", "off", ".inf", "+.inf", "-.inf",
    ".nan",
];

/// A text as a scalar behind `key:` or `-`. `indent` is where the lines of a text of several lines
/// begin, `step` how much deeper that is than the parent.
pub(super) fn scalar(text: &str, indent: usize, step: usize) -> String {
    if reads_otherwise(text) {
        return format!("\"{text}\"");
    }
    if text.chars().any(is_odd) {
        return escaped(text);
    }
    let plain = library_scalar(text);
    if plain.starts_with('|') { reindent(&plain, indent, step) } else { plain }
}

/// `key:` or, where it is too long for that, the long form of a key at this depth.
pub(super) fn key(text: &str, indent: usize) -> String {
    let written = if text.contains('\n') { escaped(text) } else { scalar(text, 0, 0) };
    if text.len() > 128 { format!("? {written}\n{:indent$}:", "") } else { format!("{written}:") }
}

/// The entries of a map in Go's order: numbers inside of names count as numbers, and letters come after
/// everything else, but before it where a number went on until there.
pub(super) fn in_order(map: &BTreeMap<String, String>) -> Vec<(&String, &String)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|(a, _), (b, _)| order(a, b));
    entries
}

fn order(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else {
        return a.len().cmp(&b.len());
    };
    let ((before, a), (_, b)) = (a.split_at(at), b.split_at(at));
    match (a[0].is_alphabetic(), b[0].is_alphabetic()) {
        (true, true) => a[0].cmp(&b[0]),
        (false, false) => numbers(before, a, b).then(a[0].cmp(&b[0])),
        (letter, _) if before.last().is_some_and(char::is_ascii_digit) == letter => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// By the numbers with which the rests begin; a 0 inside of a number does not begin another.
fn numbers(before: &[char], a: &[char], b: &[char]) -> Ordering {
    let inside = before.iter().rev().take_while(|c| c.is_ascii_digit()).any(|&c| c != '0');
    let first = i64::from((a[0] == '0' || b[0] == '0') && inside);
    let number = |rest: &[char]| {
        let digits = rest.iter().map_while(|c| c.to_digit(10));
        // Go's would begin anew below zero, and then there is no order to speak of.
        digits.fold((first, 0), |(n, length), digit| {
            (n.saturating_mul(10).saturating_add(digit.into()), length + 1)
        })
    };
    number(a).cmp(&number(b))
}

/// The scalar as the library writes it as the value of a map at the left margin.
fn library_scalar(text: &str) -> String {
    let map = BTreeMap::from([("k", text)]);
    let written = serde_yaml::to_string(&map).expect("a map of texts always has a YAML form");
    let value = written.strip_prefix("k: ").unwrap_or(&written);
    value.strip_suffix('\n').unwrap_or(value).to_owned()
}

/// Moves the lines of a literal scalar from the library's depth (2) to `indent`.
fn reindent(literal: &str, indent: usize, step: usize) -> String {
    let mut lines = literal.split('\n');
    let header = lines.next().unwrap_or_default().replace('2', &step.to_string());
    let moved = lines.map(|line| match line.strip_prefix("  ") {
        Some(rest) => format!("\n{:indent$}{rest}", ""),
        None => format!("\n{line}"),
    });
    std::iter::once(header).chain(moved).collect()
}

/// Characters that Go writes as escapes only (above U+FFFF), or that some reader takes for a line's end
/// or a byte order mark.
fn is_odd(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{10000}'..)
}

/// In double quotes, whose escapes YAML shares with JSON.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        c if is_odd(c) || c.is_control() => format!("\\U{:08X}", u32::from(c)),
        _ => c.to_string(),
    };
    super::record::json(&text).chars().map(escape).collect()
}

/// Whether a reader of plain scalars would take this text for a number, a date, a truth or nothing.
fn reads_otherwise(text: &str) -> bool {
    let known_case =
        [text.to_lowercase(), text.to_uppercase(), capitalised(text)].iter().any(|c| c == text);
    known_case && WORDS.contains(&text.to_lowercase().as_str())
        || is_number(text)
        || is_sexagesimal(text)
        || is_timestamp(text)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(chars.flat_map(char::to_lowercase))
        .collect()
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let first = digits.bytes().next();
    let numeric = |b: u8| b.is_ascii_alphanumeric() || b"+-._".contains(&b);
    if !first.is_some_and(|b| b.is_ascii_digit() || b == b'.') || !text.bytes().all(numeric) {
        return false;
    }
    let bare = text.replace('_', "");
    let all_digits = digits.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    all_digits || matches!(serde_yaml::from_str(&bare), Ok(serde_yaml::Value::Number(_)))
}

/// `1:20` and the like, which YAML 1.1 read in base 60.
fn is_sexagesimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let mut parts = whole.split(':');
    let first = parts.next().is_some_and(|p| {
        p.starts_with(|c: char| c.is_ascii_digit())
            && p.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    });
    let mut rest = parts.peekable();
    first
        && rest.peek().is_some()
        && rest.all(|p| (1..=2).contains(&p.len()) && p.parse().is_ok_and(|n: u8| n < 60))
}

/// A date, or a date and a time of day.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let clock = |b: u8| b.is_ascii_digit() || b":.Zz+-".contains(&b);
    is_date(date)
        && time.is_none_or(|t| t.starts_with(|c: char| c.is_ascii_digit()) && t.bytes().all(clock))
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let &[year, month, day] = parts.as_slice() else { return false };
    let (Ok(y), Ok(m), Ok(d)) = (year.parse(), month.parse(), day.parse()) else { return false };
    year.len() == 4 && month.len() <= 2 && day.len() <= 2 && Date::new(y, m, d).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of a text and what yaml.v3 3.0.1 wrote for it as a value of `metadata`; without
    /// those that it can't read back itself (a newline first) or writes in a way of its own (U+2028, U+FEFF).
    const RECORDED: &str = include_str!("../../../tests/it/recorded/go-yaml-v3.json");

    #[test]
    fn scalars_are_written_as_go_writes_them_and_read_back() {
        let recorded: Vec<(String, String)> = serde_json::from_str(RECORDED).expect("a recording");
        assert!(recorded.len() > 100);
        let wrong: Vec<_> = recorded
            .iter()
            .map(|(text, go)| (text, go, scalar(text, 8, 4)))
            .filter(|(_, go, ours)| *go != ours)
            .collect();
        assert!(wrong.is_empty(), "text, Go, ours: {wrong:#?}");
        for (text, go) in &recorded {
            let document = format!("metadata:\n    note: {go}\nend: true\n");
            let read: serde_yaml::Value = serde_yaml::from_str(&document).expect("sound YAML");
            assert_eq!(read["metadata"]["note"].as_str(), Some(text.as_str()));
        }
    }

    /// Keys of a map in the order in which yaml.v3 3.0.1 wrote them.
    const KEYS: &str = include_str!("../../../tests/it/recorded/go-yaml-v3-keys.json");

    #[test]
    fn a_map_has_the_order_that_go_gives_it() {
        let recorded: Vec<String> = serde_json::from_str(KEYS).expect("a recording");
        assert!(recorded.len() > 100);
        let map = recorded.iter().map(|key| (key.clone(), String::new())).collect();
        let ours: Vec<_> = in_order(&map).into_iter().map(|(key, _)| key).collect();
        assert_eq!(ours, recorded.iter().collect::<Vec<_>>());
    }

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(key(name, 4), expected);
    }

    #[test]
    fn keys_are_quoted_like_values_and_long_ones_take_the_long_form() {
        check("note", "note:");
        check("42", "\"42\":");
        check("a: b", "'a: b':");
        check("a\nb", "\"a\\nb\":");
        let long = "k".repeat(129);
        check(&long, &format!("? {long}\n    :"));
    }
}
