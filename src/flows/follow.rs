//! Passing on what other replicas change: each kind to the actor that owns it.

use tokio::sync::mpsc;

use super::World;
use crate::outside::store::peers::News;
use crate::outside::store::{Shelf, Told};

/// Changes on their way to us; a store that has more to tell says so with one `Everything`.
const CHANGES_AHEAD: usize = 1_024;

/// Hears what other replicas change, for ever.
pub async fn follow(world: World) {
    let (tell, mut told) = mpsc::channel(CHANGES_AHEAD);
    let store = world.store.clone();
    let following = async move { store.follow(tell).await };
    let passing_on = async {
        while let Some(change) = told.recv().await {
            pass_on(&world, change);
        }
    };
    tokio::join!(following, passing_on);
}

fn pass_on(world: &World, change: Told) {
    let actors = &world.actors;
    match change {
        Told::Instances => actors.registry.reload(),
        Told::Tenants => actors.tenants.reload(),
        Told::Shelf(Shelf::Hooks) => actors.hooks.reload(),
        Told::Shelf(Shelf::Recordings) => actors.recordings.reload(false),
        Told::Shelf(Shelf::Rooms) => {} // is never told
        Told::Route(key) => actors.meetings.changed(key),
        Told::Echo(key, tenant, version) => actors.meetings.echo(key, tenant, version),
        Told::Became(key, became) => actors.meetings.became(key, became),
        Told::Heard(sent) => actors.meetings.heard(sent),
        Told::Away(until) => actors.meetings.away(until),
        Told::News(_, News::Done(chore, mark)) => {
            // Nobody listens only while the watch begins again, which then looks by itself.
            let _ = world.done.send((chore, mark));
        }
        Told::News(_, News::Joined(key, tenant)) => actors.meetings.joined(key, tenant),
        Told::News(by, News::Health(outlook)) => actors.registry.told(by, outlook),
        Told::Everything => {
            actors.registry.reload();
            actors.tenants.reload();
            actors.hooks.reload();
            actors.meetings.missed();
            actors.recordings.reload(true);
        }
    }
}
