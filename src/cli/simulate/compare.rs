//! `simulate --compare`: what days would have been like under each policy.

use clap::Args;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::table::{Cell as Shown, Form, Table, Tone};
use crate::cli::{Exit, complain};
use crate::sim::fleet::{Cell, Comparison, Outcome, Policy, Profile};

/// The fields of an outcome, for programs.
const FIELDS: [&str; 10] = [
    "policy",
    "profile",
    "servers",
    "peak",
    "overloaded_user_minutes_pct",
    "worst_day_pct",
    "peak_utilisation",
    "max_over_mean",
    "failed_creates",
    "split_meetings",
];
/// The same for people.
const TITLES: [&str; 10] = [
    "Policy",
    "Profile",
    "#Servers",
    "#Peak",
    "#Overloaded %",
    "#Worst day %",
    "#Peak use",
    "#Max/mean",
    "#Failed creates",
    "#Split meetings",
];
/// Percent of overloaded user-minutes that few would notice, and that many would.
const FEW: f64 = 1.0;
const MANY: f64 = 5.0;

/// What a comparison can be told.
#[derive(Clone, Debug, Args)]
pub(super) struct CompareArgs {
    /// How many days of each kind
    #[arg(long, default_value_t = 10, requires = "compare", value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// The seed of the first day; each day is its own, the same on any machine
    #[arg(long, default_value_t = 1000, requires = "compare", value_name = "SEED",
        value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    first_seed: u64,
    /// How many servers, several by commas
    #[arg(long, default_values_t = [5, 20, 100], requires = "compare", value_delimiter = ',', value_name = "N",
        value_parser = clap::value_parser!(u16).range(2..=1000))]
    fleet: Vec<u16>,
    /// Whose days, several by commas
    #[arg(long, default_values_t = Profile::ALL, value_enum, requires = "compare", value_delimiter = ',')]
    profile: Vec<Profile>,
    /// Which policies, several by commas
    #[arg(long, default_values_t = Policy::ALL, value_enum, requires = "compare", value_delimiter = ',')]
    policy: Vec<Policy>,
    /// The most that all meetings need at once, as a part of the fleet's cores
    #[arg(long, default_value_t = 0.65, requires = "compare", value_name = "PART", value_parser = peak)]
    peak: f64,
    #[command(flatten)]
    form: Form,
}

pub(super) fn run(args: &CompareArgs) -> Exit {
    print(args.form, &args.comparison().outcomes()).unwrap_or_else(|failure| {
        complain(&failure.to_string());
        Exit::from(&failure)
    })
}

impl CompareArgs {
    fn comparison(&self) -> Comparison {
        let cell = |profile, servers: &u16| Cell { profile, servers: usize::from(*servers) };
        let cells = self.profile.iter();
        Comparison {
            policies: self.policy.clone(),
            cells: cells.flat_map(|&p| self.fleet.iter().map(move |n| cell(p, n))).collect(),
            peak: self.peak,
            seeds: self.first_seed..self.first_seed + self.seeds,
        }
    }
}

fn print(form: Form, outcomes: &[Outcome]) -> Result<Exit, Failure> {
    let broken = |error: serde_json::Error| Failure::Fault(format!("JSON can't be made: {error}"));
    let json = serde_json::to_value(outcomes).map_err(broken)?;
    let mut table = Table::new(if form.is_for_programs() { &FIELDS } else { &TITLES });
    for (outcome, fields) in outcomes.iter().zip(json.as_array().into_iter().flatten()) {
        let texts = FIELDS.map(|field| text(&fields[field]));
        let mut cells = texts.map(Shown::from);
        let [.., overloaded, _, _, _, failed, split] = &mut cells;
        *overloaded = Shown::toned(text(&fields[FIELDS[4]]), tone(outcome));
        for (cell, count) in [(failed, outcome.failed_creates), (split, outcome.split_meetings)] {
            let tone = if count == 0 { Tone::Plain } else { Tone::Bad };
            *cell = Shown::toned(count, tone);
        }
        table.row(cells);
    }
    form.print(&table, &json)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn tone(outcome: &Outcome) -> Tone {
    match outcome.overloaded_user_minutes_pct {
        few if few <= FEW => Tone::Good,
        some if some <= MANY => Tone::Doubtful,
        _ => Tone::Bad,
    }
}

/// Reads a part of a fleet's cores.
fn peak(text: &str) -> Result<f64, String> {
    let bounds = 0.05..=2.0;
    let peak = text.parse().ok().filter(|peak| bounds.contains(peak));
    peak.ok_or_else(|| "expected a part from 0.05 to 2, such as 0.65".to_owned())
}
