use super::super::points::{Precision, parse};
use super::*;
use crate::domain::load::TenantUsage;

const RANGE: Duration = Duration::from_secs(300);

fn at(secs: u64) -> Moment {
    Moment(Duration::from_secs(secs))
}

fn id(name: &str) -> InstanceId {
    InstanceId::new(name)
}

/// Writes each text, with times in seconds, at its moment, and reads what there is of instance `x` at `now`.
fn loads(writes: &[(u64, &str)], now: u64) -> LoadSnapshot {
    let mut window = Window::new(RANGE, CpuMetric::Total);
    for (arrived, text) in writes {
        let text = text.replace("HOST", "bigblueswarm_host=x");
        window.write(parse(&text, Precision::Seconds).points, at(*arrived));
    }
    window.read(at(now))
}

#[track_caller]
fn check(writes: &[(u64, &str)], now: u64, expected: Option<Load>) {
    assert_eq!(loads(writes, now).loads.get(&id("x")), expected.as_ref());
}

#[test]
fn means_go_over_the_range_and_newest_values_stand() {
    let writes = [
        (100, "cpu,HOST,cpu=cpu-total usage_idle=90,usage_system=1\nmem,HOST used_percent=10"),
        (
            200,
            "cpu,HOST,cpu=cpu-total usage_idle=70\nmem,HOST used_percent=30\nsystem,HOST n_cpus=8i",
        ),
        (210, "bigbluebutton,HOST meetings=3i,participants=9i,online=1i"),
        (220, "bigbluebutton,HOST meetings=2i,online=0i"),
    ];
    let load = Load {
        cpu: Some(20.0),
        mem: Some(20.0),
        cores: Some(8.0),
        meetings: Some(2),
        participants: Some(9),
        online: Some(false),
        newest: at(220),
    };
    check(&writes, 220, Some(load.clone()));
    check(&writes, 400, Some(load.clone()));
    let later = Load { cpu: Some(30.0), mem: Some(30.0), ..load.clone() };
    check(&writes, 401, Some(later));
    check(
        &writes,
        515,
        Some(Load { cpu: None, mem: None, cores: None, participants: None, ..load }),
    );
    check(&writes, 521, None);
}

#[test]
fn the_agents_clock_does_not_count() {
    let in_the_past = [(1000, "mem,HOST used_percent=10 5")];
    let in_the_future = [(1000, "mem,HOST used_percent=10 9000000000")];
    let load = Load { mem: Some(10.0), newest: at(1000), ..Load::default() };
    check(&in_the_past, 1000, Some(load.clone()));
    check(&in_the_future, 1000, Some(load));
}

#[test]
fn what_was_held_back_is_as_old_as_it_says_beside_the_newest() {
    let held_back = "mem,HOST used_percent=90 100000\nmem,HOST used_percent=50 103900\n\
                     mem,HOST used_percent=10 104000\nbigbluebutton,HOST meetings=1i 104000\n\
                     bigbluebutton,HOST meetings=7i 103000";
    let load = Load { mem: Some(30.0), meetings: Some(1), newest: at(1000), ..Load::default() };
    check(&[(1000, held_back)], 1000, Some(load.clone()));
    check(&[(1000, held_back)], 1201, Some(Load { mem: Some(10.0), ..load }));
}

#[test]
fn absurd_values_are_left_out() {
    let absurd = "cpu,HOST,cpu=cpu-total usage_idle=-900\nmem,HOST used_percent=1e30\n\
                  system,HOST n_cpus=0i\nbigbluebutton,HOST meetings=-3i,participants=99999999999i";
    check(&[(10, absurd)], 10, Some(Load { newest: at(10), ..Load::default() }));
}

#[test]
fn tenants_are_summed_over_instances() {
    let text = "bigbluebutton:t,bigblueswarm_host=x meetings=2i,participants=20i\n\
                bigbluebutton:t,bigblueswarm_host=y meetings=1i,participants=5i\n\
                bigbluebutton:u,bigblueswarm_host=y meetings=4i,participants=4i";
    let writes =
        [(10, text), (200, "bigbluebutton:t,bigblueswarm_host=y meetings=3i,participants=6i")];
    let usage = |now, host| loads(&writes, now).tenants.get(&TenantId::new(host)).copied();
    assert_eq!(usage(200, "t"), Some(TenantUsage { meetings: 5, participants: 26 }));
    assert_eq!(usage(320, "t"), Some(TenantUsage { meetings: 3, participants: 6 }));
    assert_eq!(usage(320, "u"), None);
}

#[test]
fn a_rogue_agent_can_not_grow_the_window() {
    let mut window = Window::new(RANGE, CpuMetric::Total);
    let write = |window: &mut Window, text: &str, secs| {
        window.write(parse(text, Precision::Seconds).points, at(secs));
    };
    write(&mut window, "mem,bigblueswarm_host=good used_percent=1", 10);
    for n in 0..3_000 {
        write(&mut window, &format!("mem,bigblueswarm_host=rogue{n} used_percent=1"), 10);
        write(&mut window, "mem,bigblueswarm_host=good used_percent=1", 10);
    }
    assert_eq!((window.agents.len(), window.agents[&id("good")].mem.0.len()), (INSTANCES, VALUES));
    let tenants: Vec<_> = (0..30_000)
        .map(|n| format!("bigbluebutton:t{n},bigblueswarm_host=good meetings=1i"))
        .collect();
    write(&mut window, &tenants.join("\n"), 10);
    assert_eq!(window.read(at(10)).tenants.len(), TENANTS);
    write(&mut window, "mem,bigblueswarm_host=new used_percent=1", 311);
    assert_eq!((window.agents.len(), window.tenants), (1, 0));
}
