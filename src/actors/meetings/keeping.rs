//! What the store is to keep of rooms and of what was learnt: read at the start, written now and then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ractor::ActorRef;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::forecast::Forecast;
use super::{LOAD_AGAIN_AFTER, MeetingsMessage, MeetingsState};
use crate::actors::settle_stored;
use crate::determinism::aside;
use crate::domain::forecast::{Habit, Lessons, RoomKey};
use crate::domain::moment::Moment;
use crate::outside::store::{Shelf, Shelved, Store, StoreError};

/// How often it is looked whether something is to be written.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);
/// What was learnt of meetings in general is written so often.
const LESSONS_EVERY: Duration = Duration::from_mins(5);
/// The most records of one write: others wait for it.
const MOST_RECORDS: usize = 1_000;
/// So many writes at the end of the program; what is left then is learnt again when its rooms meet.
const LAST_WRITES: usize = 20;
/// The record of what was learnt; no room's, which are hexadecimal.
const LESSONS: &str = "lessons";

/// What was stored: rooms with what they did and when (seconds since 1970), and what was learnt.
#[derive(Debug, Default)]
pub struct Recalled {
    pub(super) rooms: Vec<(RoomKey, Habit, u64)>,
    pub(super) lessons: Option<Lessons>,
}

impl Recalled {
    /// Reads the records. What can't be read is left out: it is learnt again.
    fn read(records: &[Shelved]) -> Self {
        let mut recalled = Self::default();
        for (id, bytes) in records {
            if id == LESSONS {
                recalled.lessons = serde_json::from_slice(bytes).ok();
            } else if let Some(room) = read_room(id, bytes) {
                recalled.rooms.push(room);
            } else {
                debug!(id, "what is stored of a room can't be read");
            }
        }
        recalled
    }
}

/// A room is kept as `[peak in cores, seconds that it lasted, seconds since 1970]`.
fn room(room: &RoomKey, (habit, at): (Habit, u64)) -> Shelved {
    let kept = serde_json::json!([habit.peak, habit.lasted.as_secs(), at]);
    (hex::encode(room.0), kept.to_string().into_bytes())
}

fn read_room(id: &str, bytes: &[u8]) -> Option<(RoomKey, Habit, u64)> {
    let mut key = [0; 20];
    hex::decode_to_slice(id, &mut key).ok()?;
    let (peak, lasted, at): (f64, u64, u64) = serde_json::from_slice(bytes).ok()?;
    let sound = (0.0..1e6).contains(&peak) && lasted < 1 << 32;
    let habit = Habit { peak, lasted: Duration::from_secs(lasted) };
    sound.then_some((RoomKey(key), habit, at))
}

/// What the store does not have yet, and the write that is under way.
#[derive(Default)]
pub(super) struct Keeping {
    owed: BTreeSet<RoomKey>,
    /// What was learnt, as it is stored, and when that was written.
    lessons: Option<(Lessons, Moment)>,
    busy: bool,
    tasks: JoinSet<()>,
}

/// One write.
struct Batch {
    rooms: Vec<RoomKey>,
    there: Vec<Shelved>,
    gone: Vec<String>,
}

impl Batch {
    async fn write(self, store: Arc<dyn Store>) -> Result<(), StoreError> {
        if !self.there.is_empty() {
            store.shelve(Shelf::Rooms, self.there).await?;
        }
        if self.gone.is_empty() { Ok(()) } else { store.unshelve(Shelf::Rooms, self.gone).await }
    }
}

impl Keeping {
    /// What is known of these rooms, or that it is not known any more, is to be written.
    pub(super) fn owe(&mut self, rooms: impl IntoIterator<Item = RoomKey>) {
        self.owed.extend(rooms);
    }

    /// Begins the next write, unless one is under way or there is nothing to write.
    fn write(
        &mut self,
        forecast: &Forecast,
        store: &Arc<dyn Store>,
        myself: &ActorRef<MeetingsMessage>,
        now: Moment,
    ) {
        if self.busy {
            return;
        }
        let Some(batch) = self.batch(forecast, now, false) else { return };
        self.busy = true;
        while self.tasks.try_join_next().is_some() {}
        let (store, myself) = (store.clone(), myself.clone());
        self.tasks.spawn(async move {
            let rooms = batch.rooms.clone();
            let result = settle_stored(batch.write(store)).await;
            let _ = myself.cast(MeetingsMessage::Kept { rooms, result });
        });
    }

    fn batch(&mut self, forecast: &Forecast, now: Moment, last: bool) -> Option<Batch> {
        let mut batch = Batch { rooms: Vec::new(), there: Vec::new(), gone: Vec::new() };
        while batch.rooms.len() < MOST_RECORDS
            && let Some(key) = self.owed.pop_first()
        {
            match forecast.rooms().kept(&key) {
                Some(kept) => batch.there.push(room(&key, kept)),
                None => batch.gone.push(hex::encode(key.0)),
            }
            batch.rooms.push(key);
        }
        batch.there.extend(self.learnt(forecast.lessons(), now, last));
        (!batch.there.is_empty() || !batch.gone.is_empty()).then_some(batch)
    }

