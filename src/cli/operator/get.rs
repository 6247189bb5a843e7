//! `get`: instances, tenants, meetings and callbacks as tables.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use super::callbacks::{self, CallbacksArgs};
use super::{Admin, Reach, Secrecy};
use crate::cli::failure::Failure;
use crate::cli::table::{Cell, Form, Table, Tone};
use crate::cli::{Exit, Surroundings, complain};

/// So many meetings are asked for at once.
const PAGE: usize = 1_000;
/// So many pages are read; who has more meetings asks by tenant or instance.
const MOST_PAGES: usize = 1_000;

/// What is listed.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Get {
    /// The instances of the pool and what is known of each
    Instances(InstancesArgs),
    /// The tenants, and to how many instances each is bound (0: all may be used)
    Tenants(TenantsArgs),
    /// The meetings, as the instances listed them last
    Meetings(MeetingsArgs),
    /// The callbacks that tenants' servers are owed, and dead letters
    Callbacks(CallbacksArgs),
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct InstancesArgs {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    secrecy: Secrecy,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct TenantsArgs {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct MeetingsArgs {
    /// Only this tenant's
    #[arg(long, value_name = "HOST")]
    tenant: Option<String>,
    /// Only those on this instance
    #[arg(long, value_name = "URL")]
    instance: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    reach: Reach,
}

pub(super) async fn run(what: &Get, around: &Surroundings) -> Result<Exit, Failure> {
    match what {
        Get::Instances(args) => instances(args, around).await,
        Get::Tenants(args) => tenants(args, around).await,
        Get::Meetings(args) => meetings(args, around).await,
        Get::Callbacks(args) => callbacks::list(args, around).await,
    }
}

/// An instance as the admin surface describes its state.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct InstanceState {
    pub(super) url: String,
    pub(super) admin: String,
    pub(super) health: String,
    pub(super) why: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) retired: bool,
    #[serde(default)]
    pub(super) alias_of: Option<String>,
    pub(super) meetings: Option<u64>,
    pub(super) participants: Option<u64>,
    #[serde(default)]
    pub(super) sign_with: Option<String>,
}

impl InstanceState {
    /// What an admin said of it, with its colour.
    pub(super) fn state(&self) -> Cell {
        match &*self.admin {
            _ if self.retired => Cell::toned("retired", Tone::Doubtful),
            _ if self.alias_of.is_some() => Cell::toned("alias", Tone::Doubtful),
            "enabled" => Cell::from("enabled"),
            other => Cell::toned(other, Tone::Doubtful),
        }
    }

    /// How it is, with its colour.
    pub(super) fn health(&self) -> Cell {
        let tone = match &*self.health {
            "up" => Tone::Good,
            "dead" => Tone::Bad,
            _ => Tone::Doubtful,
        };
        Cell::toned(&self.health, tone)
    }
}

/// A number, or nothing where it is not known.
pub(super) fn count(number: Option<u64>) -> Cell {
    number.map_or_else(|| Cell::from("-"), Cell::from)
}

async fn instances(args: &InstancesArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let mut listed: Vec<Value> = admin.get(&["instances"], &[]).await?;
    listed.iter_mut().for_each(|one| args.secrecy.cover(one.get_mut("secret")));
    let states: Vec<InstanceState> = admin.get(&["instances", "state"], &[]).await?;
    let states: HashMap<_, _> = states.iter().map(|state| (&*state.url, state)).collect();
    let columns = ["Url", "Secret", "State", "Health", "#Meetings", "#Participants", "Tags"];
    let mut table = Table::new(&columns);
    let unknown = InstanceState { health: "unheard".into(), ..InstanceState::default() };
    for one in &listed {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let state = states.get(text("url")).copied().unwrap_or(&unknown);
        table.row([
            text("url").into(),
            text("secret").into(),
            state.state(),
            state.health(),
            count(state.meetings),
            count(state.participants),
            state.tags.join(",").into(),
        ]);
    }
    admin.warn(None).await?;
    args.form.print(&table, &Value::from(listed))
}

/// A tenant as it is listed.
#[derive(Deserialize)]
struct ListedTenant {
    hostname: String,
    instance_count: u64,
}

