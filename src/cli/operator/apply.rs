//! `apply`: instances and tenants brought in line with a file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::documents::{self, Document};
use super::forget::Left;
use super::{Admin, Reach};
use crate::cli::failure::Failure;
use crate::cli::{Exit, Surroundings, say};
use crate::domain::instance::InstanceId;
use crate::domain::secret::Secret;
use crate::domain::tenant::TenantDocument;

/// The largest file that is read.
const MOST_BYTES: u64 = 32 << 20;

/// What `apply` can be told.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Documents of the kinds InstanceList and Tenant; several in YAML are parted by ---. All are judged
before the first is sent. An InstanceList is the whole pool: an instance that is missing from it
takes no new meetings, and goes when it is empty. Ends with 3 when all stands already.")]
pub(in crate::cli) struct ApplyArgs {
    /// A file in YAML or JSON; - reads standard input
    #[arg(short, long)]
    file: PathBuf,
    #[command(flatten)]
    reach: Reach,
}

pub(super) async fn run(args: &ApplyArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let name = args.file.display();
    let text = read(&args.file).map_err(|why| Failure::Wrong(format!("{name}: {why}")))?;
    let documents = documents::read(&text).map_err(|faults| {
        let lines = faults.iter().map(|fault| format!("{name}: {fault}"));
        Failure::Wrong(lines.collect::<Vec<_>>().join("\n"))
    })?;
    let admin = Admin::of(&args.reach, around)?;
    let mut changed = false;
    for document in documents {
        let done = match document {
            Document::Instances(list) => instances(&admin, &list).await?,
            Document::Tenant(tenant) => self::tenant(&admin, &tenant).await?,
        };
        changed |= done.changed;
        say(&format!("{}\n", done.what));
    }
    Ok(if changed { Exit::Done } else { Exit::Unchanged })
}

/// What became of a document.
struct Done {
    what: String,
    changed: bool,
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("can't be read: {error}");
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(cannot)?)
    };
    let mut bytes = Vec::new();
    source.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err("is larger than 32 MiB".into());
    }
    String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".into())
}

#[derive(Deserialize)]
struct Listed {
    url: String,
    secret: String,
}

/// What the balancer says of a new list.
#[derive(Deserialize)]
struct Retired {
    retired: Vec<Left>,
}

async fn instances(admin: &Admin, list: &[(String, Secret)]) -> Result<Done, Failure> {
    let there: Vec<Listed> = admin.get(&["instances"], &[]).await?;
    let there: BTreeMap<_, _> =
        there.iter().map(|one| (InstanceId::new(&*one.url), &*one.secret)).collect();
    let wanted: BTreeMap<_, _> =
        list.iter().map(|(url, s)| (InstanceId::new(&**url), s.reveal())).collect();
    let difference = difference(&there, &wanted);
    let mut retired: Option<Retired> = None;
    if difference.is_some() {
        let urls = list.iter().map(|(url, secret)| (url.clone(), Value::from(secret.reveal())));
        let body = json!({ "kind": "InstanceList", "instances": urls.collect::<Map<_, _>>() });
        retired = admin.change(&["instances"], &[], Some(body.to_string())).await?;
    }
    let changed = difference.is_some();
    let mut what = difference.unwrap_or_else(|| "unchanged".into());
    for left in retired.iter().flat_map(|retired| &retired.retired) {
        let (url, left) = (&left.url, left.told());
        what.push_str(&format!("\n  {url} takes no new meetings; left on it: {left}"));
    }
    Ok(Done { what: format!("InstanceList of {}: {what}", list.len()), changed })
}

/// The secret of each instance.
type Pool<'a> = BTreeMap<InstanceId, &'a str>;

/// How the pool changes, in words; nothing when it does not.
fn difference(there: &Pool<'_>, wanted: &Pool<'_>) -> Option<String> {
    let added = wanted.keys().filter(|url| !there.contains_key(*url)).count();
    let removed = there.keys().filter(|url| !wanted.contains_key(*url)).count();
    let is_other = |url: &InstanceId, secret: &&str| there.get(url).is_some_and(|o| o != secret);
    let is_respelt = |url: &InstanceId| there.keys().any(|old| old == url && !old.is_spelt_as(url));
    let respelt = wanted.keys().filter(|url| is_respelt(url)).count();
    let secrets = wanted.iter().filter(|(url, secret)| is_other(url, secret)).count();
    let parts = [
        (added, "added"),
        (removed, "removed"),
        (secrets, "with another secret"),
        (respelt, "spelt otherwise"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

async fn tenant(admin: &Admin, tenant: &TenantDocument) -> Result<Done, Failure> {
    let host = &tenant.spec.host;
    let fault = |error| Failure::Fault(format!("tenant {host} can't be written: {error}"));
    let wanted = serde_json::to_value(tenant).map_err(fault)?;
    let there: Option<Value> = admin.find(&["tenants", host]).await?;
    let what = match there {
        Some(there) if there == wanted => "unchanged",
        Some(_) => "changed",
        None => "created",
    };
    let changed = what != "unchanged";
    if changed {
        admin.post(&["tenants"], &[], Some(wanted.to_string())).await?;
    } else {
        admin.warn(Some(host)).await?;
    }
    Ok(Done { what: format!("Tenant {host}: {what}"), changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        there: &[(&'static str, &'static str)],
        wanted: &[(&'static str, &'static str)],
        expected: Option<&str>,
    ) {
        let pool = |list: &[(&'static str, &'static str)]| {
            list.iter().map(|(url, secret)| (InstanceId::new(*url), *secret)).collect()
        };
        assert_eq!(difference(&pool(there), &pool(wanted)).as_deref(), expected);
    }

    #[test]
    fn changes_of_the_pool_are_counted() {
        check(&[], &[], None);
        check(&[("a", "s"), ("b", "t")], &[("b", "t"), ("a", "s")], None);
        check(&[], &[("a", "s")], Some("1 added"));
        check(&[("http://a", "s")], &[("http://A:80/", "s")], Some("1 spelt otherwise"));
        let wanted = [("b", "u"), ("c", "v"), ("d", "w")];
        check(
            &[("a", "s"), ("b", "t")],
            &wanted,
            Some("2 added, 1 removed, 1 with another secret"),
        );
    }
}
