//! What one simulated server is like.

use std::time::Duration;

use super::crowd::Crowd;
use super::lookup::{InternalIds, Lookup};
use super::memory::MOST_BODY;
use super::version::Version;
use crate::bbb::checksum::{Algorithm, Algorithms};
use crate::domain::secret::Secret;

/// How a simulated server is set up.
#[derive(Clone, Debug)]
pub struct SimSettings {
    /// `scheme://host[:port]` as clients reach it; replaced by the socket's when it listens.
    pub origin: String,
    pub secret: Secret,
    /// The hashes it accepts, as far as its version knows them.
    pub algorithms: Algorithms,
    pub cores: u32,
    /// Everything random follows from this.
    pub seed: u64,
    /// The BBB that it behaves like.
    pub version: Version,
    /// How it finds the meeting that a call names.
    pub lookup: Lookup,
    pub internal_ids: InternalIds,
    /// Refuse a repeated create that sends no passwords, as older versions do.
    pub refuses_bare_repeats: bool,
    /// Accept meeting ids of one character; BBB wants two.
    pub lenient_ids: bool,
    /// How long a meeting that was ended by force is still shown; BBB shows none.
    pub ended_lingers: Duration,
    /// `bbbVersion` of the root call; without one it is that of the version.
    pub bbb_version: Option<String>,
    pub dial_number: String,
    /// Whether all recordings may be asked for without pages.
    pub fetch_all_recordings: bool,
    /// How pages of recordings are cut; without this, as its version does.
    pub recordings_paging: Option<RecordingsPaging>,
    /// Whether there is a folder for the captions of recordings; without one BBB fails when it shall put some.
    pub captions_folder: bool,
    /// How long after its end a meeting's recording is there.
    pub recording_after: Duration,
    /// Where every event goes by the server's own configuration, by a hook that nobody can destroy.
    pub permanent_hook: Option<String>,
    /// The hash of events, unless they bear the secret itself.
    pub hooks_sign_with: Algorithm,
    /// Events bear the secret in a header instead of a checksum.
    pub hooks_bearer: bool,
    /// So long after the join call the browser connects by itself; without this somebody must open the URL that
    /// join answered. Only who has connected counts.
    pub browsers_connect: Option<Duration>,
    /// How long the slides of a create or an insertDocument take to fetch; both wait for them.
    pub slides_take: Duration,
    /// Bytes of a body at most; a larger one is refused by HTTP 413.
    pub most_body: usize,
    /// People who come to every new meeting by themselves.
    pub crowd: Option<Crowd>,
    /// The share of people who show a picture, 0 to 1; without one it goes by their role.
    pub webcams: Option<f64>,
}

/// How a server cuts its recordings into pages, by the generations of BBB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingsPaging {
    /// 2.5 and older: `limit` and `offset` are ignored, and no total is given.
    None,
    /// 2.6 to 3.0 before mid-2025: pages are cut over formats, those of one kind after those of another, and the
    /// total of formats stands in `<pagination>`.
    ByFormatNested,
    /// Some builds of these: the formats of a recording stand together, and the total is at the top.
    ByFormat,
    /// Newest 3.0: pages are cut over recordings, and their total is at the top.
    ByRecord,
}

impl SimSettings {
    /// A server of four cores that accepts every hash.
    pub fn new(origin: &str, secret: &str) -> Self {
        Self {
            origin: origin.trim_end_matches('/').to_owned(),
            secret: Secret::new(secret),
            algorithms: Algorithms::ANY,
            cores: 4,
            seed: 1,
            version: Version::default(),
            lookup: Lookup::default(),
            internal_ids: InternalIds::default(),
            refuses_bare_repeats: false,
            lenient_ids: false,
            ended_lingers: Duration::ZERO,
            bbb_version: None,
            dial_number: "613-555-1234".to_owned(),
            fetch_all_recordings: true,
            recordings_paging: None,
            captions_folder: true,
            recording_after: Duration::from_secs(5),
            permanent_hook: None,
            hooks_sign_with: Algorithm::Sha1,
            hooks_bearer: false,
            browsers_connect: None,
            slides_take: Duration::ZERO,
            most_body: MOST_BODY,
            crowd: None,
            webcams: None,
        }
    }

    /// The same in another version.
    pub fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// The same, whose users' browsers connect so long after the join call.
    pub fn browsers_connect(self, after: Duration) -> Self {
        Self { browsers_connect: Some(after), ..self }
    }

    /// The hashes that it knows and is set to accept.
    pub(super) fn accepted(&self) -> Algorithms {
        let known = |algorithm: &Algorithm| {
            self.version > Version::V2_5 || matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256)
        };
        let accepted: Vec<Algorithm> = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| known(algorithm) && self.algorithms.contains(*algorithm))
            .collect();
        Algorithms::of(&accepted)
    }

    /// How it cuts pages of recordings.
    pub(super) fn paging_of_recordings(&self) -> RecordingsPaging {
        self.recordings_paging.unwrap_or(match self.version {
            Version::V2_5 => RecordingsPaging::None,
            Version::V2_7 => RecordingsPaging::ByFormatNested,
            Version::V3_0 | Version::V4_0 => RecordingsPaging::ByRecord,
        })
    }

    /// The same with pages of recordings cut so.
    pub fn paging(self, recordings_paging: RecordingsPaging) -> Self {
        Self { recordings_paging: Some(recordings_paging), ..self }
    }

    /// The same with so many cores.
    pub fn cores(self, cores: u32) -> Self {
        Self { cores, ..self }
    }

    /// The same with another seed.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same, accepting only these hashes.
    pub fn algorithms(self, accepted: &[Algorithm]) -> Self {
        Self { algorithms: Algorithms::of(accepted), ..self }
    }

    /// The same with a crowd for every new meeting.
    pub fn crowd(self, crowd: Crowd) -> Self {
        Self { crowd: Some(crowd), ..self }
    }

    /// The same with this share of people who show a picture, 0 to 1.
    pub fn webcams(self, share: f64) -> Self {
        Self { webcams: Some(share.clamp(0.0, 1.0)), ..self }
    }
}
