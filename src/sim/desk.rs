//! What the owner of a server's state does with a request: note it, look for a fault, answer.

use std::time::Duration;

use axum::body::Body;
use http::{Response, StatusCode};

use super::bodies;
use super::errand::Ledger;
use super::faults::{Book, Fault};
use super::machine::{Ask, Machine, Times, call_of};
use super::params::Params;
use super::reply::{Failure, Reply, html, redirect};
use super::seen::{Log, Seen};
use super::{documents, join, reply};

/// All state of one server.
pub(super) struct Desk {
    pub(super) machine: Machine,
    pub(super) faults: Book,
    pub(super) log: Log,
    /// How its own requests ended.
    pub(super) ledger: Ledger,
}

/// What becomes of a request.
pub(super) enum Deed {
    Answer(Response<Body>),
    Late(Duration, Response<Body>),
    Never,
    Refused,
}

impl Desk {
    pub(super) fn receive(&mut self, ask: &Ask, times: Times) -> Deed {
        let fault = self.faults.take(call_of(ask.path()));
        if fault == Some(Fault::Refuse) {
            return Deed::Refused;
        }
        self.log.note(Seen::of(ask));
        match fault {
            None => {
                let wait = documents::wait(&self.machine.settings, ask);
                let reply = self.work(ask, times);
                if wait.is_zero() || !reply::succeeded(&reply) {
                    Deed::Answer(reply.map(Body::from))
                } else {
                    Deed::Late(wait, reply.map(Body::from))
                }
            }
            Some(fault) => self.misbehave(fault, ask, times),
        }
    }

    fn work(&mut self, ask: &Ask, times: Times) -> Reply {
        self.machine.answer(ask, times)
    }

    fn misbehave(&mut self, fault: Fault, ask: &Ask, times: Times) -> Deed {
        let reply = match fault {
            Fault::Refuse => return Deed::Refused,
            Fault::Hang => return Deed::Never,
            Fault::HangAfterWork => {
                self.work(ask, times);
                return Deed::Never;
            }
            Fault::Slow(by) => return Deed::Late(by, self.work(ask, times).map(Body::from)),
            Fault::Huge { mebibytes } => return Deed::Answer(bodies::huge(mebibytes)),
            Fault::Truncated => return Deed::Answer(bodies::truncated(self.work(ask, times))),
            Fault::Internal => html(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Fault::NotFoundPage => html(StatusCode::NOT_FOUND, "Not Found"),
            Fault::Garbage => bodies::garbage(),
            Fault::Xml(kind) => bodies::bad_xml(kind),
            Fault::ChecksumError => self.fail(ask, "checksumError", "Checksums do not match"),
            Fault::Failed { key, message } => self.fail(ask, &key, &message),
            Fault::RedirectTo(target) => redirect(&target),
            Fault::UnknownMeeting => {
                let joins = call_of(ask.path()) == "join";
                let key = if joins { "invalidMeetingIdentifier" } else { "notFound" };
                self.fail(ask, key, "A meeting with that ID does not exist")
            }
        };
        Deed::Answer(reply.map(Body::from))
    }

    fn fail(&self, ask: &Ask, key: &str, message: &str) -> Reply {
        let failure = Failure::new(key, message);
        match call_of(ask.path()) {
            "join" => join::refuse(&self.machine, &Params::of(ask), &failure),
            _ => reply::Failure::reply(&failure),
        }
    }
}
