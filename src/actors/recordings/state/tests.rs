use super::super::{Paged, Wanted};
use super::*;
use crate::actors::recordings::Count;
use crate::bbb::recordings::{Filter, Page, Recorded};
use crate::domain::tenant::TenantId;

fn recording(id: &str, start_time: u64, state: &str) -> Recording {
    let (record_id, state) = (id.to_owned(), state.to_owned());
    let tenant = Some("t".to_owned());
    let metadata = vec![("course".to_owned(), format!("maths {id}"))];
    let recorded =
        Recorded { record_id, state, start_time, tenant, metadata, ..Recorded::default() };
    Recording::of(&recorded, format!("<recording>{recorded:?}</recording>").as_bytes())
}

fn seen(ids: &[&str]) -> Vec<Recording> {
    let all = ids.iter().enumerate();
    all.map(|(n, id)| recording(id, n as u64, "published")).collect()
}

fn wanted(query: &str) -> Wanted {
    let filter = Filter::of(query).expect("a filter");
    Wanted { tenant: TenantId::new("t"), untagged: false, filter }
}

fn page(state: &State, query: &str) -> (Vec<String>, usize) {
    let page = Page::of(query).unwrap_or(Page { offset: 0, limit: 100 });
    let Paged { total, found } = state.index.page(&wanted(query), page);
    (found.iter().map(|found| found.id.to_string()).collect(), total)
}

fn known(state: &State) -> Vec<(String, InstanceId)> {
    let all = state.find(state.index.ids().map(ToString::to_string).collect());
    let mut all: Vec<_> = all.into_iter().map(|(id, place)| (id, place.instance)).collect();
    all.sort();
    all
}

fn two() -> (InstanceId, InstanceId) {
    (InstanceId::new("1"), InstanceId::new("2"))
}

#[test]
fn a_sweep_forgets_what_is_missing_there_and_nothing_elsewhere() {
    let (one, two) = two();
    let mut state = State::new(1_000_000);
    state.swept(&one, seen(&["a", "b"]));
    state.swept(&two, seen(&["c"]));
    state.note(&two, seen(&["d"]));
    state.swept(&one, seen(&["b"]));
    let expected = [("b", &one), ("c", &two), ("d", &two)];
    assert_eq!(known(&state), expected.map(|(id, at)| (id.to_owned(), at.clone())));
}

#[test]
fn a_page_is_cut_from_the_order_of_all_instances() {
    let (one, two) = two();
    let mut state = State::new(1_000_000);
    state.swept(&one, vec![recording("aa", 10, "published"), recording("ab", 30, "unpublished")]);
    let third = [recording("b", 20, "published"), recording("c", 40, "deleted")];
    state.swept(&two, third.to_vec());
    let check = |query: &str, expected: &[&str], total: usize| {
        let expected = expected.iter().map(ToString::to_string).collect();
        assert_eq!(page(&state, query), (expected, total), "{query}");
    };
    check("", &["ab", "b", "aa"], 3);
    check("limit=1&offset=1", &["b"], 3);
    check("limit=5&offset=9", &[], 3);
    check("state=any", &["c", "ab", "b", "aa"], 4);
    check("recordID=a", &["ab", "aa"], 2);
    check("recordID=aa,a,x", &["ab", "aa"], 2);
    check("meta_course=maths%20a%25", &["ab", "aa"], 2);
}

#[test]
fn another_tenants_recordings_are_in_no_page_and_untagged_ones_in_their_owners() {
    let (one, _) = two();
    let mut state = State::new(1_000_000);
    let with = |id: &str, tenant: Option<&str>| Recording {
        tenant: tenant.map(TenantId::new),
        ..recording(id, 1, "published")
    };
    state.swept(&one, vec![with("t", Some("t")), with("u", Some("u")), with("none", None)]);
    assert_eq!(page(&state, ""), (vec!["t".to_owned()], 1));
    let all = Page { offset: 0, limit: 100 };
    let owner = state.index.page(&Wanted { untagged: true, ..wanted("") }, all);
    assert_eq!(owner.total, 2);
}

