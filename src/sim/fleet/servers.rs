//! The fleet: servers of three sizes, one that joins in the morning and one that is away for a while.

use std::ops::Range;
use std::time::Duration;

use super::dice::Dice;
use crate::domain::moment::Moment;

/// Joins at 8:56.
const JOINS: Moment = Moment(Duration::from_mins(8 * 60 + 56));
/// Another is dead from 10:12 on, for 21 minutes.
const AWAY: Range<Moment> =
    Moment(Duration::from_mins(10 * 60 + 12))..Moment(Duration::from_mins(10 * 60 + 33));

/// What a server is, whatever runs on it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) cores: f64,
    /// The part of its CPU time that the kernel uses.
    pub(super) kernel: f64,
    /// Percent of memory in use when nothing runs.
    pub(super) idle_mem: f64,
    /// When it begins to be there.
    pub(super) from: Moment,
    pub(super) away: Option<Range<Moment>>,
}

impl Server {
    fn new(cores: f64, dice: &mut Dice) -> Self {
        let (kernel, idle_mem) = (dice.normal(0.22, 0.03), dice.normal(28.0, 6.0));
        Self { cores, kernel, idle_mem, from: Moment::default(), away: None }
    }
}

/// So many servers, about 50 % with 8 cores, 35 % with 16, 15 % with 32, and at the end the one that joins.
pub(super) fn fleet(count: usize, dice: &mut Dice) -> Vec<Server> {
    let small = count / 2;
    let large = ((count * 15 + 50) / 100).max(1).min(count - small);
    let medium = count - small - large;
    let sizes = [(small, 8.0), (medium, 16.0), (large, 32.0)];
    let cores = sizes.iter().flat_map(|&(n, cores)| std::iter::repeat_n(cores, n));
    let mut servers: Vec<_> = cores.map(|cores| Server::new(cores, dice)).collect();
    if let Some(server) = servers.get_mut(small) {
        server.away = Some(AWAY);
    }
    servers.push(Server { from: JOINS, ..Server::new(16.0, dice) });
    servers
}

/// Cores of those that are there from the beginning.
pub(super) fn cores_at_first(servers: &[Server]) -> f64 {
    servers
        .iter()
        .filter(|server| server.from == Moment::default())
        .map(|server| server.cores)
        .sum()
}
