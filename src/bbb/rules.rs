//! What a tenant's admin says about the parameters of a call: raw query in, raw query out.
//!
//! Parameters that no rule names keep their bytes and their order. Names are compared decoded, those
//! of metadata without regard to case, as BBB reads them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::query::{append, decode, name_of};

/// The rules for one call.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CallRules {
    /// Added where the client sends no such parameter.
    pub defaults: BTreeMap<String, String>,
    /// Always as given here.
    pub overrides: BTreeMap<String, String>,
    /// Never passed on, whatever else is said of them.
    pub excluded: BTreeSet<String>,
    /// Names whose values are lists with commas: an override is merged into the client's.
    pub lists: BTreeSet<String>,
}

/// Values may be passwords, so names are shown only.
impl fmt::Debug for CallRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRules")
            .field("defaults", &self.defaults.keys())
            .field("overrides", &self.overrides.keys())
            .field("excluded", &self.excluded)
            .finish_non_exhaustive()
    }
}

impl CallRules {
    /// The query as the instance shall get it.
    pub fn apply(&self, query: &mut Edit<'_>) {
        for name in &self.excluded {
            query.remove(name);
        }
        for (name, value) in self.overrides.iter().filter(|(name, _)| !self.excludes(name)) {
            match self.lists.contains(name) {
                true => query.merge(name, value),
                false => query.set(name, value),
            }
        }
        for (name, value) in self.defaults.iter().filter(|(name, _)| !self.excludes(name)) {
            if !query.has(name) {
                query.set(name, value);
            }
        }
    }

    /// Whether a parameter of this name is never passed on.
    pub fn excludes(&self, name: &str) -> bool {
        self.excluded.iter().any(|excluded| is_same(excluded, name))
    }

    /// Whether nothing is said, so that queries stay as they are.
    pub fn is_empty(&self) -> bool {
        self.defaults.is_empty() && self.overrides.is_empty() && self.excluded.is_empty()
    }
}

/// Whether two decoded names are one parameter. BBB folds the case of metadata only.
pub fn is_same(a: &str, b: &str) -> bool {
    let is_meta = |name: &str| name.get(..5).is_some_and(|p| p.eq_ignore_ascii_case("meta_"));
    a == b || is_meta(a) && a.eq_ignore_ascii_case(b)
}

/// A query that is being changed, parameter by parameter.
#[derive(Debug)]
pub struct Edit<'q>(Vec<Cow<'q, str>>);

impl<'q> Edit<'q> {
    pub fn of(query: &'q str) -> Self {
        let parts = query.split('&').map(Cow::Borrowed);
        Self(if query.is_empty() { Vec::new() } else { parts.collect() })
    }

    /// Every value that is sent for this name, decoded.
    pub fn values(&self, name: &str) -> impl Iterator<Item = Cow<'_, str>> {
        let named = self.0.iter().filter(move |part| is_named(part, name));
        named.map(|part| decode(part.split_once('=').map_or("", |(_, value)| value)))
    }

    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Leaves out every parameter of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|part| !is_named(part, name));
    }

    /// Puts this value where the first one stands, else at the end; it then stands once.
    pub fn set(&mut self, name: &str, value: &str) {
        let mut sent = self.values(name);
        if sent.next().is_some_and(|only| only == value) && sent.next().is_none() {
            return;
        }
        drop(sent);
        let mut part = String::new();
        append(&mut part, name, value);
        let first = self.0.iter().position(|part| is_named(part, name));
        let at = first.unwrap_or(self.0.len());
        self.remove(name);
        self.0.insert(at, part.into());
    }

    /// Adds the items of a list with commas to the client's list (the first, as BBB reads it).
    pub fn merge(&mut self, name: &str, list: &str) {
        let sent = self.values(name).next().unwrap_or_default().into_owned();
        let mut items: Vec<&str> = Vec::new();
        for item in sent.split(',').chain(list.split(',')).map(str::trim) {
            if !item.is_empty() && !items.contains(&item) {
                items.push(item);
            }
        }
        if self.has(name) || !items.is_empty() {
            self.set(name, &items.join(","));
        }
    }

    /// The query as it has become.
    pub fn finish(self) -> String {
        self.0.join("&")
    }
}