#[test]
fn an_instance_that_left_the_pool_is_forgotten_and_one_not_loaded_yet_is_not() {
    let (one, _) = two();
    let mut state = State::new(1_000_000);
    state.swept(&one, seen(&["a"]));
    state.follow(Arc::default());
    assert!(state.heard().contains(&one) && state.index.bytes() > 0);
    state.follow(Arc::new(Roster::new(Vec::new())));
    assert!(state.heard().is_empty() && known(&state).is_empty());
    assert_eq!(state.index.bytes(), 0);
}

#[test]
fn what_was_withdrawn_is_held_back_until_its_instance_says_what_it_is() {
    let (one, _) = two();
    let mut state = State::new(1_000_000);
    state.swept(&one, seen(&["a", "b"]));
    state.withdraw(&["a".into(), "unknown".into()]);
    assert_eq!(page(&state, "").0, ["b"]);
    state.swept(&one, seen(&["a", "b"]));
    assert_eq!(page(&state, "").0, ["b"], "a sweep that may have begun before");
    state.asked(&one, vec!["a".into()], vec![recording("a", 0, "unpublished")]);
    assert_eq!(page(&state, "state=unpublished").0, ["a"]);
    state.swept(&one, seen(&["a", "b"]));
    assert_eq!(page(&state, "state=unpublished").0, Vec::<String>::new());
    state.asked(&one, vec!["a".into()], vec![]);
    assert_eq!(page(&state, "state=any").0, ["b"]);
}

#[test]
fn what_an_instance_no_longer_lists_is_gone_and_what_changed_is_news() {
    let (one, two) = two();
    let mut state = State::new(1_000_000);
    state.swept(&one, seen(&["a", "b", "c"]));
    state.swept(&two, seen(&["d"]));
    let print = |id: &str, n| (id.to_owned(), recording(id, n, "published").print);
    let listed = [print("a", 0), print("b", 7), print("new", 9)];
    assert_eq!(state.news(&one, &listed), [1, 2]);
    state.miss(&one, &wanted(""), &listed);
    assert_eq!(known(&state).len(), 3, "c is gone, d is elsewhere");
}

#[test]
fn bytes_are_bounded_and_those_heard_longest_ago_go_first() {
    let (one, two) = two();
    let size = recording("a", 0, "published").raw.size();
    let mut state = State::new(size + size / 2);
    state.swept(&one, seen(&["a"]));
    state.swept(&two, seen(&["b"]));
    let with_bytes = |on: &InstanceId| {
        state
            .index
            .on(&wanted(""), &HashSet::from_iter([on.clone()]))
            .iter()
            .all(|f| f.raw.is_some())
    };
    assert!(!with_bytes(&one) && with_bytes(&two));
    assert_eq!(known(&state).len(), 2, "they are known all the same");
}

#[test]
fn what_was_stored_counts_until_its_instance_was_heard() {
    let (one, two) = two();
    let mut state = State::new(1_000_000);
    state.swept(&one, seen(&["a"]));
    let stored = |on: &InstanceId, id: &str| (on.clone(), recording(id, 5, "published"));
    state.stored(vec![stored(&one, "old"), stored(&two, "b")]);
    assert_eq!(page(&state, "").0, ["b", "a"]);
    assert!(!state.heard().contains(&two) && state.is_due(&two) && !state.is_due(&one));
    assert!(state.survey().known.contains(&two));
    state.differs(one.clone());
    assert!(state.is_due(&one) && !state.survey().known.contains(&one));
}

#[test]
fn an_instance_is_looked_at_now_and_then() {
    let (one, two) = two();
    let mut state = State::new(1_000_000);
    state.swept(&one, seen(&["a"]));
    state.stored(vec![(two.clone(), recording("b", 5, "published"))]);
    assert_eq!(
        state.survey().due,
        [(two, Count { recordings: 1, places: 1 })],
        "one was heard just now"
    );
    assert_eq!(state.survey().due, []);
}
