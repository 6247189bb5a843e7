//! What a storm is made of, drawn from its seed before it begins, so that parts of it can be left out.

use std::fmt;

use bigblueswarm::sim::Version;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::history::Room;
use crate::profile::Profile;
use crate::shared::Amid;

/// A whole storm. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Storm {
    pub(crate) seed: u64,
    pub(crate) profile: Profile,
    pub(crate) replicas: usize,
    pub(crate) servers: Vec<ServerPlan>,
    pub(crate) rooms: Vec<Room>,
    pub(crate) faults: Vec<Fault>,
    /// How long clients call.
    pub(crate) lasts: u64,
}

/// What is kept of a storm that was drawn from a seed; all where nothing is said.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Part {
    /// Only these faults of the storm, by their numbers; none if none is named.
    #[arg(long, value_delimiter = ',', num_args = 0.., requires = "seed")]
    faults: Option<Vec<usize>>,
    /// Only clients of these rooms.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    rooms: Option<Vec<String>>,
    /// Clients call for so long.
    #[arg(long, requires = "seed")]
    millis: Option<u64>,
}

impl Part {
    /// What is left in this storm.
    pub(crate) fn of(storm: &Storm) -> Self {
        let faults = storm.faults.iter().map(|fault| fault.number).collect();
        let rooms = storm.rooms.iter().map(Room::to_string).collect();
        Self { faults: Some(faults), rooms: Some(rooms), millis: Some(storm.lasts) }
    }
}

/// As it is written in a command.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.faults.iter().flatten().map(usize::to_string).collect::<Vec<_>>();
        let rooms = self.rooms.iter().flatten().map(String::as_str).collect::<Vec<_>>();
        let space = if faults.is_empty() { "" } else { " " };
        write!(f, "--faults{space}{} --rooms {}", faults.join(","), rooms.join(","))?;
        self.millis.map_or(Ok(()), |millis| write!(f, " --millis {millis}"))
    }
}

/// A simulated BBB server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServerPlan {
    pub(crate) version: Version,
    /// Its clock is so many milliseconds fast.
    pub(crate) wrong_by: i64,
}

/// Something that goes wrong, or that an admin does, from a moment on for some time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// Its name in the history, and the seed of its own choices.
    pub(crate) number: usize,
    pub(crate) at: u64,
    pub(crate) lasts: u64,
    pub(crate) what: Trouble,
}

/// So long after a server's lists left a meeting out they do so no more, in milliseconds.
const SHORT_AGAIN: u64 = 25_000;

/// What can go wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// A replica is cut off from the store; with `answers`, only answers are lost.
    Partition {
        replica: usize,
        answers: bool,
    },
    /// Nobody reaches the store.
    StoreAway,
    /// What others change is told so much later.
    LateNews {
        replica: usize,
        by: u64,
    },
    /// Nothing of it is told, while the store answers.
    LostNews {
        replica: usize,
    },
    DoubledNews {
        replica: usize,
    },
    /// The store comes back as it was so long ago.
    Rollback {
        age: u64,
    },
    /// The store comes back empty.
    Flush,
    /// A replica of the store that is so far behind takes over at the end.
    Failover {
        lag: u64,
    },
    /// A replica stands still, from its next call on that this names: that is done, and answered while it sleeps.
    Asleep {
        replica: usize,
        amid: Amid,
    },
    /// A replica is killed, and started again at the end.
    Killed {
        replica: usize,
    },
    /// The time of day is set on a replica, and back at the end.
    ClockStep {
        replica: usize,
        by: i64,
    },
    Server {
        server: usize,
        how: Failing,
    },
    Admin {
        act: Act,
        server: usize,
        replica: usize,
    },
    /// A tool takes a server off the list in the store, and it stays away.
    Unlisted {
        server: usize,
    },
}

/// How a server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    Hangs,
    Refuses,
    Answers500,
    /// Creates are done at once and answered so much later.
    SlowCreate(u64),
    /// Creates are done and never answered.
    MuteCreate,
    /// It restarts, and has lost its meetings.
    Crashes,
    /// Its lists leave out a meeting that lives.
    ShortLists,
    /// It answers with another meeting's info.
    OtherInfos,
}

/// What an admin does, and undoes at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Drain,
    /// Posts the list without it.
    Retire,
    /// Posts the list with it spelt otherwise.
    Respell,
    /// Posts the same list again.
    Repost,
    Disable,
}

/// Clients call for so long still after a replica has slept.
const AWAKE: u64 = 10_000;

pub(crate) const T: &str = "t.example.org";
pub(crate) const U: &str = "u.example.org";

