//! Telling what other replicas change: by what they publish, and by looking at the counts of changes,
//! since a published message is lost when nobody hears it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::domain::meeting::{RouteKey, RouteState};
use crate::outside::store::peers::{MOST_NEWS, News};
use crate::outside::store::record::read_became;
use crate::outside::store::{Became, Shelf, StoreError, Told};

use super::keys;
use super::link::{Heard, Link};
use super::pool::{List, digest};

/// How often the counts are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// The longest pause while the server is away.
const PAUSE_AT_MOST: Duration = Duration::from_secs(2);
/// How often it is looked which servers answer.
const LOOK_AT_SERVERS_EVERY: Duration = Duration::from_secs(1);

/// Follows until the receiver is dropped; `hears` is kept to whether what others change is told at once. A
/// server that is away changes nothing, as far as we can know. `written` is the digest of the list that we wrote last.
pub(super) async fn follow(
    link: &Link,
    sender: &str,
    (hears, written): (&AtomicBool, &AtomicU64),
    tell: mpsc::Sender<Told>,
) {
    let mut ear = Ear::new(link, sender, written);
    let mut outbox = Outbox { tell: tell.clone(), owed: false };
    let (mut look_at, mut pause) = (Instant::now(), LOOK_EVERY);
    loop {
        tokio::select! {
            () = tell.closed() => return,
            room = tell.reserve(), if outbox.owed => match room {
                Ok(room) => outbox.settle(room),
                Err(_) => return,
            },
            message = heard(&mut ear.subscription) => match message {
                Some(Arrived { news: true, text }) => {
                    read_news(&text, sender).into_iter().for_each(|told| outbox.send(told));
                }
                Some(Arrived { news: false, text }) => match read_message(&text, sender) {
                    Message::Own => {}
                    Message::Route(told) => outbox.send(told),
                    // The counts say what changed, so that nothing is told twice.
                    Message::Counted => look_at = Instant::now(),
                },
                None => {
                    ear.subscription = None;
                    look_at = Instant::now();
                }
            },
            () = sleep_until(look_at) => {
                match ear.look().await {
                    Ok(changes) => {
                        hears.store(ear.subscription.is_some(), Relaxed);
                        changes.into_iter().for_each(|told| outbox.send(told));
                        pause = LOOK_EVERY;
                    }
                    Err(e) => {
                        hears.store(true, Relaxed);
                        if ear.forget() {
                            warn!(error = %e, "changes of other replicas are not heard");
                        }
                        pause = (pause * 2).min(PAUSE_AT_MOST);
                    }
                }
                look_at = Instant::now() + pause;
            }
        }
    }
}

/// What is told, without ever waiting: what finds no room is owed as [`Told::Everything`].
struct Outbox {
    tell: mpsc::Sender<Told>,
    owed: bool,
}

impl Outbox {
    fn send(&mut self, told: Told) {
        if !self.owed && matches!(self.tell.try_send(told), Err(TrySendError::Full(_))) {
            self.owed = true;
        }
    }

    fn settle(&mut self, room: mpsc::Permit<'_, Told>) {
        room.send(Told::Everything);
        self.owed = false;
    }
}

struct Subscription {
    sink: PubSubSink,
    stream: PubSubStream,
    /// Who is heard.
    server: Heard,
}

/// A message, and whether it is news or a change.
struct Arrived {
    news: bool,
    text: Vec<u8>,
}

/// The next message; none when the connection has ended. Waits for ever while there is no subscription.
async fn heard(subscription: &mut Option<Subscription>) -> Option<Arrived> {
    match subscription {
        Some(subscription) => subscription.stream.next().await.map(|message| Arrived {
            news: message.get_channel_name() == keys::NEWS,
            text: message.get_payload_bytes().to_owned(),
        }),
        None => std::future::pending().await,
    }
}

enum Message {
    Own,
    Route(Told),
    Counted,
}

