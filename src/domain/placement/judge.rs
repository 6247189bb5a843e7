//! Which instances may take a meeting at all, and in which order.

use std::fmt;
use std::time::Duration;

use super::Question;
use super::score::Score;
use crate::domain::instance::{InstanceId, Member};
use crate::domain::load::Load;
use crate::domain::tag::TagWish;

/// The whole roster, sorted into those with measurements, those without, and those that are out;
/// best first.
pub(super) struct Field<'a> {
    pub(super) measured: Vec<(&'a Member, Score)>,
    pub(super) unmeasured: Vec<(&'a Member, Unknown)>,
    pub(super) out: Vec<(&'a Member, Reason<'a>, Option<Score>)>,
}

/// An instance with nothing against it but that its load is not known.
pub(super) struct Unknown {
    pub(super) gap: Gap,
    meetings: usize,
}

/// What is missing of its measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Gap {
    Everything,
    Recent { age: Duration },
    Means,
}

/// Why an instance takes no meeting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reason<'a> {
    Refuses {
        what: &'static str,
        why: Option<&'a str>,
    },
    /// This other one counts for the server.
    Alias(&'a InstanceId),
    NotInPool,
    Excepted,
    /// Its tags are not those of the instances that are taken for this wish.
    Tags(&'a TagWish),
    Offline,
    Over {
        what: &'static str,
        value: f64,
        limit: f64,
    },
}

enum Standing<'a> {
    Measured(Score),
    Unmeasured(Unknown),
    Out(Reason<'a>, Option<Score>),
}

impl<'a> Field<'a> {
    pub(super) fn of(question: &Question<'a>) -> Self {
        let most = question.roster.members().len();
        let mut field =
            Self { measured: Vec::with_capacity(most), unmeasured: Vec::new(), out: Vec::new() };
        for member in question.roster.members() {
            match judge(question, member) {
                Standing::Measured(score) => field.measured.push((member, score)),
                Standing::Unmeasured(unknown) => field.unmeasured.push((member, unknown)),
                Standing::Out(reason, score) => field.out.push((member, reason, score)),
            }
        }
        field.choose_by_tags(question.tags);
        let id = |member: &'a Member| &member.instance.id;
        field.measured.sort_unstable_by(|(a, x), (b, y)| {
            let tie = || x.tie().total_cmp(&y.tie());
            x.total().total_cmp(&y.total()).then_with(tie).then_with(|| id(a).cmp(id(b)))
        });
        field.unmeasured.sort_unstable_by(|(a, x), (b, y)| {
            x.meetings.cmp(&y.meetings).then_with(|| id(a).cmp(id(b)))
        });
        field.out.sort_unstable_by(|(a, ..), (b, ..)| id(a).cmp(id(b)));
        field
    }

    /// Leaves those in that fit the wish; when none does, those without tags, unless a tag is required.
    fn choose_by_tags(&mut self, wish: &'a TagWish) {
        if wish.is_any() {
            return;
        }
        let measured = self.measured.iter().map(|(member, _)| *member);
        let mut eligible = measured.chain(self.unmeasured.iter().map(|(member, _)| *member));
        let fitting = eligible.any(|member| wish.fits(&member.tags));
        let stays = |member: &Member| match fitting {
            true => wish.fits(&member.tags),
            false => !wish.is_required() && member.tags.is_empty(),
        };
        let reason = || Reason::Tags(wish);
        let measured = self.measured.extract_if(.., |(member, _)| !stays(member));
        self.out.extend(measured.map(|(member, score)| (member, reason(), Some(score))));
        let unmeasured = self.unmeasured.extract_if(.., |(member, _)| !stays(member));
        self.out.extend(unmeasured.map(|(member, _)| (member, reason(), None)));
    }
}

fn judge<'a>(question: &Question<'a>, member: &'a Member) -> Standing<'a> {
    let Question { tenant, loads, own, cores, except, now, rules, .. } = question;
    let id = &member.instance.id;
    if let Some(counts) = &member.same_server.alias_of {
        return Standing::Out(Reason::Alias(counts), None);
    }
    if let Some(what) = member.refusal() {
        return Standing::Out(Reason::Refuses { what, why: member.why.as_deref() }, None);
    }
    if !member.names().any(|name| tenant.may_use(name)) {
        return Standing::Out(Reason::NotInPool, None);
    }
    if member.names().any(|name| except.contains(name)) {
        return Standing::Out(Reason::Excepted, None);
    }
    let own = own.get(id);
    let unknown =
        |gap| Standing::Unmeasured(Unknown { gap, meetings: own.map_or(0, |own| own.meetings) });
    let load = member.names().find_map(|name| loads.loads.get(name));
    let Some(load) = load else { return unknown(Gap::Everything) };
    let age = now.since(load.newest);
    if age > rules.metrics_range {
        return unknown(Gap::Recent { age });
    }
    let cores = member.names().find_map(|name| cores.get(name)).copied();
    let score = Score::of(load, own, cores, question);
    match (hindrance(load, rules.cpu_limit, rules.mem_limit), score) {
        (Some(reason), score) => Standing::Out(reason, score),
        (None, Some(score)) => Standing::Measured(score),
        (None, None) => unknown(Gap::Means),
    }
}

/// What in its figures keeps an instance from taking a meeting. At a limit is not over it.
fn hindrance<'a>(load: &Load, cpu_limit: f64, mem_limit: f64) -> Option<Reason<'a>> {
    let over = |what, value: Option<f64>, limit| {
        value.filter(|&value| value > limit).map(|value| Reason::Over { what, value, limit })
    };
    if load.online == Some(false) {
        return Some(Reason::Offline);
    }
    over("cpu", load.cpu, cpu_limit).or_else(|| over("mem", load.mem, mem_limit))
}

impl Reason<'_> {
    /// The measured figure that is over its limit.
    pub(super) fn guard(&self) -> Option<&'static str> {
        match self {
            Self::Over { what, .. } => Some(what),
            _ => None,
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuses { what, why: None } => f.write_str(what),
            Self::Refuses { what, why: Some(why) } => write!(f, "{what}: {why}"),
            Self::Alias(counts) => write!(f, "another address of {counts}"),
            Self::NotInPool => f.write_str("not in the tenant's pool"),
            Self::Tags(wish) => write!(f, "not among the servers for the tag {wish}"),
            Self::Excepted => f.write_str("excepted this time"),
            Self::Offline => f.write_str("its agent says that it is offline"),
            Self::Over { what, value, limit } => {
                write!(f, "{what} {value:.1} % is over the limit of {limit} %")
            }
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("no measurements"),
            Self::Recent { age } => write!(f, "newest measurement is {} s old", age.as_secs()),
            Self::Means => f.write_str("no mean of cpu or mem"),
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; has {} meetings of ours", self.gap, self.meetings)
    }
}
