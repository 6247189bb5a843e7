//! Telling what other replicas change: by what they publish, and by looking at the counts of changes,
//! since a published message is lost when nobody hears it.

mod message; // what is published

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSubStream;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::outside::store::{Shelf, StoreError, Told};

use self::message::{Message, read_message, read_news};
use super::keys;
use super::link::{Heard, Link};
use super::pool::{List, digest};

/// How often the counts are looked at, and a beat is sent.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A look that takes longer is one that was not answered, though its answer is waited for.
const ANSWERS_WITHIN: Duration = Duration::from_millis(400);
/// So many beats in a row that do not come back mean that the subscription is silent.
const BEATS_UNHEARD: u32 = 4;
/// Not before this is another subscription tried after one that was refused or silent.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(2);
/// How often it is looked which servers answer.
const LOOK_AT_SERVERS_EVERY: Duration = Duration::from_secs(1);

/// The digests of the list of instances that we wrote last, and of the one that is being written: a look may see either.
#[derive(Default)]
pub(super) struct Written {
    last: AtomicU64,
    next: AtomicU64,
}

impl Written {
    /// Writes a list of this digest.
    pub(super) async fn noting<T>(&self, digest: u64, writing: impl Future<Output = T>) -> T {
        self.next.store(digest, Relaxed);
        let written = writing.await;
        self.last.store(digest, Relaxed);
        written
    }

    fn has(&self, digest: u64) -> bool {
        [&self.last, &self.next].iter().any(|written| written.load(Relaxed) == digest)
    }
}

