//! From line protocol to the points that count.

use std::fmt;

use influxdb_line_protocol::{Error, FieldValue, ParsedLine, parse_lines, split_lines};

use super::super::figure::{Figure, INSTANCE_TAG};
use crate::domain::instance::InstanceId;

/// Longer names are no instance URL or host.
const LONGEST_NAME: usize = 2048;
/// Bad lines that are told in full.
const FAULTS: usize = 10;
/// How much of a bad line is repeated.
const FAULT_TEXT: usize = 256;

/// One value of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub instance: InstanceId,
    pub figure: Figure,
    pub value: f64,
    /// The agent's time in nanoseconds, if it gave one. Counts only against others of the same write.
    pub time: Option<i64>,
}

/// The unit of an agent's times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    Nanos,
    Micros,
    Millis,
    Seconds,
}

impl Precision {
    /// Reads the unit's name in a query.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ns" => Some(Self::Nanos),
            "us" => Some(Self::Micros),
            "ms" => Some(Self::Millis),
            "s" => Some(Self::Seconds),
            _ => None,
        }
    }

    fn nanos(self) -> i64 {
        match self {
            Self::Nanos => 1,
            Self::Micros => 1_000,
            Self::Millis => 1_000_000,
            Self::Seconds => 1_000_000_000,
        }
    }
}

/// What was in a write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The values that count, of all lines that could be read.
    pub points: Vec<Point>,
    /// The lines that could not.
    pub faults: Faults,
}

/// Bad lines, in InfluxDB's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    told: Vec<String>,
    untold: usize,
}

impl Faults {
    /// Whether every line could be read.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    fn add(&mut self, line: &str, why: &str) {
        if self.told.len() == FAULTS {
            self.untold += 1;
            return;
        }
        let shown: String = line.chars().take(FAULT_TEXT).collect();
        let cut = if shown.len() < line.len() { "…" } else { "" };
        self.told.push(format!("unable to parse '{shown}{cut}': {why}"));
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("\n"))?;
        match self.untold {
            0 => Ok(()),
            more => write!(f, "\nand {more} more lines"),
        }
    }
}

/// Reads a write. Lines and fields that do not count are checked and left out.
pub fn parse(text: &str, precision: Precision) -> Parsed {
    let mut parsed = Parsed::default();
    for line in split_lines(text) {
        match parse_lines(line).next() {
            None => {}
            Some(Err(error)) => parsed.faults.add(line.trim_start(), why(line, &error)),
            Some(Ok(read)) => match time(read.timestamp, precision) {
                Ok(time) => parsed.points.extend(points(&read, time)),
                Err(OutOfRange) => parsed.faults.add(line.trim_start(), OUT_OF_RANGE),
            },
        }
    }
    parsed
}

struct OutOfRange;
const OUT_OF_RANGE: &str = "time outside range -9223372036854775806 - 9223372036854775806";

fn time(stamp: Option<i64>, precision: Precision) -> Result<Option<i64>, OutOfRange> {
    stamp.map(|stamp| stamp.checked_mul(precision.nanos()).ok_or(OutOfRange)).transpose()
}

fn points(line: &ParsedLine<'_>, time: Option<i64>) -> Vec<Point> {
    let measurement = line.series.measurement.as_str();
    let instance = line.tag_value(INSTANCE_TAG).map(|tag| tag.as_str());
    let Some(instance) = instance.filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME)
    else {
        return Vec::new();
    };
    let one_core =
        measurement == "cpu" && line.tag_value("cpu").is_none_or(|cpu| *cpu != "cpu-total");
    if one_core || measurement.len() > LONGEST_NAME {
        return Vec::new();
    }
    let instance = InstanceId::new(instance);
    let figures = line.field_set.iter().filter_map(|(field, value)| {
        Some((Figure::named(measurement, field.as_str())?, number(value)?))
    });
    figures
        .map(|(figure, value)| Point { instance: instance.clone(), figure, value, time })
        .collect()
}

fn number(value: &FieldValue<'_>) -> Option<f64> {
    match value {
        FieldValue::I64(value) => Some(*value as f64),
        FieldValue::U64(value) => Some(*value as f64),
        // One that is too large for a float was read as infinite, and would stay so in every mean.
        FieldValue::F64(value) => Some(*value).filter(|value| value.is_finite()),
        FieldValue::Boolean(value) => Some(f64::from(u8::from(*value))),
        FieldValue::String(_) => None,
    }
}

