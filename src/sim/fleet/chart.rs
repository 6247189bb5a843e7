//! A picture of a day: how busy each server was, one panel for each policy.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use super::circumstances::Circumstances;
use super::day::Day;
use super::policy::Policy;
use super::run::watched;
use super::tally::OVERLOADED;
use crate::domain::moment::Moment;

const WIDTH: f64 = 960.0;
const PANEL: f64 = 170.0;
/// Room for titles and hours.
const MARGIN: f64 = 34.0;
/// What is above is drawn at the edge.
const HIGHEST: f64 = 1.5;
/// So often a point is drawn, at most.
pub(super) const POINT: Duration = Duration::from_mins(2);

/// What part of its cores each server had busy, every two minutes; none while it was not there.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail(pub(super) Vec<(Moment, Vec<Option<f64>>)>);

/// Draws a day under each policy, as SVG.
pub(super) fn svg(
    day: &Day,
    policies: &[Policy],
    seed: u64,
    circumstances: Circumstances,
) -> String {
    let height = PANEL * policies.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (n, &policy) in policies.iter().enumerate() {
        let (summary, trail) = watched(day, policy, seed, circumstances);
        let title =
            format!("{}: {:.2} % of user-minutes overloaded", policy.name(), summary.overloaded);
        svg.push_str(&panel(day, &trail, &title, PANEL * n as f64));
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(day: &Day, trail: &Trail, title: &str, top: f64) -> String {
    let (Some(first), Some(last)) = (trail.0.first(), trail.0.last()) else { return String::new() };
    let scale = Scale { span: first.0..last.0, top: top + MARGIN / 2.0, height: PANEL - MARGIN };
    let mut panel = format!("<text x=\"4\" y=\"{:.1}\">{title}</text>\n", top + 12.0);
    for hour in 0..48 {
        let at = Moment(Duration::from_hours(hour));
        if scale.span.contains(&at) {
            let (x, y) = (scale.x(at), scale.y(0.0));
            let _ = writeln!(
                panel,
                "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"gray\">{}</text>",
                y + 12.0,
                hour % 24
            );
        }
    }
    for (level, style) in [(0.0, "gray"), (OVERLOADED, "red"), (1.0, "gray")] {
        let y = scale.y(level);
        let _ = writeln!(
            panel,
            "<path d=\"M0 {y:.1}H{WIDTH}\" stroke=\"{style}\" stroke-width=\"0.5\" stroke-dasharray=\"4 3\"/>"
        );
    }
    for (n, server) in day.servers.iter().enumerate() {
        let points = trail.0.iter().map(|(at, uses)| (*at, uses[n]));
        let (line, colour) = (scale.line(points), colour(server.cores));
        let _ = writeln!(
            panel,
            "<path d=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"0.6\"><title>server {}, {} cores</title></path>",
            n + 1,
            server.cores
        );
    }
    panel
}

/// Larger servers are darker.
fn colour(cores: f64) -> &'static str {
    match cores {
        small if small <= 8.0 => "#6baed6",
        medium if medium <= 16.0 => "#2171b5",
        _ => "#08306b",
    }
}

/// Where a moment and a load are drawn.
struct Scale {
    span: Range<Moment>,
    top: f64,
    height: f64,
}

impl Scale {
    fn x(&self, at: Moment) -> f64 {
        let part = |until: Moment| until.since(self.span.start).as_secs_f64();
        WIDTH * part(at) / part(self.span.end).max(1.0)
    }

    fn y(&self, load: f64) -> f64 {
        self.top + self.height * (1.0 - load.min(HIGHEST) / HIGHEST)
    }

    /// A path that is broken where there is no server.
    fn line(&self, points: impl Iterator<Item = (Moment, Option<f64>)>) -> String {
        let (mut path, mut drawing) = (String::new(), false);
        for (at, load) in points {
            if let Some(load) = load {
                let step = if drawing { 'L' } else { 'M' };
                let _ = write!(path, "{step}{:.1} {:.1}", self.x(at), self.y(load));
            }
            drawing = load.is_some();
        }
        path
    }
}
