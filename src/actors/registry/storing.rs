//! Changes of the pool on their way to the store: one at a time, each made from the state before it.

use ractor::{ActorRef, RpcReplyPort};
use tokio::time::Instant;
use tracing::warn;

use super::pool::{replaced, respelt};
use super::unlisted::with;
use super::{
    LOAD_AGAIN_AFTER, MOST_WAITING, Registry, RegistryError, RegistryMessage, RegistryState,
    Stored, WAIT_FOR_READING,
};
use crate::actors::{answer, settle_stored};
use crate::bbb::checksum::Algorithm;
use crate::domain::instance::{AdminState, InstanceId};
use crate::domain::secret::Secret;
use crate::outside::store::mark::Mark;
use crate::outside::store::{InstanceRecord, StoreError};

/// Who waits for an edit; nobody for one of our own.
type EditPort = RpcReplyPort<Result<(), RegistryError>>;

/// So often an edit is tried where others change the pool meanwhile.
const MOST_TRIES: u32 = 8;

/// So many spellings are named in the log.
const SPELLINGS_SAID: usize = 5;

/// A change that waits, and who waits for it.
pub(in crate::actors) struct WaitingEdit {
    edit: Edit,
    reply_to: Option<EditPort>,
    since: Instant,
    tries: u32,
}

/// A change of the pool that waits for its turn at the store.
#[derive(Clone)]
pub(super) enum Edit {
    Replace(Vec<(String, Secret)>),
    SetAdmin(InstanceId, AdminState),
    SignWith(InstanceId, Option<Algorithm>),
    Tag(InstanceId, Vec<String>),
    Forget(InstanceId),
    /// A retired one goes, as nothing is left on it; `into` another one of the same server, which gets its tags.
    Done {
        id: InstanceId,
        into: Option<InstanceId>,
    },
    /// These are retired if they are missing: other hands took them out.
    Keep(Vec<InstanceRecord>),
}

impl Registry {
    pub(super) fn edit(
        &self,
        myself: &ActorRef<RegistryMessage>,
        edit: Edit,
        reply_to: Option<EditPort>,
        state: &mut RegistryState,
    ) {
        let edit = WaitingEdit { edit, reply_to, since: Instant::now(), tries: 0 };
        if state.waiting.len() >= MOST_WAITING {
            edit.refuse(StoreError::Away("too many changes are waiting".into()).into());
        } else {
            state.waiting.push_back(edit);
        }
        self.store_next(myself, state);
    }

    /// Stores the next change; one at a time, each made from the pool that the one before left. Nothing is stored before
    /// the pool was read.
    pub(super) fn store_next(&self, myself: &ActorRef<RegistryMessage>, state: &mut RegistryState) {
        while state.pool.loaded && !state.storing && !state.behind {
            let Some(edit) = state.waiting.pop_front() else { return };
            // Whoever was told that it came to nothing shall be right.
            if edit.reply_to.as_ref().is_some_and(RpcReplyPort::is_closed) {
                continue;
            }
            match edited(&state.pool.records, edit.edit.clone()) {
                Ok(pool) => {
                    state.storing = true;
                    let from = state.pool.known.mark().cloned().unwrap_or_default();
                    self.store(myself, edit, pool, from);
                }
                Err(error) => edit.refuse(error),
            }
        }
    }

    pub(super) fn store(
        &self,
        myself: &ActorRef<RegistryMessage>,
        edit: WaitingEdit,
        pool: Vec<InstanceRecord>,
        from: Mark,
    ) {
        let (store, myself, wanted) = (self.store.clone(), myself.clone(), pool.clone());
        tokio::spawn(async move {
            let change = async move { store.change_pool(wanted, &from, None).await };
            let result = settle_stored(change).await;
            let stored = Box::new(Stored { edit, pool, result });
            let _ = myself.cast(RegistryMessage::Stored(stored));
        });
    }

    pub(super) fn stored(
        &self,
        myself: &ActorRef<RegistryMessage>,
        stored: Stored,
        state: &mut RegistryState,
    ) {
        state.storing = false;
        let Stored { mut edit, pool, result } = stored;
        match result {
            Ok(Some(mark)) => {
                state.loading = state.loading.map(|_| true);
                say_respelt(&state.pool.records, &pool);
                state.pool.take(pool, mark, self.clock.now());
                self.publish(state);
                if let Some(reply_to) = edit.reply_to {
                    answer(reply_to, Ok(()));
                }
            }
            Ok(None) if edit.tries < MOST_TRIES => {
                edit.tries += 1;
                state.waiting.push_front(edit);
                state.behind = true;
                self.load(myself, state);
            }
            Ok(None) => {
                edit.refuse(StoreError::Away("others keep changing the pool".into()).into());
            }
            Err(error) => edit.refuse(error.into()),
        }
        self.store_next(myself, state);
    }