/// InfluxDB's words for what is wrong with a line.
fn why(line: &str, error: &Error) -> &'static str {
    match error {
        Error::MeasurementValueInvalid => "missing measurement",
        Error::TagSetMalformed => "missing tag value",
        _ if !has_fields(line) => "missing fields",
        Error::FieldSetMissing => "invalid field format",
        Error::DuplicateTag { .. } => "duplicate tags",
        Error::IntegerValueInvalid { .. } => "unable to parse integer",
        Error::UIntegerValueInvalid { .. } => "unable to parse unsigned",
        Error::FloatValueInvalid { .. } => "invalid float",
        Error::TimestampValueInvalid { .. } => "bad timestamp",
        Error::CannotParseEntireLine { trailing_content }
            if trailing_content.starts_with([' ', '\r']) =>
        {
            "bad timestamp"
        }
        _ => "point is invalid",
    }
}

/// Whether anything follows the series: a blank that is not escaped, and then more.
fn has_fields(line: &str) -> bool {
    let line = line.trim();
    let bytes = line.as_bytes();
    (1..bytes.len()).any(|n| bytes[n] == b' ' && bytes[n - 1] != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant::TenantId;

    #[track_caller]
    fn check(
        text: &str,
        precision: Precision,
        points: &[(&str, Figure, f64, Option<i64>)],
        faults: &str,
    ) {
        let parsed = parse(text, precision);
        let point = |(instance, figure, value, time): &(&str, Figure, f64, Option<i64>)| Point {
            instance: InstanceId::new(*instance),
            figure: figure.clone(),
            value: *value,
            time: *time,
        };
        assert_eq!(parsed.points, points.iter().map(point).collect::<Vec<_>>());
        assert_eq!(parsed.faults.to_string(), faults);
    }

    #[test]
    fn what_counts_is_found_among_what_telegraf_sends() {
        let text = r#"
cpu,bigblueswarm_host=https://a/b,cpu=cpu-total,host=a usage_user=3.5,usage_system=2.5,usage_idle=94 7
cpu,bigblueswarm_host=https://a/b,cpu=cpu0,host=a usage_system=99 7
cpu,cpu=cpu-total,host=a usage_system=99 7
# a comment
mem,bigblueswarm_host=https://a/b,host=a used_percent=20.5,total=123i,note="a \"quoted\" word" 8
system,bigblueswarm_host=https://a/b n_cpus=8i,load1=0.5

bigbluebutton,bigblueswarm_host=https://a/b meetings=3u,participants=40i,online=1i 9
bigbluebutton:t.example.org:8443,bigblueswarm_host=https://a/b meetings=2i,participants=30i,online=1i 9
disk,bigblueswarm_host=https://a/b used_percent=99 9"#;
        let a = "https://a/b";
        let tenant = TenantId::new("t.example.org:8443");
        let points = [
            (a, Figure::CpuSystem, 2.5, Some(7_000_000)),
            (a, Figure::CpuIdle, 94.0, Some(7_000_000)),
            (a, Figure::Mem, 20.5, Some(8_000_000)),
            (a, Figure::Cores, 8.0, None),
            (a, Figure::Meetings, 3.0, Some(9_000_000)),
            (a, Figure::Participants, 40.0, Some(9_000_000)),
            (a, Figure::Online, 1.0, Some(9_000_000)),
            (a, Figure::TenantMeetings(tenant.clone()), 2.0, Some(9_000_000)),
            (a, Figure::TenantParticipants(tenant), 30.0, Some(9_000_000)),
        ];
        check(text, Precision::Millis, &points, "");
    }

    #[test]
    fn a_bad_line_is_named_and_the_good_ones_are_kept() {
        let good = ("x", Figure::Mem, 1.0, Some(1));
        let text = "mem,bigblueswarm_host=x used_percent=1 1\nbroken line here=\n";
        let fault = "unable to parse 'broken line here=': invalid field format";
        check(text, Precision::Nanos, &[good], fault);
        check("m", Precision::Nanos, &[], "unable to parse 'm': missing fields");
        check(",a=b f=1", Precision::Nanos, &[], "unable to parse ',a=b f=1': missing measurement");
        check("m,a f=1", Precision::Nanos, &[], "unable to parse 'm,a f=1': missing tag value");
        check("m f=1 soon", Precision::Nanos, &[], "unable to parse 'm f=1 soon': bad timestamp");
    }

    #[test]
    fn a_time_that_overflows_its_unit_is_refused() {
        let text = "mem,bigblueswarm_host=x used_percent=1 9223372036854775807";
        let fault = format!("unable to parse '{text}': {OUT_OF_RANGE}");
        check(text, Precision::Seconds, &[], &fault);
        check(text, Precision::Nanos, &[("x", Figure::Mem, 1.0, Some(i64::MAX))], "");
    }

    #[test]
    fn many_bad_lines_and_long_ones_are_told_in_short() {
        let parsed = parse(&"x\n".repeat(1_000), Precision::Nanos);
        let told = parsed.faults.to_string();
        assert_eq!((told.lines().count(), told.lines().last()), (11, Some("and 990 more lines")));
        let long = parse(&"ä".repeat(100_000), Precision::Nanos).faults.to_string();
        assert!(long.len() < 600 && long.ends_with("…': missing fields"), "{long}");
    }
}