fn is_named(part: &str, name: &str) -> bool {
    is_same(&decode(name_of(part)), name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn applied(rules: &CallRules, query: &str) -> String {
        let mut edit = Edit::of(query);
        rules.apply(&mut edit);
        edit.finish()
    }

    #[track_caller]
    fn check(rules: &CallRules, query: &str, expected: &str) {
        assert_eq!(applied(rules, query), expected, "{query}");
    }

    #[test]
    fn a_default_is_added_only_when_the_parameter_is_absent() {
        let rules = CallRules { defaults: texts(&[("record", "true")]), ..CallRules::default() };
        check(&rules, "", "record=true");
        check(&rules, "name=%41+b&", "name=%41+b&&record=true");
        check(&rules, "record=false&a=1", "record=false&a=1");
        check(&rules, "rec%6Frd&a=1", "rec%6Frd&a=1");
        check(&rules, "Record=no", "Record=no&record=true");
    }

    #[test]
    fn an_override_stands_once_where_the_clients_value_stood() {
        let overrides = texts(&[("logo", "https://x/?a&b"), ("meta_Kind", "é")]);
        let rules = CallRules { overrides, ..CallRules::default() };
        let logo = "logo=https%3A%2F%2Fx%2F%3Fa%26b";
        check(&rules, "", &format!("{logo}&meta_Kind=%C3%A9"));
        check(&rules, "a='&l%6Fgo=1&b=+&logo", &format!("a='&{logo}&b=+&meta_Kind=%C3%A9"));
        check(&rules, &format!("META_kind=x&{logo}"), &format!("meta_Kind=%C3%A9&{logo}"));
    }

    #[test]
    fn an_excluded_parameter_is_never_passed_on() {
        let excluded = names(&["webVoice", "meta_a"]);
        let (defaults, overrides) = (texts(&[("webVoice", "1")]), texts(&[("META_A", "1")]));
        let rules = CallRules { defaults, overrides, excluded, ..CallRules::default() };
        check(&rules, "a=1&web%56oice=2&META_A=3&&b", "a=1&&b");
        check(&rules, "webVoice=2", "");
    }

    #[test]
    fn an_override_of_a_list_is_merged_without_duplicates() {
        let overrides = texts(&[("disabledFeatures", "chat, polls")]);
        let lists = names(&["disabledFeatures"]);
        let rules = CallRules { overrides, lists, ..CallRules::default() };
        check(&rules, "a=1", "a=1&disabledFeatures=chat%2Cpolls");
        check(&rules, "disabledFeatures=", "disabledFeatures=chat%2Cpolls");
        check(&rules, "disabledFeatures=polls%2Cx&a", "disabledFeatures=polls%2Cx%2Cchat&a");
        check(&rules, "disabledFeatures=chat,polls", "disabledFeatures=chat,polls");
        let nothing = CallRules { overrides: texts(&[("disabledFeatures", "")]), ..rules };
        check(&nothing, "a=1", "a=1");
    }

    /// A raw parameter of a few names, each in several spellings.
    fn part() -> impl Strategy<Value = String> {
        "((a|%61|b|c|d|(M|m)eta_(x|X|%78))(=[a-c,%+é ]{0,4})?)?"
    }

    fn rule() -> impl Strategy<Value = CallRules> {
        let name = || "[a-c]|meta_x|META_x".prop_map(String::from);
        let texts = || prop::collection::btree_map(name(), "[a-c,&= é]{0,4}", 0..3);
        let names = || prop::collection::btree_set(name(), 0..2);
        (texts(), texts(), names(), names()).prop_map(|(defaults, overrides, excluded, lists)| {
            CallRules { defaults, overrides, excluded, lists }
        })
    }

    proptest! {
        #[test]
        fn what_no_rule_names_keeps_its_bytes_and_order(
            parts in prop::collection::vec(part(), 0..7), rules in rule(),
        ) {
            let query = parts.join("&");
            let result = applied(&rules, &query);
            let ruled = |part: &str| {
                let given = rules.defaults.keys().chain(rules.overrides.keys());
                given.chain(&rules.excluded).any(|name| is_named(part, name))
            };
            let kept = |query: &str| -> Vec<String> {
                query.split('&').filter(|part| !part.is_empty() && !ruled(part)).map(str::to_owned).collect()
            };
            prop_assert_eq!(kept(&result), kept(&query));
        }

        #[test]
        fn every_rule_holds_in_the_result(
            parts in prop::collection::vec(part(), 0..7), rules in rule(),
        ) {
            let query = parts.join("&");
            let result = applied(&rules, &query);
            let after = Edit::of(&result);
            for name in &rules.excluded {
                prop_assert!(!after.has(name));
            }
            // Two overrides of one metadata name are both names of it: the last one stands.
            let twice = |name: &String| rules.overrides.keys().filter(|k| is_same(k, name)).count() > 1;
            for (name, value) in rules.overrides.iter().filter(|(n, _)| !rules.excludes(n) && !twice(n)) {
                let values: Vec<_> = after.values(name).collect();
                if rules.lists.contains(name) {
                    for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
                        prop_assert!(values[0].split(',').any(|found| found == item), "{}", result);
                    }
                } else {
                    prop_assert_eq!(values, [value.as_str()]);
                }
            }
            for name in rules.defaults.keys().filter(|name| !rules.excludes(name)) {
                prop_assert!(after.has(name));
                let ruled = rules.overrides.keys().any(|other| is_same(other, name));
                let sent = Edit::of(&query);
                if sent.has(name) && !ruled {
                    prop_assert_eq!(sent.values(name).collect::<Vec<_>>(), after.values(name).collect::<Vec<_>>());
                }
            }
        }

        #[test]
        fn no_query_makes_a_rule_panic(query in any::<String>(), rules in rule()) {
            let once = applied(&rules, &query);
            let _ = applied(&rules, &once);
        }
    }
}