    /// The store has lost what is known here, and has this instead.
    pub(super) fn write_again(
        &self,
        myself: &ActorRef<RegistryMessage>,
        found: Mark,
        state: &mut RegistryState,
    ) {
        let known = state.pool.known.mark().cloned();
        let Some(known) = known.filter(|_| !state.writing_again) else { return };
        state.writing_again = true;
        let (store, myself, pool) =
            (self.store.clone(), myself.clone(), state.pool.records.clone());
        warn!(instances = pool.len(), "the store has lost the pool: it is written again");
        tokio::spawn(async move {
            let write = async move { store.change_pool(pool, &found, Some(&known)).await };
            let result = settle_stored(write).await;
            let _ = myself.cast(RegistryMessage::WrittenAgain(result));
        });
    }

    /// It is read again in any case: another replica may have been quicker, or know more.
    pub(super) fn written_again(
        &self,
        myself: &ActorRef<RegistryMessage>,
        result: Result<Option<Mark>, StoreError>,
        state: &mut RegistryState,
    ) {
        state.writing_again = false;
        match result {
            Ok(_) => self.load(myself, state),
            Err(error) => {
                warn!(%error, "the pool could not be written again; trying again");
                myself.send_after(LOAD_AGAIN_AFTER, || RegistryMessage::Reload);
            }
        }
    }
}

impl RegistryState {
    /// The store can't be read: who has waited long for the first reading hears why, before the patience ends.
    pub(super) fn refuse_patient(&mut self, error: &StoreError) {
        let long = |edit: &mut WaitingEdit| edit.since.elapsed() >= WAIT_FOR_READING;
        while !self.pool.loaded
            && let Some(edit) = self.waiting.pop_front_if(long)
        {
            edit.refuse(error.clone().into());
        }
    }
}

impl WaitingEdit {
    fn refuse(self, error: RegistryError) {
        if let Some(reply_to) = self.reply_to {
            answer(reply_to, Err(error));
        }
    }
}

/// One warning for all that are spelt anew: they stay the servers they were.
fn say_respelt(old: &[InstanceRecord], new: &[InstanceRecord]) {
    let respelt = respelt(old, new);
    if respelt.is_empty() {
        return;
    }
    let some = respelt.iter().take(SPELLINGS_SAID);
    let said: Vec<_> = some.map(|(old, new)| format!("{old} is now {new}")).collect();
    warn!(
        instances = respelt.len(),
        "instances are spelt otherwise than before and stay what they were: {}",
        said.join(", ")
    );
}

/// The records after an edit.
fn edited(old: &[InstanceRecord], edit: Edit) -> Result<Vec<InstanceRecord>, RegistryError> {
    match edit {
        Edit::Replace(list) => replaced(old, list),
        Edit::SetAdmin(id, admin) => with_record(old, id, |record| record.admin = admin),
        Edit::SignWith(id, hash) => with_record(old, id, |record| record.sign_with = hash),
        Edit::Tag(id, tags) => with_record(old, id, |record| record.tags = tags),
        Edit::Keep(kept) => Ok(with(old, &kept)),
        Edit::Forget(id) => without_retired(old, id).map(|(records, _)| records),
        Edit::Done { id, into } => {
            let (mut records, gone) = without_retired(old, id)?;
            let heir = records.iter_mut().find(|record| Some(&record.id) == into.as_ref());
            if let Some(heir) = heir.filter(|heir| heir.tags.is_empty()) {
                heir.tags = gone.tags;
            }
            Ok(records)
        }
    }
}

/// The records without a retired one, and that one.
fn without_retired(
    old: &[InstanceRecord],
    id: InstanceId,
) -> Result<(Vec<InstanceRecord>, InstanceRecord), RegistryError> {
    let mut records = old.to_vec();
    match records.iter().position(|record| record.id == id) {
        Some(n) if records[n].retired => {
            let gone = records.remove(n);
            Ok((records, gone))
        }
        Some(_) => Err(RegistryError::StillListed(id)),
        None => Err(RegistryError::NotFound(id)),
    }
}

/// The records with one of them changed.
fn with_record(
    old: &[InstanceRecord],
    id: InstanceId,
    change: impl FnOnce(&mut InstanceRecord),
) -> Result<Vec<InstanceRecord>, RegistryError> {
    let mut records = old.to_vec();
    let record = records.iter_mut().find(|record| record.id == id);
    change(record.ok_or(RegistryError::NotFound(id))?);
    Ok(records)
}