/// `SENDER route KEY` and what became of it, which older replicas do not say; or `SENDER` and what changed, as
/// it is counted. What is not understood may be a change too.
fn read_message(message: &[u8], own: &str) -> Message {
    let text = String::from_utf8_lossy(message);
    let mut words = text.splitn(4, ' ');
    match (words.next(), words.next(), words.next().map(str::parse)) {
        (Some(sender), Some("route"), Some(Ok(key))) if sender == own => {
            words.next().and_then(read_became).map_or(Message::Own, |became| own_claim(key, became))
        }
        (Some(sender), ..) if sender == own => Message::Own,
        (_, Some("route"), Some(Ok(key))) => {
            let became = words.next().filter(|text| text.len() <= MOST_NEWS).and_then(read_became);
            let told = became.map(|became| Told::Became(key, Box::new(became)));
            Message::Route(told.unwrap_or(Told::Route(key)))
        }
        _ => Message::Counted,
    }
}

/// Of what we did ourselves, only new claims matter: whoever made one may wait for its being told.
fn own_claim(key: RouteKey, became: Became) -> Message {
    let made = became.route.filter(|_| became.was.is_none());
    let claim = made.filter(|route| route.state == RouteState::Claimed);
    let echo = claim.map(|route| Message::Route(Told::Echo(key, became.tenant, route.version)));
    echo.unwrap_or(Message::Own)
}

/// `SENDER NEWS`. What is not understood may come from a newer replica, and is none; so is our own.
fn read_news(message: &[u8], own: &str) -> Option<Told> {
    let text = std::str::from_utf8(message).ok().filter(|text| text.len() <= MOST_NEWS)?;
    let (sender, news) = text.split_once(' ').filter(|(sender, _)| *sender != own)?;
    Some(Told::News(u64::from_str_radix(sender, 16).ok()?, News::read(news)?))
}

/// What is known of the server.
struct Ear<'a> {
    link: &'a Link,
    sender: &'a str,
    written: &'a AtomicU64,
    subscription: Option<Subscription>,
    /// Not before this is a subscription tried again.
    subscribe_at: Instant,
    /// Not before this is looked who answers.
    servers_at: Instant,
    /// Whether it was said that there is none, so that it is said once.
    complained: bool,
    /// What the last look saw; none before the first and after a failed one.
    seen: Option<Marks>,
}

impl<'a> Ear<'a> {
    fn new(link: &'a Link, sender: &'a str, written: &'a AtomicU64) -> Self {
        let subscribe_at = Instant::now();
        let servers_at = subscribe_at;
        Self {
            link,
            sender,
            written,
            subscription: None,
            subscribe_at,
            servers_at,
            complained: false,
            seen: None,
        }
    }

    /// Looks at the counts: what have others changed since the last look? Subscribes first when need
    /// be, so that nothing falls between the two.
    async fn look(&mut self) -> Result<Vec<Told>, StoreError> {
        self.look_at_servers().await?;
        let subscribed = self.subscribe().await?;
        let marks = self.marks().await?;
        let before = self.seen.replace(marks.clone());
        if before.as_ref().is_some_and(|before| before.epoch != marks.epoch) {
            self.link.incarnation.changed();
        }
        Ok(match before {
            Some(before) if !subscribed => compare(&before, &marks, self.written.load(Relaxed)),
            _ => vec![Told::Everything],
        })
    }

    /// Looks who answers: one that is no master any more says nothing of what others change.
    async fn look_at_servers(&mut self) -> Result<(), StoreError> {
        if Instant::now() < self.servers_at {
            return Ok(());
        }
        self.servers_at = Instant::now() + LOOK_AT_SERVERS_EVERY;
        let server = self.subscription.as_ref().map(|subscription| &subscription.server);
        if !self.link.look(server).await? {
            self.subscription = None;
        }
        Ok(())
    }

    /// Whether a new subscription stands. A server that answers but refuses one is only looked at.
    async fn subscribe(&mut self) -> Result<bool, StoreError> {
        if let Some(subscription) = &mut self.subscription {
            let alive =
                timeout(self.link.deadline(), subscription.sink.ping::<redis::Value>()).await;
            return match alive {
                Ok(Ok(_)) => Ok(false),
                _ => Err(StoreError::Away("the subscription is silent".into())),
            };
        }
        if Instant::now() < self.subscribe_at {
            return Ok(false);
        }
        match self.link.subscribe(keys::CHANNEL).await {
            Ok((subscribed, server)) => {
                let (mut sink, stream) = subscribed.split();
                // A server that refuses this one channel has told the changes at least.
                let news = timeout(self.link.deadline(), sink.subscribe(keys::NEWS)).await;
                if !matches!(news, Ok(Ok(()))) {
                    warn!("news of other replicas is not heard");
                }
                self.subscription = Some(Subscription { sink, stream, server });
                self.complained = false;
                info!("changes of other replicas are heard");
                Ok(true)
            }
            Err(e) => {
                self.subscribe_at = Instant::now() + PAUSE_AT_MOST;
                if !std::mem::replace(&mut self.complained, true) {
                    warn!(error = %e, "no subscription: changes of other replicas are only looked for");
                }
                Ok(false)
            }
        }
    }

