//! The placement that serves, asked as the program asks it: with a roster, the means that it would have read, its own
//! placements, and what sweeps and rooms' history say of the meetings.

use crate::determinism::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::circumstances::Circumstances;
use super::policy::Sighted;
use super::run::State;
use crate::bbb::checksum::{Algorithm, Algorithms};
use crate::domain::forecast::{Course, Habit, Lessons, Outlook, Phase};
use crate::domain::instance::{Health, Instance, InstanceId, Member, Roster};
use crate::domain::load::{Load, LoadSnapshot};
use crate::domain::moment::Moment;
use crate::domain::placement::{Own, Policy, Question, Rules, rank};
use crate::domain::secret::Secret;
use crate::domain::tag::TagWish;
use crate::domain::tenant::{Tenant, TenantId};

/// `balancer.metricsRange`, as it is by default.
const METRICS_RANGE: Duration = Duration::from_mins(5);
/// `balancer.cpuLimit` and `balancer.memLimit`.
const LIMIT: f64 = 90.0;

/// A meeting that the balancer knows of.
struct Known {
    room: usize,
    course: Course,
}

/// One balancer, and what it knows.
pub(super) struct Balancer {
    members: Vec<Member>,
    ids: HashMap<InstanceId, usize>,
    roster: Roster,
    loads: LoadSnapshot,
    own: HashMap<InstanceId, Own>,
    /// For each server, by meeting.
    known: Vec<BTreeMap<usize, Known>>,
    /// What rooms had come to whose server died.
    lost: HashMap<usize, Habit>,
    lessons: Lessons,
    tenant: Tenant,
    tags: TagWish,
    rules: Rules,
    cores: Vec<f64>,
}

impl Balancer {
    pub(super) fn new(policy: Policy, cores: &[f64], circumstances: Circumstances) -> Self {
        let members: Vec<_> = (0..cores.len()).map(member).collect();
        let id = |(n, member): (usize, &Member)| (member.instance.id.clone(), n);
        let limits = (LIMIT, LIMIT);
        Self {
            ids: members.iter().enumerate().map(id).collect(),
            roster: Roster::new(members.clone()),
            members,
            loads: LoadSnapshot::default(),
            own: HashMap::default(),
            known: cores.iter().map(|_| BTreeMap::new()).collect(),
            lost: HashMap::default(),
            lessons: Lessons::default(),
            tenant: tenant(),
            tags: TagWish::default(),
            rules: Rules {
                policy,
                cpu_limit: limits.0,
                mem_limit: limits.1,
                metrics_range: METRICS_RANGE,
                risk: circumstances.risk,
                comfort: circumstances.comfort,
            },
            cores: cores.to_vec(),
        }
    }

    pub(super) fn choose(&self, now: Moment, called: &Sighted, failed: &[usize]) -> Option<usize> {
        let except: HashSet<_> = failed.iter().map(|&n| self.id(n).clone()).collect();
        let ranking = rank(&Question {
            tenant: &self.tenant,
            roster: &self.roster,
            loads: &self.loads,
            own: &self.own,
            cores: &HashMap::default(),
            coming: &self.begins(called).outlook(now, &self.lessons),
            except: &except,
            tags: &self.tags,
            now,
            rules: self.rules,
        });
        ranking.order.first().map(|id| self.ids[id])
    }

    /// A meeting that begins, with what is known of its room.
    fn begins(&self, called: &Sighted) -> Course {
        let habit = self.lost.get(&called.room).copied().or(called.met);
        Course::new(called.created, Phase::of(called.created.0), habit)
    }

    pub(super) fn placed(&mut self, now: Moment, server: usize, called: &Sighted) {
        let course = self.begins(called);
        let outlook = course.outlook(now, &self.lessons);
        let own = self.own.entry(self.id(server).clone()).or_default();
        own.meetings += 1;
        own.burden.add(&outlook);
        let known = Known { room: called.room, course };
        self.known[server].insert(called.meeting, known);
    }

    /// Takes in what a server lists, all of it.
    pub(super) fn swept(
        &mut self,
        now: Moment,
        server: usize,
        listed: impl Iterator<Item = Sighted>,
    ) {
        let mut before = std::mem::take(&mut self.known[server]);
        let (mut burden, mut meetings) = (Outlook::default(), 0);
        for sighted in listed {
            let known = before.remove(&sighted.meeting);
            let mut course = known.map_or_else(|| self.begins(&sighted), |known| known.course);
            let (users, webcams) = (sighted.users as u64, sighted.webcams as u64);
            course.seen(now, users, webcams, &mut self.lessons);
            burden += &course.outlook(now, &self.lessons);
            meetings += 1;
            let known = Known { room: sighted.room, course };
            self.known[server].insert(sighted.meeting, known);
        }
        for Known { course, .. } in before.into_values() {
            course.ends(now, &mut self.lessons);
        }
        let own = self.own.entry(self.id(server).clone()).or_default();
        own.meetings = meetings;
        own.burden.settle(now, burden, METRICS_RANGE);
    }

    pub(super) fn noticed(&mut self, now: Moment, server: usize, there: bool) {
        if !there {
            self.own.remove(&self.members[server].instance.id);
            let lost = std::mem::take(&mut self.known[server]);
            let came_to = |known: Known| Some((known.room, known.course.begins_again(now)?));
            self.lost.extend(lost.into_values().filter_map(came_to));
        }
        self.members[server].health = if there { Health::Up } else { Health::Dead };
        self.roster = Roster::new(self.members.clone());
    }

    /// Reads the means of all servers. The predecessor counted the kernel's part of the CPU alone.
    pub(super) fn read(&mut self, now: Moment, servers: &mut [State]) {
        self.loads.read_at = Some(now);
        for (n, server) in servers.iter_mut().enumerate() {
            let id = &self.members[n].instance.id;
            let Some(means) = server.gauges.means(now, METRICS_RANGE) else {
                self.loads.loads.remove(id);
                continue;
            };
            let cpu = match self.rules.policy {
                Policy::Seed => means.system,
                Policy::Predictive => means.cpu,
            };
            let load = Load {
                cpu: Some(cpu),
                mem: Some(means.mem),
                cores: Some(self.cores[n]),
                newest: means.newest,
                ..Load::default()
            };
            self.loads.loads.insert(id.clone(), load);
        }
    }

    fn id(&self, server: usize) -> &InstanceId {
        &self.members[server].instance.id
    }
}

/// A server that is not there yet.
fn member(n: usize) -> Member {
    let instance = Instance {
        id: InstanceId::new(format!("https://bbb{n}.example.org/bigbluebutton")),
        origin: format!("https://bbb{n}.example.org"),
        api_path: "/bigbluebutton/api".to_owned(),
        secret: Secret::new("secret"),
        sign_with: Algorithm::Sha256,
    };
    Member { health: Health::Dead, swept: false, ..Member::new(Arc::new(instance)) }
}

fn tenant() -> Tenant {
    Tenant {
        id: TenantId::new("tenant.example.org"),
        host: "tenant.example.org".into(),
        secrets: vec![Secret::new("secret")],
        algorithms: Algorithms::of(&[]),
        pool: None,
        meeting_pool: None,
        user_pool: None,
        maintenance: None,
        rules: Default::default(),
    }
}
