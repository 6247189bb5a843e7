//! The script against a balancer: every act is told by a task of its own, and what it saw is noted in one place.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::random;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::check::{Key, Ledger, Turn, judge, judge_list};
use super::day::{Act, Pace, plan};
use super::screen::{Scene, Screen};
use super::stage::Stage;

/// So many acts are under way at once; the script waits for one to end before the next.
const MOST_AT_ONCE: usize = 128;
const FRAME: Duration = Duration::from_millis(250);
/// After a server came back, so long may things still go wrong.
const CALM_AFTER: Duration = Duration::from_secs(3);
/// Before the last look, so long for everything to come to rest.
const REST: Duration = Duration::from_millis(1_500);

/// What one act saw.
pub(super) enum News {
    Acknowledged {
        key: Key,
        turn: Turn,
        internal: String,
    },
    Joined,
    Ended,
    Refused {
        key: Key,
        turn: Turn,
        why: String,
    },
    /// A tenant's own list.
    Listed {
        tenant: String,
        list: BTreeSet<Key>,
    },
    Wrong(String),
    Lost {
        tenant: String,
        internal: String,
    },
    Said(String),
    Calm,
}

/// What a day came to.
#[derive(Default)]
pub(super) struct Story {
    ledger: Ledger,
    pub(super) wrong: Vec<String>,
    created: u64,
    joined: u64,
    ended: u64,
    listed: u64,
    refused: u64,
    checked: usize,
    trouble: Trouble,
}

/// Whether a server is away, so that calls may fail.
#[derive(Clone, Copy, Default)]
enum Trouble {
    #[default]
    None,
    Now,
    Until(Instant),
}

impl Trouble {
    fn lasts(self) -> bool {
        match self {
            Self::None => false,
            Self::Now => true,
            Self::Until(end) => Instant::now() < end,
        }
    }
}

impl Story {
    /// The day in a few lines.
    pub(super) fn summary(&self) -> Vec<String> {
        let Self { created, joined, ended, listed, refused, checked, .. } = self;
        let mut lines = vec![
            format!(
                "{created} creates were acknowledged, {joined} users joined, {ended} meetings were ended."
            ),
            format!("{listed} lists were read; calls refused while a server was away: {refused}."),
            format!("{checked} meetings were looked for at the end of the day."),
        ];
        if self.wrong.is_empty() {
            lines.push(
                "Every one is where it was promised, and nobody saw another tenant's.".to_owned(),
            );
        }
        lines.extend(self.wrong.iter().map(|wrong| format!("WRONG: {wrong}")));
        lines
    }

    fn note(&mut self, news: News, was_trouble: bool, screen: &mut Screen) {
        match news {
            News::Acknowledged { key, turn, internal } => {
                self.created += 1;
                self.ledger.acknowledged(key, turn, &internal);
            }
            News::Joined => self.joined += 1,
            News::Ended => self.ended += 1,
            News::Refused { key, turn, why } => {
                let excused =
                    was_trouble || self.trouble.lasts() || self.ledger.closed_since(&key, turn);
                self.refused += 1;
                if !excused {
                    let Key { tenant, meeting } = key;
                    self.wrong.push(format!("a call for {meeting} of {tenant} failed: {why}"));
                }
            }
            News::Listed { tenant, list } => {
                self.listed += 1;
                self.wrong.extend(judge_list(&tenant, &list));
            }
            News::Wrong(what) => self.wrong.push(what),
            News::Lost { tenant, internal } => self.ledger.lost(&tenant, &internal),
            News::Said(line) => screen.say(&line),
            News::Calm => self.trouble = Trouble::Until(Instant::now() + CALM_AFTER),
        }
    }

    /// Notes what must be known before an act is sent.
    fn before(&mut self, act: &Act, stage: &Stage) -> Turn {
        let turn = self.ledger.take_turn();
        match act {
            Act::Crash(_) => self.trouble = Trouble::Now,
            Act::Close(class) => self.ledger.closed(stage.key(class), turn),
            _ => {}
        }
        turn
    }
}

/// Plays a day and judges it.
pub(super) async fn day(stage: &Arc<Stage>, pace: Pace, screen: &mut Screen) -> Story {
    let mut story = Story::default();
    let start = Instant::now();
    let scene = async || Scene { time: Some(pace.time(start.elapsed())), rows: stage.rows().await };
    let mut under_way: JoinSet<(bool, Vec<News>)> = JoinSet::new();
    let mut frame = interval(FRAME);
    for event in plan(random(), &pace, stage.tenants.len(), stage.posts.len()) {
        loop {
            tokio::select! {
                () = sleep_until(start + event.at), if under_way.len() < MOST_AT_ONCE => break,
                Some(done) = under_way.join_next() => take(&mut story, done, screen),
                _ = frame.tick() => screen.show(&scene().await),
            }
        }
        let (turn, trouble) = (story.before(&event.act, stage), story.trouble.lasts());
        if event.act == Act::Glance {
            screen.glance(&scene().await);
        }
        let stage = stage.clone();
        under_way.spawn(async move { (trouble, stage.perform(event.act, turn).await) });
    }
    while let Some(done) = under_way.join_next().await {
        take(&mut story, done, screen);
    }
    sleep(REST).await;
    let evidence = stage.evidence(&story.ledger).await;
    story.checked = story.ledger.standing().count();
    story.wrong.extend(judge(&story.ledger, &evidence));
    if story.checked == 0 {
        story.wrong.push("no meeting stood at the end of the day".to_owned());
    }
    screen.show(&scene().await);
    story
}

/// Draws the pool for as long as somebody looks.
pub(super) async fn linger(stage: &Stage, screen: &mut Screen) {
    let mut frame = interval(FRAME);
    loop {
        frame.tick().await;
        screen.show(&Scene { time: None, rows: stage.rows().await });
    }
}

fn take(
    story: &mut Story,
    done: Result<(bool, Vec<News>), tokio::task::JoinError>,
    screen: &mut Screen,
) {
    match done {
        Ok((trouble, all)) => all.into_iter().for_each(|news| story.note(news, trouble, screen)),
        Err(error) => story.wrong.push(format!("an act of the demo broke: {error}")),
    }
}
