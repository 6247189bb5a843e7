//! The three forms of Redis: who is asked, and what is done when they do not do it.

use std::sync::Arc;
use std::time::Duration;

use redis::cluster_routing::Slot;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::{Instant, sleep_until};

use super::away;
use super::cluster::Clustered;
use super::node::{Failed, Node};
use super::sentinel::Watched;
use crate::outside::store::StoreError;

/// Pauses before something is tried once more; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(3);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// So often a server may be out of reach within one call.
const MOST_UNREACHED: usize = 2;

pub(super) enum Form {
    Single(Arc<Node>),
    Watched(Watched),
    Clustered(Clustered),
}

impl Form {
    /// Who has this slot.
    pub(super) async fn node(
        &self,
        slot: Option<Slot>,
        by: Instant,
    ) -> Result<Arc<Node>, StoreError> {
        match self {
            Self::Single(node) => Ok(node.clone()),
            Self::Watched(watched) => watched.node(by).await,
            Self::Clustered(cluster) => match slot {
                Some(slot) => cluster.node(slot, by).await,
                None => {
                    let masters = cluster.masters(by).await?;
                    masters.first().cloned().ok_or_else(|| away("the Cluster has no masters"))
                }
            },
        }
    }

    /// Who is meant by a way.
    pub(super) async fn on(
        &self,
        way: &Way,
        slot: Option<Slot>,
        by: Instant,
    ) -> Result<(Arc<Node>, bool), StoreError> {
        match (way, self) {
            (Way::At(address, named_by), Self::Clustered(cluster)) => {
                Ok((cluster.named(&address.name, named_by)?, address.asking))
            }
            _ => Ok((self.node(slot, by).await?, false)),
        }
    }

    /// Whether this is a master, as far as others know.
    pub(super) async fn is_master(&self, node: &Arc<Node>, by: Instant) -> bool {
        match self {
            Self::Single(_) => true,
            Self::Watched(watched) => {
                let looked = watched.look(by).await;
                let current = watched.node(by).await;
                looked.is_ok() && current.is_ok_and(|current| Arc::ptr_eq(&current, node))
            }
            Self::Clustered(cluster) => {
                cluster.doubt();
                let masters = cluster.masters(by).await;
                masters.is_ok_and(|masters| masters.iter().any(|master| master.name == node.name))
            }
        }
    }

    /// Everyone who has keys.
    pub(super) async fn masters(&self, by: Instant) -> Result<Vec<Arc<Node>>, StoreError> {
        match self {
            Self::Single(node) => Ok(vec![node.clone()]),
            Self::Watched(watched) => Ok(vec![watched.node(by).await?]),
            Self::Clustered(cluster) => cluster.masters(by).await,
        }
    }

    /// Everyone who has keys, asked for anew.
    pub(super) async fn looked(&self, by: Instant) -> Result<Vec<Arc<Node>>, StoreError> {
        match self {
            Self::Single(_) => {}
            Self::Watched(watched) => watched.look(by).await?,
            Self::Clustered(cluster) => cluster.doubt(),
        }
        self.masters(by).await
    }

    /// What is known of who has what may be wrong.
    pub(super) fn doubt(&self, node: &Arc<Node>) {
        match self {
            Self::Single(_) => {}
            Self::Watched(watched) => watched.doubt(node),
            Self::Clustered(cluster) => cluster.doubt(),
        }
    }

    /// Who has which slots, in a form that differs when that has changed.
    pub(super) async fn owners(&self, by: Instant) -> Result<Vec<Option<String>>, StoreError> {
        match self {
            Self::Single(_) | Self::Watched(_) => Ok(Vec::new()),
            Self::Clustered(cluster) => {
                cluster.doubt();
                cluster.masters(by).await?;
                Ok(cluster.owners())
            }
        }
    }
}

/// Where something is tried next.
#[derive(Clone)]
pub(super) enum Way {
    /// Where its slot is.
    Home,
    /// At this address, which this node named.
    At(Address, Arc<Node>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) name: String,
    /// Whether its slot is only on the way there.
    pub(super) asking: bool,
}

/// What an error says of where to try once more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Elsewhere(Address),
    /// It was asked for what it does not do (any more).
    Doubt,
    Later,
}

