//! What keys must say together, and what is allowed but worth a word.

use std::time::Duration;

use super::draft::Draft;
use super::field::Field;
use super::keys::Key;
use super::sheet::{Raw, Sheet};
use super::text;
use super::{Config, CpuMetric};

const SHORT: usize = 16;

/// Looks at the whole after every key was read by itself.
pub(super) fn check(sheet: &mut Sheet, draft: &mut Draft) {
    required(sheet);
    redis(sheet, draft);
    together(
        sheet,
        "influxdb",
        &["influxdb.address", "influxdb.token", "influxdb.organization", "influxdb.bucket"],
    );
    ordered(sheet, &draft.config);
    short_secrets(sheet);
    cpu_metric(sheet, draft);
    remarks(sheet, draft);
}

/// Whether a key was left out; not when it stands there and is wrong, or may stand where reading ended.
fn is_missing(sheet: &Sheet, path: &str) -> bool {
    !is_given(sheet, path) && !sheet.is_faulty(path) && !sheet.broken
}

fn is_given(sheet: &Sheet, path: &str) -> bool {
    sheet.given.contains_key(path)
}

fn required(sheet: &mut Sheet) {
    for path in ["bigblueswarm.secret", "admin.apiKey"] {
        if is_missing(sheet, path) {
            sheet.fault_at(path, "is missing: expected a text that is hard to guess");
        }
    }
}

/// A section of which anything is given needs all of these; a flag alone asks for nothing.
fn together(sheet: &mut Sheet, section: &str, paths: &[&str]) {
    let asks = |key: &Key| key.section == section && !matches!(key.field, Field::Flag(_));
    let any = sheet.given.values().any(|given| asks(given.key));
    for path in paths {
        if any && is_missing(sheet, path) {
            sheet.fault_at(
                path,
                format!("is missing: section {section} needs it, or leave out the whole section"),
            );
        }
    }
}

/// One way to one Redis.
fn redis(sheet: &mut Sheet, draft: &Draft) {
    const WAYS: [&str; 3] = ["redis.address", "redis.sentinels", "redis.cluster"];
    let given: Vec<_> = WAYS.into_iter().filter(|path| is_given(sheet, path)).collect();
    if given.is_empty() {
        together(sheet, "redis", &WAYS[..1]);
    }
    for path in given.iter().skip(1) {
        sheet.fault_at(path, format!("can't stand beside {}: keep one of them", given[0]));
    }
    let of_sentinels = ["redis.sentinelMaster", "redis.sentinelUsername", "redis.sentinelPassword"];
    if given.contains(&"redis.sentinels") {
        if is_missing(sheet, of_sentinels[0]) {
            let what = "is missing: expected what the Sentinels call the master, such as mymaster";
            sheet.fault_at(of_sentinels[0], what);
        }
    } else {
        for path in of_sentinels {
            if is_given(sheet, path) {
                sheet.fault_at(path, "is for redis.sentinels, which is not given");
            }
        }
    }
    if given.contains(&"redis.cluster") && draft.redis.database != 0 {
        sheet.fault_at("redis.database", "must be 0: a Cluster has no other database");
    }
    let encrypted = draft.redis.address.as_ref().is_some_and(|url| url.starts_with("rediss://"));
    if is_given(sheet, "redis.ca") && !draft.redis.tls && !encrypted {
        sheet.fault_at("redis.ca", "is of no use without redis.tls: true");
    }
}

fn ordered(sheet: &mut Sheet, config: &Config) {
    let deadlines = &config.deadlines;
    let pairs = [
        ("deadlines.attempt", deadlines.attempt, "deadlines.create", deadlines.create),
        ("deadlines.connect", deadlines.connect, "deadlines.attempt", deadlines.attempt),
        ("deadlines.connect", deadlines.connect, "deadlines.firstByte", deadlines.first_byte),
        (
            "deadlines.connect",
            deadlines.connect,
            "deadlines.insertDocument",
            deadlines.insert_document,
        ),
    ];
    for (inner, length, outer, whole) in pairs {
        let sound = !sheet.is_faulty(inner) && !sheet.is_faulty(outer);
        if length > whole && sound {
            let place = if is_given(sheet, inner) { inner } else { outer };
            let [length, whole] = [length, whole].map(text::show_duration);
            sheet.fault_at(
                place,
                format!("{inner} ({length}) must not be longer than {outer} ({whole})"),
            );
        }
    }
}

fn short_secrets(sheet: &mut Sheet) {
    for path in ["bigblueswarm.secret", "admin.apiKey", "admin.ingestToken"] {
        let short = |raw: &Raw| matches!(raw, Raw::One(text) if text.chars().count() < SHORT);
        if sheet.given.get(path).is_some_and(|given| short(&given.raw)) {
            sheet.warn_at(path, "has fewer than 16 characters and may be guessed");
        }
    }
}

/// Who set a limit for `usage_system` keeps that figure until they say otherwise.
fn cpu_metric(sheet: &mut Sheet, draft: &mut Draft) {
    let limited = match sheet.given.get("balancer.cpuLimit").map(|given| &given.raw) {
        Some(Raw::One(text)) => matches!(text::percent(text), Ok(Some(_))),
        _ => false,
    };
    if limited && !is_given(sheet, "balancer.cpuMetric") {
        draft.config.balancer.cpu_metric = CpuMetric::System;
        let what = "limits usage_system, as in v3, which leaves out user time: set balancer.cpuMetric to total \
                    (and look at the limit again) or to system to keep it";
        sheet.warn_at("balancer.cpuLimit", what);
    }
}

fn remarks(sheet: &mut Sheet, draft: &Draft) {
    let health = &draft.config.health;
    if health.probe_timeout > health.probe_interval {
        sheet.warn_at(
            "health.probeTimeout",
            "is longer than health.probeInterval, so a hanging instance is noticed late",
        );
    }
    if draft.redis.is_used() && is_given(sheet, "store.path") {
        sheet.warn_at("store.path", "is not used, as there is a section redis");
    }
    if draft.config.http.trusted_proxies.iter().any(|net| net.prefix_len() == 0) {
        sheet.warn_at(
            "http.trustedProxies",
            "trusts everyone, so anyone can name any tenant by X-Forwarded-Host",
        );
    }
    if draft.config.balancer.metrics_range < Duration::from_secs(30) {
        sheet
            .warn_at("balancer.metricsRange", "is so short that agents may not have written in it");
    }
}
