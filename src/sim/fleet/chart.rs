//! A picture of a day: how busy each server was, one panel for each policy.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use super::circumstances::Circumstances;
use super::day::Day;
use super::policy::Policy;
use super::run::watched;
use super::servers::Server;
use super::tally::OVERLOADED;
use crate::domain::moment::Moment;

const WIDTH: f64 = 960.0;
/// Of what is said about all panels.
const HEADING: f64 = 44.0;
const PANEL: f64 = 200.0;
/// Beside a panel's lines: its title, the hours below it, what the levels are called and half of the last hour.
const ABOVE: f64 = 22.0;
const BELOW: f64 = 22.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 22.0;
/// What is above is drawn at the edge.
const HIGHEST: f64 = 1.5;
/// So often a point is drawn, at most.
pub(super) const POINT: Duration = Duration::from_mins(2);
/// Colours that can be told apart by everyone, also in print: larger servers are darker, and drawn thicker.
const SIZES: [Size; 3] = [
    Size { cores: 0.0..12.0, colour: "#56b4e9", width: 1.0 },
    Size { cores: 12.0..24.0, colour: "#0072b2", width: 1.3 },
    Size { cores: 24.0..f64::INFINITY, colour: "#000000", width: 1.6 },
];
const TOO_MUCH: &str = "#d55e00";

/// What part of its cores each server had busy, every two minutes; none while it was not there.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail(pub(super) Vec<(Moment, Vec<Option<f64>>)>);

/// How servers with so many cores are drawn.
struct Size {
    cores: Range<f64>,
    colour: &'static str,
    width: f64,
}

impl Size {
    fn of(server: &Server) -> &'static Self {
        let size = SIZES.iter().find(|size| size.cores.contains(&server.cores));
        size.unwrap_or(&SIZES[0])
    }

    /// The servers of a fleet that are drawn so, in words.
    fn named(&self, servers: &[Server]) -> Option<String> {
        let cores = servers.iter().map(|server| server.cores).filter(|c| self.cores.contains(c));
        let (least, most) =
            cores.fold((f64::INFINITY, 0.0f64), |(least, most), c| (least.min(c), most.max(c)));
        match most {
            0.0 => None,
            _ if least == most => Some(format!("{most} cores")),
            _ => Some(format!("{least} to {most} cores")),
        }
    }
}

/// Draws a day under each policy, as SVG.
pub(super) fn svg(
    day: &Day,
    policies: &[Policy],
    seed: u64,
    circumstances: Circumstances,
) -> String {
    let height = HEADING + PANEL * policies.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    svg.push_str(&heading(&day.servers));
    for (n, &policy) in policies.iter().enumerate() {
        let (summary, trail) = watched(day, policy, seed, circumstances);
        let title = format!(
            "<tspan font-weight=\"bold\">{}</tspan>: {:.2} % of user-minutes overloaded",
            policy.name(),
            summary.overloaded
        );
        svg.push_str(&panel(day, &trail, &title, HEADING + PANEL * n as f64));
    }
    svg.push_str("</svg>\n");
    svg
}

/// What is drawn, and what the colours mean.
fn heading(servers: &[Server]) -> String {
    let mut heading = format!(
        "<text x=\"{LEFT}\" y=\"16\" font-size=\"13\">Part of each server's cores that its meetings need</text>\n"
    );
    let mut left = LEFT;
    for size in &SIZES {
        let Some(name) = size.named(servers) else { continue };
        let (Size { colour, width, .. }, text) = (size, left + 24.0);
        let _ = writeln!(
            heading,
            "<path d=\"M{left:.1} 32h20\" stroke=\"{colour}\" stroke-width=\"{}\"/>\
             <text x=\"{text:.1}\" y=\"36\">{name}</text>",
            width * 2.0
        );
        left += 130.0;
    }
    let text = left + 24.0;
    let _ = writeln!(
        heading,
        "<rect x=\"{left:.1}\" y=\"26\" width=\"20\" height=\"12\" fill=\"{TOO_MUCH}\" fill-opacity=\"0.12\"/>\
         <text x=\"{text:.1}\" y=\"36\">overloaded</text>"
    );
    heading
}