/// Whether, and where, what was answered so may be tried once more. Nothing of it was done.
pub(super) fn advice(error: &RedisError) -> Option<Advice> {
    let errors = error.clone().into_server_errors()?;
    let (_, first) = errors.first()?;
    let address = |asking| {
        let name = first.details()?.split_ascii_whitespace().nth(1)?.to_owned();
        Some(Advice::Elsewhere(Address { name, asking }))
    };
    match first.kind()? {
        ServerErrorKind::Moved => address(false),
        ServerErrorKind::Ask => address(true),
        ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown => {
            Some(Advice::Doubt)
        }
        ServerErrorKind::TryAgain | ServerErrorKind::BusyLoading => Some(Advice::Later),
        _ => None,
    }
}

/// Trying once more, within the deadline.
pub(super) struct Tries<'a> {
    form: &'a Form,
    by: Instant,
    pause: Duration,
    unreached: usize,
}

impl<'a> Tries<'a> {
    pub(super) fn new(form: &'a Form, by: Instant) -> Self {
        Self { form, by, pause: FIRST_PAUSE, unreached: 0 }
    }

    /// Where to go on after a failure, and what it was; the error where there is no use in going on.
    pub(super) fn judge(
        &mut self,
        failed: Failed,
        node: &Arc<Node>,
    ) -> Result<(Way, StoreError), StoreError> {
        match failed {
            Failed::Refused(e) => match self.advised(&e, node) {
                Some(way) => Ok((way, explained(&e))),
                None => Err(explained(&e)),
            },
            // Who took over may be known already.
            Failed::Unreached(why) => {
                self.form.doubt(node);
                self.unreached += 1;
                let single = matches!(self.form, Form::Single(_));
                let away = StoreError::Away(why);
                if single || self.unreached > MOST_UNREACHED {
                    Err(away)
                } else {
                    Ok((Way::Home, away))
                }
            }
            Failed::Silent(why) => {
                self.form.doubt(node);
                Err(StoreError::Away(why))
            }
        }
    }

    /// Where what was answered so is tried once more; none where there is no use in it.
    pub(super) fn advised(&self, error: &RedisError, node: &Arc<Node>) -> Option<Way> {
        let advice = advice(error).filter(|_| !matches!(self.form, Form::Single(_)))?;
        match advice {
            Advice::Elsewhere(address) => {
                if !address.asking {
                    self.form.doubt(node);
                }
                return Some(Way::At(address, node.clone()));
            }
            Advice::Doubt => self.form.doubt(node),
            Advice::Later => {}
        }
        Some(Way::Home)
    }

    /// Waits a little; whether there is time for another try.
    pub(super) async fn again(&mut self) -> bool {
        let until = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if until >= self.by {
            return false;
        }
        sleep_until(until).await;
        true
    }
}

/// What an answer that is an error means to our callers.
pub(in super::super) fn explained(error: &RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => {
            StoreError::Unreadable(error.category().to_owned())
        }
        _ if error.code() == Some("WRONGTYPE") => {
            StoreError::Unreadable("a key is of another type".into())
        }
        _ => StoreError::Away(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, expected: Option<Advice>) {
        let parsed = redis::parse_redis_value(format!("-{said}\r\n").as_bytes());
        let error = parsed.and_then(|value| value.extract_error()).expect_err("an error");
        assert_eq!(advice(&error), expected, "{said}");
    }

    #[test]
    fn what_a_server_says_tells_where_to_try_again() {
        let at = |asking| Some(Advice::Elsewhere(Address { name: "10.0.0.7:7001".into(), asking }));
        check("MOVED 866 10.0.0.7:7001", at(false));
        check("ASK 866 10.0.0.7:7001", at(true));
        check("TRYAGAIN Multiple keys request during rehashing of slot", Some(Advice::Later));
        check("LOADING Redis is loading the dataset in memory", Some(Advice::Later));
        check("CLUSTERDOWN The cluster is down", Some(Advice::Doubt));
        check("READONLY You can't write against a read only replica.", Some(Advice::Doubt));
        check("MASTERDOWN Link with MASTER is down", Some(Advice::Doubt));
        check("WRONGTYPE Operation against a key", None);
        check("NOPERM this user has no permissions", None);
        check("ERR something", None);
    }
}
