//! `simulate --compare`: what days would have been like under each policy.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::table::{Cell as Shown, Form, Table, Tone};
use crate::cli::{Exit, complain};
use crate::domain::placement::{COMFORT, RISK};
use crate::sim::fleet::{Cell, Circumstances, Comparison, Day, Outcome, Policy, Profile, trace};

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
    /// A day of your own: meetings as CSV with the columns created, ended (2026-03-02T08:59:30), users and
    /// webcams, in the order of created; with a column room, what a room did earlier that day is known
    #[arg(long, value_name = "FILE", requires_all = ["compare", "cores"],
        conflicts_with_all = ["fleet", "profile", "peak"])]
    trace: Option<PathBuf>,
    /// The servers for that day: how many cores each has, such as 8,8,16
    #[arg(long, value_name = "CORES", requires = "trace", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=4096))]
    cores: Vec<u16>,
    /// Balancers don't know what a room did the last time
    #[arg(long, requires = "compare")]
    without_history: bool,
    /// Each meeting really costs more or less than its users and webcams tell, by a factor of this sigma
    #[arg(long, default_value_t = 0.0, requires = "compare", value_name = "SIGMA", value_parser = cost_error)]
    cost_error: f64,
    /// So many balancers share the creates and hear of each other's meetings by sweeps alone
    #[arg(long, default_value_t = 1, requires = "compare", value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=100))]
    balancers: u16,
    /// Let `predictive` count so many standard deviations of what meetings may come to (balancer.risk)
    #[arg(long, default_value_t = RISK, requires = "compare", value_name = "N", value_parser = risk)]
    risk: f64,
    /// Let load above this percentage of a server's cores weigh more for `predictive` (balancer.comfort)
    #[arg(long, default_value_t = COMFORT * 100.0, requires = "compare", value_name = "PERCENT", value_parser = comfort)]
    comfort: f64,
    /// Draw how busy each server was on the first of these days, under each policy
    #[arg(long, value_name = "FILE", requires = "compare")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
}

pub(super) fn run(args: &CompareArgs) -> Exit {
    compare(args).unwrap_or_else(|failure| {
        complain(&failure.to_string());
        Exit::from(&failure)
    })
}

fn compare(args: &CompareArgs) -> Result<Exit, Failure> {
    let comparison = args.comparison()?;
    if let Some(path) = &args.svg {
        fs::write(path, comparison.svg()).map_err(|error| wrong(path, error))?;
    }
    print(args.form, &comparison.outcomes())
}

impl CompareArgs {
    fn comparison(&self) -> Result<Comparison, Failure> {
        let cells = match &self.trace {
            Some(path) => vec![Cell::Trace(Arc::new(self.day(path)?))],
            None => self.models(),
        };
        let seeds = self.first_seed..self.first_seed + self.seeds;
        let circumstances = self.circumstances();
        Ok(Comparison { policies: self.policy.clone(), cells, seeds, circumstances })
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            history: !self.without_history,
            cost_error: self.cost_error,
            balancers: usize::from(self.balancers),
            risk: self.risk,
            comfort: self.comfort / 100.0,
        }
    }

    fn models(&self) -> Vec<Cell> {
        let model = |profile, servers: u16| Cell::Model {
            profile,
            servers: usize::from(servers),
            peak: self.peak,
        };
        let of_profile = |&profile| self.fleet.iter().map(move |&servers| model(profile, servers));
        self.profile.iter().flat_map(of_profile).collect()
    }

    fn day(&self, path: &Path) -> Result<Day, Failure> {
        let text = fs::read(path).map_err(|error| wrong(path, error))?;
        let cores: Vec<_> = self.cores.iter().copied().map(f64::from).collect();
        trace::read(&text, &cores).map_err(|bad| wrong(path, bad))
    }
}

fn wrong(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::Wrong(format!("{}: {why}", path.display()))
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
    number(text, 0.05..=2.0, "a part from 0.05 to 2, such as 0.65")
}

/// Reads how far costs are from what is taken for them.
fn cost_error(text: &str) -> Result<f64, String> {
    number(text, 0.0..=2.0, "a sigma from 0 to 2, such as 0.3")
}

fn risk(text: &str) -> Result<f64, String> {
    number(text, 0.0..=4.0, "a number from 0 to 4")
}

fn comfort(text: &str) -> Result<f64, String> {
    number(text, 1.0..=100.0, "a percentage from 1 to 100")
}

fn number(text: &str, bounds: RangeInclusive<f64>, expected: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| format!("expected {expected}"))
}
