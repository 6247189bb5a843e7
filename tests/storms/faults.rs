//! Faults, as they come and go.

use std::time::Duration;

use bigblueswarm::domain::instance::InstanceId;
use tokio::time::{Instant, sleep, sleep_until};

use crate::engine::{TURN, now};
use crate::history::What;
use crate::plan::{Act, Failing, Fault, Trouble};
use crate::shared::{Amid, Held, Phase, millis};
use crate::swarm::Swarm;

/// A replica that is to stand still amid a call makes one within this, or stands still without.
const CALLS_WITHIN: Duration = Duration::from_secs(2);

/// A replica that hears nothing for so long asks the store.
const FORGETS_WITHIN: Duration = Duration::from_millis(1_500);

/// What goes wrong at present, where several faults may meet.
pub(crate) struct Present {
    /// In which ways each server fails, and by which fault.
    failing: Held<Vec<Vec<(usize, Failing)>>>,
    /// Which replicas are dead or asleep by a fault: each is so by one at a time.
    still: Held<Vec<bool>>,
    /// The lists that admins post leave servers out, or spell them otherwise.
    listed: Held<Vec<Vec<(usize, Act)>>>,
}

impl Present {
    pub(crate) fn new(swarm: &Swarm) -> Self {
        let servers = swarm.fleet.sims.len();
        Self {
            failing: Held::new(vec![Vec::new(); servers]),
            still: Held::new(vec![false; swarm.count()]),
            listed: Held::new(vec![Vec::new(); servers]),
        }
    }

    /// One fault, from its moment until it is over.
    pub(crate) async fn run(&self, swarm: &Swarm, began: Instant, fault: &Fault) {
        sleep_until(began + Duration::from_millis(fault.at)).await;
        if let Trouble::Asleep { replica, .. } | Trouble::Killed { replica } = fault.what
            && self.still.with(|still| std::mem::replace(&mut still[replica], true))
        {
            return;
        }
        note(swarm, fault, true);
        self.begin(swarm, fault).await;
        sleep(Duration::from_millis(fault.lasts)).await;
        self.end(swarm, fault).await;
        note(swarm, fault, false);
    }

    async fn begin(&self, swarm: &Swarm, fault: &Fault) {
        let hub = &swarm.hub;
        match fault.what {
            Trouble::Partition { replica, answers } => {
                hub.wire(replica, |wire| if answers { wire.mute += 1 } else { wire.cut += 1 });
                swarm.recorder.note(What::Cut { replica, on: true });
            }
            Trouble::StoreAway | Trouble::Rollback { .. } => each(swarm, true),
            Trouble::LateNews { replica, by } => {
                hub.wire(replica, |wire| wire.late = Duration::from_millis(by));
            }
            Trouble::LostNews { replica } => hub.wire(replica, |wire| wire.deaf = true),
            Trouble::DoubledNews { replica } => hub.wire(replica, |wire| wire.doubled = true),
            Trouble::Flush => {
                hub.state.with(|state| state.flush());
                swarm.recorder.note(What::WentBack { to: 0 });
            }
            Trouble::Failover { lag } => {
                hub.state.with(|state| state.lag = Duration::from_millis(lag));
            }
            Trouble::Asleep { replica, amid } => self.stop(swarm, replica, amid).await,
            Trouble::Killed { replica } => swarm.kill(replica).await,
            Trouble::ClockStep { replica, by } => {
                let _ = swarm.replica(replica, |replica| replica.clock.step(by));
            }
            Trouble::Server { server, how } => self.fail(swarm, server, fault.number, how).await,
            Trouble::Admin { act, server, replica } => {
                self.listed.with(|listed| listed[server].push((fault.number, act)));
                self.act(swarm, act, (server, replica), true).await;
            }
            Trouble::Unlisted { server } => {
                self.listed.with(|listed| listed[server].push((fault.number, Act::Retire)));
                swarm.recorder.note(What::Released { server });
                let id = InstanceId::new(swarm.fleet.sims[server].url());
                hub.state.with(|state| state.unlist(&id));
            }
        }
    }

    async fn end(&self, swarm: &Swarm, fault: &Fault) {
        let hub = &swarm.hub;
        match fault.what {
            Trouble::Partition { replica, answers } => {
                hub.wire(replica, |wire| if answers { wire.mute -= 1 } else { wire.cut -= 1 });
                swarm.recorder.note(What::Cut { replica, on: false });
            }
            Trouble::StoreAway => each(swarm, false),
            Trouble::Rollback { age } => {
                go_back(swarm, age);
                each(swarm, false);
            }
            Trouble::LateNews { replica, .. } => {
                hub.wire(replica, |wire| wire.late = Duration::ZERO)
            }
            Trouble::LostNews { replica } => hub.wire(replica, |wire| wire.deaf = false),
            Trouble::DoubledNews { replica } => hub.wire(replica, |wire| wire.doubled = false),
            Trouble::Flush | Trouble::Unlisted { .. } => {}
            Trouble::Failover { lag } => {
                go_back(swarm, lag);
                hub.state.with(|state| state.lag = Duration::ZERO);
            }
            Trouble::Asleep { replica, amid } => {
                if amid == Amid::Read {
                    swarm.hub.wire(replica, |wire| wire.deaf = false);
                }
                swarm.replica(replica, |replica| replica.process.turn(Phase::Running));
                self.still.with(|still| still[replica] = false);
            }
            Trouble::Killed { replica } => {
                swarm.boot(replica).await;
                self.still.with(|still| still[replica] = false);
            }
            Trouble::ClockStep { replica, by } => {
                let _ = swarm.replica(replica, |replica| replica.clock.step(-by));
            }
            Trouble::Server { server, how } => self.mend(swarm, server, fault.number, how).await,
            Trouble::Admin { act, server, replica } => {
                self.listed.with(|listed| listed[server].retain(|(n, _)| *n != fault.number));
                self.act(swarm, act, (server, replica), false).await;
            }
        }
    }

