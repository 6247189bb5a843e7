//! In which form a client wants to read what is refused.

use http::request::Parts;
use http::{HeaderValue, header};

use crate::bbb::query;

/// XML unless something else is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Xml,
    Json,
    /// This is a browser, which shows pages. Where there is none it reads XML.
    Page,
}

impl Wanted {
    /// As BBB does: the parameter `format` decides, else the header `Accept`.
    pub(super) fn of<'h>(
        accept: impl IntoIterator<Item = &'h HeaderValue>,
        query: Option<&str>,
    ) -> Self {
        let format = query.and_then(|query| query::value(query, "format"));
        match format.as_deref() {
            Some("json") => Self::Json,
            Some("xml") => Self::Xml,
            _ => Self::accepted(accept),
        }
    }

    /// What the client of this request wants.
    pub(super) fn by(parts: &Parts) -> Self {
        Self::of(parts.headers.get_all(header::ACCEPT), parts.uri.query())
    }

    /// What is accepted most, by weight; of what weighs the same a type by its name comes before a
    /// wildcard, and then the first.
    fn accepted<'h>(lines: impl IntoIterator<Item = &'h HeaderValue>) -> Self {
        let lines = lines.into_iter().filter_map(|line| line.to_str().ok());
        let mut best = (0.0, false, Self::Xml);
        for range in lines.flat_map(|line| line.split(',')) {
            let Some((weight, is_named, wanted)) = read(range) else { continue };
            if weight > best.0 || (weight == best.0 && weight > 0.0 && is_named && !best.1) {
                best = (weight, is_named, wanted);
            }
        }
        best.2
    }
}

/// The weight of a media range, whether it names a type, and what that is; none when it is nothing of ours.
fn read(range: &str) -> Option<(f32, bool, Wanted)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?.to_ascii_lowercase();
    let (is_named, wanted) = match kind.as_str() {
        "application/json" | "text/json" => (true, Wanted::Json),
        "text/html" | "application/xhtml+xml" => (true, Wanted::Page),
        "application/xml" | "text/xml" => (true, Wanted::Xml),
        "*/*" | "application/*" | "text/*" => (false, Wanted::Xml),
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(1.0), |q| q.trim().parse().ok());
    let weight = weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0);
    Some((weight, is_named, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, query: &str, expected: Wanted) {
        let lines = accept.split('\n').filter(|line| !line.is_empty());
        let lines: Vec<HeaderValue> = lines.map(|line| line.parse().expect("a value")).collect();
        assert_eq!(Wanted::of(&lines, Some(query)), expected, "{accept} {query}");
    }

    #[test]
    fn json_is_read_by_who_asks_for_it_and_pages_by_browsers() {
        use Wanted::{Json, Page, Xml};
        check("", "", Xml);
        check("*/*", "", Xml);
        check("application/json", "", Json);
        check("Application/JSON; charset=utf-8", "", Json);
        check("application/json, text/plain, */*", "", Json);
        check("*/*, application/json", "", Json);
        check("application/json;q=0.5, */*;q=0.9", "", Xml);
        check("application/xml;q=0.5, application/json;q=0.9", "", Json);
        check("application/xml, application/json", "", Xml);
        check("application/json, application/xml", "", Json);
        check("application/json;q=0", "", Xml);
        check("application/json;q=0, */*", "", Xml);
        check("application/json;q=x, */*;q=0.1", "", Xml);
        check("application/json;q=7", "", Xml);
        check("application/json;q=NaN", "", Xml);
        check("text/plain\napplication/json", "", Json);
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", Page);
        check("text/html;q=0.5, application/json", "", Json);
        check("text/html, application/json", "", Page);
        check("text/html;q=0, */*", "", Xml);
        check("image/png, ,;q=1", "", Xml);
    }

    #[test]
    fn the_parameter_format_comes_before_the_header() {
        check("", "a=1&format=json", Wanted::Json);
        check("text/html", "format=json", Wanted::Json);
        check("application/json", "format=xml", Wanted::Xml);
        check("application/json", "format=pdf", Wanted::Json);
        check("", "xformat=json&format=", Wanted::Xml);
    }
}
