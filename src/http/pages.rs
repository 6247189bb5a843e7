//! The pages that browsers see when they can't be sent to their meeting.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use quick_xml::escape::escape;

/// Seconds until the page of a meeting that is away loads itself again.
const AGAIN_AFTER: u32 = 5;
/// The same of a tenant in maintenance, which takes longer.
const AFTER_MAINTENANCE: u32 = 60;

/// What the pages say, in one language.
struct Words {
    language: &'static str,
    title: &'static str,
    waiting: &'static str,
    maintenance: &'static str,
    refused: &'static str,
    no_meeting: &'static str,
    full: &'static str,
    unusable: &'static str,
}

const LANGUAGES: [Words; 3] = [
    Words {
        language: "en",
        title: "One moment, please",
        waiting: "The server of your meeting is away just now. This page tries again by itself and takes you in as soon as the meeting lives again.",
        maintenance: "Maintenance",
        refused: "You can’t join",
        no_meeting: "This meeting does not exist, or it has ended. Please go back to where you came from and open it there.",
        full: "All places that are available just now are taken. Please try again later.",
        unusable: "This link can’t be used as it is. Please go back to where you came from and open the meeting there. If that does not help, tell those who run that page:",
    },
    Words {
        language: "de",
        title: "Einen Moment bitte",
        waiting: "Der Server Ihrer Konferenz ist gerade nicht erreichbar. Diese Seite versucht es von selbst erneut und bringt Sie hinein, sobald die Konferenz wieder läuft.",
        maintenance: "Wartungsarbeiten",
        refused: "Teilnahme nicht möglich",
        no_meeting: "Diese Konferenz gibt es nicht, oder sie ist beendet. Bitte gehen Sie zurück und öffnen Sie sie von dort.",
        full: "Alle derzeit verfügbaren Plätze sind belegt. Bitte versuchen Sie es später noch einmal.",
        unusable: "Dieser Link ist so nicht verwendbar. Bitte gehen Sie zurück und öffnen Sie die Konferenz von dort. Hilft das nicht, melden Sie den Betreibern jener Seite:",
    },
    Words {
        language: "fr",
        title: "Un instant, s’il vous plaît",
        waiting: "Le serveur de votre réunion est momentanément indisponible. Cette page réessaie d’elle-même et vous fera entrer dès que la réunion reprendra.",
        maintenance: "Maintenance en cours",
        refused: "Participation impossible",
        no_meeting: "Cette réunion n’existe pas, ou elle est terminée. Veuillez revenir en arrière et l’ouvrir de là.",
        full: "Toutes les places disponibles sont prises. Veuillez réessayer plus tard.",
        unusable: "Ce lien n’est pas utilisable tel quel. Veuillez revenir en arrière et ouvrir la réunion de là. Si cela n’aide pas, signalez aux responsables de cette page :",
    },
];

/// The page of a meeting whose server is away, or that is on its way to another.
pub(super) fn waiting(headers: &HeaderMap) -> Response {
    let words = words(headers);
    again(words.language, words.title, words.waiting, AGAIN_AFTER)
}

/// The page of a tenant in maintenance, with what its admin says.
pub(super) fn maintenance(headers: &HeaderMap, text: &str) -> Response {
    let words = words(headers);
    again(words.language, words.maintenance, text, AFTER_MAINTENANCE)
}

/// The page of a meeting that does not exist.
pub(super) fn no_meeting(headers: &HeaderMap) -> Response {
    let words = words(headers);
    (StatusCode::OK, page(words.language, words.refused, words.no_meeting, None)).into_response()
}

/// The page of a tenant that has as many users as it may have.
pub(super) fn full(headers: &HeaderMap) -> Response {
    let words = words(headers);
    (StatusCode::OK, page(words.language, words.refused, words.full, None)).into_response()
}

/// The page of a join that is refused for what it asks, with the message that clients read.
pub(super) fn unusable(headers: &HeaderMap, message: &str) -> Response {
    let words = words(headers);
    let text = format!("{}\n\n{message}", words.unusable);
    (StatusCode::OK, page(words.language, words.refused, &text, None)).into_response()
}

/// A page that loads the same URL again after so many seconds.
fn again(language: &str, title: &str, text: &str, seconds: u32) -> Response {
    let page = page(language, title, text, Some(seconds));
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, page).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

/// A page without a script, on which nothing comes from elsewhere. Line breaks of its text are kept.
fn page(
    language: &str,
    title: &str,
    text: &str,
    again_after: Option<u32>,
) -> impl IntoResponse + use<> {
    let text = escape(text);
    let again = again_after
        .map(|seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n"))
        .unwrap_or_default();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         {again}<title>{title}</title>\n\
         <style>body{{font:1.1rem/1.5 sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem;text-align:center}}\
         p{{white-space:pre-line}}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
    );
    let fields = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Accept, Accept-Language"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (fields, page)
}

/// The words of the first language of `Accept-Language` that we know, by weight; English otherwise.
fn words(headers: &HeaderMap) -> &'static Words {
    let wished = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let mut wished: Vec<(f32, &str)> = wished
        .unwrap_or_default()
        .split(',')
        .map(|wish| {
            let (tag, weight) = wish.split_once(';').unwrap_or((wish, ""));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse().ok());
            (weight.unwrap_or(1.0), tag.trim().get(..2).unwrap_or_default())
        })
        .collect();
    wished.sort_by(|a, b| b.0.total_cmp(&a.0));
    let known = |tag: &str| LANGUAGES.iter().find(|w| w.language.eq_ignore_ascii_case(tag));
    wished.iter().find_map(|(_, tag)| known(tag)).unwrap_or(&LANGUAGES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wished: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, wished.parse().expect("a value"));
        assert_eq!(words(&headers).language, expected, "{wished}");
    }

    #[test]
    fn the_page_speaks_the_browsers_language() {
        check("de-DE,de;q=0.9,en;q=0.8", "de");
        check("fr", "fr");
        check("es, fr;q=0.5, de;q=0.7", "de");
        check("ja", "en");
        check("", "en");
        check("é;q=x,,;", "en");
    }
}
