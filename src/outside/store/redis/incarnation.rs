//! Which servers answer. One that was restarted, or took over from another, may hold an older state.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use arc_swap::ArcSwap;
use tracing::warn;

/// Counts how often the state became another one. Clones count together.
#[derive(Clone, Default)]
pub(super) struct Incarnation(Arc<Known>);

#[derive(Default)]
struct Known {
    /// Who answered last, by its place.
    servers: ArcSwap<HashMap<String, Server>>,
    count: AtomicU64,
}

/// Who a server says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Drawn anew at each start.
    run: String,
    /// What it writes is called so; its replicas call it the same.
    history: String,
    /// It says that it keeps no append-only file: after a crash it comes back with its last snapshot.
    forgetful: bool,
    /// What the history was called before it became a master, if it was a replica.
    before: Option<String>,
}

impl Server {
    /// From the sections `server` and `replication` of INFO.
    pub(super) fn read(info: &str) -> Option<Self> {
        let run = value(info, "run_id")?.to_owned();
        let history = value(info, "master_replid").unwrap_or_default().to_owned();
        let before = value(info, "master_replid2").filter(|id| id.bytes().any(|b| b != b'0'));
        let forgetful = value(info, "aof_enabled") == Some("0");
        Some(Self { run, history, forgetful, before: before.map(str::to_owned) })
    }

    /// Whether it may have lost what it said before. Without replicas a history gets another name in the
    /// end, and has none before it.
    fn forgets(&self, old: &Self) -> bool {
        self.run != old.run || (self.history != old.history && self.before.is_some())
    }

    /// Whether it was a replica of that one.
    fn follows(&self, old: &Self) -> bool {
        self.before.as_ref() == Some(&old.history)
    }
}

/// The value of a line of INFO.
pub(super) fn value<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let line = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    info.lines().find_map(line).map(str::trim)
}

impl Incarnation {
    pub(super) fn count(&self) -> u64 {
        self.0.count.load(SeqCst)
    }

    /// The state is not what it was.
    pub(super) fn changed(&self) {
        self.0.count.fetch_add(1, SeqCst);
    }

    /// A server answers at this place. Told of every new connection before anything is asked on it: whoever
    /// answers after a restart or a failover is first seen there, since both end all connections.
    /// A place that is new has taken slots over from others, which loses nothing, unless it was a replica.
    pub(super) fn met(&self, place: &str, server: Server) {
        let forgetful = server.forgetful;
        let known = self.0.servers.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(place.to_owned(), server.clone());
            known
        });
        if forgetful && known.get(place).is_none_or(|before| !before.forgetful) {
            warn!(
                "Redis keeps no append-only file: after a crash it comes back older, and what no balancer remembers is \
                 lost; set `appendonly yes`"
            );
        }
        let other = match known.get(place) {
            Some(old) => server.forgets(old),
            None => known.values().any(|old| server.follows(old)),
        };
        if other {
            self.changed();
            warn!(
                "another Redis server answers, or it was restarted: its state may be an older one"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "0000000000000000000000000000000000000000";

    fn server(run: &str, history: &str, before: &str) -> Server {
        let info = format!(
            "# Server\r\nredis_version:7.0.15\r\nrun_id:{run}\r\ntcp_port:1\r\n# Replication\r\nrole:master\r\n\
             master_replid:{history}\r\nmaster_replid2:{before}\r\n"
        );
        Server::read(&info).expect("a run id")
    }

    #[test]
    fn only_another_server_changes_the_incarnation() {
        let incarnation = Incarnation::default();
        let check = |run, history, before, count| {
            incarnation.met("", server(run, history, before));
            assert_eq!(incarnation.count(), count, "{run} {history}");
        };
        check("a", "h1", NONE, 0);
        check("a", "h1", NONE, 0);
        check("a", "h2", NONE, 0); // its replicas have been gone for long
        check("b", "h3", "h2", 1);
        check("b", "h4", "h5", 2); // it was a replica in between
        check("a", "h6", NONE, 3);
        assert_eq!(Server::read("# Server\r\nredis_version:7.0.15\r\n"), None);
        let forgetful = |says: &str| {
            let info = format!("run_id:a\r\n{says}\r\n");
            Server::read(&info).expect("a run id").forgetful
        };
        assert!(forgetful("aof_enabled:0") && !forgetful("aof_enabled:1") && !forgetful(""));
    }

    #[test]
    fn of_several_servers_a_new_one_counts_only_if_it_took_over_from_one_we_knew() {
        let incarnation = Incarnation::default();
        let check = |place, run, history, before, count| {
            incarnation.met(place, server(run, history, before));
            assert_eq!(incarnation.count(), count, "{place}");
        };
        check("a", "a", "ha", NONE, 0);
        check("b", "b", "hb", "elsewhere", 0); // promoted before our time
        check("c", "c", "hc", NONE, 0); // an empty one that slots were moved to
        check("d", "d", "hd", "ha", 1); // the replica of the first
        check("a", "again", "he", NONE, 2);
    }
}
