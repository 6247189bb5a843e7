//! A day that really was: an operator's own meetings, read from CSV.

use crate::determinism::HashMap;
use std::time::Duration;

use jiff::civil::DateTime;

use super::day::Day;
use super::dice::Dice;
use super::meeting::{Join, Meeting, seconds};
use super::servers::Server;
use crate::domain::forecast::Habit;
use crate::domain::moment::Moment;

/// The columns that a trace has, in any order and among others.
const COLUMNS: [&str; 4] = ["created", "ended", "users", "webcams"];
/// The column that a trace may have.
const ROOM: &str = "room";
/// More people in one meeting are a mistake.
const MOST_USERS: usize = 10_000;
/// How long people take on average to join, in seconds: a trace only says how many came.
const JOIN: f64 = 100.0;
/// The longest that a meeting of a trace lasts, and from the first midnight the last that one begins.
const DAY: Duration = Duration::from_hours(24);

/// What is wrong with a trace, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTrace {
    #[error("line {line}: {why}")]
    Row { line: u64, why: String },
    #[error("line {line}, column {column}: {why}")]
    Cell { line: u64, column: &'static str, why: String },
    #[error("holds no meeting")]
    Empty,
}

/// A row, and where it stands.
struct Row {
    line: u64,
    created: DateTime,
    ended: DateTime,
    users: usize,
    webcams: usize,
    /// Empty when the trace does not tell.
    room: String,
}

/// Reads a trace for a fleet of servers with so many cores each: `created,ended,users,webcams`, times as
/// `2026-03-02T08:59:30`, in the order of `created`, all within one day. With a column `room`, a meeting has met
/// before when an earlier one of its room has ended.
pub fn read(text: &[u8], cores: &[f64]) -> Result<Day, BadTrace> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = reader.headers().map_err(|error| broken(&error))?.clone();
    let (places, room) = (places(&header)?, place(&header, ROOM));
    let mut dice = Dice::of(&[0, 4]);
    let (mut meetings, mut midnight, mut before) = (Vec::new(), None, None);
    let mut rooms = Rooms::default();
    for record in reader.records() {
        let row = row(&record.map_err(|error| broken(&error))?, places, room)?;
        if before.is_some_and(|before| row.created < before) {
            return Err(row.fault("created", "is before that of the line above"));
        }
        before = Some(row.created);
        let midnight =
            *midnight.get_or_insert(row.created.date().to_datetime(jiff::civil::Time::MIN));
        let meeting = row.meeting(midnight, &mut dice)?;
        meetings.push(rooms.with_past(meeting, row.room));
    }
    if meetings.is_empty() {
        return Err(BadTrace::Empty);
    }
    let servers = cores.iter().map(|&cores| Server::new(cores, &mut dice)).collect();
    Ok(Day::of(servers, meetings))
}

/// Where each column stands.
fn places(header: &csv::StringRecord) -> Result<[usize; 4], BadTrace> {
    let mut places = [0; 4];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        *place = self::place(header, column).ok_or_else(|| BadTrace::Cell {
            line: 1,
            column,
            why: "is missing".to_owned(),
        })?;
    }
    Ok(places)
}

fn place(header: &csv::StringRecord, column: &str) -> Option<usize> {
    header.iter().position(|name| name.eq_ignore_ascii_case(column))
}

fn row(
    record: &csv::StringRecord,
    places: [usize; 4],
    room: Option<usize>,
) -> Result<Row, BadTrace> {
    let line = record.position().map_or(0, csv::Position::line);
    let text = |n: usize| record.get(places[n]).unwrap_or_default();
    let fault = |n: usize, what: &str| BadTrace::Cell {
        line,
        column: COLUMNS[n],
        why: format!("expected {what}, found {:?}", text(n)),
    };
    let time = |n| text(n).parse().map_err(|_| fault(n, "a time such as 2026-03-02T08:59:30"));
    let count = |n| {
        let number = text(n).parse().ok().filter(|number| *number <= MOST_USERS);
        number.ok_or_else(|| fault(n, &format!("a number from 0 to {MOST_USERS}")))
    };
    let row = Row {
        line,
        created: time(0)?,
        ended: time(1)?,
        users: count(2)?,
        webcams: count(3)?,
        room: room.and_then(|place| record.get(place)).unwrap_or_default().to_owned(),
    };
    if row.webcams > row.users {
        return Err(row.fault("webcams", "are more than users"));
    }
    Ok(row)
}

impl Row {
    fn fault(&self, column: &'static str, why: &str) -> BadTrace {
        BadTrace::Cell { line: self.line, column, why: why.to_owned() }
    }

    fn meeting(&self, midnight: DateTime, dice: &mut Dice) -> Result<Meeting, BadTrace> {
        let since = |time: DateTime| Duration::try_from(time.duration_since(midnight)).ok();
        let created = since(self.created).filter(|at| *at < DAY);
        let created =
            created.ok_or_else(|| self.fault("created", "is not on the day of the first line"))?;
        let end = since(self.ended).filter(|end| *end > created && *end - created <= DAY);
        let end = end.ok_or_else(|| self.fault("ended", "is not within a day after created"))?;
        let (created, end) = (Moment(created), Moment(end));
        let mut webcams = self.webcams as f64;
        let joins = (0..self.users).map(|n| {
            // Those with a webcam are spread evenly among those who come.
            let webcam = dice.chance(webcams / (self.users - n) as f64);
            webcams -= f64::from(u8::from(webcam));
            Join { at: created + seconds(dice.exponential(JOIN)), webcam }
        });
        let joins = joins.collect();
        Ok(Meeting::new(created, end, joins))
    }
}

/// What was done in each room so far in the trace, and until when, in the order of beginning.
#[derive(Default)]
struct Rooms(HashMap<String, Vec<(Moment, Habit)>>);

impl Rooms {
    /// The meeting, with what its room did the last time.
    fn with_past(&mut self, meeting: Meeting, room: String) -> Meeting {
        if room.is_empty() {
            return meeting;
        }
        let past = self.0.entry(room).or_default();
        let last = past.iter().rev().find(|(end, _)| *end <= meeting.created);
        let met = last.map(|(_, met)| *met);
        past.push((meeting.end, meeting.did()));
        Meeting { met, ..meeting }
    }
}

fn broken(error: &csv::Error) -> BadTrace {
    let line = error.position().map_or(1, csv::Position::line);
    let why = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} columns, the first line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is no UTF-8".to_owned(),
        _ => "can't be read".to_owned(),
    };
    BadTrace::Row { line, why }
}
