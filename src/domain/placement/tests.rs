//! What is asked of a placement, row by row.

use std::sync::Arc;

mod properties;

use super::*;
use crate::bbb::checksum::{Algorithm, Algorithms};
use crate::domain::forecast::{Course, Habit, Lessons, Phase};
use crate::domain::instance::{AdminState, Health, Instance};
use crate::domain::load::{Load, percent};
use crate::domain::secret::Secret;
use crate::domain::tenant::TenantId;

const RANGE: Duration = Duration::from_secs(300);
const NOW: Moment = Moment(Duration::from_secs(10_000));

/// A whole question that owns its parts.
#[derive(Clone, Debug)]
struct Scene {
    tenant: Tenant,
    members: Vec<Member>,
    loads: LoadSnapshot,
    own: HashMap<InstanceId, Own>,
    cores: HashMap<InstanceId, f64>,
    except: HashSet<InstanceId>,
    tags: TagWish,
    rules: Rules,
}

fn scene(policy: Policy) -> Scene {
    let tenant = Tenant {
        id: TenantId::new("t.example.org"),
        host: "t.example.org".into(),
        secrets: vec![Secret::new("secret")],
        algorithms: Algorithms::of(&[]),
        pool: None,
        meeting_pool: None,
        user_pool: None,
        maintenance: None,
        rules: Default::default(),
    };
    let rules = Rules {
        policy,
        cpu_limit: 90.0,
        mem_limit: 90.0,
        metrics_range: RANGE,
        risk: RISK,
        comfort: COMFORT,
    };
    Scene {
        tenant,
        members: Vec::new(),
        loads: LoadSnapshot::default(),
        own: HashMap::default(),
        cores: HashMap::default(),
        except: HashSet::default(),
        tags: TagWish::default(),
        rules,
    }
}

fn id(name: &str) -> InstanceId {
    InstanceId::new(format!("https://{name}.example.org/bigbluebutton"))
}

impl Scene {
    fn unmeasured(mut self, name: &str) -> Self {
        let instance =
            Instance::new(id(name).as_str(), Secret::new("s"), Algorithm::Sha256).unwrap();
        self.members.push(Member::new(Arc::new(instance)));
        self
    }

    fn with(self, name: &str, cpu: f64, mem: f64) -> Self {
        let load = Load {
            cpu: Some(cpu),
            mem: Some(mem),
            cores: Some(8.0),
            newest: NOW,
            ..Load::default()
        };
        let mut scene = self.unmeasured(name);
        scene.loads.loads.insert(id(name), load);
        scene
    }

    /// Changes the load of the instance added last.
    fn load(mut self, change: impl FnOnce(&mut Load)) -> Self {
        let last = self.members.last().unwrap().instance.id.clone();
        change(self.loads.loads.get_mut(&last).unwrap());
        self
    }

    /// Changes the instance added last.
    fn member(mut self, change: impl FnOnce(&mut Member)) -> Self {
        change(self.members.last_mut().unwrap());
        self
    }

    /// So many meetings of ours on the instance added last.
    fn own(mut self, meetings: usize) -> Self {
        let last = self.members.last().unwrap().instance.id.clone();
        self.own.entry(last).or_default().meetings = meetings;
        self
    }

    /// Meetings on the instance added last, seen in a sweep just now: their ages in minutes, users and webcams.
    fn seen(mut self, meetings: &[(u64, u64, u64)]) -> Self {
        let mut sum = Outlook::default();
        for &(age, users, webcams) in meetings {
            let began = NOW.before(Duration::from_mins(age));
            let mut course = Course::new(began, Phase::Rest, None);
            course.seen(NOW, users, webcams, &mut Lessons::default());
            sum += &course.outlook(NOW, &Lessons::default());
        }
        let last = self.members.last().unwrap().instance.id.clone();
        self.own.entry(last).or_default().burden.settle(NOW, sum, RANGE);
        self.own(meetings.len())
    }

    /// A meeting that was placed just now on the instance added last, of a room that came to so many cores before.
    fn placed(mut self, peak: Option<f64>) -> Self {
        let last = self.members.last().unwrap().instance.id.clone();
        self.own.entry(last).or_default().burden.add(&coming(peak));
        self
    }

