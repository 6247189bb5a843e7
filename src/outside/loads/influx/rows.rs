//! From InfluxDB's rows to a snapshot.

use std::time::Duration;

use influxdb2::api::query::FluxRecord;
use influxdb2_structmap::value::Value;

use super::super::figure::{Figure, INSTANCE_TAG, busy, tenant};
use super::flux::Query;
use crate::config::CpuMetric;
use crate::determinism::HashMap;
use crate::domain::instance::InstanceId;
use crate::domain::load::{Load, LoadSnapshot, count, percent};
use crate::domain::moment::Moment;

/// Makes one snapshot of the answers to all questions, asked at `read_at`.
pub(super) fn snapshot(
    answers: &[(Query, Vec<FluxRecord>)],
    read_at: Moment,
    cpu: CpuMetric,
) -> LoadSnapshot {
    let mut snapshot = LoadSnapshot { read_at: Some(read_at), ..LoadSnapshot::default() };
    for (query, rows) in answers {
        match query {
            Query::CpuMean => means(rows, &mut snapshot, |load, mean| load.cpu = busy(cpu, mean)),
            Query::MemMean => means(rows, &mut snapshot, |load, mean| load.mem = percent(mean)),
            Query::Beat | Query::Bbb | Query::Cores => newest(rows, &mut snapshot, read_at),
            Query::Tenants => tenants(rows, &mut snapshot),
        }
    }
    snapshot
}

fn means(rows: &[FluxRecord], into: &mut LoadSnapshot, put: impl Fn(&mut Load, f64)) {
    for row in rows {
        if let (Some(instance), Some(mean)) = (instance(row), number(row)) {
            put(into.loads.entry(instance).or_default(), mean);
        }
    }
}

/// The newest row of each figure counts: an agent that changed its name leaves two for a while.
fn newest(rows: &[FluxRecord], into: &mut LoadSnapshot, read_at: Moment) {
    let mut found: HashMap<(InstanceId, &str, &str), (Duration, f64)> = HashMap::default();
    for row in rows {
        let names = (instance(row), text(row, "_measurement"), text(row, "_field"));
        let (Some(instance), Some(measurement), Some(field)) = names else { continue };
        let (Some(age), Some(value)) = (age(row), number(row)) else { continue };
        let newest = found.entry((instance, measurement, field)).or_insert((age, value));
        if age < newest.0 {
            *newest = (age, value);
        }
    }
    for ((instance, measurement, field), (age, value)) in found {
        let load = into.loads.entry(instance).or_default();
        load.heard(read_at.before(age));
        if let Some(figure) = Figure::named(measurement, field) {
            figure.put(value, load);
        }
    }
}

fn tenants(rows: &[FluxRecord], into: &mut LoadSnapshot) {
    for row in rows {
        let Some(tenant) = text(row, "_measurement").and_then(tenant) else { continue };
        let Some(sum) = number(row).and_then(count) else { continue };
        let usage = into.tenants.entry(tenant).or_default();
        match text(row, "_field") {
            Some("meetings") => usage.meetings = sum,
            Some("participants") => usage.participants = sum,
            _ => {}
        }
    }
}

fn instance(row: &FluxRecord) -> Option<InstanceId> {
    text(row, INSTANCE_TAG).map(InstanceId::new)
}

fn text<'a>(row: &'a FluxRecord, column: &str) -> Option<&'a str> {
    match row.values.get(column) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn number(row: &FluxRecord) -> Option<f64> {
    match row.values.get("_value")? {
        Value::Double(value) => Some(**value),
        Value::Long(value) => Some(*value as f64),
        Value::UnsignedLong(value) => Some(*value as f64),
        _ => None,
    }
}

/// How old a point is by the database's own clock; none of ours and no agent's takes part.
fn age(row: &FluxRecord) -> Option<Duration> {
    match (row.values.get("_stop")?, row.values.get("_time")?) {
        (Value::TimeRFC(stop), Value::TimeRFC(time)) => {
            Some((*stop - *time).to_std().unwrap_or_default())
        }
        _ => None,
    }
}
