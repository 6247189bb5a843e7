//! The configuration changed at its source: it is read again.

use tracing::warn;

use super::World;
use crate::config::ConfigSource;
use crate::outside::changes::Changes;

/// Hears of changes, for ever. What changed, or why nothing did, is said by the settings actor itself.
pub async fn watch(world: World, source: ConfigSource) {
    let mut changes = Changes::of(&source);
    loop {
        changes.next().await;
        if let Err(error) = world.actors.settings.reload().await {
            warn!(%error, "the configuration was not read again");
        }
    }
}
