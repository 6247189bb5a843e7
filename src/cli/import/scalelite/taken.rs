//! What becomes of Scalelite's servers and tenants here.

use std::collections::BTreeMap;

use super::{Fields, Found, Output, Plan, Server, Tenant};
use crate::domain::rules;
use crate::domain::tenant::TenantSpec;

/// What is known of a server and needs no word: its figures, and what is read below.
const SERVER_FIELDS: [&str; 12] = [
    "url",
    "secret",
    "tag",
    "enabled",
    "state",
    "load_multiplier",
    "online",
    "load",
    "meetings",
    "users",
    "largest_meeting",
    "videos",
];

/// What becomes of all that was found.
pub(super) fn plan(found: &Found, output: &Output) -> Plan {
    let mut plan = Plan::default();
    found.servers.iter().for_each(|server| take_server(&mut plan, server));
    found.tenants.iter().for_each(|tenant| take_tenant(&mut plan, tenant, output));
    if found.servers.iter().any(|server| text(&server.fields, "tag").is_some()) {
        plan.remark(
            "tags: there, a create that asks for no tag gets a server without one; here it gets any server"
                .into(),
        );
    }
    if found.tenants.is_empty() {
        let domain = output.domain.as_deref().filter(|domain| !domain.is_empty());
        if let Some(domain) = domain {
            let spec = TenantSpec { host: domain.to_owned(), ..TenantSpec::default() };
            plan.tenant(domain, spec, Vec::new());
        }
        plan.remark(
            "the secret of its clients (LOADBALANCER_SECRET) is not in Redis: put it into \
             bigblueswarm.secret of the configuration, or into a tenant"
                .into(),
        );
    }
    plan
}

/// A field that is there and not empty.
fn text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn take_server(plan: &mut Plan, server: &Server) {
    let (id, fields) = (&server.id, &server.fields);
    let state =
        text(fields, "state").unwrap_or(if server.enabled { "enabled" } else { "disabled" });
    if fields.is_empty() {
        return plan.lost("server", id, "nothing is stored of it", "nothing is stored of them");
    }
    if state == "disabled" {
        return plan.lost("server", id, "it is disabled there", "they are disabled there");
    }
    let url = text(fields, "url").unwrap_or_default();
    let Some(url) = plan.server(id, url, text(fields, "secret").unwrap_or_default()) else {
        return;
    };
    if state != "enabled" {
        plan.drain(&url, state);
    }
    if let Some(tag) = text(fields, "tag") {
        let tags = tag.split([';', ',']).map(str::trim).filter(|tag| !tag.is_empty());
        plan.tag(&url, &tags.collect::<Vec<_>>());
    }
    let is_one = |factor: &str| factor.parse::<f64>().is_ok_and(|factor| factor == 1.0);
    if let Some(factor) = text(fields, "load_multiplier").filter(|factor| !is_one(factor)) {
        let what = format!("load_multiplier {factor}; here its measured load counts");
        plan.lost("server", id, &what, "load_multiplier; here their measured load counts");
    }
    let further = fields.keys().filter(|name| !SERVER_FIELDS.contains(&name.as_str()));
    let further: Vec<&str> = further.map(String::as_str).collect();
    if !further.is_empty() {
        plan.lost("server", id, &format!("field {}", further.join(", ")), "further fields");
    }
}

fn take_tenant(plan: &mut Plan, tenant: &Tenant, output: &Output) {
    let (id, fields) = (&tenant.id, &tenant.fields);
    let Some(name) = text(fields, "name") else {
        return plan.remark(format!("tenant {id}: it has no name"));
    };
    let mut secrets = text(fields, "secrets").into_iter().flat_map(|all| all.split(':'));
    let mut secrets = secrets.by_ref().filter(|secret| !secret.is_empty()).map(str::to_owned);
    let Some(secret) = secrets.next() else {
        return plan.remark(format!("tenant {name}: it has no secret"));
    };
    let host = output.host(name);
    let mut spec = TenantSpec {
        host,
        secret: Some(secret),
        secrets: secrets.collect(),
        ..TenantSpec::default()
    };
    let mut remarks = Vec::new();
    for setting in &tenant.settings {
        if let Err(why) = take_setting(&mut spec, setting) {
            remarks.push(format!("tenant {name}: {why}"));
        }
    }
    plan.remarks.extend(remarks);
    let further = fields.keys().filter(|key| !matches!(key.as_str(), "name" | "secrets"));
    let further: Vec<&str> = further.map(String::as_str).collect();
    if !further.is_empty() {
        plan.lost("tenant", name, &format!("field {}", further.join(", ")), "further fields");
    }
    plan.tenant(name, spec, Vec::new());
}

