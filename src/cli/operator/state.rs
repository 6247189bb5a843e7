//! `drain`, `enable`, `disable`, `tag`: what an admin says of one instance.

use clap::Args;

use super::get::InstanceState;
use super::{Admin, Reach};
use crate::cli::failure::Failure;
use crate::cli::{Exit, Surroundings, say};
use crate::domain::instance::{AdminState, InstanceId};

/// What `drain`, `enable` and `disable` can be told.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Ends with 3 when it is so already.")]
pub(in crate::cli) struct StateArgs {
    /// The instance's URL as it is registered
    url: String,
    #[command(flatten)]
    reach: Reach,
}

/// What `tag` can be told.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Ends with 3 when it has these very tags.")]
pub(in crate::cli) struct TagArgs {
    /// The instance's URL as it is registered
    url: String,
    /// Its tags, such as blue,red; "" takes them all away
    tags: String,
    #[command(flatten)]
    reach: Reach,
}

pub(super) async fn run(
    args: &StateArgs,
    wanted: AdminState,
    around: &Surroundings,
) -> Result<Exit, Failure> {
    let (verb, word) = match wanted {
        AdminState::Draining => ("drain", "draining"),
        AdminState::Enabled => ("enable", "enabled"),
        AdminState::Disabled => ("disable", "disabled"),
    };
    let admin = Admin::of(&args.reach, around)?;
    let url = &*args.url;
    if state(&admin, url).await?.is_some_and(|state| state.admin == word) {
        say(&format!("{url}: {word} already\n"));
        return Ok(Exit::Unchanged);
    }
    admin.post(&["instances", verb], &[("url", url)], None).await?;
    Ok(say(&format!("{url}: {word}\n")))
}

pub(super) async fn tag(args: &TagArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let url = &*args.url;
    let wanted: Vec<&str> =
        args.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    let shown = if wanted.is_empty() { "no tags".into() } else { wanted.join(",") };
    if state(&admin, url).await?.is_some_and(|state| state.tags == wanted) {
        say(&format!("{url}: {shown} already\n"));
        return Ok(Exit::Unchanged);
    }
    let query = [("url", url), ("tags", &*wanted.join(","))];
    admin.post(&["instances", "tags"], &query, None).await?;
    Ok(say(&format!("{url}: {shown}\n")))
}

/// What is known of an instance of the pool.
async fn state(admin: &Admin, url: &str) -> Result<Option<InstanceState>, Failure> {
    let named = InstanceId::new(url);
    let states: Vec<InstanceState> = admin.get(&["instances", "state"], &[]).await?;
    Ok(states.into_iter().find(|state| InstanceId::new(&*state.url) == named))
}
