//! What verbs print: aligned columns for people, CSV and JSON for programs.

use std::io::Write;

use clap::Args;
use comfy_table::{Attribute, Cell as Drawn, CellAlignment, Color, Table as Drawing, presets};
use serde_json::Value;

use super::failure::Failure;
use super::{Exit, say};

/// Spaces between two columns.
const GAP: u16 = 2;

/// For whom a table is printed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct Form {
    /// Print JSON
    #[arg(short, long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(short, long)]
    csv: bool,
}

/// What a cell means to whoever looks for trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Doubtful,
    Bad,
}

/// A text, and its colour.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn toned(text: impl ToString, tone: Tone) -> Self {
        Self { text: text.to_string(), tone }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Columns and rows. A column whose name begins with `#` holds numbers.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len(), "a cell for each column");
        self.rows.push(cells.into());
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|name| name.trim_start_matches('#'))
    }

    /// Aligned, without lines, with colours that the printer takes away where none belong.
    pub(super) fn aligned(&self) -> String {
        let mut drawing = Drawing::new();
        drawing.load_style(presets::NOTHING).enforce_styling().style_text_only();
        drawing
            .set_header(self.names().map(|name| Drawn::new(name).add_attribute(Attribute::Bold)));
        for row in &self.rows {
            drawing.add_row(row.iter().map(drawn));
        }
        for (column, name) in drawing.column_iter_mut().zip(&self.columns) {
            column.set_padding((0, GAP));
            if name.starts_with('#') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        drawing.trim_fmt() + "\n"
    }

    fn csv(&self) -> Result<String, Failure> {
        let broken = |error: String| Failure::Fault(format!("CSV can't be written: {error}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.names()).map_err(|e| broken(e.to_string()))?;
        for row in &self.rows {
            let texts = row.iter().map(|cell| &cell.text);
            writer.write_record(texts).map_err(|e| broken(e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|e| broken(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| broken(e.to_string()))
    }
}

fn drawn(cell: &Cell) -> Drawn {
    let drawn = Drawn::new(tame(&cell.text));
    match cell.tone {
        Tone::Plain => drawn,
        Tone::Good => drawn.fg(Color::DarkGreen),
        Tone::Doubtful => drawn.fg(Color::DarkYellow),
        Tone::Bad => drawn.fg(Color::DarkRed),
    }
}

/// A text that users chose, without what could upset a terminal or turn its writing around.
pub(super) fn tame(text: &str) -> String {
    let is_wild = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    text.chars().map(|c| if is_wild(c) { '\u{fffd}' } else { c }).collect()
}

impl Form {
    /// Prints a table, or the JSON that it was made of.
    pub(super) fn print(self, table: &Table, json: &Value) -> Result<Exit, Failure> {
        if self.json {
            return print_json(json);
        }
        if self.csv {
            return Ok(say(&table.csv()?));
        }
        Ok(say_styled(&table.aligned()))
    }

    /// Whether programs read it.
    pub(super) fn is_for_programs(self) -> bool {
        self.json || self.csv
    }
}

/// Prints JSON as people can read it too.
pub(super) fn print_json(json: &Value) -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(json);
    let text = text.map_err(|error| Failure::Fault(format!("JSON can't be written: {error}")))?;
    Ok(say(&(text + "\n")))
}

/// Prints to standard output, with colours only on a terminal and without NO_COLOR.
pub(super) fn say_styled(text: &str) -> Exit {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Fault,
        _ => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["Host", "#Users", "State"]);
        table.row(["bbb1".into(), 7.into(), Cell::toned("Up", Tone::Good)]);
        table.row(["数数".into(), 1200.into(), Cell::toned("Do\x1b[2Jwn,\n", Tone::Bad)]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let plain = anstream::adapter::strip_str(&table().aligned()).to_string();
        let expected = "\
Host  Users  State
bbb1      7  Up
数数   1200  Do\u{fffd}[2Jwn,\u{fffd}
";
        assert_eq!(plain, expected);
        assert!(table().aligned().contains("\u{1b}["), "it has colours");
        assert!(!table().aligned().contains("[2Jwn,\n\n"), "no escape of a user's passes");
    }

    #[test]
    fn programs_get_every_byte() {
        let csv = table().csv().unwrap();
        assert_eq!(csv, "Host,Users,State\nbbb1,7,Up\n数数,1200,\"Do\x1b[2Jwn,\n\"\n");
        assert_eq!(Table::new(&["#A", "B"]).csv().unwrap(), "A,B\n");
    }
}