    fn ask<T>(&self, answer: impl FnOnce(&Question<'_>) -> T) -> T {
        let roster = Roster::new(self.members.clone());
        answer(&Question {
            tenant: &self.tenant,
            roster: &roster,
            loads: &self.loads,
            own: &self.own,
            cores: &self.cores,
            coming: &coming(None),
            except: &self.except,
            tags: &self.tags,
            now: NOW,
            rules: self.rules,
        })
    }
}

/// A meeting that begins now, of a room that came to so many cores before.
fn coming(peak: Option<f64>) -> Outlook {
    let habit = peak.map(|peak| Habit { peak, lasted: Duration::from_hours(1) });
    Course::new(NOW, Phase::Rest, habit).outlook(NOW, &Lessons::default())
}

#[track_caller]
fn check(scene: &Scene, order: &[&str], blind: bool) {
    let expected = Ranking { order: order.iter().map(|name| id(name)).collect(), blind };
    assert_eq!(scene.ask(rank), expected, "{:#?}", scene.ask(explain));
}

#[track_caller]
fn check_why(scene: &Scene, name: &str, rank: Option<usize>, why: &str) {
    let verdicts = scene.ask(explain);
    let found = verdicts.iter().find(|v| v.instance == id(name).as_str()).unwrap();
    assert_eq!((found.rank, found.why.as_str()), (rank, why));
}

#[test]
fn the_lowest_sum_of_means_wins_and_the_lower_id_a_tie() {
    let scene = scene(Policy::Seed).with("b", 10.0, 20.0).with("a", 5.0, 15.0).with("c", 4.0, 6.0);
    check(&scene, &["c", "a", "b"], false);
    check(&scene.with("aa", 6.0, 4.0), &["aa", "c", "a", "b"], false);
}

#[test]
fn an_instance_over_a_limit_is_out_and_one_at_it_is_in() {
    let scene = scene(Policy::Seed).with("a", 90.1, 0.0).with("b", 90.0, 90.0).with("c", 0.0, 90.5);
    check(&scene, &["b"], false);
    check_why(&scene, "a", None, "cpu 90.1 % is over the limit of 90 %");
    check_why(&scene, "c", None, "mem 90.5 % is over the limit of 90 %");
    let guards: Vec<_> = scene.ask(explain).into_iter().map(|v| v.guard).collect();
    assert_eq!(guards, [None, Some("cpu"), Some("mem")]);
    check_why(&scene, "b", Some(1), "cpu 90.0 % + mem 90.0 %");
}

#[test]
fn whoever_refuses_is_offline_excepted_or_of_another_pool_is_out() {
    let mut scene = scene(Policy::Predictive)
        .with("draining", 1.0, 1.0)
        .member(|m| m.admin = AdminState::Draining)
        .with("disabled", 1.0, 1.0)
        .member(|m| m.admin = AdminState::Disabled)
        .with("dead", 1.0, 1.0)
        .member(|m| (m.health, m.why) = (Health::Dead, Some("connection refused".into())))
        .with("suspect", 1.0, 1.0)
        .member(|m| m.health = Health::Suspect)
        .with("retired", 1.0, 1.0)
        .member(|m| m.retired = true)
        .with("offline", 1.0, 1.0)
        .load(|load| load.online = Some(false))
        .with("failed", 1.0, 1.0)
        .with("foreign", 1.0, 1.0)
        .with("good", 50.0, 50.0)
        .load(|load| load.online = Some(true));
    scene.except.insert(id("failed"));
    let pool = scene.members.iter().map(|m| m.instance.id.clone());
    scene.tenant.pool = Some(pool.filter(|member| *member != id("foreign")).collect());
    check(&scene, &["good"], false);
    check_why(&scene, "draining", None, "draining");
    check_why(&scene, "disabled", None, "disabled");
    check_why(&scene, "dead", None, "dead: connection refused");
    check_why(&scene, "suspect", None, "suspect");
    check_why(&scene, "retired", None, "retired: missing from the list posted last");
    check_why(&scene, "offline", None, "its agent says that it is offline");
    check_why(&scene, "failed", None, "excepted this time");
    check_why(&scene, "foreign", None, "not in the tenant's pool");
    scene.members.pop();
    check(&scene, &[], false);
}

#[test]
fn without_measurements_an_instance_waits_behind_those_that_have_them() {
    let old = |load: &mut Load| load.newest = NOW.before(RANGE + Duration::from_secs(12));
    let scene = scene(Policy::Seed)
        .unmeasured("a")
        .own(4)
        .with("b", 1.0, 1.0)
        .load(old)
        .own(3)
        .with("c", 1.0, 1.0)
        .load(|load| load.mem = None)
        .own(3);
    check(&scene, &["b", "c", "a"], true);
    check_why(&scene, "a", Some(3), "no measurements; has 4 meetings of ours");
    check_why(&scene, "b", Some(1), "newest measurement is 312 s old; has 3 meetings of ours");
    let scene = scene.with("d", 80.0, 80.0);
    check(&scene, &["d"], false);
    check_why(&scene, "b", None, "newest measurement is 312 s old, others have");
    check_why(&scene, "c", None, "no mean of cpu or mem, others have");
}

/// "blue" is measured, "gone" is blue and drains, "red" is unmeasured, "plain" has no tag.
#[track_caller]
fn check_tags(wish: &str, order: &[&str], blind: bool) {
    let tag = |name: &str| vec![name.to_owned()];
    let mut scene = scene(Policy::Seed)
        .with("blue", 50.0, 50.0)
        .member(|m| m.tags = tag("blue"))
        .with("gone", 1.0, 1.0)
        .member(|m| (m.tags, m.admin) = (tag("green"), AdminState::Draining))
        .unmeasured("red")
        .member(|m| m.tags = tag("red"))
        .with("plain", 60.0, 60.0);
    scene.tags = TagWish::parse(wish);
    check(&scene, order, blind);
    if !order.contains(&"plain") {
        check_why(&scene, "plain", None, &format!("not among the servers for the tag {wish}"));
    }
    check_why(&scene, "gone", None, "draining");
}

#[test]
fn tags_decide_who_is_a_candidate() {
    check_tags("", &["blue", "plain"], false);
    check_tags("blue", &["blue"], false);
    check_tags("blue!", &["blue"], false);
    check_tags("blue;red", &["blue"], false);
    check_tags("red", &["red"], true);
    check_tags("none", &["plain"], false);
    check_tags("green", &["plain"], false);
    check_tags("green!", &[], false);
    check_tags("nobody!", &[], false);
    check_tags("green;none", &["plain"], false);
}

#[test]
fn measurements_of_an_instance_that_is_out_do_not_hinder_one_without() {
    let scene = scene(Policy::Seed).unmeasured("a").with("b", 95.0, 1.0);
    check(&scene, &["a"], true);
}

#[test]
fn old_figures_say_nothing_of_being_offline() {
    let scene = scene(Policy::Seed).with("a", 1.0, 1.0).load(|load| {
        load.online = Some(false);
        load.newest = NOW.before(RANGE * 2);
    });
    check(&scene, &["a"], true);
}

#[test]
fn a_figure_that_is_no_number_counts_as_missing() {
    let scene = scene(Policy::Predictive).with("a", f64::NAN, 1.0).with("b", 1.0, 1.0);
    check(&scene, &["b"], false);
}

#[test]
fn what_meetings_will_still_cost_counts_before_it_is_measured() {
    let scene = scene(Policy::Predictive)
        .with("known", 10.0, 10.0)
        .placed(Some(3.0))
        .with("none", 10.0, 10.0)
        .with("two", 10.0, 10.0)
        .placed(None)
        .placed(None)
        .with("one", 10.0, 10.0)
        .placed(None);
    check(&scene, &["none", "one", "two", "known"], false);
    let cpu = "cpu 10.0 % of 8 cores; meetings";
    let ours = "something else 0.40; still to come";
    check_why(&scene, "none", Some(1), &format!("{cpu} 0.00 cores, {ours} 0.00 ± 0.00"));
    check_why(&scene, "one", Some(2), &format!("{cpu} 0.05 cores, {ours} 0.60 ± 0.85"));
    let known = format!("{cpu} 0.05 cores, {ours} 2.95 (2.95 as their rooms did before) ± 0.29");
    check_why(&scene, "known", Some(4), &known);
    let seed = Scene { rules: Rules { policy: Policy::Seed, ..scene.rules }, ..scene };
    check(&seed, &["known", "none", "one", "two"], false);
}

#[test]
fn users_and_webcams_count_and_measured_cpu_corrects_what_they_should_cost() {
    let old = 40; // minutes, so that nothing is to come
    let of = |cpu: f64, users, webcams| ([cpu, 10.0], (old, users, webcams));
    #[track_caller]
    fn check_first(pair: [([f64; 2], (u64, u64, u64)); 2], first: &str) {
        let [a, b] = pair;
        let scene = scene(Policy::Predictive).with("a", a.0[0], a.0[1]).seen(&[a.1]);
        let scene = scene.with("b", b.0[0], b.0[1]).seen(&[b.1]);
        assert_eq!(scene.ask(rank).order[0], id(first), "{:#?}", scene.ask(explain));
    }
    check_first([of(40.0, 50, 0), of(10.0, 50, 0)], "b");
    check_first([of(10.0, 50, 0), of(40.0, 50, 0)], "a");
    // Where little is measured yet, who is there decides.
    check_first([of(0.0, 50, 0), of(0.0, 10, 0)], "b");
    check_first([of(0.0, 10, 9), of(0.0, 10, 0)], "b");
    let one = scene(Policy::Predictive).with("a", 20.0, 10.0).seen(&[(old, 80, 0)]);
    let terms = one.ask(explain)[0].terms.unwrap();
    let close = |x: f64, y: f64| (x - y).abs() < 1e-9;
    assert!(close(terms.measured, 1.6) && close(terms.meetings, 1.65), "{terms:?}");
    assert!(close(terms.correction, 2.6 / 2.65) && close(terms.other, 0.0), "{terms:?}");
    let other = scene(Policy::Predictive).with("a", 60.0, 10.0).seen(&[(old, 20, 0)]);
    let terms = other.ask(explain)[0].terms.unwrap();
    assert!(
        close(terms.correction, 1.8) && close(terms.other, 4.8 - 0.45 * 1.8 - 0.4),
        "{terms:?}"
    );
}

#[test]
fn an_admin_says_how_many_cores_there_are_or_the_agent_or_the_meetings_do() {
    #[track_caller]
    fn check(admin: Option<f64>, agent: Option<f64>, expected: f64, assumed: bool) {
        let mut scene = scene(Policy::Predictive)
            .with("a", 50.0, 10.0)
            .load(|load| load.cores = agent)
            .seen(&[(40, 195, 0), (40, 195, 0)]);
        scene.cores.extend(admin.map(|cores| (id("a"), cores)));
        let terms = scene.ask(explain).remove(0).terms.unwrap();
        assert!((terms.cores - expected).abs() < 0.01, "{terms:?}");
        assert_eq!(terms.cores_assumed, assumed);
    }
    check(Some(32.0), Some(16.0), 32.0, false);
    check(None, Some(16.0), 16.0, false);
    check(Some(f64::NAN), None, (0.4 + 7.9) / 0.6, true);
    check(None, None, (0.4 + 7.9) / 0.6, true);
    check(None, Some(-3.0), (0.4 + 7.9) / 0.6, true);
}

#[test]
fn memory_in_use_only_bounds_where_meetings_are_predicted() {
    let scene =
        scene(Policy::Predictive).with("a", 10.0, 90.0).with("b", 20.0, 10.0).with("c", 1.0, 90.1);
    check(&scene, &["a", "b"], false);
}

#[test]
fn placements_stay_in_the_sum_while_the_source_is_silent() {
    let silent = |load: &mut Load| load.newest = NOW.before(Duration::from_secs(200));
    let scene = scene(Policy::Predictive)
        .with("a", 10.0, 10.0)
        .load(silent)
        .placed(None)
        .placed(None)
        .with("b", 12.0, 12.0)
        .load(silent);
    check(&scene, &["b", "a"], false);
}

/// Places meetings one after the other between two refreshes, and counts them.
fn place(mut scene: Scene, meetings: u64) -> Vec<usize> {
    for _ in 0..meetings {
        let first = scene.ask(rank).order.remove(0);
        let own = scene.own.entry(first).or_default();
        own.meetings += 1;
        own.burden.add(&coming(None));
    }
    scene
        .members
        .iter()
        .map(|m| scene.own.get(&m.instance.id).map_or(0, |own| own.meetings))
        .collect()
}

fn even(counts: &[usize]) -> bool {
    counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1
}

#[test]
fn forty_creates_between_two_refreshes_spread_evenly_over_equal_instances() {
    let three =
        scene(Policy::Predictive).with("a", 20.0, 20.0).with("b", 20.0, 20.0).with("c", 20.0, 20.0);
    assert_eq!(place(three, 40), [14, 13, 13]);
}

#[test]
fn a_machine_with_twice_the_cores_takes_twice_the_meetings() {
    let pair = scene(Policy::Predictive)
        .with("a", 20.0, 20.0)
        .load(|load| load.cores = Some(16.0))
        .with("b", 20.0, 20.0);
    let counts = place(pair, 30);
    assert!((20..=23).contains(&counts[0]), "a little more, as it bears risks better: {counts:?}");
}
