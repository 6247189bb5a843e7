//! What replicas give each other through a shared store, beside what is stored for good: turns at a
//! chore, what came of it, and news. All of it may be lost: then each does everything by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::instance::InstanceMark;
use crate::domain::meeting::RouteKey;
use crate::domain::tenant::TenantId;

/// The largest list that is shared, packed. Of a larger one the others are told that it is, and ask by themselves.
pub const MOST_SHARED: usize = 4 << 20;
/// So many instances are named in one piece of news, for each reason.
pub const MOST_NAMED: usize = 512;
/// The longest piece of news that is read.
pub const MOST_NEWS: usize = 64 << 10;

/// What only one replica needs to do for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chore {
    /// Asking an instance for its meetings.
    Meetings,
    /// Asking an instance for its recordings.
    Recordings,
}

impl Chore {
    /// Its name in keys and news.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meetings => "meetings",
            Self::Recordings => "recordings",
        }
    }
}

/// A moment by the store's clock, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreTime(pub u64);

/// Who does a chore now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody shares this store.
    Alone,
    /// We do, from this moment on.
    Mine(StoreTime),
    /// Another replica does.
    Others,
}

/// What came of a chore that a replica did for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// When the instance was about to be asked; names this answer among others.
    pub asked: StoreTime,
    /// How long ago that was, or somewhat less ago.
    pub age: Duration,
    /// The packed answer; none when it is too large to be shared.
    pub list: Option<Vec<u8>>,
}

/// What a replica tells the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A chore was done, or given up: look what is shared.
    Done(Chore, InstanceMark),
    /// What it saw of the instances' health.
    Health(Outlook),
    /// A user joined this meeting of a tenant whose users are counted.
    Joined(RouteKey, TenantId),
}

/// What a replica saw of the instances' health by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// How many instances there are.
    pub of: usize,
    /// How many of them it doubts.
    pub doubted: usize,
    /// Those it reached, and so many milliseconds ago.
    pub reached: Vec<(InstanceMark, u64)>,
    /// Those it doubts.
    pub doubts: Vec<InstanceMark>,
}

impl Outlook {
    /// Whether its doubts count elsewhere. Who doubts more than half is rather cut off itself.
    pub fn is_credible(&self) -> bool {
        self.doubted * 2 <= self.of
    }
}

impl News {
    /// As it is told.
    pub fn write(&self) -> String {
        match self {
            Self::Done(chore, mark) => format!("done {} {mark}", chore.name()),
            Self::Health(outlook) => {
                let text = serde_json::to_string(outlook);
                format!("health {}", text.expect("plain structs of texts always have a JSON form"))
            }
            Self::Joined(key, tenant) => format!("joined {key} {}", tenant.as_str()),
        }
    }

    /// What was told; nothing when it is not understood, as when a newer replica tells it.
    pub fn read(text: &str) -> Option<Self> {
        let (what, rest) = text.split_once(' ')?;
        match what {
            "done" => {
                let (chore, mark) = rest.split_once(' ')?;
                let all = [Chore::Meetings, Chore::Recordings];
                let chore = all.into_iter().find(|known| known.name() == chore)?;
                Some(Self::Done(chore, mark.parse().ok()?))
            }
            "health" => {
                let outlook: Outlook = serde_json::from_str(rest).ok()?;
                let named = outlook.reached.len().max(outlook.doubts.len());
                (named <= MOST_NAMED).then_some(Self::Health(outlook))
            }
            "joined" => {
                let (key, tenant) = rest.split_once(' ')?;
                Some(Self::Joined(key.parse().ok()?, TenantId::new(tenant)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instance::InstanceId;
    use crate::domain::meeting::MeetingId;

    #[track_caller]
    fn check(news: &News, text: &str) {
        assert_eq!(news.write(), text);
        assert_eq!(News::read(text).as_ref(), Some(news));
    }

    #[test]
    fn news_is_read_as_it_was_written() {
        let mark = InstanceId::new("http://s1.example.org/bigbluebutton").mark();
        check(&News::Done(Chore::Meetings, mark), &format!("done meetings {mark}"));
        check(&News::Done(Chore::Recordings, mark), &format!("done recordings {mark}"));
        let key = MeetingId::new("m").key();
        check(&News::Joined(key, TenantId::new("a host")), &format!("joined {key} a host"));
        let outlook =
            Outlook { of: 3, doubted: 1, reached: vec![(mark, 1_200)], doubts: vec![mark] };
        let text = format!(
            r#"health {{"of":3,"doubted":1,"reached":[["{mark}",1200]],"doubts":["{mark}"]}}"#
        );
        check(&News::Health(outlook), &text);
    }

    #[test]
    fn who_doubts_more_than_half_is_not_believed() {
        for (doubted, of, expected) in [
            (0, 0, true),
            (0, 1, true),
            (1, 1, false),
            (1, 2, true),
            (2, 3, false),
            (50, 100, true),
        ] {
            let outlook = Outlook { of, doubted, ..Outlook::default() };
            assert_eq!(outlook.is_credible(), expected, "{doubted} of {of}");
        }
    }

    #[test]
    fn what_is_not_understood_is_no_news() {
        for text in
            ["", "done", "done meetings", "done dishes 00", "later x", "health {}", "joined m t"]
        {
            assert_eq!(News::read(text), None, "{text}");
        }
    }
}
