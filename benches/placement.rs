//! What the pure parts cost: ranking a pool, and reading what instances say beside a copy of the same bytes.

#[path = "data_plane/texts.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod texts;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::{meetings, xml};
use bigblueswarm::domain::forecast::{Course, Lessons, Outlook, Phase};
use bigblueswarm::domain::instance::{AdminState, Health, Instance, InstanceId, Member, Roster};
use bigblueswarm::domain::load::{Load, LoadSnapshot};
use bigblueswarm::domain::moment::Moment;
use bigblueswarm::domain::placement::{COMFORT, Own, Policy, Question, RISK, Ranking, Rules, rank};
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::domain::tag::TagWish;
use bigblueswarm::domain::tenant::{Tenant, TenantDocument, TenantSpec};
use divan::Bencher;
use divan::counter::BytesCount;

const NOW: Moment = Moment(Duration::from_secs(10_000));

fn main() {
    divan::main();
}

/// Ranks a pool of which every instance may be taken and has placements of ours.
#[divan::bench(args = [100, 1_000])]
fn ranking(bencher: Bencher<'_, '_>, instances: usize) {
    let members: Vec<_> = (0..instances).map(member).collect();
    let ids: Vec<InstanceId> = members.iter().map(|m| m.instance.id.clone()).collect();
    let loads = ids.iter().cloned().enumerate().map(|(n, id)| (id, load(n))).collect();
    let own: HashMap<_, _> = ids.iter().cloned().enumerate().map(|(n, id)| (id, own(n))).collect();
    let (tenant, roster, except) = (tenant(), Roster::new(members), HashSet::new());
    let loads = LoadSnapshot { read_at: Some(NOW), loads, tenants: HashMap::new() };
    let tags = TagWish::default();
    let rules = Rules {
        policy: Policy::Predictive,
        cpu_limit: 90.0,
        mem_limit: 90.0,
        metrics_range: Duration::from_secs(300),
        risk: RISK,
        comfort: COMFORT,
    };
    let coming = meeting(0).outlook(NOW, &Lessons::default());
    bencher.bench_local(|| -> Ranking {
        rank(&Question {
            tenant: &tenant,
            roster: &roster,
            loads: &loads,
            own: &own,
            cores: &HashMap::new(),
            coming: &coming,
            except: &except,
            tags: &tags,
            now: NOW,
            rules,
        })
    });
}

/// Looks at the start of an answer that passes through.
#[divan::bench]
fn peek(bencher: Bencher<'_, '_>) {
    let answer = texts::info();
    bencher.bench_local(|| xml::peek(answer.as_bytes()));
}

/// Reads a whole answer, as those of create and end are read.
#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let answer = texts::created("room-1");
    bencher
        .counter(BytesCount::of_str(answer.as_str()))
        .bench_local(|| xml::read(answer.as_bytes()));
}

/// Finds 5,000 meetings in a list.
#[divan::bench]
fn scan(bencher: Bencher<'_, '_>) {
    let list = texts::list(0, 5_000);
    bencher
        .counter(BytesCount::of_str(list.as_str()))
        .bench_local(|| meetings::scan(list.as_bytes()));
}

/// The floor of it: the same bytes copied.
#[divan::bench]
fn copy(bencher: Bencher<'_, '_>) {
    let list = texts::list(0, 5_000);
    let mut to = vec![0; list.len()];
    bencher
        .counter(BytesCount::of_str(list.as_str()))
        .bench_local(|| divan::black_box(&mut to).copy_from_slice(list.as_bytes()));
}

fn member(n: usize) -> Member {
    let url = format!("https://bbb{n}.example.org/bigbluebutton");
    let instance = Instance::new(&url, Secret::new("secret"), Algorithm::Sha256);
    Member {
        instance: Arc::new(instance.expect("the URL is good")),
        admin: AdminState::Enabled,
        retired: false,
        health: Health::Up,
        why: None,
        swept: true,
        tags: Vec::new(),
    }
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
    own.burden.settle(NOW, sum, Duration::from_secs(300));
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
