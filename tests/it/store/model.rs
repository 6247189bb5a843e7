//! Any sequence of steps ends as it does in a plain model that was written apart from the stores.

use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::meeting::{
    InternalId, MeetingId, Route, RouteKey, RouteRecord, RouteState, Version,
};
use bigblueswarm::domain::tenant::TenantId;
use bigblueswarm::outside::store::{Becomes, ChangeAsk, Changed, ClaimAsk, Claimed, Step, Stepped};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::home::{
    ClusterHome, EmbeddedHome, Home, RedisHome, SentinelHome, instance, key, tenant, version,
};

const MEETINGS: [&str; 2] = ["room", "hall"];
const TENANTS: [&str; 3] = ["t", "u:8090", "v"];
const UNNAMED: usize = 2;
const INSTANCES: [&str; 4] = ["a", "b", "c", "d"];

/// What the asker of a change believes.
#[derive(Clone, Copy, Debug)]
enum Belief {
    Right,
    Nothing,
    Outdated,
}

#[derive(Clone, Debug)]
enum Verb {
    Claim(Vec<InstanceId>),
    Change(Belief, Becomes, bool),
}

type Op = (usize, usize, Verb);

fn ops() -> impl Strategy<Value = Vec<Vec<Op>>> {
    let one = || prop::sample::select(&INSTANCES[..]).prop_map(instance);
    let some = || vec(one(), 0..4);
    let state = prop::sample::select(vec![RouteState::Confirmed, RouteState::Ending]);
    let becomes = prop_oneof![
        3 => state.prop_map(Becomes::State),
        3 => (some(), any::<bool>())
            .prop_map(|(candidates, tomb)| Becomes::Moved { candidates, tomb, most: None }),
        2 => one().prop_map(|instance| Becomes::Adopted { instance }),
        1 => Just(Becomes::Removed),
    ];
    let belief = prop_oneof![6 => Just(Belief::Right), 2 => Just(Belief::Nothing), 1 => Just(Belief::Outdated)];
    let verb = prop_oneof![
        2 => some().prop_map(Verb::Claim),
        5 => (belief, becomes, any::<bool>()).prop_map(|(b, becomes, d)| Verb::Change(b, becomes, d)),
    ];
    vec(vec((0..MEETINGS.len(), 0..TENANTS.len(), verb), 1..9), 1..9)
}

/// Every route there is, in one list.
#[derive(Default)]
struct Model(Vec<(RouteKey, TenantId, Route)>);

impl Model {
    fn find(&self, key: RouteKey, tenant: &TenantId) -> Option<usize> {
        self.0.iter().position(|(k, t, _)| *k == key && t == tenant)
    }

    fn route(&self, key: RouteKey, tenant: &TenantId) -> Option<Route> {
        self.find(key, tenant).map(|at| self.0[at].2.clone())
    }

    fn set(&mut self, key: RouteKey, tenant: &TenantId, route: Option<Route>) {
        self.0.retain(|(k, t, _)| *k != key || t != tenant);
        self.0.extend(route.map(|route| (key, tenant.clone(), route)));
    }

    fn home(&self, key: RouteKey, own: &TenantId, wanted: &[InstanceId]) -> Option<InstanceId> {
        let others = self.0.iter().filter(|(k, t, _)| *k == key && t != own);
        let held = others.flat_map(|(.., route)| route.left.iter().chain([&route.instance]));
        let held: Vec<&InstanceId> = held.collect();
        wanted.iter().find(|candidate| !held.contains(candidate)).cloned()
    }

    fn claim(&mut self, ask: &ClaimAsk) -> Claimed {
        if let Some(route) = self.route(ask.key, &ask.tenant)
            && (route.state != RouteState::Ending || ask.ended != Some(route.version))
        {
            return Claimed::Existing(route);
        }
        let Some(instance) = self.home(ask.key, &ask.tenant, &ask.candidates) else {
            return Claimed::Taken;
        };
        let (version, state, meeting) = (ask.version, RouteState::Claimed, ask.meeting.clone());
        let tombs = vec![];
        let route = Route { instance, version, state, tombs, meeting, internal: None, left: None };
        self.set(ask.key, &ask.tenant, Some(route.clone()));
        Claimed::New(route)
    }

