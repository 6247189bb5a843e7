//! Hearing of what others change, as `outside/store/redis/follow.rs` does: a subscription, and looks at the counts.

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bigblueswarm::outside::store::{Shelf, StoreError, Told};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::state::{INSTANCES, TENANTS};
use super::{DEADLINE, Hub, SimStore};
use crate::engine::now;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A look that takes longer is one that was not answered.
const ANSWERS_WITHIN: Duration = Duration::from_millis(400);
/// So many beats in a row that do not come back end the subscription; another is tried after a while.
const BEATS_UNHEARD: u32 = 4;
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(2);

/// What comes over a subscription.
#[derive(Clone)]
pub(super) enum Note {
    Told(Told),
    /// Our own beat, which was sent then.
    Beat(Instant),
    /// Counts have changed: look.
    Counted,
}

/// A subscription, as the store has it.
pub(crate) struct Ear {
    pub(super) me: u64,
    replica: usize,
    /// Nothing once the connection has broken: what does not pass a cut is never lost without a sign.
    notes: Option<mpsc::UnboundedSender<(Duration, Note)>>,
    /// When the last one arrives: none overtakes another.
    last: Duration,
}

type Notes = mpsc::UnboundedReceiver<(Duration, Note)>;

impl Ear {
    pub(super) fn hear(&mut self, hub: &Hub, note: Note) {
        let wire = hub.wires.with(|wires| wires[self.replica].clone());
        if wire.cut > 0 {
            self.notes = None;
        }
        let Some(notes) = self.notes.as_ref().filter(|_| !wire.deaf) else { return };
        self.last = self.last.max(now() + hub.trip() + wire.late);
        let _ = notes.send((self.last, note.clone()));
        if wire.doubled {
            self.last += hub.trip() * 20;
            let _ = notes.send((self.last, note));
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(notes) = &self.notes {
            let _ = notes.send((now(), Note::Counted));
        }
    }
}

/// What the last look saw: the epoch, and how often others have changed instances, tenants, and shelves.
#[derive(Clone, PartialEq)]
struct Marks {
    epoch: String,
    by_others: Vec<i64>,
}

/// What is known of the store.
#[derive(Default)]
struct Known {
    notes: Option<Notes>,
    seen: Option<Marks>,
    /// So many beats were sent since one came back.
    beats: u32,
    subscribe_at: Option<Instant>,
}

pub(super) async fn follow(store: &SimStore, tell: mpsc::Sender<Told>) {
    let mut known = Known::default();
    let mut next: Option<(Duration, Note)> = None;
    let mut look_at = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = tell.closed() => return,
            () = at(&next) => {
                match next.take() {
                    Some((_, Note::Told(told))) => drop(tell.send(told).await),
                    Some((_, Note::Beat(sent))) => {
                        known.beats = 0;
                        let _ = tell.send(Told::Heard(sent)).await;
                    }
                    Some((_, Note::Counted)) => look_at = Instant::now(),
                    None => {}
                }
            }
            note = heard(&mut known.notes), if next.is_none() => match note {
                Some(note) => next = Some(note),
                None => (known.notes, look_at) = (None, Instant::now()),
            },
            () = sleep_until(look_at) => {
                let away = Told::Away(look_at + DEADLINE + LOOK_EVERY + ANSWERS_WITHIN * 2);
                let marks = {
                    let mut look = pin!(look(store));
                    match timeout(ANSWERS_WITHIN, &mut look).await {
                        Ok(marks) => marks,
                        Err(_) => {
                            let _ = tell.send(away.clone()).await;
                            look.await
                        }
                    }
                };
                let mut anew = false;
                if let Ok(marks) = marks {
                    anew = subscribe(store, &mut known).await;
                    for told in changes_since(store, &mut known, marks, anew) {
                        let _ = tell.send(told).await;
                    }
                } else {
                    (known, next) = (Known::default(), None);
                    let _ = tell.send(away).await;
                }
                look_at = Instant::now() + if anew { Duration::ZERO } else { LOOK_EVERY };
            }
        }
    }
}

async fn at(next: &Option<(Duration, Note)>) {
    match next {
        Some((at, _)) => sleep(at.saturating_sub(now())).await,
        None => std::future::pending().await,
    }
}

async fn heard(notes: &mut Option<Notes>) -> Option<(Duration, Note)> {
    match notes {
        Some(notes) => notes.recv().await,
        None => std::future::pending().await,
    }
}

/// Looks at the counts; a beat goes along.
async fn look(store: &SimStore) -> Result<Marks, StoreError> {
    let (me, hub, sent) = (store.me, store.hub.clone(), Instant::now());
    let marks = store.ask(|state| {
        if state.kept.epoch.is_empty() {
            state.kept.epoch = format!("epoch-{}", state.incarnation);
        }
        let own = state.ears.iter_mut().filter(|ear| ear.me == me);
        own.for_each(|ear| ear.hear(&hub, Note::Beat(sent)));
        let names = [INSTANCES, TENANTS].into_iter().chain(Shelf::TOLD.map(Shelf::name));
        let by_others = names.map(|what| state.kept.by_others(me, what)).collect();
        Marks { epoch: state.kept.epoch.clone(), by_others }
    });
    marks.await
}

/// Whether a new subscription stands.
async fn subscribe(store: &SimStore, known: &mut Known) -> bool {
    if known.notes.is_some() {
        known.beats += 1;
        if known.beats <= BEATS_UNHEARD {
            return false;
        }
        (known.notes, known.beats) = (None, 0);
        known.subscribe_at = Some(Instant::now() + SUBSCRIBE_AGAIN);
    }
    if known.subscribe_at.is_some_and(|at| Instant::now() < at) {
        return false;
    }
    let asked = async {
        if store.wire().deaf {
            sleep(DEADLINE).await;
            return Err(StoreError::Away("a deaf subscription".into()));
        }
        let (to, notes) = mpsc::unbounded_channel();
        let (me, replica) = (store.me, store.replica);
        let ear = Ear { me, replica, notes: Some(to), last: now() };
        let asked = store.ask(|state| {
            state.ears.retain(|ear| ear.me != me);
            state.ears.push(ear);
        });
        asked.await.map(|()| notes)
    };
    match asked.await {
        Ok(notes) => known.notes = Some(notes),
        Err(_) => known.subscribe_at = Some(Instant::now() + SUBSCRIBE_AGAIN),
    }
    known.notes.is_some()
}

fn changes_since(store: &SimStore, known: &mut Known, marks: Marks, anew: bool) -> Vec<Told> {
    let before = known.seen.replace(marks.clone());
    if before.as_ref().is_some_and(|before| before.epoch != marks.epoch) {
        store.incarnation.fetch_add(1, Relaxed);
    }
    match before {
        Some(before) if !anew && before.epoch == marks.epoch => changes(&before, &marks),
        _ => vec![Told::Everything],
    }
}

fn changes(before: &Marks, now: &Marks) -> Vec<Told> {
    let all = [Told::Instances, Told::Tenants].into_iter().chain(Shelf::TOLD.map(Told::Shelf));
    let pairs = all.zip(before.by_others.iter().zip(&now.by_others));
    pairs.filter(|(_, (before, now))| before != now).map(|(told, _)| told).collect()
}
