//! Processor, memory and counts of a server, as an agent beside it measures them.

use std::collections::BTreeMap;

use super::machine::Machine;
use super::meeting::{Meeting, Voice};

/// Percent of one core: a meeting, somebody in it, a voice that is mixed, a picture that is sent to one viewer.
const MEETING: f64 = 1.5;
const USER: f64 = 1.2;
const VOICE: f64 = 1.5;
const PICTURE: f64 = 0.12;
/// What a server needs for itself, in percent of all cores.
const IDLE: f64 = 2.0;
/// The share of the processor's work that the kernel does.
const SYSTEM_SHARE: f64 = 0.3;
/// Memory of a server at rest, and what meetings and users add, in MiB.
const BASE_MIB: f64 = 2_600.0;
const MEETING_MIB: f64 = 40.0;
const USER_MIB: f64 = 14.0;
const MIB_PER_CORE: f64 = 2_048.0;

/// How many of what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub meetings: u64,
    pub participants: u64,
    pub listeners: u64,
    pub voices: u64,
    pub videos: u64,
    pub recordings: u64,
}

impl Counts {
    fn add(&mut self, meeting: &Meeting) {
        self.meetings += 1;
        self.participants += meeting.count(|_| true) as u64;
        self.listeners += meeting.count(|u| u.voice == Voice::Listening) as u64;
        self.voices += meeting.count(|u| u.voice == Voice::Speaking) as u64;
        self.videos += meeting.count(|u| u.video) as u64;
        self.recordings += u64::from(meeting.recording && meeting.running());
    }
}

/// One measurement of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    pub cores: u32,
    /// Percent of all cores.
    pub usage_user: f64,
    pub usage_system: f64,
    pub mem_used_percent: f64,
    pub counts: Counts,
    /// The same by the value of the balancer's tenant tag.
    pub by_tenant: BTreeMap<String, Counts>,
}

impl Figures {
    /// What the processor does not use, in percent.
    pub fn usage_idle(&self) -> f64 {
        (100.0 - self.usage_user - self.usage_system).max(0.0)
    }

    /// What it uses, in percent.
    pub fn cpu(&self) -> f64 {
        100.0 - self.usage_idle()
    }
}

/// The tag by which the balancer marks whose meeting one is.
const TENANT: &str = "bigblueswarm-tenant";

/// Measures a server.
pub(super) fn measure(machine: &Machine) -> Figures {
    let mut figures = Figures { cores: machine.settings.cores.max(1), ..Figures::default() };
    let mut work = 0.0;
    for meeting in machine.meetings.iter().filter(|m| m.lives()) {
        figures.counts.add(meeting);
        if let Some(tenant) = meeting.meta(TENANT) {
            figures.by_tenant.entry(tenant.to_owned()).or_default().add(meeting);
        }
        work += work_of(meeting);
    }
    let cores = f64::from(figures.cores);
    let cpu = (IDLE + work / cores).min(100.0);
    figures.usage_system = cpu * SYSTEM_SHARE;
    figures.usage_user = cpu - figures.usage_system;
    let Counts { meetings, participants, .. } = figures.counts;
    let used = BASE_MIB + MEETING_MIB * meetings as f64 + USER_MIB * participants as f64;
    figures.mem_used_percent = (100.0 * used / (MIB_PER_CORE * cores)).min(100.0);
    figures
}

/// Percent of one core that a meeting needs: every picture goes to everybody else.
fn work_of(meeting: &Meeting) -> f64 {
    let users = meeting.count(|_| true) as f64;
    let voices = meeting.count(|u| u.voice == Voice::Speaking) as f64;
    let videos = meeting.count(|u| u.video) as f64;
    MEETING + USER * users + VOICE * voices + PICTURE * videos * users
}
