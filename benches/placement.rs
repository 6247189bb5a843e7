//! How well meetings are placed, and what a decision costs.
//!
//! `cargo bench --bench placement` prints all of it, in a few minutes; `-- cells`, `-- circumstances`, `-- decision`
//! or `-- ranking` a part. Days are those of the program itself, `bigblueswarm simulate --compare`.

use bigblueswarm::determinism::{HashMap, HashSet};
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::domain::forecast::{Course, Lessons, Outlook, Phase};
use bigblueswarm::domain::instance::{Instance, InstanceId, Member, Roster};
use bigblueswarm::domain::load::{Load, LoadSnapshot};
use bigblueswarm::domain::moment::Moment;
use bigblueswarm::domain::placement::{COMFORT, Own, Policy, Question, RISK, Ranking, Rules, rank};
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::domain::tag::TagWish;
use bigblueswarm::domain::tenant::{Tenant, TenantDocument, TenantSpec};
use divan::Bencher;

const NOW: Moment = Moment(Duration::from_secs(10_000));
const METRICS_RANGE: Duration = Duration::from_mins(5);
/// The days that are reported; what was tuned was tuned on others.
const DAYS: &str = "--seeds 10 --first-seed 1000";
/// When less is known, or the fleet is emptier or fuller: what is said of it, and how the program is told.
const CIRCUMSTANCES: [(&str, &str); 5] = [
    ("nobody knows what rooms did the last time", "--without-history"),
    ("each meeting costs 30 % more or less than it seems to", "--cost-error 0.3"),
    ("four balancers that do not hear each other", "--balancers 4"),
    ("a fluid peak of 0.5", "--fleet 20 --peak 0.5"),
    ("a fluid peak of 0.75", "--fleet 20 --peak 0.75"),
];
/// How many decisions are timed.
const DECISIONS: usize = 2_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so, `cargo test` does not.
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let named: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|named| *named == part);
    if wanted("cells") {
        compare("every policy", "");
    }
    if wanted("circumstances") {
        for (what, flags) in CIRCUMSTANCES {
            compare(what, &format!("--policy predictive {flags}"));
        }
    }
    if wanted("decision") {
        [100, 1_000].into_iter().for_each(decision);
    }
    if wanted("ranking") {
        divan::main();
    }
}

/// Prints what the program says about its days.
fn compare(what: &str, flags: &str) {
    let line = format!("simulate --compare {DAYS} {flags}");
    println!("\n{what}: bigblueswarm {}", line.trim_end());
    let started = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_bigblueswarm"));
    let status = program.args(line.split_whitespace()).status().expect("the program starts");
    assert!(status.success(), "{line}: {status}");
    println!("in {:.0} s", started.elapsed().as_secs_f64());
}

/// Prints how long a decision takes.
fn decision(instances: usize) {
    let pool = Pool::new(instances);
    let mut times: Vec<_> = (0..DECISIONS)
        .map(|_| {
            let started = Instant::now();
            black_box(rank(&black_box(&pool).question()));
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    let median = times[DECISIONS / 2].as_secs_f64() * 1e6;
    println!("decision at {instances} servers: {median:.1} µs");
}

/// Ranks a pool of which every instance may be taken and has placements of ours.
#[divan::bench(args = [100, 1_000])]
fn ranking(bencher: Bencher<'_, '_>, instances: usize) {
    let pool = Pool::new(instances);
    bencher.bench_local(|| -> Ranking { rank(&pool.question()) });
}

/// All that a decision looks at.
struct Pool {
    tenant: Tenant,
    roster: Roster,
    loads: LoadSnapshot,
    own: HashMap<InstanceId, Own>,
    cores: HashMap<InstanceId, f64>,
    coming: Outlook,
    except: HashSet<InstanceId>,
    tags: TagWish,
}

impl Pool {
    fn new(instances: usize) -> Self {
        let members: Vec<_> = (0..instances).map(member).collect();
        let ids: Vec<InstanceId> = members.iter().map(|m| m.instance.id.clone()).collect();
        let loads = ids.iter().cloned().enumerate().map(|(n, id)| (id, load(n))).collect();
        let coming = meeting(0).outlook(NOW, &Lessons::default());
        Self {
            tenant: tenant(),
            roster: Roster::new(members),
            loads: LoadSnapshot { read_at: Some(NOW), loads, tenants: HashMap::default() },
            own: ids.into_iter().enumerate().map(|(n, id)| (id, own(n))).collect(),
            cores: HashMap::default(),
            coming,
            except: HashSet::default(),
            tags: TagWish::default(),
        }
    }

    fn question(&self) -> Question<'_> {
        Question {
            tenant: &self.tenant,
            roster: &self.roster,
            loads: &self.loads,
            own: &self.own,
            cores: &self.cores,
            coming: &self.coming,
            except: &self.except,
            tags: &self.tags,
            now: NOW,
            rules: Rules {
                policy: Policy::Predictive,
                cpu_limit: 90.0,
                mem_limit: 90.0,
                metrics_range: METRICS_RANGE,
                risk: RISK,
                comfort: COMFORT,
            },
        }
    }
}

fn member(n: usize) -> Member {
    let url = format!("https://bbb{n}.example.org/bigbluebutton");
    let instance = Instance::new(&url, Secret::new("secret"), Algorithm::Sha256);
    Member::new(Arc::new(instance.expect("the URL is good")))
}

/// Figures that differ, in no order.
fn load(n: usize) -> Load {
    Load {
        cpu: Some((n * 7_919 % 800) as f64 / 10.0),
        mem: Some((n * 104_729 % 600) as f64 / 10.0),
        cores: Some(8.0),
        online: Some(true),
        newest: NOW,
        ..Load::default()
    }
}

fn own(n: usize) -> Own {
    let mut own = Own { meetings: n % 50, ..Own::default() };
    let outlooks = (0..own.meetings).map(|n| meeting(n).outlook(NOW, &Lessons::default()));
    let sum = outlooks.fold(Outlook::default(), |mut sum, outlook| {
        sum += &outlook;
        sum
    });
    own.burden.settle(NOW, sum, METRICS_RANGE);
    own
}

fn meeting(n: usize) -> Course {
    let began = NOW.before(Duration::from_mins(n as u64));
    let mut course = Course::new(began, Phase::Rest, None);
    course.seen(NOW, n as u64 % 30, n as u64 % 7, &mut Lessons::default());
    course
}

fn tenant() -> Tenant {
    let spec = TenantSpec { host: "t.example.org".to_owned(), ..TenantSpec::default() };
    let document = TenantDocument {
        kind: "Tenant".to_owned(),
        spec,
        metadata: Default::default(),
        instances: Vec::new(),
    };
    document.resolve(&Secret::new("secret"))
}
