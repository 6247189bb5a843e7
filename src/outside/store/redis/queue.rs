//! The queue of what is owed: hashes and sorted sets in one slot, changed by one script.

use std::sync::LazyLock;

use bytes::Bytes;
use redis::{Cmd, RedisResult, Script, ToRedisArgs};

use crate::bbb::callback::KEY_BYTES;
use crate::domain::delivery::{DeliveryId, millis};
use crate::outside::store::StoreError;
use crate::outside::store::queue::{
    Due, Lane, MOST_REMEMBERED, Owed, Page, Parcel, Pile, REMEMBERED_FOR, Room, Settle, Tally,
    Target, Way, Wish,
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
    parcels: &[(Way, Parcel)],
    now: u64,
    room: Room,
) -> Result<Vec<Owed>, StoreError> {
    let commands: Vec<Cmd> = parcels
        .iter()
        .map(|(way, parcel)| {
            let mut asked = command("owe");
            asked.arg(now).arg(forgotten(now)).arg(room.most).arg(room.bytes);
            asked.arg(parcel.id.to_string()).arg(parcel.at).arg(&parcel.slip);
            asked.arg(&parcel.body[..]).arg(room.tenant_most).arg(room.tenant_bytes);
            let Way { lane, target, hook } = way;
            asked.arg(*lane as u8).arg(line(&target.tenant)).arg(line(&target.origin)).arg(hook);
            asked
        })
        .collect();
    let answers = link.within(run(link, &commands, true)).await?;
    let read = |words: Words| match words.first().map(Vec::as_slice) {
        Some(b"new") => Ok(Owed::New),
        Some(b"known") => Ok(Owed::Known),
        Some(b"full") => Ok(Owed::Full),
        Some(b"over") => Ok(Owed::OverShare),
        _ => Err(unreadable("the answer of a script")),
    };
    answers.into_iter().map(read).collect()
}

/// What stands between tenant and origin can't stand in either.
fn line(text: &str) -> String {
    text.replace('\n', " ")
}

/// How much may be taken, as the script reads it.
fn limits(wish: &Wish) -> String {
    let name = |target: &Target| [line(&target.tenant), line(&target.origin)].join("\n");
    let targets: serde_json::Map<_, _> =
        wish.targets.iter().map(|(target, free)| (name(target), (*free).into())).collect();
    let tenants: serde_json::Map<_, _> =
        wish.tenants.iter().map(|(tenant, free)| (line(tenant), (*free).into())).collect();
    serde_json::json!({"targets": targets, "tenants": tenants}).to_string()
}

pub(super) async fn take_due(
    link: &Link,
    now: u64,
    until: u64,
    wish: &Wish,
) -> Result<Due, StoreError> {
    let mut asked = command("take");
    asked.arg(now).arg(until).arg(wish.most).arg(wish.bytes).arg(wish.lane as u8);
    asked.arg(wish.per_target).arg(wish.per_tenant).arg(limits(wish));
    let words = one(link, asked).await?;
    let [next, held, waiting, dead, parcels @ ..] = words.as_slice() else {
        return Err(unreadable("the answer of a script"));
    };
    let held = held == b"held";
    let parcels = parcels.chunks_exact(3).map(|part| {
        let (slip, body) = (part[1].clone(), Bytes::copy_from_slice(&part[2]));
        Ok(Parcel { id: id(&part[0])?, at: until, slip, body })
    });
    let parcels = parcels.collect::<Result<_, StoreError>>()?;
    let next = if next.is_empty() { None } else { Some(number(next)?) };
    Ok(Due { parcels, next, held, waiting: number(waiting)?, dead: number(dead)? })
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

pub(super) async fn discard_hook(link: &Link, tenant: &str, hook: &str) -> Result<u64, StoreError> {
    let words = one(link, with(command("hook"), (line(tenant), hook))).await?;
    number(words.first().map(Vec::as_slice).unwrap_or_default())
}

pub(super) async fn tallies(link: &Link) -> Result<Vec<Tally>, StoreError> {
    let words = one(link, command("tallies")).await?;
    let tally = |part: &[Vec<u8>]| {
        let lane = if part[0] == b"1" { Lane::Events } else { Lane::Calls };
        let name = String::from_utf8_lossy(&part[1]);
        let (tenant, origin) = name.split_once('\n').unwrap_or_default();
        let target = Target { tenant: tenant.to_owned(), origin: origin.to_owned() };
        Ok(Tally { lane, target, waiting: number(&part[2])?, first: number(&part[3])? })
    };
    words.chunks_exact(4).map(tally).collect()
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
