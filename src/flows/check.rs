//! Whether an instance is well that gave a client no usable answer. What a client asks for may itself be the cause
//! of a failure, so that nobody is suspect by it: calls of our own decide.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::World;
use super::answer::{BadAnswer, Start};
use super::ask::CallError;
use super::health::{current, probe};
use crate::config::HealthRules;
use crate::domain::instance::{Instance, InstanceId};

/// However many calls fail, an instance is asked no more often than this, and never twice at once.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// What calls of our own found.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Well,
    /// Why it is suspect.
    Fails(String),
    /// It refuses to list its meetings: what it says.
    Refuses(String),
}

/// Asks an instance whenever calls to it failed, for ever.
pub(super) async fn keep_checking(world: World, id: InstanceId, mut doubted: watch::Receiver<u64>) {
    while doubted.changed().await.is_ok() {
        let next = Instant::now() + CHECK_EVERY;
        if let Some(instance) = current(&world, &id).await {
            let found = look(&world, &instance, &world.health_rules().await).await;
            tell(&world, &id, found);
        }
        sleep_until(next).await;
    }
}

fn tell(world: &World, id: &InstanceId, found: Found) {
    let word = match &found {
        Found::Well => "well",
        Found::Fails(_) => "fails",
        Found::Refuses(_) => "refuses",
    };
    metrics::counter!("bigblueswarm_instance_checks_total", "found" => word).increment(1);
    match found {
        Found::Well => {}
        Found::Fails(why) => world.actors.registry.suspect(id.clone(), why),
        Found::Refuses(why) => world.actors.registry.refused(id.clone(), why),
    }
}

/// The root call, and the list of meetings as far as it takes to know that there is one.
async fn look(world: &World, instance: &Arc<Instance>, rules: &HealthRules) -> Found {
    let lists = lists(world, instance, rules.sweep_timeout);
    let (root, listed) = tokio::join!(probe(world, instance, rules.probe_timeout), lists);
    if let Err(why) = root {
        return Found::Fails(why);
    }
    match listed {
        Ok(None) => Found::Well,
        Ok(Some(key)) => Found::Refuses(format!("getMeetings FAILED: {key}")),
        Err(CallError::Bad(error @ BadAnswer::Signature)) => {
            Found::Refuses(format!("getMeetings {error}"))
        }
        Err(error) => Found::Fails(format!("getMeetings: {error}")),
    }
}

/// Whether it lists its meetings; else the key of its refusal.
async fn lists(
    world: &World,
    instance: &Arc<Instance>,
    within: Duration,
) -> Result<Option<String>, CallError> {
    Ok(match world.told(instance, "getMeetings", "", within).await? {
        Start::Success(..) => None,
        Start::Failed(_, said) => Some(said.message_key.unwrap_or_default()),
    })
}
