//! Clients as front ends are: a create before each join, ends, rooms opened again at once, repeats.

use std::time::Duration;

use futures_util::future::join;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::answers::{Reply, query, read, stranded};
use crate::history::{Answer, Call, Room, What};
use crate::swarm::Swarm;

/// The clients of one room.
pub(crate) struct Clients<'a> {
    swarm: &'a Swarm,
    room: Room,
    rng: StdRng,
}

impl<'a> Clients<'a> {
    pub(crate) fn new(swarm: &'a Swarm, room: Room, seed: u64) -> Self {
        // What clients of a room do does not depend on which other rooms there are.
        let letters = room.to_string();
        let of_room = letters.bytes().fold(seed, |sum, byte| sum.rotate_left(7) ^ u64::from(byte));
        Self { swarm, room, rng: StdRng::seed_from_u64(of_room) }
    }

    /// Calls until then.
    pub(crate) async fn call_until(mut self, end: Instant) {
        while Instant::now() < end {
            sleep(Duration::from_millis(self.rng.random_range(5..2_500))).await;
            self.act().await;
        }
    }

    async fn act(&mut self) {
        let replica = self.replica();
        match self.rng.random_range(0..100) {
            0..40 => {
                let made = self.ask(replica, Call::Create).await;
                if matches!(made, Answer::Made(_)) {
                    let replica = self.replica();
                    self.ask(replica, Call::Join).await;
                }
            }
            40..52 => drop(self.ask(replica, Call::Join).await),
            52..60 => drop(self.ask(replica, Call::Info).await),
            60..66 => drop(self.ask(replica, Call::Running).await),
            66..74 => drop(self.ask(replica, Call::List).await),
            74..80 => drop(self.ask(replica, Call::End).await),
            80..88 => {
                // Ended, and opened again at once elsewhere.
                self.ask(replica, Call::End).await;
                let replica = self.replica();
                self.ask(replica, Call::Create).await;
            }
            88..95 => {
                let other = self.replica();
                self.both((replica, Call::Create), (other, Call::Create)).await;
            }
            _ => {
                let other = self.replica();
                self.both((replica, Call::Create), (other, Call::End)).await;
            }
        }
    }

    fn replica(&mut self) -> usize {
        self.rng.random_range(0..self.swarm.count())
    }

    async fn both(&mut self, one: (usize, Call), other: (usize, Call)) {
        let wait = Duration::from_millis(self.rng.random_range(0..60));
        let first = ask(self.swarm, one.0, &self.room, one.1);
        let second = async {
            sleep(wait).await;
            ask(self.swarm, other.0, &self.room, other.1).await
        };
        join(first, second).await;
    }

    async fn ask(&self, replica: usize, call: Call) -> Answer {
        ask(self.swarm, replica, &self.room, call).await
    }
}

/// Makes a call, and writes down what comes of it. A proxy tries the next replica where nobody listens, or has not
/// answered for a while.
pub(crate) async fn ask(swarm: &Swarm, replica: usize, room: &Room, call: Call) -> Answer {
    let op = swarm.next_op();
    let (replica, sent) = (0..swarm.count())
        .map(|n| (replica + n) % swarm.count())
        .filter(|n| !swarm.is_missed(*n))
        .find_map(|n| {
            let (name, query) = query(call, room, op);
            Some((n, swarm.replica(n, |replica| replica.call(&room.tenant, name, &query))??))
        })
        .unzip();
    let replica = replica.unwrap_or_default();
    swarm.recorder.note(What::Asked { op, replica, room: room.clone(), call });
    let answer = match sent {
        Some(sent) => match sent.await {
            Some(reply) if call == Call::Join => join_at(swarm, &reply).await,
            Some(reply) => read(call, &reply),
            None => Answer::NotKnown("no answer in time".into()),
        },
        None => Answer::NotKnown("nobody listens".into()),
    };
    swarm.recorder.note(What::Answered { op, answer: answer.clone() });
    answer
}

/// A browser goes where a join sends it.
async fn join_at(swarm: &Swarm, reply: &Reply) -> Answer {
    if !reply.status.is_redirection() {
        return read(Call::Join, reply);
    }
    match swarm.fleet.visit(&reply.location).await {
        Some(page) if page.contains("errors=") => stranded(reply),
        Some(_) => Answer::Joins,
        None => Answer::NotKnown("the server does not answer the browser".into()),
    }
}
