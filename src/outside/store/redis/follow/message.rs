//! What is published: changes, beats, and news of other replicas.

use std::time::Duration;

use crate::domain::meeting::{RouteKey, RouteState};
use crate::outside::store::peers::{MOST_NEWS, News};
use crate::outside::store::record::read_became;
use crate::outside::store::{Became, Told};

/// What a beat is called among the changes.
const BEAT: &str = "beat";

pub(super) enum Message {
    /// Nothing to us.
    None,
    Route(Told),
    /// Our own beat, which was sent so long after we began to follow.
    Beat(Duration),
    Counted,
}

/// `SENDER route KEY` and what became of it, which older replicas do not say; `SENDER beat MICROSECONDS`; or `SENDER`
/// and what changed, as it is counted. What is not understood may be a change too.
pub(super) fn read_message(message: &[u8], own: &str) -> Message {
    let text = String::from_utf8_lossy(message);
    let mut words = text.splitn(4, ' ');
    match (words.next(), words.next(), words.next().map(str::parse)) {
        (Some(sender), Some("route"), Some(Ok(key))) if sender == own => words
            .next()
            .and_then(read_became)
            .map_or(Message::None, |became| own_claim(key, became)),
        (Some(sender), Some(BEAT), _) if sender == own => read_beat(&text),
        (_, Some(BEAT), _) => Message::None,
        (Some(sender), ..) if sender == own => Message::None,
        (_, Some("route"), Some(Ok(key))) => {
            let became = words.next().filter(|text| text.len() <= MOST_NEWS).and_then(read_became);
            let told = became.map(|became| Told::Became(key, Box::new(became)));
            Message::Route(told.unwrap_or(Told::Route(key)))
        }
        _ => Message::Counted,
    }
}

/// Of what we did ourselves, only claims matter: whoever made one may wait for its being told.
fn own_claim(key: RouteKey, became: Became) -> Message {
    let claim = became.route.filter(|route| route.state == RouteState::Claimed);
    let echo = claim.map(|route| Message::Route(Told::Echo(key, became.tenant, route.version)));
    echo.unwrap_or(Message::None)
}

fn read_beat(text: &str) -> Message {
    let sent = text.rsplit(' ').next().and_then(|micros| micros.parse().ok());
    sent.map_or(Message::None, |micros| Message::Beat(Duration::from_micros(micros)))
}

/// `SENDER NEWS`. What is not understood may come from a newer replica, and is none; so is our own.
pub(super) fn read_news(message: &[u8], own: &str) -> Option<Told> {
    let text = std::str::from_utf8(message).ok().filter(|text| text.len() <= MOST_NEWS)?;
    let (sender, news) = text.split_once(' ').filter(|(sender, _)| *sender != own)?;
    Some(Told::News(u64::from_str_radix(sender, 16).ok()?, News::read(news)?))
}

/// What [`Message::Beat`] is read from.
pub(super) fn beat(sender: &str, sent: Duration) -> String {
    format!("{sender} {BEAT} {}", sent.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_beat_says_when_it_was_sent_and_those_of_others_say_nothing() {
        let sent = Duration::from_micros(1_234_567);
        let read = |own| match read_message(beat("ab", sent).as_bytes(), own) {
            Message::Beat(sent) => Some(Some(sent)),
            Message::None => Some(None),
            Message::Route(_) | Message::Counted => None,
        };
        assert_eq!(read("ab"), Some(Some(sent)));
        assert_eq!(read("cd"), Some(None));
        let odd = |text: &str| matches!(read_message(text.as_bytes(), "ab"), Message::None);
        assert!(odd("ab beat") && odd("ab beat x") && odd("ab tenants"));
        assert!(!odd("cd tenants"));
    }
}
