//! The questions to InfluxDB, in Flux.

use std::time::Duration;

use super::super::figure::cpu_field;
use crate::config::CpuMetric;

/// The most rows of one answer: thousands of instances, or of tenants.
const ROWS: usize = 20_000;
/// What is read of a newest value.
const COLUMNS: &str =
    r#"["_stop", "_time", "_value", "_field", "_measurement", "bigblueswarm_host"]"#;

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// Mean of the chosen processor field, by instance.
    CpuMean,
    /// Mean of used memory, by instance.
    MemMean,
    /// When the newest of these two was written: a mean has lost its times.
    Beat,
    /// Newest figures of the BBB plugin, by instance.
    Bbb,
    /// Newest number of cores, by instance.
    Cores,
    /// Newest figures by tenant, summed over instances.
    Tenants,
}

impl Query {
    pub(super) const ALL: [Self; 6] =
        [Self::CpuMean, Self::MemMean, Self::Beat, Self::Bbb, Self::Cores, Self::Tenants];

    /// The text of the question; `bucket` goes in as a literal.
    pub(super) fn flux(self, bucket: &str, range: Duration, cpu: CpuMetric) -> String {
        let cpu_field = cpu_field(cpu);
        let cpu = format!(
            r#"r._measurement == "cpu" and r._field == "{cpu_field}" and r.cpu == "cpu-total""#
        );
        let mem = r#"r._measurement == "mem" and r._field == "used_percent""#;
        let (wanted, summed) = match self {
            Self::CpuMean => (cpu, MEAN.to_owned()),
            Self::MemMean => (mem.to_owned(), MEAN.to_owned()),
            Self::Beat => (format!("({cpu}) or ({mem})"), newest()),
            Self::Bbb => (BBB.to_owned(), newest()),
            Self::Cores => (CORES.to_owned(), newest()),
            Self::Tenants => (TENANTS.to_owned(), TENANT_SUMS.to_owned()),
        };
        let (bucket, millis) = (literal(bucket), range.as_millis());
        format!(
            "from(bucket: {bucket}) |> range(start: -{millis}ms) \
             |> filter(fn: (r) => exists r.bigblueswarm_host and ({wanted})) \
             {summed} |> limit(n: {ROWS})"
        )
    }
}

const MEAN: &str = r#"|> group(columns: ["bigblueswarm_host"]) |> mean() |> group()"#;
const BBB: &str = r#"r._measurement == "bigbluebutton" and (r._field == "online" or r._field == "meetings" or r._field == "participants")"#;
const CORES: &str = r#"r._measurement == "system" and r._field == "n_cpus""#;
const TENANTS: &str = r#"r._measurement =~ /^bigbluebutton:./ and (r._field == "meetings" or r._field == "participants")"#;
/// Sums in the database, since tenants times instances may be many; without what can be no count.
const TENANT_SUMS: &str = r#"|> last() |> toFloat() |> filter(fn: (r) => r._value >= 0.0 and r._value <= 1000000.0) |> group(columns: ["_measurement", "_field"]) |> sum() |> group()"#;

/// The newest point of every series. They are made floats first, since a table holds one type only.
fn newest() -> String {
    format!("|> last() |> toFloat() |> group() |> keep(columns: {COLUMNS})")
}

/// A text as Flux reads it literally: `${` would begin an expression.
fn literal(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', r#"\""#).replace("${", r"\${");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(literal(text), expected);
    }

    #[test]
    fn a_bucket_can_not_leave_its_literal() {
        check("bucket", r#""bucket""#);
        check(r#"x") |> drop(columns: ["_value"#, r#""x\") |> drop(columns: [\"_value""#);
        check(r"x\", r#""x\\""#);
        check(r#"x\""#, r#""x\\\"""#);
        check("${now()}", r#""\${now()}""#);
        check("\\${x}", r#""\\\${x}""#);
    }

    #[test]
    fn every_question_has_a_range_and_a_limit() {
        for query in Query::ALL {
            let flux = query.flux("b", Duration::from_secs(300), CpuMetric::Total);
            assert!(flux.starts_with(r#"from(bucket: "b") |> range(start: -300000ms) |> filter("#));
            assert!(
                flux.ends_with("|> group() |> limit(n: 20000)")
                    || flux.contains("|> group() |> keep("),
                "{flux}"
            );
            assert!(flux.ends_with("|> limit(n: 20000)"), "{flux}");
        }
    }

    #[test]
    fn the_processor_figure_is_the_chosen_one() {
        let flux = |cpu| Query::CpuMean.flux("b", Duration::from_secs(1), cpu);
        assert!(
            flux(CpuMetric::System)
                .contains(r#"r._field == "usage_system" and r.cpu == "cpu-total""#)
        );
        assert!(
            flux(CpuMetric::Total).contains(r#"r._field == "usage_idle" and r.cpu == "cpu-total""#)
        );
    }
}
