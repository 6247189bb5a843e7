//! `explain`: where a tenant's next meeting would go, and why.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::get::hosts;
use super::{Admin, Reach};
use crate::cli::failure::Failure;
use crate::cli::table::{Cell, Form, Table, Tone};
use crate::cli::{Exit, Surroundings, complain};

/// What `explain` can be told.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ExplainArgs {
    /// Whose meeting it would be; without it, every tenant's
    #[arg(long, value_name = "HOST")]
    tenant: Option<String>,
    /// The server tag that its create would ask for, such as blue or blue!
    #[arg(long)]
    tag: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Deserialize)]
struct Explanation {
    tenant: String,
    blind: bool,
    instances: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    instance: String,
    rank: Option<u64>,
    score: Option<f64>,
    why: String,
    terms: Option<Terms>,
}

/// What a score comes from, in cores.
#[derive(Deserialize)]
struct Terms {
    cores: f64,
    measured: f64,
    meetings: f64,
    pending: f64,
    history: f64,
    variance: f64,
}

const COLUMNS: [&str; 11] = [
    "Tenant",
    "#Rank",
    "Instance",
    "#Score",
    "#Cores",
    "#Measured",
    "#Meetings",
    "#Pending",
    "#History",
    "#Variance",
    "Why",
];

pub(super) async fn run(args: &ExplainArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let hosts = match &args.tenant {
        Some(host) => vec![host.clone()],
        None => hosts(&admin).await?,
    };
    let mut said = Vec::new();
    for host in &hosts {
        let mut query = vec![("tenant", &**host)];
        query.extend(args.tag.as_deref().map(|tag| ("tag", tag)));
        said.push(admin.get::<Value>(&["placement"], &query).await?);
    }
    let explanations: Vec<Explanation> =
        said.iter().filter_map(|one| Explanation::deserialize(one).ok()).collect();
    if explanations.iter().any(|one| one.blind) && !args.form.is_for_programs() {
        complain("no candidate was measured of late: the number of meetings decides");
    }
    // One tenant's is as the balancer gave it.
    let json = match (&args.tenant, said.pop()) {
        (Some(_), Some(only)) => only,
        (_, last) => said.into_iter().chain(last).collect(),
    };
    args.form.print(&table(&explanations), &json)
}

fn table(explanations: &[Explanation]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for one in explanations {
        for verdict in &one.instances {
            let rank = match verdict.rank {
                Some(1) => Cell::toned(1, Tone::Good),
                Some(rank) => rank.into(),
                None => Cell::toned("-", Tone::Bad),
            };
            let shown = |number: Option<f64>| -> Cell {
                number.map_or("-".into(), |number| format!("{number:.2}")).into()
            };
            let term = |of: fn(&Terms) -> f64| shown(verdict.terms.as_ref().map(of));
            table.row([
                (&one.tenant).into(),
                rank,
                (&verdict.instance).into(),
                shown(verdict.score),
                term(|terms| terms.cores),
                term(|terms| terms.measured),
                term(|terms| terms.meetings),
                term(|terms| terms.pending),
                term(|terms| terms.history),
                term(|terms| terms.variance),
                (&verdict.why).into(),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first_and_who_is_not_taken_has_no_rank() {
        let json = r#"[{"tenant":"t","blind":false,"policy":"predictive","instances":[
            {"instance":"http://a","rank":1,"score":32.456,"why":"cpu 12","terms":{"cores":8,"cores_assumed":false,"measured":1.5,
             "meetings":1.25,"correction":1.1,"other":0,"pending":0.6,"history":2,"variance":0.9}},{"instance":"http://b","rank":null,"score":null,"why":"dead"}]}]"#;
        let explanations: Vec<Explanation> = serde_json::from_str(json).unwrap();
        let expected = "\
Tenant  Rank  Instance  Score  Cores  Measured  Meetings  Pending  History  Variance  Why
t          1  http://a  32.46   8.00      1.50      1.25     0.60     2.00      0.90  cpu 12
t          -  http://b      -      -         -         -        -        -         -  dead
";
        let plain = anstream::adapter::strip_str(&table(&explanations).aligned()).to_string();
        assert_eq!(plain, expected);
    }
}
