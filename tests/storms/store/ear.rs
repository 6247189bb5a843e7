//! Hearing of what others change, as `outside/store/redis/follow.rs` does: a subscription, and looks at the counts.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bigblueswarm::outside::store::{Shelf, StoreError, Told};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::state::{INSTANCES, TENANTS};
use super::{DEADLINE, Hub, SimStore};

const LOOK_EVERY: Duration = Duration::from_millis(400);
const PAUSE_AT_MOST: Duration = Duration::from_secs(2);

/// What comes over a subscription.
#[derive(Clone)]
pub(super) enum Note {
    Told(Told),
    /// Counts have changed: look.
    Counted,
}

/// A subscription, as the store has it.
pub(crate) struct Ear {
    pub(super) me: u64,
    replica: usize,
    notes: mpsc::UnboundedSender<(Instant, Note)>,
    /// When the last one arrives: none overtakes another.
    last: Instant,
}

type Notes = mpsc::UnboundedReceiver<(Instant, Note)>;

impl Ear {
    pub(super) fn hear(&mut self, hub: &Hub, note: Note) {
        let wire = hub.wires.with(|wires| wires[self.replica].clone());
        if wire.cut || wire.deaf {
            return;
        }
        self.last = self.last.max(Instant::now() + hub.trip() + wire.late);
        let _ = self.notes.send((self.last, note.clone()));
        if wire.doubled {
            self.last += hub.trip() * 20;
            let _ = self.notes.send((self.last, note));
        }
    }

    pub(super) fn wake(&mut self) {
        let _ = self.notes.send((Instant::now(), Note::Counted));
    }
}

/// What the last look saw: the epoch, and how often others have changed instances, tenants, and shelves.
#[derive(Clone, PartialEq)]
struct Marks {
    epoch: String,
    by_others: Vec<i64>,
}

pub(super) async fn follow(store: &SimStore, tell: mpsc::Sender<Told>) {
    let (mut notes, mut seen): (Option<Notes>, Option<Marks>) = (None, None);
    let mut next: Option<(Instant, Note)> = None;
    let (mut look_at, mut pause) = (Instant::now(), LOOK_EVERY);
    loop {
        tokio::select! {
            biased;
            () = tell.closed() => return,
            () = at(&next) => {
                store.process.runs().await;
                match next.take() {
                    Some((_, Note::Told(told))) => drop(tell.send(told).await),
                    Some((_, Note::Counted)) => look_at = Instant::now(),
                    None => {}
                }
            }
            note = heard(&mut notes), if next.is_none() => match note {
                Some(note) => next = Some(note),
                None => (notes, look_at) = (None, Instant::now()),
            },
            () = sleep_until(look_at) => {
                match look(store, &mut notes, &mut seen).await {
                    Ok(changes) => {
                        store.hears.store(notes.is_some(), Relaxed);
                        for told in changes {
                            let _ = tell.send(told).await;
                        }
                        pause = LOOK_EVERY;
                    }
                    Err(_) => {
                        store.hears.store(true, Relaxed);
                        (notes, seen, next) = (None, None, None);
                        pause = (pause * 2).min(PAUSE_AT_MOST);
                    }
                }
                look_at = Instant::now() + pause;
            }
        }
    }
}

async fn at(next: &Option<(Instant, Note)>) {
    match next {
        Some((at, _)) => sleep_until(*at).await,
        None => std::future::pending().await,
    }
}

async fn heard(notes: &mut Option<Notes>) -> Option<(Instant, Note)> {
    match notes {
        Some(notes) => notes.recv().await,
        None => std::future::pending().await,
    }
}

/// Looks at the counts, and subscribes first when need be.
async fn look(
    store: &SimStore,
    notes: &mut Option<Notes>,
    seen: &mut Option<Marks>,
) -> Result<Vec<Told>, StoreError> {
    let deaf = store.wire().deaf;
    let subscribed = match notes {
        Some(_) if deaf => {
            sleep(DEADLINE).await;
            return Err(StoreError::Away("the subscription is silent".into()));
        }
        Some(_) => false,
        None if deaf => {
            sleep(DEADLINE).await;
            false
        }
        None => {
            *notes = Some(subscribe(store).await?);
            true
        }
    };
    let me = store.me;
    let marks = store.ask(|state| {
        if state.kept.epoch.is_empty() {
            state.kept.epoch = format!("epoch-{}", state.incarnation);
        }
        let names = [INSTANCES, TENANTS].into_iter().chain(Shelf::TOLD.map(Shelf::name));
        let by_others = names.map(|what| state.kept.by_others(me, what)).collect();
        Marks { epoch: state.kept.epoch.clone(), by_others }
    });
    let marks = marks.await?;
    let before = seen.replace(marks.clone());
    if before.as_ref().is_some_and(|before| before.epoch != marks.epoch) {
        store.incarnation.fetch_add(1, Relaxed);
    }
    Ok(match before {
        Some(before) if !subscribed && before.epoch == marks.epoch => changes(&before, &marks),
        _ => vec![Told::Everything],
    })
}

async fn subscribe(store: &SimStore) -> Result<Notes, StoreError> {
    let (to, notes) = mpsc::unbounded_channel();
    let (me, replica) = (store.me, store.replica);
    store
        .ask(|state| {
            state.ears.retain(|ear| ear.me != me);
            state.ears.push(Ear { me, replica, notes: to, last: Instant::now() });
        })
        .await?;
    Ok(notes)
}

fn changes(before: &Marks, now: &Marks) -> Vec<Told> {
    let all = [Told::Instances, Told::Tenants].into_iter().chain(Shelf::TOLD.map(Told::Shelf));
    let pairs = all.zip(before.by_others.iter().zip(&now.by_others));
    pairs.filter(|(_, (before, now))| before != now).map(|(told, _)| told).collect()
}