impl Storm {
    /// The storm of this seed.
    pub(crate) fn draw(seed: u64, profile: Profile) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5702_u64.rotate_left(32));
        let replicas = if profile.is_alone() { 1 } else { rng.random_range(2..=5) };
        let servers: Vec<_> =
            (0..rng.random_range(3..=8)).map(|_| ServerPlan::draw(&mut rng)).collect();
        let rooms = rooms(&mut rng, profile);
        let lasts = 60_000;
        let mut storm = Self { seed, profile, replicas, servers, rooms, faults: Vec::new(), lasts };
        storm.draw_faults(&mut rng);
        storm
    }

    /// What of it is in this part.
    pub(crate) fn only(mut self, part: &Part) -> Self {
        if let Some(faults) = &part.faults {
            self.faults.retain(|fault| faults.contains(&fault.number));
        }
        if let Some(rooms) = &part.rooms {
            self.rooms.retain(|room| rooms.contains(&room.to_string()));
        }
        self.lasts = part.millis.unwrap_or(self.lasts);
        self
    }

    /// Whether the store counts pools, as one Redis does; in a Cluster claims are told in one order, and in time only where
    /// nothing goes wrong.
    pub(crate) fn counts_pools(&self) -> bool {
        self.profile != Profile::Tenants || self.seed.is_multiple_of(2)
    }

    fn draw_faults(&mut self, rng: &mut StdRng) {
        let kinds = self.profile.kinds();
        let (mut at, mut longest) = (4_000, self.lasts);
        while let Some(kind) = kinds.choose(rng) {
            at += rng.random_range(500..9_000);
            if at + 2_000 > self.lasts {
                self.lasts = longest;
                return;
            }
            let (what, lasts) = kind.draw(rng, self.replicas, self.servers.len());
            let number = self.faults.len();
            if matches!(what, Trouble::Asleep { .. }) {
                longest = longest.max(at + lasts + AWAKE);
            }
            if !self.is_again_short(&what, at) {
                self.faults.push(Fault { number, at, lasts, what });
            }
        }
    }

    /// Whether a server's lists would leave a meeting out twice in a row, which no server was seen to do.
    fn is_again_short(&self, what: &Trouble, at: u64) -> bool {
        let short = |what: &Trouble| match *what {
            Trouble::Server { server, how: Failing::ShortLists } => Some(server),
            _ => None,
        };
        let again = |server| {
            let before = self.faults.iter().filter(|fault| fault.at + SHORT_AGAIN > at);
            before.filter_map(|fault| short(&fault.what)).any(|other| other == server)
        };
        short(what).is_some_and(again)
    }

    /// The storm in a few lines.
    pub(crate) fn describe(&self) -> Vec<String> {
        let versions: Vec<String> = self.servers.iter().map(|s| s.version.to_string()).collect();
        let rooms: Vec<String> = self.rooms.iter().map(Room::to_string).collect();
        let mut lines = vec![format!(
            "seed {} of profile {}: {} replicas, {} servers ({}), {} s, rooms {}",
            self.seed,
            self.profile,
            self.replicas,
            self.servers.len(),
            versions.join(" "),
            self.lasts / 1_000,
            rooms.join(" ")
        )];
        lines.extend(self.faults.iter().map(|fault| format!("  fault {}: {fault}", fault.number)));
        lines
    }
}

impl ServerPlan {
    fn draw(rng: &mut StdRng) -> Self {
        let version = *Version::ALL.choose(rng).expect("there are versions");
        Self { version, wrong_by: rng.random_range(-300..300) }
    }
}

/// Rooms of two tenants. Some ids are those of both; some of U begin as the internal ids of T's meetings do.
fn rooms(rng: &mut StdRng, profile: Profile) -> Vec<Room> {
    let room = |tenant: &str, id: String| Room { tenant: tenant.to_owned(), id };
    let mut rooms: Vec<Room> = (1..=5).map(|n| room(T, format!("room-{n}"))).collect();
    rooms.extend((1..=2).map(|n| room(U, format!("room-{n}"))));
    if profile.is_hostile() || rng.random_bool(0.3) {
        let hash = sha1("room-1");
        rooms.push(room(U, hash[..rng.random_range(2..=12)].to_owned()));
        rooms.push(room(U, hash));
    }
    rooms
}

fn sha1(text: &str) -> String {
    use sha1::{Digest, Sha1};
    Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at as f64 / 1e3, self.lasts as f64 / 1e3);
        write!(f, "from {at} s for {lasts} s, {:?}", self.what)
    }
}
