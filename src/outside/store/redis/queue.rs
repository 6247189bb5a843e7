//! The queue of what is owed: hashes and sorted sets in one slot, changed by one script.

use std::sync::LazyLock;

use bytes::Bytes;
use redis::{Cmd, RedisResult, Script, ToRedisArgs};

use crate::bbb::callback::KEY_BYTES;
use crate::domain::delivery::{DeliveryId, millis};
use crate::outside::store::StoreError;
use crate::outside::store::queue::{
    Due, MOST_REMEMBERED, Owed, Page, Parcel, Pile, REMEMBERED_FOR, Room, Settle,
};

use super::keys;
use super::link::{Batch, Link, explained};

const SCRIPT: &str = include_str!("queue.lua");
static QUEUE: LazyLock<Script> = LazyLock::new(|| Script::new(SCRIPT));

/// What the script answers: a list of texts, some of them not UTF-8.
type Words = Vec<Vec<u8>>;

pub(super) async fn key(
    link: &Link,
    propose: [u8; KEY_BYTES],
) -> Result<[u8; KEY_BYTES], StoreError> {
    let mut asked = redis::pipe();
    asked.atomic().cmd("SET").arg(keys::CALLBACK_KEY).arg(&propose[..]).arg("NX").ignore();
    asked.cmd("GET").arg(keys::CALLBACK_KEY);
    let (kept,): (Vec<u8>,) = link.write(&asked).await?;
    kept.try_into().map_err(|_| unreadable("the key of callbacks"))
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Unreadable(what.to_owned())
}

fn command(what: &str) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(QUEUE.get_hash()).arg(keys::QUEUE.len()).arg(&keys::QUEUE[..]).arg(what);
    command
}

fn forgotten(now: u64) -> u64 {
    now.saturating_sub(millis(REMEMBERED_FOR))
}

/// Runs the script with these commands in one pipeline.
async fn run(link: &Link, commands: &[Cmd], copied: bool) -> Result<Vec<Words>, StoreError> {
    let answers = link.each(commands, Batch { script: Some(SCRIPT), copied }).await?;
    answers
        .into_iter()
        .map(|answer: RedisResult<Words>| answer.map_err(|e| explained(&e)))
        .collect()
}

async fn one(link: &Link, command: Cmd) -> Result<Words, StoreError> {
    let answers = link.within(run(link, &[command], false)).await?;
    answers.into_iter().next().ok_or_else(|| unreadable("the answer of a script"))
}

pub(super) async fn owe(
    link: &Link,
    parcels: &[Parcel],
    now: u64,
    room: Room,
) -> Result<Vec<Owed>, StoreError> {
    let commands: Vec<Cmd> = parcels
        .iter()
        .map(|parcel| {
            let mut asked = command("owe");
            asked.arg(now).arg(forgotten(now)).arg(room.most).arg(room.bytes);
            asked.arg(parcel.id.to_string()).arg(parcel.at).arg(&parcel.slip);
            asked.arg(&parcel.body[..]);
            asked
        })
        .collect();
    let answers = link.within(run(link, &commands, true)).await?;
    let read = |words: Words| match words.first().map(Vec::as_slice) {
        Some(b"new") => Ok(Owed::New),
        Some(b"known") => Ok(Owed::Known),
        Some(b"full") => Ok(Owed::Full),
        _ => Err(unreadable("the answer of a script")),
    };
    answers.into_iter().map(read).collect()
}

pub(super) async fn take_due(
    link: &Link,
    now: u64,
    until: u64,
    most: usize,
    bytes: usize,
) -> Result<Due, StoreError> {
    let mut asked = command("take");
    asked.arg(now).arg(until).arg(most).arg(bytes);
    let words = one(link, asked).await?;
    let [next, waiting, dead, parcels @ ..] = words.as_slice() else {
        return Err(unreadable("the answer of a script"));
    };
    let parcels = parcels.chunks_exact(3).map(|part| {
        let (slip, body) = (part[1].clone(), Bytes::copy_from_slice(&part[2]));
        Ok(Parcel { id: id(&part[0])?, at: until, slip, body })
    });
    let parcels = parcels.collect::<Result<_, StoreError>>()?;
    let next = if next.is_empty() { None } else { Some(number(next)?) };
    Ok(Due { parcels, next, waiting: number(waiting)?, dead: number(dead)? })
}

pub(super) async fn settle(
    link: &Link,
    id: &DeliveryId,
    until: u64,
    settle: Settle,
    room: Room,
) -> Result<bool, StoreError> {
    let (becomes, at, slip) = match settle {
        Settle::Done { at } => ("done", at, Vec::new()),
        Settle::Again { at, slip } => ("again", at, slip),
        Settle::Dead { at, slip } => ("dead", at, slip),
    };
    let mut asked = command("settle");
    asked.arg(id.to_string()).arg(until).arg(becomes).arg(at).arg(slip);
    asked.arg(forgotten(at)).arg(MOST_REMEMBERED).arg(room.most);
    said(link, asked, b"settled").await
}

pub(super) async fn pile(
    link: &Link,
    pile: Pile,
    from: usize,
    most: usize,
) -> Result<Page, StoreError> {
    let name = match pile {
        Pile::Waiting => "waiting",
        Pile::Dead => "dead",
    };
    let mut asked = command("pile");
    asked.arg(name).arg(from).arg(most);
    let words = one(link, asked).await?;
    let Some((total, parcels)) = words.split_first() else {
        return Err(unreadable("the answer of a script"));
    };
    let parcels = parcels.chunks_exact(3).map(|part| {
        let (id, at) = (id(&part[0])?, number(&part[1])?);
        Ok(Parcel { id, at, slip: part[2].clone(), body: Bytes::new() })
    });
    Ok(Page { parcels: parcels.collect::<Result<_, StoreError>>()?, total: number(total)? })
}

pub(super) async fn revive(link: &Link, id: &DeliveryId, now: u64) -> Result<bool, StoreError> {
    said(link, with(command("revive"), (id.to_string(), now)), b"done").await
}

pub(super) async fn discard(link: &Link, id: &DeliveryId) -> Result<bool, StoreError> {
    said(link, with(command("discard"), id.to_string()), b"done").await
}

fn with(mut command: Cmd, arguments: impl ToRedisArgs) -> Cmd {
    command.arg(arguments);
    command
}

async fn said(link: &Link, asked: Cmd, word: &[u8]) -> Result<bool, StoreError> {
    let words = one(link, asked).await?;
    Ok(words.first().is_some_and(|said| said == word))
}

fn id(text: &[u8]) -> Result<DeliveryId, StoreError> {
    let text = std::str::from_utf8(text).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| unreadable("the id of a delivery"))
}

fn number(text: &[u8]) -> Result<u64, StoreError> {
    let text = std::str::from_utf8(text).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| unreadable("a number of the queue"))
}
