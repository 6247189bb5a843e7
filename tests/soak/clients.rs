//! Clients as front ends are: a create before each join, repeats, ends, infos and lists; rooms are used for a while,
//! ended, and opened again much later.

use std::time::Duration;

use bigblueswarm::sim::BbbClient;
use bytes::Bytes;
use futures_util::future::join;
use http::{HeaderMap, Method};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::answers::{Reply, query, read, stranded};
use crate::ground::{ANY, Ground, TENANTS};
use crate::history::{Answer, Call, Room, What};
use crate::plan::REPLICAS;

/// So many rooms each tenant uses at a time.
pub(crate) const SLOTS: usize = 6;
/// A slot uses so many rooms in turn.
const ROOMS: usize = 8;
/// A meeting ends by itself after this, in minutes, where nobody ends it.
const DURATION: u64 = 4;
/// A call without an answer may be under way for so long after its client has given up: longer than anything is
/// stopped, and whatever holds it then gives up too.
const UNDER_WAY: Duration = Duration::from_secs(40);

/// The clients of one room after another.
pub(crate) struct Clients<'a> {
    ground: &'a Ground,
    tenant: usize,
    slot: usize,
    rng: StdRng,
}

impl<'a> Clients<'a> {
    pub(crate) fn new(ground: &'a Ground, seed: u64, tenant: usize, slot: usize) -> Self {
        let own = seed.rotate_left(16) ^ (tenant * SLOTS + slot) as u64;
        Self { ground, tenant, slot, rng: StdRng::seed_from_u64(own) }
    }

    /// Calls until then.
    pub(crate) async fn call_until(mut self, end: Instant) {
        for turn in 0.. {
            let lasts = Duration::from_millis(self.rng.random_range(30_000..90_000));
            let until = end.min(Instant::now() + lasts);
            let id = format!("room-{}-{}", self.slot, turn % ROOMS);
            let room = Room { tenant: TENANTS[self.tenant].host.to_owned(), id };
            while Instant::now() < until {
                sleep(Duration::from_millis(self.rng.random_range(200..5_000))).await;
                self.act(&room).await;
            }
            self.close(&room).await;
            if Instant::now() >= end {
                return;
            }
        }
    }

    async fn act(&mut self, room: &Room) {
        let [one, other] = [self.replica(), self.replica()];
        match self.rng.random_range(0..100) {
            0..45 => {
                let mut made = self.ask(one, room, Call::Create).await;
                if matches!(made, Answer::NotKnown(_)) {
                    made = self.ask(other, room, Call::Create).await;
                }
                if matches!(made, Answer::Made(_)) {
                    self.ask(other, room, Call::Join).await;
                }
            }
            45..55 => drop(self.ask(one, room, Call::Join).await),
            55..65 => drop(self.ask(one, room, Call::Info).await),
            65..70 => drop(self.ask(one, room, Call::Running).await),
            70..80 => drop(self.ask(one, room, Call::List).await),
            80..84 => drop(self.ask(one, room, Call::End).await),
            84..88 => {
                self.ask(one, room, Call::End).await;
                self.ask(other, room, Call::Create).await;
            }
            88..97 => self.both(room, (one, Call::Create), (other, Call::Create)).await,
            _ => self.both(room, (one, Call::Create), (other, Call::End)).await,
        }
    }

    /// Most calls go through the proxy.
    fn replica(&mut self) -> usize {
        if self.rng.random_bool(0.7) { ANY } else { self.rng.random_range(0..REPLICAS) }
    }

    async fn both(&mut self, room: &Room, one: (usize, Call), other: (usize, Call)) {
        let wait = Duration::from_millis(self.rng.random_range(0..60));
        let first = self.ask(one.0, room, one.1);
        let second = async {
            sleep(wait).await;
            self.ask(other.0, room, other.1).await
        };
        join(first, second).await;
    }

    /// Ends the room, and tries it again a few times where that is not known to have succeeded.
    async fn close(&mut self, room: &Room) {
        for _ in 0..4 {
            let replica = self.replica();
            let ended = self.ask(replica, room, Call::End).await;
            if matches!(ended, Answer::Ended | Answer::Denied) {
                return;
            }
            sleep(Duration::from_secs(5)).await;
        }
    }

    async fn ask(&self, replica: usize, room: &Room, call: Call) -> Answer {
        ask(self.ground, replica, room, call).await
    }
}

/// Makes a call, and writes down what comes of it.
pub(crate) async fn ask(ground: &Ground, replica: usize, room: &Room, call: Call) -> Answer {
    let tenant = TENANTS.into_iter().find(|tenant| tenant.host == room.tenant).expect("a tenant");
    let client = ground.client(tenant, replica);
    let op = ground.next_op();
    ground.recorder.note(What::Asked { op, replica, room: room.clone(), call });
    let Some(reply) = send(&client, call, room, op).await else {
        let answer = Answer::NotKnown("no answer".into());
        let (recorder, late) = (ground.recorder.clone(), answer.clone());
        tokio::spawn(async move {
            sleep(UNDER_WAY).await;
            recorder.note(What::Answered { op, answer: late });
        });
        return answer;
    };
    let answer = match call {
        Call::Join => join_at(ground, &reply).await,
        _ => read(call, &reply),
    };
    ground.recorder.note(What::Answered { op, answer: answer.clone() });
    answer
}

async fn send(client: &BbbClient, call: Call, room: &Room, op: u64) -> Option<Reply> {
    let (name, mut asked) = query(call, room, op);
    if call == Call::Create {
        asked += &format!("&duration={DURATION}");
    }
    let reply = client.get(name, &asked).await.ok()?;
    let location = reply.location().unwrap_or_default().to_owned();
    Some(Reply { status: reply.status, location, body: reply.text() })
}

/// A browser goes where a join sends it.
async fn join_at(ground: &Ground, reply: &Reply) -> Answer {
    if !reply.status.is_redirection() {
        return read(Call::Join, reply);
    }
    let (headers, nothing) = (HeaderMap::new(), Bytes::new());
    let page = ground.web().send(Method::GET, &reply.location, headers, nothing).await;
    match page.as_ref().ok().and_then(|page| page.location()) {
        Some(to) if to.contains("errors=") => stranded(reply),
        Some(_) => Answer::Joins,
        None => Answer::NotKnown("the server does not let the browser in".into()),
    }
}
