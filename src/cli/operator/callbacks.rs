//! `get callbacks`, `retry callback`, `delete callback`: what is owed to tenants' servers, and dead letters.

use std::collections::BTreeSet;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use super::{Admin, Reach};
use crate::cli::failure::Failure;
use crate::cli::table::{Cell, Form, Table, Tone};
use crate::cli::{Exit, Surroundings, complain, say};

/// So many are asked for at once.
const PAGE: usize = 100;
/// So many pages are read.
const MOST_PAGES: usize = 1_000;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Still to be delivered
    Waiting,
    /// Given up: dead letters
    Dead,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct CallbacksArgs {
    /// Only those of this state
    #[arg(long)]
    state: Option<State>,
    /// By target instead: how much waits for each, and which are left alone after failures until when
    #[arg(long, conflicts_with = "state")]
    targets: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    reach: Reach,
}

/// What is tried again.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Retry {
    /// The callback of this id, a dead letter too: it is tried now
    Callback(IdArgs),
}

/// Names one callback.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct IdArgs {
    /// Its id, as `get callbacks` shows it
    id: String,
    #[command(flatten)]
    reach: Reach,
}

/// A page of callbacks.
#[derive(Deserialize)]
struct Page {
    callbacks: Vec<Value>,
    #[serde(default)]
    targets: Vec<Value>,
}

/// A target as it is listed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    tenant: String,
    lane: String,
    target: String,
    waiting: u64,
    failures: u64,
    paused_until: String,
}

/// A callback as it is listed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Callback {
    id: String,
    state: String,
    tenant: String,
    kind: String,
    target: String,
    attempts: u64,
    error: String,
    accepted_at: String,
    next_at: String,
}

pub(super) async fn list(args: &CallbacksArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    if args.targets {
        return targets(&admin, &args.form).await;
    }
    let callbacks = read(&admin, args.state).await?;
    let columns =
        ["Tenant", "Kind", "State", "Target", "#Attempts", "Accepted", "Next", "Error", "Id"];
    let mut table = Table::new(&columns);
    for one in &callbacks {
        let callback = Callback::deserialize(one).unwrap_or_default();
        let tone = if callback.state == "dead" { Tone::Bad } else { Tone::Plain };
        table.row([
            callback.tenant.into(),
            callback.kind.into(),
            Cell::toned(callback.state, tone),
            callback.target.into(),
            callback.attempts.into(),
            callback.accepted_at.into(),
            callback.next_at.into(),
            callback.error.into(),
            callback.id.into(),
        ]);
    }
    args.form.print(&table, &Value::from(callbacks))
}

async fn targets(admin: &Admin, form: &Form) -> Result<Exit, Failure> {
    let page: Page = admin.get(&["callbacks"], &[("limit", "0")]).await?;
    let columns = ["Tenant", "Lane", "Target", "#Waiting", "#Failures", "Paused until"];
    let mut table = Table::new(&columns);
    for one in &page.targets {
        let target = Target::deserialize(one).unwrap_or_default();
        let tone = if target.paused_until.is_empty() { Tone::Plain } else { Tone::Bad };
        table.row([
            target.tenant.into(),
            target.lane.into(),
            target.target.into(),
            target.waiting.into(),
            target.failures.into(),
            Cell::toned(target.paused_until, tone),
        ]);
    }
    form.print(&table, &Value::from(page.targets))
}

/// All of this state. They come and go meanwhile: one that moved to another page counts once.
async fn read(admin: &Admin, state: Option<State>) -> Result<Vec<Value>, Failure> {
    let (mut callbacks, mut seen) = (Vec::new(), BTreeSet::new());
    let limit = PAGE.to_string();
    for page in 0..MOST_PAGES {
        let from = (page * PAGE).to_string();
        let mut query = vec![("limit", &*limit), ("offset", &*from)];
        query.extend(state.map(|state| match state {
            State::Waiting => ("state", "waiting"),
            State::Dead => ("state", "dead"),
        }));
        let part: Page = admin.get(&["callbacks"], &query).await?;
        let whole = part.callbacks.len() >= PAGE;
        let id = |one: &Value| one.get("id").map(Value::to_string);
        callbacks.extend(part.callbacks.into_iter().filter(|one| seen.insert(id(one))));
        if !whole {
            return Ok(callbacks);
        }
    }
    Err(Failure::Wrong("there are too many callbacks: ask by --state".into()))
}

pub(super) async fn retry(what: &Retry, around: &Surroundings) -> Result<Exit, Failure> {
    let Retry::Callback(args) = what;
    let admin = Admin::of(&args.reach, around)?;
    admin.post(&["callbacks", &args.id, "retry"], &[], None).await?;
    Ok(say(&format!("Callback {}: tried now\n", args.id)))
}

pub(super) async fn delete(args: &IdArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    match admin.delete(&["callbacks", &args.id]).await? {
        Ok(()) => Ok(say(&format!("Callback {}: dropped\n", args.id))),
        Err(why) => {
            complain(&why);
            Ok(Exit::Unchanged)
        }
    }
}
