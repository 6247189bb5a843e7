//! Which server answers. One that was restarted, or took over from another, may hold an older state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use deadpool_redis::Hook;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tracing::warn;

/// Counts how often the state became another one. Clones count together.
#[derive(Clone, Default)]
pub(super) struct Incarnation(Arc<Known>);

#[derive(Default)]
struct Known {
    /// The server that answered last, as a number; 0 before the first.
    server: AtomicU64,
    count: AtomicU64,
}

impl Incarnation {
    pub(super) fn count(&self) -> u64 {
        self.0.count.load(SeqCst)
    }

    /// The state is not what it was.
    pub(super) fn changed(&self) {
        self.0.count.fetch_add(1, SeqCst);
    }

    /// Looks at every new connection before anything is asked on it: whoever answers after a restart
    /// is first seen here, since a restart ends all connections.
    pub(super) fn hook(&self) -> Hook {
        let this = self.clone();
        Hook::async_fn(move |connection: &mut MultiplexedConnection, _| {
            let this = this.clone();
            Box::pin(async move {
                let said: RedisResult<String> =
                    redis::cmd("INFO").arg("server").query_async(connection).await;
                // A server that does not say who it is can't be told from another.
                if let Some(server) = said.ok().as_deref().and_then(run_id) {
                    this.met(server);
                }
                Ok(())
            })
        })
    }

    fn met(&self, server: u64) {
        let before = self.0.server.swap(server, SeqCst);
        if before != 0 && before != server {
            self.changed();
            warn!(
                "another Redis server answers, or it was restarted: its state may be an older one"
            );
        }
    }
}

/// The part of a server's run id that tells it from others: it is drawn anew at each start.
fn run_id(info: &str) -> Option<u64> {
    let id = info.lines().find_map(|line| line.strip_prefix("run_id:"))?;
    u64::from_str_radix(id.get(..16)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_server_changes_the_incarnation() {
        let incarnation = Incarnation::default();
        let info =
            |id: &str| format!("# Server\r\nredis_version:7.0.15\r\nrun_id:{id}\r\ntcp_port:1\r\n");
        let check = |id: &str, count| {
            incarnation.met(run_id(&info(id)).expect("a run id"));
            assert_eq!(incarnation.count(), count, "{id}");
        };
        check("2a45a5b6c9a1ff5a0a4b1de3e1cb3cd4b3a8a33d", 0);
        check("2a45a5b6c9a1ff5a0a4b1de3e1cb3cd4b3a8a33d", 0);
        check("7f0000000000000a0a4b1de3e1cb3cd4b3a8a33d", 1);
        check("2a45a5b6c9a1ff5a0a4b1de3e1cb3cd4b3a8a33d", 2);
        assert_eq!(run_id("# Server\r\nredis_version:7.0.15\r\n"), None);
    }
}
