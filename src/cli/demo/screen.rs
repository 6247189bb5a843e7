//! The pool, drawn: live in a terminal, as plain lines elsewhere.

use std::io::{self, IsTerminal, Stdout, Write, stdout};

use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Table, Widget};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use crate::sim::Figures;

/// Lines of the live view: a title, a head, and the servers.
const HEIGHT: u16 = 5;
/// The length of a bar.
const BAR: usize = 20;

/// How a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    Draining,
    Down,
}

/// One server as it is drawn.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    pub state: State,
    pub figures: Figures,
}

/// Everything that is drawn at once.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Hour and minute of the day that is played; none when it is over.
    pub time: Option<(u32, u32)>,
    pub rows: Vec<Row>,
}

type Live = Terminal<CrosstermBackend<Stdout>>;

enum Output {
    Terminal(Box<Live>),
    Lines(Box<dyn Write + Send>),
}

/// Where the demo is shown.
pub struct Screen {
    output: Output,
    /// A terminal that becomes live with the first scene, so that what was said before can be copied whole.
    may_be_live: bool,
}

impl Screen {
    /// Standard output: live if it is a terminal.
    pub fn of_stdout() -> Self {
        Self { may_be_live: stdout().is_terminal(), ..Self::lines(stdout()) }
    }

    /// Plain lines.
    pub fn lines(to: impl Write + Send + 'static) -> Self {
        Self { output: Output::Lines(Box::new(to)), may_be_live: false }
    }

    /// Says something once. A screen that has gone away is no reason to stop.
    pub fn say(&mut self, line: &str) {
        let _ = match &mut self.output {
            Output::Lines(to) => writeln!(to, "{line}").and_then(|()| to.flush()),
            Output::Terminal(live) => {
                let width = live.size().map_or(80, |size| size.width.max(1));
                let rows = Line::from(line).width().div_ceil(usize::from(width)).max(1);
                let wrapped =
                    || Paragraph::new(line.to_owned()).wrap(ratatui::widgets::Wrap { trim: false });
                let height = u16::try_from(rows).unwrap_or(u16::MAX);
                live.insert_before(height, |buffer| wrapped().render(buffer.area, buffer))
            }
        };
    }

    /// Shows the pool as it is now, where that can be drawn over what was shown before.
    pub fn show(&mut self, scene: &Scene) {
        if std::mem::take(&mut self.may_be_live)
            && let Ok(live) = open_live()
        {
            self.output = Output::Terminal(Box::new(live));
        }
        if let Output::Terminal(live) = &mut self.output {
            let _ = live.draw(|frame| draw(frame, scene));
        }
    }

    /// Shows the pool as it is now, in a line if it can't be drawn.
    pub fn glance(&mut self, scene: &Scene) {
        self.show(scene);
        if let Output::Lines(_) = self.output {
            self.say(&line_of(scene));
        }
    }

    /// Leaves the terminal as it was found.
    pub fn close(&mut self) {
        if let Output::Terminal(live) = &mut self.output {
            let _ = live.clear().and_then(|()| live.show_cursor());
        }
    }
}

fn open_live() -> io::Result<Live> {
    let viewport = Viewport::Inline(HEIGHT);
    Terminal::with_options(CrosstermBackend::new(stdout()), TerminalOptions { viewport })
}