fn panel(day: &Day, trail: &Trail, title: &str, top: f64) -> String {
    let (Some(first), Some(last)) = (trail.0.first(), trail.0.last()) else { return String::new() };
    let scale = Scale { span: first.0..last.0, top: top + ABOVE, height: PANEL - ABOVE - BELOW };
    let mut panel = format!("<text x=\"{LEFT}\" y=\"{:.1}\">{title}</text>\n", top + 14.0);
    panel.push_str(&scale.levels());
    panel.push_str(&scale.hours());
    for (n, server) in day.servers.iter().enumerate() {
        let points = trail.0.iter().map(|(at, uses)| (*at, uses[n]));
        let (line, Size { colour, width, .. }) = (scale.line(points), Size::of(server));
        let _ = writeln!(
            panel,
            "<path d=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-opacity=\"0.7\">\
             <title>server {}, {} cores</title></path>",
            n + 1,
            server.cores
        );
    }
    panel
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
        LEFT + (WIDTH - LEFT - RIGHT) * part(at) / part(self.span.end).max(1.0)
    }

    fn y(&self, load: f64) -> f64 {
        self.top + self.height * (1.0 - load.min(HIGHEST) / HIGHEST)
    }

    /// Lines across, with what they mean beside them, and a shade where servers have too much to do.
    fn levels(&self) -> String {
        let (right, name) = (WIDTH - RIGHT, LEFT - 6.0);
        let mut levels = format!(
            "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{TOO_MUCH}\" fill-opacity=\"0.12\"/>\n",
            self.top,
            right - LEFT,
            self.y(OVERLOADED) - self.top
        );
        for (level, text, colour) in [
            (0.0, "0 %", "gray"),
            (0.4, "40 %", "silver"),
            (OVERLOADED, "80 %", TOO_MUCH),
            (1.0, "100 %", "silver"),
            (HIGHEST, "≥ 150 %", "silver"),
        ] {
            let y = self.y(level);
            let _ = writeln!(
                levels,
                "<path d=\"M{LEFT} {y:.1}H{right:.1}\" stroke=\"{colour}\" stroke-width=\"0.7\"/>\
                 <text x=\"{name:.1}\" y=\"{:.1}\" fill=\"dimgray\" text-anchor=\"end\">{text}</text>",
                y + 4.0
            );
        }
        levels
    }

    fn hours(&self) -> String {
        let hours = (0..48).map(|hour| (hour, Moment(Duration::from_hours(hour))));
        let mut texts = String::new();
        for (hour, at) in hours.filter(|(_, at)| self.span.contains(at)) {
            let (x, y) = (self.x(at), self.y(0.0));
            let _ = writeln!(
                texts,
                "<path d=\"M{x:.1} {:.1}V{y:.1}\" stroke=\"silver\" stroke-width=\"0.4\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" fill=\"dimgray\" text-anchor=\"middle\">{}:00</text>",
                self.top,
                y + 14.0,
                hour % 24
            );
        }
        texts
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::fleet::dice::Dice;

    #[track_caller]
    fn check(cores: &[f64], named: &[&str]) {
        let dice = &mut Dice::of(&[1]);
        let servers: Vec<_> = cores.iter().map(|&cores| Server::new(cores, dice)).collect();
        let heading = heading(&servers);
        let names = heading.split("</text>").filter_map(|text| text.split('>').next_back());
        let names: Vec<_> = names.filter(|name| name.ends_with(" cores")).collect();
        assert_eq!(names, named, "{cores:?}");
    }

    #[test]
    fn the_legend_names_the_sizes_that_are_there() {
        check(&[8.0, 16.0, 32.0, 8.0], &["8 cores", "16 cores", "32 cores"]);
        check(&[4.0, 11.0, 128.0, 64.0], &["4 to 11 cores", "64 to 128 cores"]);
        check(&[16.0], &["16 cores"]);
    }

    #[test]
    fn a_line_stays_in_its_panel_and_breaks_where_there_is_no_server() {
        let minute = |n| Moment(Duration::from_mins(n));
        let scale = Scale { span: minute(0)..minute(100), top: 10.0, height: 150.0 };
        let loads =
            [(0, Some(0.0)), (50, Some(0.75)), (60, None), (70, Some(9.0)), (100, Some(1.5))];
        let line = scale.line(loads.map(|(n, load)| (minute(n), load)).into_iter());
        assert_eq!(line, "M60.0 160.0L499.0 85.0M674.6 10.0L938.0 10.0");
    }
}