/// The hosts of all tenants.
pub(super) async fn hosts(admin: &Admin) -> Result<Vec<String>, Failure> {
    let list = tenant_list(admin).await?;
    let host = |tenant: &Value| tenant.get("hostname").and_then(Value::as_str).map(str::to_owned);
    Ok(list.iter().filter_map(host).collect())
}

async fn tenant_list(admin: &Admin) -> Result<Vec<Value>, Failure> {
    #[derive(Deserialize)]
    struct TenantList {
        tenants: Vec<Value>,
    }
    let list: TenantList = admin.get(&["tenants"], &[]).await?;
    Ok(list.tenants)
}

async fn tenants(args: &TenantsArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let list = tenant_list(&admin).await?;
    let mut table = Table::new(&["Hostname", "#Instances"]);
    for one in &list {
        if let Ok(tenant) = ListedTenant::deserialize(one) {
            table.row([tenant.hostname.into(), tenant.instance_count.into()]);
        }
    }
    admin.warn(None).await?;
    args.form.print(&table, &Value::from(list))
}

/// A page of meetings.
#[derive(Deserialize)]
struct Page {
    meetings: Vec<Value>,
    next: Option<usize>,
    unlisted: Vec<String>,
}

/// A meeting as it is listed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Meeting {
    id: String,
    name: String,
    tenant: Option<String>,
    instance: String,
    participants: u64,
    running: bool,
    created: Option<String>,
    copy: bool,
}

/// All meetings that fit, and the instances whose meetings are missing among them.
async fn read_meetings(
    admin: &Admin,
    tenant: Option<&str>,
    instance: Option<&str>,
) -> Result<(Vec<Value>, Vec<String>), Failure> {
    let mut meetings = Vec::new();
    let mut offset = 0;
    let limit = PAGE.to_string();
    for _ in 0..MOST_PAGES {
        let from = offset.to_string();
        let mut query = vec![("limit", &*limit), ("offset", &*from)];
        query.extend(tenant.map(|host| ("tenant", host)));
        query.extend(instance.map(|url| ("instance", url)));
        let page: Page = admin.get(&["meetings"], &query).await?;
        meetings.extend(page.meetings);
        match page.next.filter(|next| *next > offset) {
            Some(next) => offset = next,
            None => return Ok((meetings, page.unlisted)),
        }
    }
    Err(Failure::Wrong("there are too many meetings: ask by --tenant or --instance".into()))
}

/// A table of meetings. Those without a name, a tenant or a time have nothing in its place.
fn meetings_table(meetings: &[Value]) -> Table {
    let columns = ["Id", "Name", "Tenant", "Instance", "#Participants", "Running", "Created"];
    let mut table = Table::new(&columns);
    for one in meetings {
        let meeting = Meeting::deserialize(one).unwrap_or_default();
        let running = match (meeting.copy, meeting.running) {
            (true, _) => Cell::toned("copy", Tone::Doubtful),
            (false, true) => Cell::toned("yes", Tone::Good),
            (false, false) => Cell::from("no"),
        };
        table.row([
            meeting.id.into(),
            meeting.name.into(),
            meeting.tenant.unwrap_or_default().into(),
            meeting.instance.into(),
            meeting.participants.into(),
            running,
            meeting.created.unwrap_or_default().into(),
        ]);
    }
    table
}

/// The meetings of one instance, as they are and as a table; said if they are not known.
pub(super) async fn meetings_on(
    admin: &Admin,
    instance: &str,
) -> Result<(Vec<Value>, Table), Failure> {
    let (meetings, unlisted) = read_meetings(admin, None, Some(instance)).await?;
    warn_of(&unlisted);
    let table = meetings_table(&meetings);
    Ok((meetings, table))
}

fn warn_of(unlisted: &[String]) {
    for url in unlisted {
        complain(&format!("{url} was not listed yet: its meetings are missing here"));
    }
}

async fn meetings(args: &MeetingsArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let (tenant, instance) = (args.tenant.as_deref(), args.instance.as_deref());
    let (meetings, unlisted) = read_meetings(&admin, tenant, instance).await?;
    warn_of(&unlisted);
    args.form.print(&meetings_table(&meetings), &Value::from(meetings))
}