/// Draws a scene.
fn draw(frame: &mut Frame<'_>, scene: &Scene) {
    let [head, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(frame.area());
    frame.render_widget(Line::from(title(scene)).bold(), head);
    let widths = [
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(6),
        Constraint::Length(26),
        Constraint::Length(26),
        Constraint::Length(9),
        Constraint::Length(6),
    ];
    let columns = ["server", "state", "cores", "cpu", "memory", "meetings", "users"];
    let head = ratatui::widgets::Row::new(columns).style(Style::new().dim());
    frame.render_widget(Table::new(scene.rows.iter().map(row), widths).header(head), body);
}

fn title(scene: &Scene) -> String {
    let sum = |of: fn(&Figures) -> u64| scene.rows.iter().map(|row| of(&row.figures)).sum::<u64>();
    let (meetings, users) = (sum(|f| f.counts.meetings), sum(|f| f.counts.participants));
    let time = scene.time.map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    let time = time.as_deref().unwrap_or("evening");
    format!("{time}  {meetings} meetings, {users} users")
}

fn row(row: &Row) -> ratatui::widgets::Row<'static> {
    let (word, color) = look(row.state);
    let figures = &row.figures;
    ratatui::widgets::Row::new([
        Cell::from(row.name),
        Cell::from(Span::styled(word, color)),
        Cell::from(figures.cores.to_string()),
        Cell::from(bar(figures.cpu())),
        Cell::from(bar(figures.mem_used_percent)),
        Cell::from(figures.counts.meetings.to_string()),
        Cell::from(figures.counts.participants.to_string()),
    ])
}

fn look(state: State) -> (&'static str, Color) {
    match state {
        State::Up => ("up", Color::Green),
        State::Draining => ("draining", Color::Yellow),
        State::Down => ("down", Color::Red),
    }
}

fn bar(percent: f64) -> Line<'static> {
    let share = (percent / 100.0).clamp(0.0, 1.0);
    let full = (share * BAR as f64).round() as usize;
    let color = match percent {
        p if p < 60.0 => Color::Green,
        p if p < 85.0 => Color::Yellow,
        _ => Color::Red,
    };
    Line::from(vec![
        Span::styled("█".repeat(full), color),
        Span::styled("░".repeat(BAR - full), Color::DarkGray),
        Span::raw(format!(" {percent:>3.0}%")),
    ])
}

/// A scene in one line.
fn line_of(scene: &Scene) -> String {
    let servers = scene.rows.iter().map(|row| {
        let Figures { counts, .. } = &row.figures;
        let (state, cpu) = (look(row.state).0, row.figures.cpu());
        format!(
            "{} {state} {} meetings {} users cpu {cpu:.0}%",
            row.name, counts.meetings, counts.participants
        )
    });
    format!("{}  |  {}", title(scene), servers.collect::<Vec<_>>().join("  |  "))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use ratatui::backend::TestBackend;

    use super::*;
    use crate::sim::figures::Counts;

    fn scene(time: Option<(u32, u32)>) -> Scene {
        let counts = Counts { meetings: 3, participants: 21, ..Counts::default() };
        let figures = Figures {
            cores: 8,
            usage_user: 30.0,
            usage_system: 20.0,
            mem_used_percent: 90.0,
            counts,
            ..Figures::default()
        };
        let row = |name, state| Row { name, state, figures: figures.clone() };
        Scene { time, rows: vec![row("bbb1", State::Down), row("bbb2", State::Draining)] }
    }

    #[test]
    fn the_pool_is_drawn_with_state_load_and_counts() {
        let mut terminal = Terminal::new(TestBackend::new(100, HEIGHT)).unwrap();
        terminal.draw(|frame| draw(frame, &scene(Some((9, 5))))).unwrap();
        let text = terminal.backend().to_string();
        for expected in [
            "09:05  6 meetings, 42 users",
            "bbb1   down",
            "bbb2   draining",
            "██████████░░░░░░░░░░  50%",
            " 90%",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
    }

    struct Heard(mpsc::Sender<String>);

    impl Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn without_a_terminal_a_glance_is_one_line_and_all_else_nothing() {
        let (tell, heard) = mpsc::channel();
        let mut screen = Screen::lines(Heard(tell));
        screen.show(&scene(Some((9, 0))));
        screen.glance(&scene(None));
        screen.close();
        drop(screen);
        let text: String = heard.iter().collect();
        assert!(
            text.starts_with(
                "evening  6 meetings, 42 users  |  bbb1 down 3 meetings 21 users cpu 50%"
            ),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }
}