    /// What was learnt, if it is to be written now.
    fn learnt(&mut self, lessons: &Lessons, now: Moment, last: bool) -> Option<Shelved> {
        let (before, at) = self.lessons.as_mut()?;
        if before == lessons || !last && now.since(*at) < LESSONS_EVERY {
            return None;
        }
        (*before, *at) = (lessons.clone(), now);
        Some((LESSONS.to_owned(), serde_json::to_vec(lessons).ok()?))
    }

    /// Writes what is left; for the end of the program.
    async fn finish(&mut self, forecast: &Forecast, store: &Arc<dyn Store>, now: Moment) {
        while self.tasks.join_next().await.is_some() {}
        for _ in 0..LAST_WRITES {
            let Some(batch) = self.batch(forecast, now, true) else { return };
            if let Err(error) = settle_stored(batch.write(store.clone())).await {
                return warn!(%error, "what rooms did was not stored in full");
            }
        }
    }
}

impl MeetingsState {
    /// Reads what is stored, in a task; placements go on without it.
    pub(super) fn recall(&mut self) {
        if std::mem::replace(&mut self.recalling, true) {
            return;
        }
        let (store, myself) = (self.store.clone(), self.myself.clone());
        tokio::spawn(async move {
            let read = settle_stored(async move {
                let records = store.shelf(Shelf::Rooms).await?;
                let read = aside(move || Recalled::read(&records)).await;
                read.map_err(|e| StoreError::Unreadable(e.to_string()))
            });
            let _ = myself.cast(MeetingsMessage::Recalled(read.await));
        });
    }

    pub(super) fn recalled(&mut self, result: Result<Recalled, StoreError>) {
        self.recalling = false;
        match result {
            Ok(stored) => {
                let owed = self.table.recalled(stored, self.recalled, self.clock.now());
                self.keeping.owe(owed);
                if !std::mem::replace(&mut self.recalled, true) {
                    let lessons = self.table.forecast().lessons().clone();
                    self.keeping.lessons = Some((lessons, self.clock.now()));
                }
                self.keep_now(); // what it has lost
            }
            Err(error) => {
                debug!(%error, "what rooms did could not be read; trying again");
                self.myself.send_after(LOAD_AGAIN_AFTER, || MeetingsMessage::Recall);
            }
        }
    }

    /// Writes what was not written yet; for the end of the program.
    pub(super) async fn write_the_rest(&mut self) {
        if self.recalled {
            let (forecast, now) = (self.table.forecast(), self.clock.now());
            self.keeping.finish(forecast, &self.store, now).await;
        }
    }

    /// Writes what is to be written; looks again after a while.
    pub(super) fn keep(&mut self) {
        self.myself.send_after(LOOK_EVERY, || MeetingsMessage::Keep);
        self.keep_now();
    }

    fn keep_now(&mut self) {
        // Before it was read, what is stored may be newer.
        if self.recalled {
            let forecast = self.table.forecast();
            self.keeping.write(forecast, &self.store, &self.myself, self.clock.now());
        }
    }

    pub(super) fn kept(&mut self, rooms: Vec<RoomKey>, result: Result<(), StoreError>) {
        self.keeping.busy = false;
        match result {
            Ok(()) => self.keep_now(), // there may be more than one write takes
            Err(error) => {
                warn!(%error, "what rooms did was not stored; it will be tried again");
                self.keeping.owe(rooms);
                if let Some((lessons, _)) = &mut self.keeping.lessons {
                    *lessons = Lessons::default(); // they may have been in it
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again_and_what_makes_no_sense_is_left_out() {
        let key = RoomKey([7; 20]);
        let habit = Habit { peak: 1.25, lasted: Duration::from_secs(3600) };
        let kept = room(&key, (habit, 1_767_225_600));
        assert_eq!(kept.1, b"[1.25,3600,1767225600]");
        let lessons = serde_json::to_vec(&Lessons::default()).expect("JSON");
        let odd = |id: &str, text: &str| (id.to_owned(), text.as_bytes().to_vec());
        let id = kept.0.as_str();
        let records = [
            odd("short", "[1,1,1]"),
            odd(id, "[-1,1,1]"),
            odd(id, "[1e300,1,1]"),
            odd(id, "[1,1]"),
            odd(id, "\u{fffd}"),
            kept.clone(),
            (LESSONS.to_owned(), lessons),
        ];
        let recalled = Recalled::read(&records);
        assert_eq!(recalled.rooms, [(key, habit, 1_767_225_600)]);
        assert_eq!(recalled.lessons, Some(Lessons::default()));
        let worse = Recalled::read(&[odd(LESSONS, "{}")]);
        assert_eq!((worse.rooms.len(), worse.lessons), (0, None));
    }
}