    fn change(&mut self, ask: &ChangeAsk) -> Changed {
        let before = self.route(ask.key, &ask.tenant);
        if before.as_ref().map(|route| route.version) != ask.expect {
            return Changed::Lost(before);
        }
        let (wanted, buried, state) = match &ask.becomes {
            Becomes::Moved { candidates, tomb, .. } => {
                (&candidates[..], *tomb, RouteState::Claimed)
            }
            Becomes::Adopted { instance } => {
                (std::slice::from_ref(instance), false, RouteState::Confirmed)
            }
            Becomes::Removed => {
                let Some(Route { left: Some(left), meeting, mut tombs, .. }) = before else {
                    self.set(ask.key, &ask.tenant, None);
                    return Changed::Done(None);
                };
                tombs.retain(|tomb| *tomb != left);
                let (version, state) = (ask.version, RouteState::Confirmed);
                let (instance, internal, left) = (left, None, None);
                let back = Route { instance, version, state, tombs, meeting, internal, left };
                return self.done(ask, back);
            }
            Becomes::State(state) => {
                let Some(route) = before else { return Changed::Lost(None) };
                let internal = ask.internal.clone().or(route.internal);
                let left = route.left.filter(|_| *state == RouteState::Claimed);
                return self.done(ask, Route { state: *state, internal, left, ..route });
            }
        };
        let Some(instance) = self.home(ask.key, &ask.tenant, wanted) else { return Changed::Taken };
        let (mut tombs, mut lived) = (vec![], None);
        if let Some(route) = before {
            lived = match route.state {
                RouteState::Confirmed => Some(route.instance.clone()),
                RouteState::Claimed => route.left.clone(),
                RouteState::Ending => None,
            };
            let left = Some(route.instance).filter(|_| buried);
            for tomb in route.tombs.into_iter().chain(left) {
                if tomb != instance && !tombs.contains(&tomb) {
                    tombs.push(tomb);
                }
            }
        }
        let meeting = ask.meeting.clone();
        let internal = ask.internal.clone().filter(|_| state == RouteState::Confirmed);
        let left = lived.filter(|_| state == RouteState::Claimed);
        let version = ask.version;
        self.done(ask, Route { instance, version, state, tombs, meeting, internal, left })
    }

    fn done(&mut self, ask: &ChangeAsk, route: Route) -> Changed {
        let route = Route { version: ask.version, ..route };
        self.set(ask.key, &ask.tenant, Some(route.clone()));
        Changed::Done(Some(route))
    }

    /// What the asker says, and what the answer must be.
    fn expect(&mut self, (meeting, by, verb): Op) -> (Step, Stepped) {
        let (key, tenant) = (key(MEETINGS[meeting]), tenant(TENANTS[by]));
        // One of them never knows more than the key.
        let meeting = (by != UNNAMED).then(|| MeetingId::new(MEETINGS[meeting]));
        match verb {
            Verb::Claim(candidates) => {
                let (version, most) = (version(), None);
                // Some know the state that stands, and some do not.
                let ended = self.route(key, &tenant).map(|route| route.version);
                let ended = ended.filter(|_| candidates.len() % 2 == 0);
                let ask = ClaimAsk { key, meeting, tenant, candidates, version, ended, most };
                let answer = self.claim(&ask);
                (Step::Claim(ask), Stepped::Claimed(answer))
            }
            Verb::Change(belief, becomes, durable) => {
                let expect = match belief {
                    Belief::Right => self.route(key, &tenant).map(|route| route.version),
                    Belief::Nothing => None,
                    Belief::Outdated => Some(Version(7)),
                };
                let version = version();
                // Whoever has no id of the meeting has none of the instance either.
                let internal = meeting.as_ref().filter(|_| durable).map(|_| version.0.to_string());
                let internal = internal.map(InternalId::new);
                let ask =
                    ChangeAsk { key, meeting, tenant, expect, becomes, internal, version, durable };
                let answer = self.change(&ask);
                (Step::Change(ask), Stepped::Changed(answer))
            }
        }
    }

    fn records(&self) -> Vec<(RouteKey, RouteRecord)> {
        let mut all = std::collections::BTreeMap::<RouteKey, RouteRecord>::new();
        for (key, tenant, route) in &self.0 {
            all.entry(*key).or_default().insert(tenant.clone(), route.clone());
        }
        all.into_iter().collect()
    }
}

/// The same home serves all cases: each goes on from what the last one left.
fn any_steps_end_as_in_the_model<H: Home>() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let home = H::start();
    let store = runtime.block_on(async { home.open() });
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&ops(), |batches| {
        runtime.block_on(async {
            let mut model = Model::default();
            for (key, record) in store.all_routes().await.expect("routes") {
                model.0.extend(record.into_iter().map(|(tenant, route)| (key, tenant, route)));
            }
            for batch in batches {
                let (steps, expected): (Vec<_>, Vec<_>) =
                    batch.into_iter().map(|op| model.expect(op)).unzip();
                let answers = store.step(steps.clone()).await.expect("answers");
                prop_assert_eq!(answers, expected, "{:#?}", steps);
            }
            let mut stored = store.all_routes().await.expect("routes");
            stored.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(stored, model.records());
            Ok(())
        })
    });
    result.unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn any_steps_end_as_in_the_model_in_the_embedded_store() {
    any_steps_end_as_in_the_model::<EmbeddedHome>();
}

#[test]
fn any_steps_end_as_in_the_model_in_redis() {
    any_steps_end_as_in_the_model::<RedisHome>();
}

#[test]
fn any_steps_end_as_in_the_model_behind_sentinels() {
    any_steps_end_as_in_the_model::<SentinelHome>();
}

#[test]
fn any_steps_end_as_in_the_model_in_a_cluster() {
    any_steps_end_as_in_the_model::<ClusterHome>();
}
