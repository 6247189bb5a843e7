//! Accepting: what comes while the store is busy is written together, and every asker hears when it is.

use std::collections::VecDeque;

use ractor::{ActorRef, RpcReplyPort};

use super::{
    Accepted, CallbackError, Callbacks, CallbacksMessage, CallbacksState, answer, count,
    settle_stored, way,
};
use crate::bbb::callback::Kind;
use crate::domain::delivery::Delivery;
use crate::outside::store::StoreError;
use crate::outside::store::queue::{Owed, Parcel, Way};

/// Parcels in one write, and bytes in one, about.
const MOST_TOGETHER: usize = 128;
const BYTES_TOGETHER: usize = 8 << 20;
/// Parcels of a lane that wait to be stored, and their bytes.
const MOST_WAITING: usize = 1024;
const BYTES_WAITING: usize = 32 << 20;
/// Of these one tenant's: a part, so that others find room.
const MOST_OF_A_TENANT: usize = MOST_WAITING / 4;

/// A parcel that is not stored yet, and who wants to know.
pub(super) struct Waiting {
    kind: Kind,
    way: Way,
    parcel: Parcel,
    reply_to: RpcReplyPort<Result<Accepted, CallbackError>>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.parcel.slip.len() + self.parcel.body.len()
    }
}

/// What waits to be stored, each lane apart: calls go before events.
#[derive(Default)]
pub(super) struct Arrivals([VecDeque<Waiting>; 2]);

impl Arrivals {
    /// Why no more is taken in this lane of this tenant.
    fn refused(&self, way: &Way) -> Option<CallbackError> {
        let lane = &self.0[way.lane as usize];
        let bytes: usize = lane.iter().map(Waiting::bytes).sum();
        let own = lane.iter().filter(|waiting| waiting.way.target.tenant == way.target.tenant);
        match own.count() >= MOST_OF_A_TENANT {
            true => Some(CallbackError::OverShare),
            false => (lane.len() >= MOST_WAITING || bytes >= BYTES_WAITING)
                .then_some(CallbackError::Busy),
        }
    }

    fn next(&mut self) -> Option<Waiting> {
        self.0.iter_mut().find_map(VecDeque::pop_front)
    }
}

impl Callbacks {
    pub(super) fn accept(
        &self,
        myself: &ActorRef<CallbacksMessage>,
        delivery: Delivery,
        reply_to: RpcReplyPort<Result<Accepted, CallbackError>>,
        state: &mut CallbacksState,
    ) {
        let (kind, at) = (delivery.kind, self.now());
        let (id, slip, body) = delivery.apart(at);
        let way = way(&slip);
        if let Some(error) = state.arrivals.refused(&way) {
            count("refused", kind);
            return answer(reply_to, Err(error));
        }
        let slip = serde_json::to_vec(&slip).unwrap_or_default();
        let parcel = Parcel { id, at, slip, body };
        state.arrivals.0[way.lane as usize].push_back(Waiting { kind, way, parcel, reply_to });
        self.store_next(myself, state);
    }

    /// Stores what waits, one write at a time.
    fn store_next(&self, myself: &ActorRef<CallbacksMessage>, state: &mut CallbacksState) {
        if !state.storing.is_empty() {
            return;
        }
        let mut bytes = 0;
        while bytes < BYTES_TOGETHER && state.storing.len() < MOST_TOGETHER {
            let Some(next) = state.arrivals.next() else { break };
            bytes += next.bytes();
            state.storing.push(next);
        }
        if state.storing.is_empty() {
            return;
        }
        let parcels = state.storing.iter().map(|w| (w.way.clone(), w.parcel.clone())).collect();
        let (store, now, room) = (self.store.clone(), self.now(), state.room());
        let myself = myself.clone();
        state.tasks.spawn(async move {
            let owed = settle_stored(async move { store.owe(parcels, now, room).await }).await;
            let _ = myself.cast(CallbacksMessage::Stored(owed));
        });
    }

    pub(super) fn stored(
        &self,
        myself: &ActorRef<CallbacksMessage>,
        result: Result<Vec<Owed>, StoreError>,
        state: &mut CallbacksState,
    ) {
        let asked = std::mem::take(&mut state.storing);
        let mut new = false;
        match result {
            Ok(owed) => {
                for (Waiting { kind, reply_to, .. }, owed) in asked.into_iter().zip(owed) {
                    new |= owed == Owed::New;
                    let (what, accepted) = match owed {
                        Owed::New => ("accepted", Ok(Accepted::New)),
                        Owed::Known => ("repeated", Ok(Accepted::Known)),
                        Owed::Full => ("refused", Err(CallbackError::Full)),
                        Owed::OverShare => ("refused", Err(CallbackError::OverShare)),
                    };
                    count(what, kind);
                    answer(reply_to, accepted);
                }
            }
            Err(error) => {
                for Waiting { reply_to, .. } in asked {
                    answer(reply_to, Err(error.clone().into()));
                }
            }
        }
        self.store_next(myself, state);
        if new {
            self.look(myself, state);
        }
    }
}
