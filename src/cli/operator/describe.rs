//! `describe`: all of one thing, as YAML or as JSON.

use std::fmt::Write;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use super::get::{InstanceState, meetings_on};
use super::{Admin, Reach, Secrecy};
use crate::cli::failure::Failure;
use crate::cli::table::{print_json, say_styled, tame};
use crate::cli::{Exit, Surroundings, say};
use crate::config::mask_secrets;
use crate::domain::instance::InstanceId;

/// What is described.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Describe {
    /// A tenant's document, which can be edited and applied (with --show-secrets)
    Tenant(TenantArgs),
    /// All that is known of an instance, with its meetings
    Instance(InstanceArgs),
    /// The configuration in force
    Config(ConfigArgs),
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct TenantArgs {
    /// Its host, with a port if it has one
    host: String,
    #[command(flatten)]
    form: JsonOrNot,
    #[command(flatten)]
    secrecy: Secrecy,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct InstanceArgs {
    /// Its URL as it is registered
    url: String,
    #[command(flatten)]
    form: JsonOrNot,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ConfigArgs {
    #[command(flatten)]
    form: JsonOrNot,
    #[command(flatten)]
    secrecy: Secrecy,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct JsonOrNot {
    /// Print JSON
    #[arg(short, long)]
    json: bool,
}

pub(super) async fn run(what: &Describe, around: &Surroundings) -> Result<Exit, Failure> {
    match what {
        Describe::Tenant(args) => tenant(args, around).await,
        Describe::Instance(args) => instance(args, around).await,
        Describe::Config(args) => config(args, around).await,
    }
}

impl JsonOrNot {
    fn print(self, value: &Value) -> Result<Exit, Failure> {
        if self.json { print_json(value) } else { Ok(say(&yaml(value)?)) }
    }
}

/// A value as YAML.
pub(in crate::cli) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_yaml::to_string(value);
    text.map_err(|error| Failure::Fault(format!("YAML can't be written: {error}")))
}

async fn tenant(args: &TenantArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let found: Option<Value> = admin.find(&["tenants", &args.host]).await?;
    let unknown = || Failure::Wrong(format!("there is no tenant {}", args.host));
    let mut document = found.ok_or_else(unknown)?;
    if let Some(spec) = document.get_mut("spec") {
        args.secrecy.cover(spec.get_mut("secret"));
        let further = spec.get_mut("secrets").and_then(Value::as_array_mut);
        further.into_iter().flatten().for_each(|secret| args.secrecy.cover(Some(secret)));
    }
    admin.warn(Some(&args.host)).await?;
    args.form.print(&document)
}

async fn config(args: &ConfigArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let mut config: Value = admin.get(&["configurations"], &[]).await?;
    if !args.secrecy.show_secrets {
        mask_secrets(&mut config);
    }
    args.form.print(&config)
}

async fn instance(args: &InstanceArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let states: Vec<Value> = admin.get(&["instances", "state"], &[]).await?;
    let meant = InstanceId::new(&*args.url);
    let is_meant = |one: &Value, key: &str| {
        one.get(key).and_then(Value::as_str).is_some_and(|url| InstanceId::new(url) == meant)
    };
    let unknown = || Failure::Wrong(format!("instance {} is not in the pool", args.url));
    let mut state = states.into_iter().find(|one| is_meant(one, "url")).ok_or_else(unknown)?;
    let cluster: Vec<Value> = admin.get(&["cluster"], &[]).await?;
    let measured = cluster.iter().find(|row| is_meant(row, "host"));
    let (meetings, table) = meetings_on(&admin, &args.url).await?;
    admin.warn(Some(&args.url)).await?;
    if args.form.json {
        let figure = |key: &str| measured.and_then(|row| row.get(key)).cloned().unwrap_or_default();
        if let Some(state) = state.as_object_mut() {
            state.insert("cpu".into(), figure("cpu"));
            state.insert("mem".into(), figure("mem"));
            state.insert("listed".into(), json!(meetings));
        }
        return print_json(&state);
    }
    let lines = lines(&state, measured)?;
    let listed = if meetings.is_empty() { String::new() } else { format!("\n{}", table.aligned()) };
    Ok(say_styled(&(lines + &listed)))
}

/// What is known of an instance, a line each.
fn lines(state: &Value, measured: Option<&Value>) -> Result<String, Failure> {
    let broken = |_| Failure::Fault("the balancer described the instance in another form".into());
    let state: InstanceState = serde_json::from_value(state.clone()).map_err(broken)?;
    let percent = |key: &str| {
        let figure = measured.and_then(|row| row.get(key));
        figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure} %"))
    };
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let admin = if state.retired { "retired".to_owned() } else { state.admin };
    let mut out = String::new();
    for (name, value) in [
        ("Url", state.url),
        ("State", admin),
        ("Alias of", state.alias_of.unwrap_or_default()),
        ("Health", state.health),
        ("Why", state.why.unwrap_or_default()),
        ("Tags", state.tags.join(",")),
        ("Signed with", state.sign_with.unwrap_or_default()),
        ("Cpu", percent("cpu")),
        ("Mem", percent("mem")),
        ("Meetings", number(state.meetings)),
        ("Participants", number(state.participants)),
    ] {
        if !value.is_empty() {
            let _ = writeln!(out, "{:14}{}", format!("{name}:"), tame(&value));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_stands_a_line_each_and_what_is_not_has_none() {
        let mut state = json!({"url": "http://a/b", "admin": "draining", "health": "dead", "why": "no\x1b[2J",
            "tags": ["x", "y"], "retired": false, "sign_with": "sha1", "meetings": null, "participants": 3});
        let measured = json!({"cpu": 12.5, "mem": 0});
        let expected = "Url:          http://a/b\nState:        draining\nHealth:       dead\nWhy:          no\u{fffd}[2J\n\
                        Tags:         x,y\nSigned with:  sha1\nCpu:          12.5 %\nMem:          0 %\n\
                        Meetings:     -\nParticipants: 3\n";
        assert_eq!(lines(&state, Some(&measured)), Ok(expected.into()));
        state["why"] = Value::Null;
        state["retired"] = json!(true);
        state["alias_of"] = json!("http://c/b");
        let text = lines(&state, None).expect("lines");
        assert!(!text.contains("Why") && text.contains("State:        retired\n"), "{text}");
        assert!(text.contains("Cpu:          -\n"), "{text}");
        assert!(text.contains("Alias of:     http://c/b\n"), "{text}");
    }
}