/// Follows until the receiver is dropped. `written`: the lists that we wrote.
///
/// With each look a beat goes to the channel of changes. When it comes back, all that was told before it has been heard.
pub(super) async fn follow(link: &Link, sender: &str, written: &Written, tell: mpsc::Sender<Told>) {
    let mut ear = Ear::new(link, sender, written);
    let mut outbox = Outbox { tell: tell.clone(), owed: false };
    let mut look_at = Instant::now();
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
                    Message::None => {}
                    Message::Route(told) => outbox.send(told),
                    Message::Beat(age) => outbox.send(Told::Heard(ear.beat_came(age))),
                    // The counts say what changed, so that nothing is told twice.
                    Message::Counted => look_at = Instant::now(),
                },
                None => {
                    ear.subscription = None;
                    look_at = Instant::now();
                }
            },
            () = sleep_until(look_at) => {
                let anew = ear.look_and_tell(&mut outbox).await;
                look_at = Instant::now() + if anew { Duration::ZERO } else { LOOK_EVERY };
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
    stream: PubSubStream,
    /// Who is heard.
    server: Heard,
    /// So many beats were sent since one came back.
    beats: u32,
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

/// What is known of the server.
struct Ear<'a> {
    link: &'a Link,
    sender: &'a str,
    written: &'a Written,
    /// Since when we follow.
    began: Instant,
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
    fn new(link: &'a Link, sender: &'a str, written: &'a Written) -> Self {
        let began = Instant::now();
        Self {
            link,
            sender,
            written,
            began,
            subscription: None,
            subscribe_at: began,
            servers_at: began,
            complained: false,
            seen: None,
        }
    }

    /// Looks, and tells what came of it. That the store does not answer is told as soon as it is late: memory has to make
    /// do until the next look is late as well, which begins after this one has failed. Whether a new subscription stands,
    /// which waits for its first beat.
    async fn look_and_tell(&mut self, outbox: &mut Outbox) -> bool {
        let (asked, deadline) = (Instant::now(), self.link.deadline());
        let away = Told::Away(asked + deadline + LOOK_EVERY + ANSWERS_WITHIN * 2);
        let looked = {
            let mut look = pin!(self.look());
            match timeout(ANSWERS_WITHIN, &mut look).await {
                Ok(looked) => looked,
                Err(_) => {
                    outbox.send(away.clone());
                    look.await
                }
            }
        };
        match looked {
            Ok(marks) => {
                let (changes, anew) = self.changes(marks).await;
                changes.into_iter().for_each(|told| outbox.send(told));
                anew
            }
            Err(e) => {
                outbox.send(away);
                if self.forget() {
                    warn!(error = %e, "changes of other replicas are not heard");
                }
                false
            }
        }
    }

    /// A beat of ours came back that was sent so long after we began; when that was.
    fn beat_came(&mut self, sent: Duration) -> Instant {
        if let Some(subscription) = &mut self.subscription {
            subscription.beats = 0;
        }
        self.began + sent
    }

    /// Looks at the counts, of who is the master.
    async fn look(&mut self) -> Result<Marks, StoreError> {
        self.look_at_servers().await?;
        self.marks().await
    }

    /// What others have changed since the last look: all of it, as far as is known, where there is a new subscription; and
    /// whether there is. One is tried only now that the server has answered, so that a silent one does not look like a silent server.
    async fn changes(&mut self, marks: Marks) -> (Vec<Told>, bool) {
        let subscribed = self.subscribe().await;
        let before = self.seen.replace(marks.clone());
        if before.as_ref().is_some_and(|before| before.epoch != marks.epoch) {
            self.link.incarnation.changed();
        }
        let changes = match before {
            Some(before) if !subscribed => compare(&before, &marks, self.written.has(marks.list)),
            _ => vec![Told::Everything],
        };
        (changes, subscribed)
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
    async fn subscribe(&mut self) -> bool {
        if let Some(subscription) = &mut self.subscription {
            subscription.beats += 1;
            if subscription.beats <= BEATS_UNHEARD {
                return false;
            }
            warn!("the subscription is silent: another is tried soon");
            self.subscription = None;
            self.subscribe_at = Instant::now() + SUBSCRIBE_AGAIN;
        }
        if Instant::now() < self.subscribe_at {
            return false;
        }
        match self.link.subscribe(keys::CHANNEL).await {
            Ok((subscribed, server)) => {
                let (mut sink, stream) = subscribed.split();
                // A server that refuses this one channel has told the changes at least.
                let news = timeout(self.link.deadline(), sink.subscribe(keys::NEWS)).await;
                if !matches!(news, Ok(Ok(()))) {
                    warn!("news of other replicas is not heard");
                }
                self.subscription = Some(Subscription { stream, server, beats: 0 });
                self.complained = false;
                info!("changes of other replicas are heard");
                true
            }
            Err(e) => {
                self.subscribe_at = Instant::now() + SUBSCRIBE_AGAIN;
                if !std::mem::replace(&mut self.complained, true) {
                    warn!(error = %e, "no subscription: changes of other replicas are only looked for");
                }
                false
            }
        }
    }

    /// All in one transaction, or a change of our own between two reads would look like another's. The beat goes along.
    async fn marks(&self) -> Result<Marks, StoreError> {
        let mut asked = redis::pipe();
        asked.atomic();
        let fresh = format!("{:016x}", rand::random::<u64>());
        asked.cmd("SET").arg(keys::EPOCH).arg(fresh).arg("NX").ignore();
        asked.cmd("GET").arg(keys::EPOCH);
        asked.cmd("HGETALL").arg(keys::REVISIONS);
        asked.cmd("HGETALL").arg(keys::own_revisions(self.sender));
        asked.cmd("HGETALL").arg(keys::instances(self.link.is_cluster()));
        let beat = message::beat(self.sender, self.began.elapsed());
        asked.cmd("PUBLISH").arg(keys::CHANNEL).arg(beat).ignore();
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

fn compare(before: &Marks, now: &Marks, ours: bool) -> Vec<Told> {
    if before.epoch != now.epoch {
        return vec![Told::Everything];
    }
    let mut told = Vec::new();
    // What we wrote ourselves is known, and hides nothing that a tool changed in the same moment.
    let by_tools = before.list != now.list && !ours;
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
        let written = Written::default();
        written.last.store(9, Relaxed);
        written.next.store(10, Relaxed);
        assert_eq!(compare(&before, &now, written.has(now.list)), expected);
    }

    #[test]
    fn what_others_changed_is_told_and_our_own_is_not() {
        check(|_| {}, &[]);
        check(|m| m.instances_by_others = 4, &[Told::Instances]);
        check(|m| m.tenants_by_others = 9, &[Told::Tenants]);
        check(|m| m.shelves_by_others[0] = 5, &[Told::Shelf(Shelf::Hooks)]);
        check(|m| m.list = 8, &[Told::Instances]);
        check(|m| m.list = 9, &[]);
        check(|m| m.list = 10, &[]);
        check(|m| m.epoch = "f".into(), &[Told::Everything]);
    }
}
