//! What was observed in a storm, in its order: calls of clients with their answers, and what became of meetings on the
//! simulated servers. Nothing in it is taken from the program's own state.

use std::fmt;

/// A tenant's meeting id: what clients call a room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Room {
    /// The tenant's host.
    pub(crate) tenant: String,
    pub(crate) id: String,
}

/// A call that a client makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Join,
    Info,
    Running,
    End,
    /// All meetings of the room's tenant.
    List,
}

/// What a client was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// SUCCESS of a create, with the meeting's internal id.
    Made(String),
    /// A join's redirect to a server's client page.
    Joins,
    /// SUCCESS of getMeetingInfo, with the internal id.
    Shown(String),
    Running(bool),
    /// SUCCESS of an end.
    Ended,
    /// SUCCESS of getMeetings: meeting ids and internal ids.
    Listed(Vec<(String, String)>),
    /// There is no such meeting.
    Denied,
    /// The server that a join leads to has no meeting that it calls so.
    Stranded(String),
    /// FAILED for a reason of its own, such as a full pool.
    Refused(String),
    /// Not known just now (5xx), or no answer in time.
    NotKnown(String),
}

/// How a meeting went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By a call `end`.
    Ended,
    /// Its server lost it in a crash.
    Crashed,
    /// By itself, as nobody came or all left.
    Expired,
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Client call `op` sets out.
    Asked {
        op: u64,
        replica: usize,
        room: Room,
        call: Call,
    },
    Answered {
        op: u64,
        answer: Answer,
    },
    /// A server has a new meeting; the room is whose it is marked as.
    Born {
        server: usize,
        room: Room,
        internal: String,
    },
    /// The user of join call `op` is let into this meeting.
    Joined {
        server: usize,
        internal: String,
        op: u64,
    },
    /// So many people are in it now.
    People {
        server: usize,
        internal: String,
        people: usize,
    },
    Gone {
        server: usize,
        internal: String,
        exit: Exit,
    },
    /// A replica sent a server `end` for this meeting id. Only told, not judged.
    EndSent {
        replica: usize,
        server: usize,
        id: String,
    },
    /// Some probes of this server fail from now on; or none because of this fault.
    Silent {
        server: usize,
        fault: usize,
        on: bool,
    },
    /// A server's lists leave out a meeting that lives, or are whole again.
    Short {
        server: usize,
        on: bool,
    },
    /// A replica can't reach the store, or can again.
    Cut {
        replica: usize,
        on: bool,
    },
    /// An admin put the server out of use, so that its meetings may be created elsewhere.
    Released {
        server: usize,
    },
    /// A server's callback for the meeting that create `op` asked for was taken over: answered 2xx.
    CalledBack {
        op: u64,
    },
    /// The tenant's server has got it.
    Delivered {
        op: u64,
    },
    /// At the end it still waits, or is a dead letter, and admins see so.
    Owed {
        op: u64,
    },
    /// The store came back as it was at this moment, in milliseconds since the storm began.
    WentBack {
        to: u64,
    },
    /// What a fault does, or that it is over.
    Fault {
        fault: usize,
        on: bool,
        words: String,
    },
    /// How much is kept: routes in the store.
    Kept {
        routes: usize,
    },
    /// Everything works, and has for long enough that whatever is kept of what is gone should be gone too.
    Quiet,
}

