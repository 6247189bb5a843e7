//! The placement that serves, asked as the program asks it: with a roster, the means that it would have read, and
//! its own placements.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::meeting::Meeting;
use super::policy::Sighted;
use super::run::State;
use crate::bbb::checksum::{Algorithm, Algorithms};
use crate::domain::instance::{AdminState, Health, Instance, InstanceId, Member, Roster};
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

/// One balancer, and what it knows.
pub(super) struct Balancer {
    members: Vec<Member>,
    ids: HashMap<InstanceId, usize>,
    roster: Roster,
    loads: LoadSnapshot,
    own: HashMap<InstanceId, Own>,
    tenant: Tenant,
    tags: TagWish,
    rules: Rules,
    cores: Vec<f64>,
}

impl Balancer {
    pub(super) fn new(policy: Policy, cores: &[f64]) -> Self {
        let members: Vec<_> = (0..cores.len()).map(member).collect();
        let id = |(n, member): (usize, &Member)| (member.instance.id.clone(), n);
        let limits = (LIMIT, LIMIT);
        Self {
            ids: members.iter().enumerate().map(id).collect(),
            roster: Roster::new(members.clone()),
            members,
            loads: LoadSnapshot::default(),
            own: HashMap::new(),
            tenant: tenant(),
            tags: TagWish::default(),
            rules: Rules {
                policy,
                cpu_limit: limits.0,
                mem_limit: limits.1,
                metrics_range: METRICS_RANGE,
            },
            cores: cores.to_vec(),
        }
    }

    pub(super) fn choose(&self, now: Moment, failed: &[usize]) -> Option<usize> {
        let except: HashSet<_> = failed.iter().map(|&n| self.id(n).clone()).collect();
        let ranking = rank(&Question {
            tenant: &self.tenant,
            roster: &self.roster,
            loads: &self.loads,
            own: &self.own,
            except: &except,
            tags: &self.tags,
            now,
            rules: self.rules,
        });
        ranking.order.first().map(|id| self.ids[id])
    }

    pub(super) fn placed(
        &mut self,
        now: Moment,
        server: usize,
        _number: usize,
        _meeting: &Meeting,
    ) {
        let counts_for = self.rules.placements_count_for();
        let own = self.own.entry(self.id(server).clone()).or_default();
        own.meetings += 1;
        own.recent.retain(|&at| now.since(at) < counts_for);
        own.recent.push(now);
    }

    pub(super) fn swept(
        &mut self,
        _now: Moment,
        _server: usize,
        _sighted: impl Iterator<Item = Sighted>,
    ) {
    }

    pub(super) fn ended(&mut self, _now: Moment, server: usize, _number: usize) {
        if let Some(own) = self.own.get_mut(&self.members[server].instance.id) {
            own.meetings = own.meetings.saturating_sub(1);
        }
    }

    pub(super) fn noticed(&mut self, server: usize, there: bool) {
        if !there {
            self.own.remove(&self.members[server].instance.id);
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
    Member {
        instance: Arc::new(instance),
        admin: AdminState::Enabled,
        retired: false,
        health: Health::Dead,
        why: None,
        swept: false,
        tags: Vec::new(),
    }
}

fn tenant() -> Tenant {
    Tenant {
        id: TenantId::new("tenant.example.org"),
        secrets: vec![Secret::new("secret")],
        algorithms: Algorithms::of(&[]),
        pool: None,
        meeting_pool: None,
        user_pool: None,
        maintenance: None,
        rules: Default::default(),
    }
}
