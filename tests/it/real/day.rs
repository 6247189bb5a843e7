//! A day of the demo's traffic on real parts: three balancers behind HAProxy, one Redis, InfluxDB, Telegraf beside
//! each server, Consul. Each part is away for ten seconds in turn. The table that this prints is in the README.

mod ground;
mod ledger;
mod table;
mod traffic;

use std::time::Duration;

use bigblueswarm::cli::demo::check::judge;
use bigblueswarm::cli::demo::day::Pace;
use tokio::time::{Instant, sleep, sleep_until};

use ground::{Ground, Part};
use ledger::Ledgers;
use table::Phase;
use traffic::Traffic;

const AWAY: Duration = Duration::from_secs(10);
/// Between the beginning of one absence and the next.
const APART: Duration = Duration::from_secs(18);
/// Before the first absence.
const CALM: Duration = Duration::from_secs(8);
/// After everything is well again, so long before the next.
const BREATH: Duration = Duration::from_secs(3);
/// An hour of the day passes while a part is away.
const HOUR: Duration = Duration::from_millis(9_500);
/// `deadlines.create`.
const CREATE_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_day_while_each_part_is_away_for_ten_seconds_loses_and_misroutes_nothing() {
    let mut ground = Ground::open().await;
    let traffic = Traffic::new(&ground);
    let pace = Pace { hour: HOUR, hours: 4..25 };
    let (ledgers, ()) = tokio::join!(traffic.play(&pace), troubles(&mut ground, &traffic));
    let phases = traffic.phases();
    println!("{}", table::of(&phases));

    let mut wrong = ledgers.wrong.clone();
    wrong.extend(verdict(&phases));
    wrong.extend(judged(&ground, &ledgers).await);
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), ground.said());
    let (made, standing) = (ledgers.created, ledgers.ledger.standing().count());
    println!(
        "{made} creates were acknowledged; {standing} meetings stood at the end, each where it was promised."
    );
    assert!(made > 300 && standing >= 8, "{made} {standing}");
    ground.is_configured_by_consul().await;
}

/// Takes each part away and gives it back, one after the other.
async fn troubles(ground: &mut Ground, traffic: &Traffic) {
    sleep(CALM).await;
    for part in Part::ALL {
        let began = Instant::now();
        traffic.begin(Phase::of(part.name()));
        ground.take_away(part).await;
        sleep_until(began + AWAY).await;
        let degraded = ground.degraded().await;
        ground.give_back(part).await;
        let back = Instant::now();
        ground.well().await;
        traffic.change(|phase| {
            phase.degraded = degraded;
            phase.well_after = Some(back.elapsed());
        });
        traffic.begin(Phase::of("nothing"));
        sleep(BREATH).await;
        sleep_until(began + APART).await;
    }
}

/// What no phase may have.
fn verdict(phases: &[Phase]) -> Vec<String> {
    let mut wrong = Vec::new();
    for phase in phases {
        let what = &phase.name;
        wrong.extend(phase.broken.iter().map(|why| format!("while {what} was away: {why}")));
        if phase.slowest_create > CREATE_WITHIN && !phase.is_of_a_frozen_balancer() {
            wrong.push(format!("while {what} was away a create took {:?}", phase.slowest_create));
        }
    }
    wrong
}

/// Every meeting that was acknowledged and not ended, as each replica tells of it.
async fn judged(ground: &Ground, ledgers: &Ledgers) -> Vec<String> {
    let mut wrong = Vec::new();
    for (n, replica) in ground.replicas().enumerate() {
        let evidence = ground.evidence(replica, &ledgers.ledger).await;
        let told = judge(&ledgers.ledger, &evidence).into_iter();
        wrong.extend(told.map(|why| format!("balancer {}: {why}", n + 1)));
        for key in ledgers.ledger.standing() {
            let told = ground.internal_id(replica, key).await;
            let promised = ledgers.promised(key);
            if told.as_deref() != promised {
                wrong.push(format!("balancer {}: {key:?} is {told:?}, not {promised:?}", n + 1));
            }
        }
    }
    wrong
}