/// An observation and its moment, in milliseconds since the storm began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: u64,
    pub(crate) what: What,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenant = self.tenant.split('.').next().unwrap_or_default();
        write!(f, "{tenant}/{}", self.id)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(internal) => write!(f, "SUCCESS {}", short(internal)),
            Self::Joins => f.write_str("redirect"),
            Self::Shown(internal) => write!(f, "SUCCESS {}", short(internal)),
            Self::Running(running) => write!(f, "running {running}"),
            Self::Ended => f.write_str("SUCCESS"),
            Self::Listed(all) => {
                f.write_str("list")?;
                all.iter().try_for_each(|(id, internal)| write!(f, " {id}={}", short(internal)))
            }
            Self::Denied => f.write_str("no such meeting"),
            Self::Stranded(id) => write!(f, "redirect to where there is no {id}"),
            Self::Refused(key) => write!(f, "FAILED {key}"),
            Self::NotKnown(why) => write!(f, "not known: {why}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:03} ", self.at / 1000, self.at % 1000)?;
        match &self.what {
            What::Asked { op, replica, room, call } => {
                write!(f, "#{op} {call:?} {room} at replica {replica}")
            }
            What::Answered { op, answer } => write!(f, "#{op} is answered {answer}"),
            What::Born { server, room, internal } => {
                write!(f, "s{server} has {room} {}", short(internal))
            }
            What::Joined { server, internal, op } => {
                write!(f, "#{op} is let into {} on s{server}", short(internal))
            }
            What::People { server, internal, people } => {
                write!(f, "{people} in {} on s{server}", short(internal))
            }
            What::Gone { server, internal, exit } => {
                write!(f, "{} is gone from s{server}: {exit:?}", short(internal))
            }
            What::EndSent { replica, server, id } => {
                write!(f, "replica {replica} sends s{server} end of {id}")
            }
            What::Silent { server, fault, on: true } => {
                write!(f, "s{server} fails (fault {fault})")
            }
            What::Silent { server, fault, on: false } => {
                write!(f, "s{server} fails no more (fault {fault})")
            }
            What::Short { server, on: true } => write!(f, "s{server} leaves one out of its lists"),
            What::Short { server, on: false } => write!(f, "s{server} lists all again"),
            What::Cut { replica, on: true } => write!(f, "replica {replica} is cut off"),
            What::Cut { replica, on: false } => write!(f, "replica {replica} is cut off no more"),
            What::Released { server } => write!(f, "s{server} is out of use"),
            What::CalledBack { op } => write!(f, "the callback of #{op} is taken over"),
            What::Delivered { op } => write!(f, "the callback of #{op} arrives"),
            What::Owed { op } => write!(f, "the callback of #{op} is listed"),
            What::WentBack { to } => write!(f, "the store is as it was at {} ms", to),
            What::Fault { fault, on: true, words } => write!(f, "FAULT {fault} {words}"),
            What::Fault { fault, on: false, words } => write!(f, "FAULT {fault} over: {words}"),
            What::Kept { routes } => write!(f, "{routes} routes are kept"),
            What::Quiet => f.write_str("quiet"),
        }
    }
}

/// The two ends of an internal id: the same hash is the same room.
fn short(internal: &str) -> String {
    match internal.split_once('-') {
        Some((hash, time)) => format!("{}-{time}", hash.get(..4).unwrap_or(hash)),
        None => internal.to_owned(),
    }
}

/// The lines of a room's last `most` events, and of faults between them.
pub(crate) fn of_room(events: &[Event], room: &Room, until: usize, most: usize) -> Vec<String> {
    let mut ops = std::collections::BTreeSet::new();
    let mut internals = std::collections::BTreeSet::new();
    let mut lines = Vec::new();
    for event in &events[..(until + 1).min(events.len())] {
        match &event.what {
            What::Asked { op, room: of, call, .. } if of == room && *call != Call::List => {
                ops.insert(*op);
            }
            What::Born { room: of, internal, .. } if of == room => {
                internals.insert(internal.clone());
            }
            _ => {}
        }
        let concerns = match &event.what {
            What::Asked { op, .. }
            | What::Answered { op, .. }
            | What::CalledBack { op }
            | What::Delivered { op }
            | What::Owed { op } => ops.contains(op),
            What::WentBack { .. } => true,
            What::Born { internal, .. }
            | What::Joined { internal, .. }
            | What::People { internal, .. }
            | What::Gone { internal, .. } => internals.contains(internal),
            What::EndSent { id, .. } => *id == room.id || internals.contains(id),
            What::Fault { .. }
            | What::Silent { .. }
            | What::Short { .. }
            | What::Released { .. } => true,
            What::Cut { .. } => false,
            What::Kept { .. } | What::Quiet => false,
        };
        if concerns {
            lines.push(event.to_string());
        }
    }
    let from = lines.len().saturating_sub(most);
    lines.split_off(from)
}