    /// A replica stands still: at once, or amid such a call if it makes one soon.
    async fn stop(&self, swarm: &Swarm, replica: usize, amid: Amid) {
        let process = swarm.replica(replica, |replica| replica.process.clone());
        let Some(process) = process else { return };
        if amid == Amid::Read {
            swarm.hub.wire(replica, |wire| wire.deaf = true);
            sleep(FORGETS_WITHIN).await;
        }
        process.stop_amid(amid);
        let end = Instant::now() + CALLS_WITHIN;
        while amid != Amid::Nothing && process.phase() == Phase::Running && Instant::now() < end {
            sleep(TURN).await;
        }
        process.stop_amid(Amid::Nothing);
        process.turn(Phase::Asleep);
    }

    async fn fail(&self, swarm: &Swarm, server: usize, number: usize, how: Failing) {
        self.failing.with(|failing| failing[server].push((number, how)));
        self.apply(swarm, server).await;
        if how.silences() {
            swarm.recorder.note(What::Silent { server, fault: number, on: true });
        }
        if how == Failing::ShortLists {
            swarm.recorder.note(What::Short { server, on: true });
        }
        if how == Failing::Crashes {
            swarm.fleet.crash(server).await;
        }
    }

    async fn mend(&self, swarm: &Swarm, server: usize, number: usize, how: Failing) {
        self.failing.with(|failing| failing[server].retain(|(n, _)| *n != number));
        self.apply(swarm, server).await;
        if how.silences() {
            swarm.recorder.note(What::Silent { server, fault: number, on: false });
        }
        if how == Failing::ShortLists {
            swarm.recorder.note(What::Short { server, on: false });
        }
    }

    async fn apply(&self, swarm: &Swarm, server: usize) {
        let ways = self.failing.with(|failing| failing[server].clone());
        let ways: Vec<Failing> = ways.into_iter().map(|(_, how)| how).collect();
        swarm.fleet.fail(server, &ways).await;
    }

    async fn act(&self, swarm: &Swarm, act: Act, (server, replica): (usize, usize), on: bool) {
        let url = swarm.fleet.sims[server].url();
        match (act, on) {
            (Act::Drain, true) => {
                swarm.admin(replica, &format!("instances/drain?url={url}"), String::new()).await;
            }
            (Act::Disable, true) => {
                swarm.recorder.note(What::Released { server });
                swarm.admin(replica, &format!("instances/disable?url={url}"), String::new()).await;
            }
            (Act::Drain | Act::Disable, false) => {
                swarm.admin(replica, &format!("instances/enable?url={url}"), String::new()).await;
            }
            (Act::Retire | Act::Respell | Act::Repost, _) => {
                let listed = self.listed.get();
                let list = swarm.list(|n, url| spelt(&listed[n], url));
                swarm.admin(replica, "instances", list).await;
            }
        }
    }
}

/// How a server is listed after these acts; not at all once it is retired.
fn spelt(acts: &[(usize, Act)], url: String) -> Option<String> {
    let has = |wanted| acts.iter().any(|(_, act)| *act == wanted);
    match (has(Act::Retire), has(Act::Respell)) {
        (true, _) => None,
        (false, true) => Some(url.replacen(".example.org", ".Example.org:80", 1) + "/"),
        (false, false) => Some(url),
    }
}

/// The store comes back as it was so many milliseconds ago.
fn go_back(swarm: &Swarm, age: u64) {
    swarm.hub.state.with(|state| state.go_back(Duration::from_millis(age)));
    let to = millis(now()).saturating_sub(age);
    swarm.recorder.note(What::WentBack { to });
}

/// Cuts all replicas off from the store, or lets them reach it again.
fn each(swarm: &Swarm, on: bool) {
    for replica in 0..swarm.count() {
        swarm.hub.wire(replica, |wire| if on { wire.cut += 1 } else { wire.cut -= 1 });
        swarm.recorder.note(What::Cut { replica, on });
    }
}

fn note(swarm: &Swarm, fault: &Fault, on: bool) {
    let words = format!("{:?}", fault.what);
    swarm.recorder.note(What::Fault { fault: fault.number, on, words });
}
