//! Kinds of storms: what may go wrong in them.

use std::fmt;

use clap::ValueEnum;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::plan::{Act, Failing, Trouble};
use crate::shared::Amid;

/// A kind of storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Profile {
    /// Nothing goes wrong but what clients do to each other.
    Calm,
    /// News of other replicas come late, twice or not at all.
    News,
    /// Replicas are cut off from the store, or nobody reaches it.
    Partitions,
    /// The store comes back as it was.
    Rollbacks,
    /// The store fails over to a replica that is behind.
    Failovers,
    /// Replicas stand still for a while.
    Sleepers,
    /// Replicas are killed and started again.
    Restarts,
    /// Servers hang, refuse, fail, are slow, crash and come back.
    Servers,
    /// Admins drain, retire, respell and post lists again.
    Admins,
    /// Clocks are set.
    Clocks,
    /// Tenants choose ids that mean others' meetings, and have pools; servers answer with other meetings' infos.
    Tenants,
    /// Admins and dead servers move meetings, while replicas stand still or hear nothing of it.
    Moves,
    /// Anything of all this at once.
    Mixed,
    /// One balancer with its embedded file, which is killed and started again.
    Embedded,
}

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Partition,
    StoreAway,
    LateNews,
    LostNews,
    DoubledNews,
    Rollback,
    Flush,
    Failover,
    Asleep,
    DeafAsleep,
    Killed,
    ClockStep,
    Server,
    ShortLists,
    OtherInfos,
    Admin,
    Unlisted,
}

impl Profile {
    pub(crate) fn kinds(self) -> &'static [Kind] {
        use Kind::*;
        match self {
            Self::Calm => &[],
            Self::Tenants => &[OtherInfos],
            Self::Moves => &[Admin, Admin, Admin, Asleep, DeafAsleep, LateNews, LostNews, Server],
            Self::News => &[LateNews, LateNews, LostNews, DoubledNews, DeafAsleep],
            Self::Partitions => &[Partition, Partition, StoreAway],
            Self::Rollbacks => &[Rollback, Rollback, Rollback, Flush],
            Self::Failovers => &[Failover],
            Self::Sleepers => &[Asleep],
            Self::Restarts => &[Killed],
            Self::Servers => &[Server, Server, ShortLists],
            Self::Admins => &[Admin, Admin, Admin, Unlisted],
            Self::Clocks => &[ClockStep],
            Self::Mixed => &[
                Partition,
                StoreAway,
                LateNews,
                LostNews,
                DoubledNews,
                Rollback,
                Failover,
                Asleep,
                DeafAsleep,
                Killed,
                ClockStep,
                Server,
                Server,
                Server,
                ShortLists,
                OtherInfos,
                Admin,
                Admin,
            ],
            Self::Embedded => &[Killed, Server],
        }
    }

    /// How long memory may be behind, in milliseconds, where what hears of changes fails.
    pub(crate) fn stale_for(self) -> u64 {
        match self {
            Self::News
            | Self::Partitions
            | Self::Rollbacks
            | Self::Failovers
            | Self::Sleepers
            | Self::Moves
            | Self::Mixed => 1_000,
            _ => 0,
        }
    }

    /// Whether there is one balancer with its own file.
    pub(crate) fn is_alone(self) -> bool {
        self == Self::Embedded
    }

    /// Whether some tenant's ids mean others' meetings, and tenants have pools.
    pub(crate) fn is_hostile(self) -> bool {
        matches!(self, Self::Tenants | Self::Mixed)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}

impl Kind {
    /// One trouble of the kind, and how many milliseconds it lasts.
    pub(crate) fn draw(self, rng: &mut StdRng, replicas: usize, servers: usize) -> (Trouble, u64) {
        let replica = rng.random_range(0..replicas);
        let server = rng.random_range(0..servers);
        match self {
            Self::Partition => {
                let answers = rng.random_bool(0.3);
                (Trouble::Partition { replica, answers }, rng.random_range(100..9_000))
            }
            Self::StoreAway => (Trouble::StoreAway, rng.random_range(100..4_000)),
            Self::LateNews => {
                let by = rng.random_range(50..1_500);
                (Trouble::LateNews { replica, by }, rng.random_range(1_000..6_000))
            }
            Self::LostNews => (Trouble::LostNews { replica }, rng.random_range(500..5_000)),
            Self::DoubledNews => (Trouble::DoubledNews { replica }, rng.random_range(2_000..9_000)),
            Self::Rollback => {
                let age = rng.random_range(200..20_000);
                (Trouble::Rollback { age }, rng.random_range(0..1_500))
            }
            Self::Flush => (Trouble::Flush, 0),
            Self::Failover => {
                let lag = rng.random_range(20..800);
                (Trouble::Failover { lag }, rng.random_range(2_000..8_000))
            }
            Self::Asleep => {
                let lasts = match rng.random_range(0..6) {
                    0 => rng.random_range(20_000..70_000),
                    _ => rng.random_range(700..8_000),
                };
                let amid = match rng.random_range(0..3) {
                    0 => Amid::Nothing,
                    1 => Amid::Store,
                    _ => Amid::Server,
                };
                (Trouble::Asleep { replica, amid }, lasts)
            }
            Self::DeafAsleep => {
                (Trouble::Asleep { replica, amid: Amid::Read }, rng.random_range(1_000..8_000))
            }
            Self::Killed => (Trouble::Killed { replica }, rng.random_range(200..8_000)),
            Self::ClockStep => {
                let by = rng.random_range(-3_600_000..3_600_000);
                (Trouble::ClockStep { replica, by }, rng.random_range(1_000..20_000))
            }
            Self::Server => {
                let how = match rng.random_range(0..7) {
                    0 => Failing::Hangs,
                    1 => Failing::Refuses,
                    2 => Failing::Answers500,
                    3 | 4 => Failing::SlowCreate(rng.random_range(200..7_000)),
                    5 => Failing::MuteCreate,
                    _ => Failing::Crashes,
                };
                (Trouble::Server { server, how }, rng.random_range(500..30_000))
            }
            // Shorter than from one sweep to the next.
            Self::ShortLists => (Trouble::Server { server, how: Failing::ShortLists }, 3_000),
            Self::OtherInfos => {
                let how = Failing::OtherInfos;
                (Trouble::Server { server, how }, rng.random_range(1_000..10_000))
            }
            // Two stay.
            Self::Unlisted => (Trouble::Unlisted { server: server.max(2) }, 0),
            Self::Admin => {
                let act = match rng.random_range(0..8) {
                    0 | 1 => Act::Drain,
                    2 | 3 => Act::Retire,
                    4 | 5 => Act::Respell,
                    6 => Act::Repost,
                    _ => Act::Disable,
                };
                (Trouble::Admin { act, server, replica }, rng.random_range(2_000..20_000))
            }
        }
    }
}
