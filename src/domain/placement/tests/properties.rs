//! What holds for any pool, whatever is said of its instances.

use proptest::prelude::*;

use super::*;

fn figure() -> impl Strategy<Value = Option<f64>> {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300];
    let odd = prop::sample::select(odd.to_vec());
    prop_oneof![8 => (0.0..100.0).prop_map(Some), 1 => odd.prop_map(Some), 1 => Just(None)]
}

/// CPU, memory, cores, age of these in seconds, flags, and meetings.
type Row = (Option<f64>, Option<f64>, Option<f64>, u64, u8, Vec<(u64, u64, u64)>);

/// Users or webcams; an instance may say anything.
fn counts() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..300, 1 => Just(2_000_000), 1 => Just(u64::MAX)]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let odd = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.0, -1.0, 1e9];
    let cores = prop_oneof![
        Just(None),
        (0.0..64.0).prop_map(Some),
        prop::sample::select(odd.to_vec()).prop_map(Some)
    ];
    let meeting = (0u64..200, counts(), counts());
    let meetings = prop::collection::vec(meeting, 0..5);
    let row = (figure(), figure(), cores, 0u64..500, any::<u8>(), meetings);
    prop::collection::vec(row, 0..20)
}

/// A pool of every kind of instance; the flags say what is wrong with each.
fn pool(policy: Policy, rows: &[Row]) -> Scene {
    let mut pool = scene(policy);
    for (n, (cpu, mem, cores, age, flags, meetings)) in rows.iter().enumerate() {
        let name = format!("i{n}");
        pool = pool.with(&name, 0.0, 0.0).seen(meetings).load(|load| {
            (load.cpu, load.mem, load.cores) = (*cpu, *mem, *cores);
            load.newest = NOW.before(Duration::from_secs(*age));
            load.online = (flags & 7 == 1).then_some(false);
        });
        pool = pool.member(|member| match flags >> 3 & 15 {
            0 => member.admin = AdminState::Draining,
            1 => member.health = Health::Dead,
            2 => member.retired = true,
            _ => {}
        });
        if flags >> 7 == 1 && n % 5 == 0 {
            pool.except.insert(id(&name));
        }
    }
    pool
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Seed), Just(Policy::Predictive)]
}

proptest! {
    #[test]
    fn an_order_holds_no_excluded_instance_and_none_twice(policy in policies(), rows in rows()) {
        let pool = pool(policy, &rows);
        let ranking = pool.ask(rank);
        let distinct: HashSet<_> = ranking.order.iter().collect();
        prop_assert_eq!(distinct.len(), ranking.order.len());
        for member in &pool.members {
            let load = &pool.loads.loads[&member.instance.id];
            let fresh = NOW.since(load.newest) <= RANGE;
            let over = |value: Option<f64>| value.is_some_and(|value| value > 90.0);
            let out = member.refusal().is_some()
                || pool.except.contains(&member.instance.id)
                || fresh && (load.online == Some(false) || over(load.cpu) || over(load.mem));
            let number = |value: Option<f64>| value.and_then(percent).is_some();
            let measured = fresh && number(load.cpu) && number(load.mem);
            let expected = !out && measured != ranking.blind;
            prop_assert_eq!(distinct.contains(&member.instance.id), expected);
        }
    }

    #[test]
    fn the_order_of_the_roster_does_not_matter(policy in policies(), rows in rows(), turn in 0usize..20) {
        let pool = pool(policy, &rows);
        let mut turned = pool.clone();
        let by = turn % rows.len().max(1);
        turned.members.rotate_left(by);
        prop_assert_eq!(pool.ask(rank), turned.ask(rank));
        prop_assert_eq!(pool.ask(explain), turned.ask(explain));
    }

    #[test]
    fn verdicts_say_of_everyone_what_the_ranking_does(policy in policies(), rows in rows()) {
        let pool = pool(policy, &rows);
        let (ranking, verdicts) = (pool.ask(rank), pool.ask(explain));
        prop_assert_eq!(verdicts.len(), pool.members.len());
        let (taken, rest) = verdicts.split_at(ranking.order.len());
        for (n, (verdict, id)) in taken.iter().zip(&ranking.order).enumerate() {
            prop_assert_eq!((verdict.rank, verdict.instance.as_str()), (Some(n + 1), id.as_str()));
        }
        prop_assert!(rest.iter().all(|verdict| verdict.rank.is_none() && !verdict.why.is_empty()));
    }

    #[test]
    fn more_load_never_leads_to_a_better_place(policy in policies(), rows in rows(), who in 0usize..20, more in 0.0..50.0) {
        prop_assume!(!rows.is_empty());
        let before = pool(policy, &rows);
        let who = before.members[who % rows.len()].instance.id.clone();
        let mut after = before.clone();
        after.loads.loads.get_mut(&who).unwrap().cpu.as_mut().map(|cpu| *cpu += more).unwrap_or_default();
        let place = |scene: &Scene| scene.ask(rank).order.iter().position(|id| *id == who).unwrap_or(usize::MAX);
        prop_assert!(place(&after) >= place(&before));
    }

    #[test]
    fn equal_instances_are_filled_evenly(instances in 1usize..12, meetings in 1u64..120, cores in 1u32..64) {
        let mut equal = scene(Policy::Predictive);
        for n in 0..instances {
            equal = equal.with(&format!("i{n}"), 30.0, 20.0).load(|load| load.cores = Some(f64::from(cores)));
        }
        let counts = place(equal, meetings);
        prop_assert!(even(&counts), "{:?}", counts);
    }
}