/// Takes a setting of a tenant in. There each one goes for create and for join.
fn take_setting(spec: &mut TenantSpec, setting: &Fields) -> Result<(), String> {
    let param = text(setting, "param").ok_or("a setting without a parameter")?;
    let value = setting.get("value").cloned().unwrap_or_default();
    let is_override = text(setting, "override") == Some("true");
    let ruled = TenantSpec {
        host: "probe".into(),
        create_overrides: BTreeMap::from([(param.to_owned(), value.clone())]),
        join_overrides: BTreeMap::from([(param.to_owned(), value.clone())]),
        ..TenantSpec::default()
    };
    let faults = rules::faults(&ruled);
    for (call, defaults, overrides) in [
        ("create", &mut spec.create_defaults, &mut spec.create_overrides),
        ("join", &mut spec.join_defaults, &mut spec.join_overrides),
    ] {
        if faults.iter().any(|fault| fault.starts_with(&format!("spec.{call}_"))) {
            continue;
        }
        let into = if is_override { overrides } else { defaults };
        into.insert(param.to_owned(), value.clone());
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("setting {param}: {}", faults.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn server(id: &str, enabled: bool, pairs: &[(&str, &str)]) -> Server {
        Server { id: id.into(), fields: fields(pairs), enabled }
    }

    fn output(domain: Option<&str>) -> Output {
        use clap::Parser;
        #[derive(Parser)]
        struct Only {
            #[command(flatten)]
            output: Output,
        }
        let domain = domain.iter().flat_map(|domain| ["--domain", domain]);
        Only::parse_from(std::iter::once("import").chain(domain)).output
    }

    /// What becomes of these servers: URLs, remarks, steps.
    #[track_caller]
    fn check(servers: &[Server], urls: &[&str], remarks: &[&str], steps: &[&str]) {
        let mut plan = Plan::default();
        servers.iter().for_each(|server| take_server(&mut plan, server));
        let taken: Vec<&String> = plan.instances.keys().collect();
        assert_eq!(taken, urls);
        assert_eq!(
            (plan.remarks.as_slice(), plan.steps.as_slice()),
            (&words(remarks)[..], &words(steps)[..])
        );
    }

    fn words(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn servers_come_with_their_state_and_tag() {
        let url = ("url", "https://a/bigbluebutton/api/");
        let a = "https://a/bigbluebutton";
        check(
            &[server(
                "1",
                true,
                &[url, ("secret", "s"), ("online", "true"), ("load_multiplier", "1.0")],
            )],
            &[a],
            &[],
            &[],
        );
        check(
            &[server(
                "1",
                false,
                &[
                    url,
                    ("secret", "s"),
                    ("state", "cordoned"),
                    ("tag", "blue"),
                    ("load_multiplier", "2"),
                ],
            )],
            &[a],
            &["server 1: load_multiplier 2; here its measured load counts"],
            &[
                "bigblueswarm drain https://a/bigbluebutton # it is cordoned there",
                "bigblueswarm tag https://a/bigbluebutton blue",
            ],
        );
        check(
            &[server("1", true, &[url, ("state", "disabled")])],
            &[],
            &["server 1: it is disabled there"],
            &[],
        );
        check(&[server("1", false, &[url])], &[], &["server 1: it is disabled there"], &[]);
    }

    #[test]
    fn servers_that_say_too_little_are_left_out() {
        check(&[server("1", true, &[])], &[], &["server 1: nothing is stored of it"], &[]);
        check(
            &[server("1", true, &[("url", "https://a/x")])],
            &[],
            &[r#"server 1: instance URL "https://a/x": the secret is empty"#],
            &[],
        );
        check(
            &[server("1", true, &[("secret", "s")])],
            &[],
            &[r#"server 1: instance URL "": must start with http:// or https://"#],
            &[],
        );
        let twice = [("url", "https://a/x/api"), ("secret", "s"), ("new", "1")];
        check(
            &[server("1", true, &twice[..2]), server("2", true, &twice)],
            &["https://a/x"],
            &["server 2: https://a/x is there twice; one secret was kept", "server 2: field new"],
            &[],
        );
    }

    #[test]
    fn tenants_come_with_all_their_secrets_and_settings() {
        let setting =
            |param, value, over| fields(&[("param", param), ("value", value), ("override", over)]);
        let tenant = Tenant {
            id: "7".into(),
            fields: fields(&[("name", "blue"), ("secrets", "s:t::u"), ("lrs_endpoint", "x")]),
            settings: vec![
                setting("record", "true", "false"),
                setting("logo", "l", "true"),
                setting("redirect", "no", "true"),
                setting("checksum", "x", "true"),
                fields(&[]),
            ],
        };
        let found = Found { servers: Vec::new(), tenants: vec![tenant, Tenant::default()] };
        let plan = plan(&found, &output(Some("sl.example.org")));
        let spec = &plan.tenants[0].spec;
        assert_eq!(
            (&*spec.host, spec.secret.as_deref(), spec.secrets.len()),
            ("blue.sl.example.org", Some("s"), 2)
        );
        assert_eq!(spec.create_defaults, fields(&[("record", "true")]));
        assert_eq!(spec.join_defaults, fields(&[("record", "true")]));
        assert_eq!(spec.create_overrides, fields(&[("logo", "l"), ("redirect", "no")]));
        assert_eq!(spec.join_overrides, fields(&[("logo", "l")]));
        let starts = [
            "tenant blue: setting redirect: spec.join_overrides",
            "tenant blue: setting checksum: spec.create_overrides",
            "tenant blue: a setting without",
            "tenant blue: field lrs_endpoint",
            "tenant : it has no name",
        ];
        assert_eq!(plan.remarks.len(), starts.len(), "{:?}", plan.remarks);
        assert!(
            plan.remarks.iter().zip(starts).all(|(said, start)| said.starts_with(start)),
            "{:?}",
            plan.remarks
        );
        assert!(!format!("{plan:?}").contains("\"s\""), "no secret is shown");
    }

    #[test]
    fn without_tenants_the_domain_is_the_only_one() {
        let one = Found { servers: vec![Server::default()], tenants: Vec::new() };
        let alone = plan(&one, &output(Some("sl.example.org")));
        assert_eq!(alone.tenants[0].spec.host, "sl.example.org");
        assert!(alone.remarks.iter().any(|remark| remark.contains("LOADBALANCER_SECRET")));
        assert!(plan(&one, &output(None)).tenants.is_empty());
    }
}
