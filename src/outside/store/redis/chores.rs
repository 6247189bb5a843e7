//! Chores that one replica does for all: whose turn it is, what came of it, and news of either. One script on
//! the two keys of a chore at an instance, sent whole (EVAL), as it is short and not frequent.

use std::time::Duration;

use redis::Cmd;
use tracing::debug;

use crate::domain::instance::InstanceId;
use crate::outside::store::StoreError;
use crate::outside::store::peers::{Chore, MOST_SHARED, News, Shared, StoreTime, Turn};

use super::keys;
use super::link::Link;

const SCRIPT: &str = include_str!("chores.lua");

/// What the script answers: a list of texts, of which the list is none.
type Words = Vec<Vec<u8>>;

fn command(what: &str, sender: &str, chore: Chore, instance: &InstanceId) -> Cmd {
    let mark = instance.mark();
    let mut command = redis::cmd("EVAL");
    command.arg(SCRIPT).arg(2).arg(keys::turn(chore, mark)).arg(keys::done(chore, mark));
    command.arg(what).arg(sender);
    command
}

async fn run(link: &Link, command: Cmd) -> Result<Words, StoreError> {
    let mut asked = redis::pipe();
    asked.add_command(command);
    let (words,): (Words,) = link.send(&asked).await?;
    Ok(words)
}

fn micros(word: &[u8]) -> Result<u64, StoreError> {
    let number = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| StoreError::Unreadable("a time of the store is no number".into()))
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)
}

pub(super) async fn turn(
    link: &Link,
    sender: &str,
    chore: Chore,
    instance: &InstanceId,
    hold: Duration,
) -> Result<Turn, StoreError> {
    let mut asked = command("turn", sender, chore, instance);
    asked.arg(millis(hold));
    match run(link, asked).await?.first() {
        Some(now) => Ok(Turn::Mine(StoreTime(micros(now)?))),
        None => Ok(Turn::Others),
    }
}

pub(super) async fn share(
    link: &Link,
    sender: &str,
    (chore, instance): (Chore, &InstanceId),
    asked: StoreTime,
    list: &[u8],
    keep: Duration,
) -> Result<(), StoreError> {
    let mut shared = command("share", sender, chore, instance);
    shared.arg(millis(keep)).arg(asked.0);
    shared.arg(keys::NEWS).arg(told(sender, &News::Done(chore, instance.mark())));
    if list.len() <= MOST_SHARED {
        shared.arg(list);
    }
    run(link, shared).await.map(drop)
}

pub(super) async fn read(
    link: &Link,
    sender: &str,
    chore: Chore,
    instance: &InstanceId,
) -> Result<Option<Shared>, StoreError> {
    let mut words = run(link, command("read", sender, chore, instance)).await?.into_iter();
    let (Some(asked), Some(now)) = (words.next(), words.next()) else { return Ok(None) };
    let (asked, now) = (micros(&asked)?, micros(&now)?);
    // A clock that went back says nothing of how old the list is.
    let Some(age) = now.checked_sub(asked) else { return Ok(None) };
    let (asked, age) = (StoreTime(asked), Duration::from_micros(age));
    Ok(Some(Shared { asked, age, list: words.next() }))
}

pub(super) async fn leave(
    link: &Link,
    sender: &str,
    chore: Chore,
    instance: &InstanceId,
    tell: bool,
) {
    let mut left = command("leave", sender, chore, instance);
    if tell {
        left.arg(keys::NEWS).arg(told(sender, &News::Done(chore, instance.mark())));
    }
    if let Err(error) = run(link, left).await {
        debug!(instance.id = %instance, %error, "a turn was not given up; it ends by itself");
    }
}

pub(super) async fn tell(link: &Link, sender: &str, news: &News) {
    let mut asked = redis::pipe();
    asked.cmd("PUBLISH").arg(keys::NEWS).arg(told(sender, news)).ignore();
    if let Err(error) = link.send::<()>(&asked).await {
        debug!(%error, "other replicas were not told");
    }
}

fn told(sender: &str, news: &News) -> String {
    format!("{sender} {}", news.write())
}