    /// All in one transaction, or a change of our own between two reads would look like another's.
    async fn marks(&self) -> Result<Marks, StoreError> {
        let mut asked = redis::pipe();
        asked.atomic();
        let fresh = format!("{:016x}", rand::random::<u64>());
        asked.cmd("SET").arg(keys::EPOCH).arg(fresh).arg("NX").ignore();
        asked.cmd("GET").arg(keys::EPOCH);
        asked.cmd("HGETALL").arg(keys::REVISIONS);
        asked.cmd("HGETALL").arg(keys::own_revisions(self.sender));
        asked.cmd("HGETALL").arg(keys::instances(self.link.is_cluster()));
        type Counts = BTreeMap<String, i64>;
        type Read = (String, Counts, Counts, List);
        let (epoch, all, own, listed): Read = self.link.send(&asked).await?;
        let count = |counts: &Counts, what| counts.get(what).copied().unwrap_or_default();
        Ok(Marks {
            epoch,
            instances_by_others: count(&all, "instances") - count(&own, "instances"),
            tenants_by_others: count(&all, "tenants") - count(&own, "tenants"),
            shelves_by_others: Shelf::TOLD
                .map(|shelf| count(&all, shelf.name()) - count(&own, shelf.name())),
            list: digest(&listed),
        })
    }

    /// Forgets what it knew; whether there was anything.
    fn forget(&mut self) -> bool {
        let seen = self.seen.take().is_some();
        self.subscription.take().is_some() || seen
    }
}

/// What a look saw.
#[derive(Clone, Debug, PartialEq)]
struct Marks {
    epoch: String,
    instances_by_others: i64,
    tenants_by_others: i64,
    /// In the order of [`Shelf::TOLD`].
    shelves_by_others: [i64; Shelf::TOLD.len()],
    /// A digest of the predecessor's list, which its tools change without counting.
    list: u64,
}

fn compare(before: &Marks, now: &Marks, written: u64) -> Vec<Told> {
    if before.epoch != now.epoch {
        return vec![Told::Everything];
    }
    let mut told = Vec::new();
    // What we wrote ourselves is known, and hides nothing that a tool changed in the same moment.
    let by_tools = before.list != now.list && now.list != written;
    if by_tools || before.instances_by_others != now.instances_by_others {
        told.push(Told::Instances);
    }
    if before.tenants_by_others != now.tenants_by_others {
        told.push(Told::Tenants);
    }
    let shelves =
        Shelf::TOLD.into_iter().zip(before.shelves_by_others.iter().zip(&now.shelves_by_others));
    told.extend(
        shelves.filter(|(_, (before, now))| before != now).map(|(shelf, _)| Told::Shelf(shelf)),
    );
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Marks), expected: &[Told]) {
        let before = Marks {
            epoch: "e".into(),
            instances_by_others: 3,
            tenants_by_others: 2,
            shelves_by_others: [4, 4],
            list: 7,
        };
        let mut now = before.clone();
        change(&mut now);
        assert_eq!(compare(&before, &now, 9), expected);
    }

    #[test]
    fn what_others_changed_is_told_and_our_own_is_not() {
        check(|_| {}, &[]);
        check(|m| m.instances_by_others = 4, &[Told::Instances]);
        check(|m| m.tenants_by_others = 9, &[Told::Tenants]);
        check(|m| m.shelves_by_others[0] = 5, &[Told::Shelf(Shelf::Hooks)]);
        check(|m| m.list = 8, &[Told::Instances]);
        check(|m| m.list = 9, &[]);
        check(|m| m.epoch = "f".into(), &[Told::Everything]);
    }
}
