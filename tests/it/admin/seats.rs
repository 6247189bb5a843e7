//! Seats whose occupants do what a story says.

use std::marker::PhantomData;

use bigblueswarm::actors::seat::{Seat, seat};
use ractor::{Actor, ActorProcessingErr, ActorRef, Message};

type Acts<M> = Box<dyn FnMut(M) + Send>;

struct Puppet<M>(PhantomData<fn() -> M>);

impl<M: Message + Sync> Actor for Puppet<M> {
    type Msg = M;
    type State = Acts<M>;
    type Arguments = Acts<M>;

    async fn pre_start(
        &self,
        _: ActorRef<M>,
        acts: Acts<M>,
    ) -> Result<Acts<M>, ActorProcessingErr> {
        Ok(acts)
    }

    async fn handle(
        &self,
        _: ActorRef<M>,
        message: M,
        acts: &mut Acts<M>,
    ) -> Result<(), ActorProcessingErr> {
        acts(message);
        Ok(())
    }
}

/// A seat whose occupant does this with every message.
pub(crate) async fn seated<M: Message + Sync>(acts: impl FnMut(M) + Send + 'static) -> Seat<M> {
    let (usher, seat) = seat();
    let puppet = Puppet::<M>(PhantomData);
    let (occupant, _) = Actor::spawn(None, puppet, Box::new(acts)).await.unwrap();
    usher.place(occupant);
    // Who holds the seat reads what the usher said last, though she is gone.
    drop(usher);
    seat
}
