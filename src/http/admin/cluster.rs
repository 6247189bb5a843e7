//! The pool at a glance, as `bbsctl cluster-info` prints it.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::Number;

use super::Admin;
use super::body::json;
use super::instances::{listed, pool};
use super::refusal::Refusal;
use crate::domain::instance::{Health, Member};
use crate::domain::load::{Load, LoadSnapshot};

#[derive(Serialize)]
struct Row<'a> {
    host: &'a str,
    cpu: Number,
    mem: Number,
    meetings: u64,
    participants: u64,
    api_status: &'static str,
}

impl<'a> Row<'a> {
    fn of(member: &'a Member, loads: &LoadSnapshot) -> Self {
        let unmeasured = Load::default();
        let id = &member.instance.id;
        let load = loads.loads.get(id).unwrap_or(&unmeasured);
        let up = member.health == Health::Up && load.online != Some(false);
        Self {
            host: id.as_str(),
            cpu: percent(load.cpu),
            mem: percent(load.mem),
            meetings: load.meetings.unwrap_or_default(),
            participants: load.participants.unwrap_or_default(),
            api_status: if up { "Up" } else { "Down" },
        }
    }
}

/// Rounded to two digits; a whole number without a point, as the predecessor writes it.
fn percent(figure: Option<f64>) -> Number {
    let rounded = (figure.unwrap_or_default() * 100.0).round() / 100.0;
    let whole = rounded as i64;
    if rounded == whole as f64 {
        return whole.into();
    }
    Number::from_f64(rounded).unwrap_or_else(|| 0.into())
}

/// `GET cluster`
pub(super) async fn list(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let pool = pool(&admin.world).await?;
    let reading = admin.world.actors.metrics.current().await?;
    let rows = listed(&pool).map(|member| Row::of(member, &reading.loads));
    Ok(json(&rows.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(figure: Option<f64>, expected: &str) {
        assert_eq!(percent(figure).to_string(), expected);
    }

    #[test]
    fn percents_have_two_digits_at_most() {
        check(None, "0");
        check(Some(12.0), "12");
        check(Some(12.999), "13");
        check(Some(12.346), "12.35");
        check(Some(0.1), "0.1");
        check(Some(f64::NAN), "0");
    }
}
