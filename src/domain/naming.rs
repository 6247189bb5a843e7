//! By which name an instance knows a meeting, and whether a name could reach another one.
//!
//! BBB 2.6 and later take a meeting id first as the start of an internal id, then as the id of a meeting. So an id that
//! looks like the start of a SHA-1 may answer for a stranger's meeting, whoever made it first.

use sha1::{Digest, Sha1};

use super::meeting::{InternalId, MeetingId, RouteKey};
use super::tenant::TenantId;

/// How an instance looks meetings up, as far as it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    #[default]
    Unknown,
    /// A whole internal id reaches exactly its meeting: BBB 2.6 and later.
    Internal,
    /// An internal id, or the start of one, is a server error: BBB before 2.6.
    Fails,
    /// Only the id that a meeting was created with reaches it.
    External,
}

impl Lookup {
    /// Whether a call about one meeting can miss it since another one has such an internal id.
    pub fn may_clash(self) -> bool {
        matches!(self, Self::Unknown | Self::Fails)
    }
}

/// Whether this text could be the start of an internal id as BBB makes them, now or of a meeting to come. Blanks and
/// control characters are passed over, since servers may strip them.
pub fn looks_internal(text: &str) -> bool {
    let mut chars = text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).peekable();
    let mut digits = 0;
    while chars.next_if(|c| matches!(c, '0'..='9' | 'a'..='f')).is_some() {
        digits += 1;
    }
    let ended = match chars.next() {
        None => true,
        Some('-') => chars.all(|c| c == '-' || c.is_ascii_digit()),
        Some(_) => false,
    };
    ended && (1..=2 * RouteKey::BYTES).contains(&digits)
}

/// Whether a meeting of this key would have an internal id that begins with this text, or be begun by it.
pub fn may_begin(text: &str, key: &RouteKey) -> bool {
    let hash = key.to_string();
    match text.split_once('-') {
        None => hash.starts_with(text),
        Some((start, _)) => hash == start,
    }
}

/// The keys of all meeting ids that are the start of an internal id that a meeting of this key would have.
pub fn starts_of(key: &RouteKey) -> impl Iterator<Item = RouteKey> {
    let hash = key.to_string();
    (1..=hash.len()).map(move |len| RouteKey(Sha1::digest(&hash.as_bytes()[..len]).into()))
}

/// Whether a server may print the id of a meeting that was created so as this text: with runs of blanks made one, those at
/// the ends gone, and without control characters.
pub fn prints_as(created: &MeetingId, printed: &str) -> bool {
    let plain = |text: &str| -> Vec<String> {
        let text: String = text.chars().filter(|c| c.is_whitespace() || !c.is_control()).collect();
        text.split_whitespace().map(str::to_owned).collect()
    };
    created.as_str() == printed || plain(created.as_str()) == plain(printed)
}

/// What is known of a meeting that an instance is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'a> {
    pub tenant: &'a TenantId,
    pub key: RouteKey,
    /// The id it was created with, where its text is known.
    pub meeting: Option<&'a MeetingId>,
    /// What its instance called it last.
    pub internal: Option<&'a InternalId>,
}

/// What an instance says of the meeting it speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spoken<'a> {
    pub meeting: Option<&'a str>,
    pub internal: Option<&'a str>,
    /// The tenant by our tag.
    pub tenant: Option<&'a str>,
}

impl Sought<'_> {
    /// Whether this very meeting is spoken of, by what its instance called it.
    pub fn is_known_as(&self, internal: Option<&str>) -> bool {
        internal.is_some() && self.internal.map(InternalId::as_str) == internal
    }

    /// Whether a meeting of this id is spoken of, whosever it is.
    pub fn is_named(&self, spoken: &Spoken<'_>) -> bool {
        let internal = spoken.internal.map(InternalId::new);
        let printed = spoken.meeting.unwrap_or_default();
        self.is_known_as(spoken.internal)
            || internal.as_ref().and_then(InternalId::key) == Some(self.key)
            || self.meeting.is_some_and(|meeting| {
                // BBB 2.5 takes the id of a breakout room that the API makes as its internal id.
                prints_as(meeting, printed) || Some(meeting.as_str()) == spoken.internal
            })
            || MeetingId::new(printed).key() == self.key
    }

    /// Whether the tenant's meeting is spoken of.
    pub fn is_it(&self, spoken: &Spoken<'_>) -> bool {
        self.is_named(spoken) && spoken.tenant == Some(self.tenant.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_the_start_of_an_internal_id_is_told_by_its_form() {
        let whole = format!("{}-1767225700000", MeetingId::new("m").key());
        for text in
            ["1", "12", "ab", "deadbeef", "12-", "ab-1", " 12\n", "1 2", &whole, &whole[..41]]
        {
            assert!(looks_internal(text), "{text:?}");
        }
        let long = format!("{}0", MeetingId::new("m").key());
        for text in ["", "-", "-1", "AB", "room", "12x", "ab-x", "ag", "é", "1.2", &long] {
            assert!(!looks_internal(text), "{text:?}");
        }
    }

    #[test]
    fn starts_are_those_that_may_begin_it() {
        let key = MeetingId::new("m").key();
        let hash = key.to_string();
        assert_eq!(starts_of(&key).count(), 40);
        for text in [&hash[..1], &hash[..2], &hash[..40]] {
            assert!(may_begin(text, &key));
            assert!(starts_of(&key).any(|start| start == MeetingId::new(text).key()), "{text}");
        }
        assert!(may_begin(&format!("{hash}-17"), &key));
        assert!(!may_begin(&hash[1..3], &key) && !may_begin("m", &key));
    }

    #[test]
    fn a_meeting_is_spoken_of_only_by_a_name_of_its_own_and_with_its_tenants_tag() {
        let (meeting, tenant) = (MeetingId::new("room  1 "), TenantId::new("t"));
        let internal = InternalId::new("x-1");
        let key = meeting.key();
        let sought =
            Sought { tenant: &tenant, key, meeting: Some(&meeting), internal: Some(&internal) };
        let hashed = format!("{key}-17");
        let stranger = format!("{}-17", MeetingId::new("room").key());
        for (meeting, internal, tenant, expected) in [
            ("room 1", "y-1", "t", true),
            ("other", hashed.as_str(), "t", true),
            ("other", "x-1", "t", true),
            ("other", "room  1 ", "t", true),
            ("room", "y-1", "t", false),
            ("room", stranger.as_str(), "t", false),
            ("room 1", hashed.as_str(), "u", false),
        ] {
            let spoken =
                Spoken { meeting: Some(meeting), internal: Some(internal), tenant: Some(tenant) };
            assert_eq!(sought.is_it(&spoken), expected, "{meeting} {internal} {tenant}");
        }
        assert!(sought.is_known_as(Some("x-1")) && !sought.is_known_as(None));
    }
}
