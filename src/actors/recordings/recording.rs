//! A recording as it is kept: what filters look at, and its bytes, packed.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::index::pairs;
use crate::bbb::recordings::{Described, Recorded, alone, joined};
use crate::domain::instance::InstanceId;
use crate::domain::tenant::TenantId;

/// What most recordings have in common, so that one alone packs as well as many would together. Stored
/// records were packed with it: another one needs another [`FORMAT`].
const COMMON: &[u8] = include_bytes!("common.xml");
/// The first byte of stored records.
const FORMAT: u8 = 1;
/// No recording is larger; what is stored could say anything.
const MOST_BYTES: usize = 16 << 20;

/// A recording that an instance listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub id: Arc<str>,
    /// Whose it is by our tag.
    pub tenant: Option<TenantId>,
    /// Milliseconds since 1970 by the instance's clock.
    pub start_time: u64,
    pub(super) state: Box<str>,
    /// Names and values, each with a NUL behind it.
    pub(super) metadata: Box<str>,
    /// How many places it takes in pages that are cut over formats.
    pub(super) places: usize,
    pub(super) raw: Packed,
    pub(super) print: u64,
}

/// A fingerprint of a recording's bytes, for telling whether they changed.
pub fn print(raw: &[u8]) -> u64 {
    FixedState::with_seed(0).hash_one(raw)
}

impl Recording {
    /// A recording and its bytes as listed.
    pub fn of(recorded: &Recorded, raw: &[u8]) -> Self {
        let clean = |text: &str| text.replace('\0', "\u{FFFD}");
        let pair = |(name, value): &(String, String)| {
            [clean(name), clean(value), String::new()].join("\0")
        };
        let metadata: String = recorded.metadata.iter().map(pair).collect();
        Self {
            id: recorded.record_id.as_str().into(),
            tenant: recorded.tenant.as_deref().map(TenantId::new),
            start_time: recorded.start_time,
            state: recorded.state.as_str().into(),
            metadata: metadata.into(),
            places: recorded.places(),
            raw: Packed::pack(raw),
            print: print(raw),
        }
    }

    /// The same with the formats of this one beside its own; none when these are no more.
    pub fn with(&self, raw: &[u8]) -> Option<Self> {
        if self.print == print(raw) {
            return None;
        }
        let both = joined(&self.raw.unpack()?, raw)?;
        Some(Self::of(&alone(&both)?, &both))
    }

    /// As the store keeps it: the format, the instance's URL, a NUL, and the packed bytes.
    pub(super) fn stored(instance: &InstanceId, raw: &Packed) -> Vec<u8> {
        [&[FORMAT], instance.as_str().as_bytes(), &[0], &raw.0].concat()
    }

    /// All of an instance's recordings as one text for other replicas: each as the store keeps it, behind
    /// its length in four bytes.
    pub fn bundle(instance: &InstanceId, all: &[Self]) -> Vec<u8> {
        let mut bundle = Vec::new();
        for stored in all.iter().map(|recording| Self::stored(instance, &recording.raw)) {
            // None is longer: see `MOST_BYTES`.
            bundle.extend(u32::try_from(stored.len()).unwrap_or_default().to_le_bytes());
            bundle.extend(stored);
        }
        bundle
    }

    /// Reads a bundle of this instance; nothing if any of it can't be read.
    pub fn unbundle(instance: &InstanceId, mut bundle: &[u8]) -> Option<Vec<Self>> {
        let mut all = Vec::new();
        while let Some((length, rest)) = bundle.split_first_chunk() {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (stored, rest) = rest.split_at_checked(length)?;
            let (at, recording) = Self::read(stored)?;
            all.push((at == *instance).then_some(recording)?);
            bundle = rest;
        }
        bundle.is_empty().then_some(all)
    }

    /// Reads what the store kept; none of what an older or newer program wrote otherwise.
    pub fn read(stored: &[u8]) -> Option<(InstanceId, Self)> {
        let rest = stored.strip_prefix(&[FORMAT])?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let instance = InstanceId::new(std::str::from_utf8(&rest[..end]).ok()?);
        let raw = Packed(rest[end + 1..].into()).unpack()?;
        Some((instance, Self::of(&alone(&raw)?, &raw)))
    }
}

impl Described for Recording {
    fn record_id(&self) -> &str {
        &self.id
    }

    fn state(&self) -> &str {
        &self.state
    }

    fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.metadata)
    }
}

/// A recording's bytes, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Arc<[u8]>);

impl Packed {
    fn pack(raw: &[u8]) -> Self {
        Self(lz4_flex::block::compress_prepend_size_with_dict(raw, COMMON).into())
    }

    /// The bytes; none when they can't be unpacked, as a store may keep anything.
    pub fn unpack(&self) -> Option<Vec<u8>> {
        let (size, packed) = lz4_flex::block::uncompressed_size(&self.0).ok()?;
        (size <= MOST_BYTES).then_some(())?;
        lz4_flex::block::decompress_with_dict(packed, size, COMMON).ok()
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbb::recordings::scan;

    const LIST: &[u8] = b"<response><returncode>SUCCESS</returncode><recordings><recording><recordID>a-1</recordID>\
        <state>published</state><startTime>7</startTime><metadata><x>1 &amp; 2</x><bigblueswarm-tenant>t</bigblueswarm-tenant>\
        </metadata></recording></recordings></response>";

    #[test]
    fn a_recording_is_kept_and_stored_to_the_byte() {
        let list = scan(LIST).expect("a list");
        let raw = &LIST[list.recordings[0].span.clone()];
        let kept = Recording::of(&list.recordings[0], raw);
        assert_eq!(kept.raw.unpack().as_deref(), Some(raw));
        let pairs: Vec<_> = kept.metadata().collect();
        assert_eq!(pairs, [("x", "1 & 2"), ("bigblueswarm-tenant", "t")]);
        let stored = Recording::stored(&InstanceId::new("http://s1/b"), &kept.raw);
        assert_eq!(Recording::read(&stored), Some((InstanceId::new("http://s1/b"), kept)));
    }

    #[test]
    fn a_bundle_is_read_whole_or_not_at_all() {
        let list = scan(LIST).expect("a list");
        let kept = Recording::of(&list.recordings[0], &LIST[list.recordings[0].span.clone()]);
        let (all, here) = (vec![kept.clone(), kept], InstanceId::new("http://s1/b"));
        let bundle = Recording::bundle(&here, &all);
        assert_eq!(Recording::unbundle(&here, &bundle), Some(all));
        assert_eq!(Recording::unbundle(&here, b""), Some(Vec::new()));
        assert_eq!(Recording::unbundle(&InstanceId::new("http://s2/b"), &bundle), None);
        for end in 1..bundle.len() {
            let part = Recording::unbundle(&here, &bundle[..end]);
            assert!(part.is_none_or(|part| part.len() == 1 && end * 2 == bundle.len()), "{end}");
        }
    }

    #[test]
    fn what_is_stored_otherwise_is_passed_over() {
        for stored in [&b""[..], b"\x02a\0b", b"\x01a", b"\x01a\0", b"\x01a\0\xFF\xFF\xFF\xFFxxxx"]
        {
            assert_eq!(Recording::read(stored), None, "{stored:?}");
        }
    }
}
