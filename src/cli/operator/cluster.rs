//! `cluster-info`: the whole pool at a glance.

use clap::Args;
use serde::Deserialize;
use serde_json::{Number, Value};

use super::{Admin, Reach};
use crate::cli::failure::Failure;
use crate::cli::table::{Cell, Form, Table, Tone, say_styled};
use crate::cli::{Exit, Surroundings};

/// What `cluster-info` can be told.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ClusterArgs {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Deserialize)]
struct Row {
    host: String,
    cpu: Number,
    mem: Number,
    meetings: u64,
    participants: u64,
    api_status: String,
}

pub(super) async fn run(args: &ClusterArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    let listed: Vec<Value> = admin.get(&["cluster"], &[]).await?;
    let rows: Vec<Row> = listed.iter().filter_map(|row| Row::deserialize(row).ok()).collect();
    let table = table(&rows);
    admin.warn(None).await?;
    if args.form.is_for_programs() {
        return args.form.print(&table, &Value::from(listed));
    }
    let summary = summary(admin.is_up().await?, &rows);
    Ok(say_styled(&format!("{summary}\n{}", table.aligned())))
}

fn summary(is_up: bool, rows: &[Row]) -> String {
    let api = if is_up { "Up" } else { "Down" };
    let meetings: u64 = rows.iter().map(|row| row.meetings).sum();
    let participants: u64 = rows.iter().map(|row| row.participants).sum();
    format!(
        "BigBlueSwarm API     {api}\nActive meetings      {meetings}\nActive participants  {participants}\n"
    )
}

fn table(rows: &[Row]) -> Table {
    let columns = ["API", "Host", "#CPU", "#Mem", "#Active Meetings", "#Active Participants"];
    let mut table = Table::new(&columns);
    for row in rows {
        let tone = if row.api_status == "Up" { Tone::Good } else { Tone::Bad };
        table.row([
            Cell::toned(&row.api_status, tone),
            (&row.host).into(),
            format!("{} %", row.cpu).into(),
            format!("{} %", row.mem).into(),
            row.meetings.into(),
            row.participants.into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_is_summed_up() {
        let json = r#"[{"host":"http://a/b","cpu":8.32,"mem":55,"meetings":1,"participants":10,"api_status":"Up"},
                       {"host":"http://c","cpu":0,"mem":0,"meetings":2,"participants":0,"api_status":"Down"}]"#;
        let rows: Vec<Row> = serde_json::from_str(json).unwrap();
        let expected = "BigBlueSwarm API     Up\nActive meetings      3\nActive participants  10\n";
        assert_eq!(summary(true, &rows), expected);
        let expected = "\
API   Host           CPU   Mem  Active Meetings  Active Participants
Up    http://a/b  8.32 %  55 %                1                   10
Down  http://c       0 %   0 %                2                    0
";
        assert_eq!(anstream::adapter::strip_str(&table(&rows).aligned()).to_string(), expected);
    }
}
