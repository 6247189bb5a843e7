//! Asks everyone how they are, all at once and not for long.

use std::time::Duration;

use tokio::time::timeout;

use super::readiness::Seen;
use crate::actors::tenants::FindError;
use crate::flows::World;
use crate::flows::notices::notices;

/// An orchestrator's probe gives up after a second, as a rule.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

/// What is seen at this moment. Who does not answer in time is not there.
pub(super) async fn look(world: &World) -> Seen {
    let actors = &world.actors;
    let (settings, tenants, roster, meetings, reading, store, notices) = tokio::join!(
        within(actors.settings.current()),
        within(actors.tenants.find("".into())),
        within(actors.registry.roster()),
        within(actors.meetings.count()),
        within(actors.metrics.current()),
        within(world.store.ping()),
        timeout(ANSWER_WITHIN, notices(world)),
    );
    let range = settings.as_ref().map_or(&world.config, |config| config).balancer.metrics_range;
    Seen {
        settings: settings.map(drop),
        tenants: tenants.map(|found| !matches!(found, Err(FindError::NotLoaded))),
        roster,
        meetings: meetings.map(|counts| counts.loaded),
        reading,
        store,
        store_ails: world.store.ailment(),
        notices: notices.unwrap_or_default(),
        now: world.clock.now(),
        metrics_range: range,
    }
}

async fn within<T, E: std::fmt::Display>(
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(ANSWER_WITHIN, asking).await {
        Ok(answer) => answer.map_err(|e| e.to_string()),
        Err(_) => Err("no answer in time".into()),
    }
}
