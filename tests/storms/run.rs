//! Runs a storm: in a thread of its own, in simulated time.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use bigblueswarm::determinism;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::checker::{Bounds, Rule, Violation, check};
use crate::clients::{Clients, ask};
use crate::engine::{Engines, drive};
use crate::faults::Present;
use crate::history::{Answer, Call, Event, Room, What};
use crate::panics;
use crate::plan::{Storm, T, U};
use crate::replica::UNKNOWN_FOR;
use crate::shared::millis;
use crate::swarm::{POOL, Swarm};

/// So long nothing happens at the end before nothing may be left.
const QUIET: Duration = Duration::from_secs(100);
/// Of a storm's thread, in bytes.
const STACK: usize = 16 << 20;

/// What came of a storm.
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) violations: Vec<Violation>,
}

impl Outcome {
    /// The whole history as text.
    pub(crate) fn history(&self) -> String {
        self.events.iter().map(|event| format!("{event}\n")).collect()
    }
}

/// Runs it.
pub(crate) fn run(storm: &Storm) -> Outcome {
    let inside = storm.clone();
    let body = move || {
        determinism::simulate();
        let events = drive(|engines| whole(inside, engines));
        (events, panics::told())
    };
    panics::watch();
    let thread = thread::Builder::new().stack_size(STACK).spawn(body).expect("a thread");
    let own = || (Vec::new(), vec!["the storm does not come to its end".to_owned()]);
    let (events, panics) = thread.join().unwrap_or_else(|_| own());
    let mut violations = check(&events, &bounds(storm));
    violations.extend(panics.into_iter().map(|words| Violation {
        rule: Rule::Panicked,
        room: Room { tenant: String::new(), id: String::new() },
        event: events.len(),
        words,
    }));
    Outcome { events, violations }
}

fn bounds(storm: &Storm) -> Bounds {
    let pool = storm.profile.is_hostile().then(|| (U.to_owned(), POOL as usize));
    Bounds {
        dead_after: 8_000,
        lost_after: millis(UNKNOWN_FOR) - 1_000,
        swept_within: 25_000,
        stale_for: storm.profile.stale_for(),
        pools: BTreeMap::from_iter(pool),
    }
}

async fn whole(storm: Storm, engines: Engines) -> Vec<Event> {
    let swarm = Swarm::start(&storm, engines.clone()).await;
    let looking = tokio::spawn(swarm.fleet.clone().keep_looking());
    swarm.note_kept();
    let began = Instant::now();
    let present = Present::new(&swarm);
    let end = began + Duration::from_millis(storm.lasts);
    let clients = storm
        .rooms
        .iter()
        .map(|room| Clients::new(&swarm, room.clone(), storm.seed).call_until(end));
    let faults = storm.faults.iter().map(|fault| present.run(&swarm, began, fault));
    futures_util::future::join(join_all(clients), join_all(faults)).await;
    engines.calm_down();
    close(&swarm, &storm).await;
    looking.abort();
    swarm.recorder.events()
}

/// All is well, everybody goes home, and after a while nothing is left.
async fn close(swarm: &Swarm, storm: &Storm) {
    sleep(Duration::from_secs(20)).await;
    for server in 0..storm.servers.len() {
        swarm.fleet.crash(server).await;
    }
    sleep(QUIET).await;
    swarm.note_owed().await;
    swarm.recorder.note(What::Quiet);
    swarm.note_kept();
    for tenant in [T, U] {
        let room = Room { tenant: tenant.into(), id: "afterwards".into() };
        for replica in 0..swarm.count() {
            let made = ask(swarm, replica, &room, Call::Create).await;
            if matches!(made, Answer::Made(_)) {
                ask(swarm, replica, &room, Call::End).await;
            }
        }
    }
}
