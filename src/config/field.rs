//! How the value of a key is read into its place and shown again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CpuMetric;
use super::draft::Draft;
use super::text::{self, Expected};
use crate::bbb::checksum::Algorithm;
use crate::domain::instance::InstanceId;
use crate::domain::placement::Policy;
use crate::domain::reach::Inside;
use crate::domain::secret::{BLANKS, Secret, has_blanks_around};

/// Where a value goes.
type At<T> = fn(&mut Draft) -> &mut T;

/// The kind of a value and its place.
#[derive(Clone, Copy)]
pub(super) enum Field {
    /// Must be there and not be empty.
    Secret(At<Secret>),
    /// May be left out, but not be empty.
    Token(At<Option<Secret>>),
    /// May be left out or be empty, which is the same.
    Password(At<Option<Secret>>),
    Text(At<Option<String>>),
    /// `host:port`, or a URL.
    RedisAddress(At<Option<String>>),
    /// Each `host:port`.
    Servers(At<Vec<String>>),
    Url(At<Option<String>>),
    Duration(At<Duration>),
    Lookback(At<Duration>),
    Percent(At<f64>),
    /// With its bounds.
    Number {
        least: f64,
        most: f64,
        at: At<f64>,
    },
    Size {
        least: u64,
        most: u64,
        at: At<usize>,
    },
    Count(At<usize>),
    /// A count that may be 0, for none.
    Known(At<usize>),
    Times(At<u32>),
    Database(At<i64>),
    Port(At<u16>),
    Address(At<IpAddr>),
    Networks(At<Vec<IpNet>>),
    /// Networks and hosts.
    Inside(At<Vec<Inside>>),
    /// Cores by an instance's URL.
    Cores(At<BTreeMap<InstanceId, f64>>),
    Path(At<PathBuf>),
    /// May be left out.
    File(At<Option<PathBuf>>),
    Flag(At<bool>),
    Policy(At<Policy>),
    CpuMetric(At<CpuMetric>),
    Algorithm(At<Algorithm>),
}

impl Field {
    /// Whether the value must never be shown.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Secret(_) | Self::Token(_) | Self::Password(_))
    }

    pub(super) fn is_duration(self) -> bool {
        matches!(self, Self::Duration(_) | Self::Lookback(_))
    }

    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Networks(_) | Self::Inside(_) | Self::Servers(_))
    }

    /// Whether it is written as names with a value each.
    pub(super) fn is_map(self) -> bool {
        matches!(self, Self::Cores(_))
    }

    /// Reads `text` into its place.
    pub(super) fn read(self, draft: &mut Draft, text: &str) -> Result<(), String> {
        match self {
            Self::Secret(at) => *at(draft) = Secret::new(unpadded(text)?),
            Self::Token(at) => *at(draft) = Some(Secret::new(unpadded(text)?)),
            Self::Password(at) => *at(draft) = (!text.is_empty()).then(|| Secret::new(text)),
            Self::Text(at) => *at(draft) = Some(filled(text)?.into()),
            Self::RedisAddress(at) => *at(draft) = Some(text::redis_address(text)?),
            Self::Url(at) => *at(draft) = Some(text::url(text)?),
            Self::Duration(at) => *at(draft) = text::duration(text)?,
            Self::Lookback(at) => *at(draft) = text::lookback(text)?,
            Self::Percent(at) => *at(draft) = text::percent(text)?.unwrap_or(*at(draft)),
            Self::Number { least, most, at } => *at(draft) = within(text, least, most)?,
            Self::Size { least, most, at } => *at(draft) = size(text, least, most)?,
            Self::Count(at) => {
                *at(draft) = whole(text, 1, 1_000_000, "expected a number from 1 to 1000000")?
            }
            Self::Known(at) => {
                *at(draft) = whole(text, 0, 1_000_000, "expected a number from 0 to 1000000")?
            }
            Self::Times(at) => {
                *at(draft) = whole(text, 1, 1000, "expected a number from 1 to 1000")?
            }
            Self::Database(at) => {
                *at(draft) = whole(text, 0, 65_535, "expected the number of a database")?
            }
            Self::Port(at) => {
                let port: u16 = whole(text, 0, 65_535, "expected a port from 1 to 65535")?;
                if port > 0 {
                    *at(draft) = port;
                }
            }
            Self::Address(at) => {
                *at(draft) = text.parse().map_err(|_| "expected an IP address such as 0.0.0.0")?;
            }
            Self::Networks(_) => {
                return Err("expected a list of networks such as [10.0.0.0/8]".into());
            }
            Self::Inside(_) => {
                return Err("expected a list such as [10.0.0.0/8, hooks.example.org]".into());
            }
            Self::Servers(_) => {
                return Err("expected a list such as [redis-1:6379, redis-2:6379]".into());
            }
            Self::Cores(_) => return Err(CORES.into()),
            Self::Path(at) => *at(draft) = filled(text)?.into(),
            Self::File(at) => *at(draft) = Some(filled(text)?.into()),
            Self::Flag(at) => *at(draft) = text.parse().map_err(|_| "expected true or false")?,
            Self::Policy(at) => *at(draft) = word(text, "expected predictive or seed")?,
            Self::CpuMetric(at) => *at(draft) = word(text, "expected total or system")?,
            Self::Algorithm(at) => {
                *at(draft) = word(text, "expected sha1, sha256, sha384 or sha512")?;
            }
        }
        Ok(())
    }

    /// Reads a list into its place.
    pub(super) fn read_list(self, draft: &mut Draft, texts: &[String]) -> Result<(), String> {
        let texts = texts.iter();
        match self {
            Self::Networks(at) => {
                *at(draft) = texts.map(|text| text::network(text)).collect::<Result<_, _>>()?;
            }
            Self::Inside(at) => {
                *at(draft) = texts.map(|text| text::inside(text)).collect::<Result<_, _>>()?;
            }
            Self::Servers(_) if texts.len() == 0 => {
                return Err(
                    "names no server: expected a list such as [redis-1:6379, redis-2:6379]".into(),
                );
            }
            Self::Servers(at) => {
                *at(draft) =
                    texts.map(|text| text::host_and_port(text)).collect::<Result<_, _>>()?;
            }
            Self::Cores(_) => return Err(CORES.into()),
            _ => return Err("expected a single value, not a list".into()),
        }
        Ok(())
    }

    /// Reads names with a value each into its place.
    pub(super) fn read_map(
        self,
        draft: &mut Draft,
        entries: &[(String, String)],
    ) -> Result<(), String> {
        let Self::Cores(at) = self else { return Err("expected a value, not further keys".into()) };
        let mut cores = BTreeMap::new();
        for (n, (url, text)) in (1..).zip(entries) {
            let id = text::url(url).map_err(|what| format!("instance {n}: {what}"))?;
            let count =
                within(text, 1.0, 4096.0).map_err(|what| format!("instance {n}: {what}"))?;
            if cores.insert(InstanceId::new(id), count).is_some() {
                return Err(format!("instance {n}: stands twice"));
            }
        }
        *at(draft) = cores;
        Ok(())
    }

    /// The value as it would be written; secrets too.
    pub(super) fn show(self, draft: &mut Draft) -> Value {
        match self {
            Self::Secret(at) => at(draft).reveal().into(),
            Self::Token(at) | Self::Password(at) => {
                at(draft).as_ref().map_or(Value::Null, |secret| secret.reveal().into())
            }
            Self::Text(at) | Self::RedisAddress(at) | Self::Url(at) => at(draft).clone().into(),
            Self::Servers(at) if at(draft).is_empty() => Value::Null,
            Self::Servers(at) => at(draft).clone().into(),
            Self::Duration(at) | Self::Lookback(at) => text::show_duration(*at(draft)).into(),
            Self::Percent(at) | Self::Number { at, .. } => number(*at(draft)),
            Self::Size { at, .. } => text::show_size(*at(draft) as u64).into(),
            Self::Count(at) | Self::Known(at) => (*at(draft)).into(),
            Self::Times(at) => (*at(draft)).into(),
            Self::Database(at) => (*at(draft)).into(),
            Self::Port(at) => (*at(draft)).into(),
            Self::Address(at) => at(draft).to_string().into(),
            Self::Networks(at) => at(draft).iter().map(ToString::to_string).collect(),
            Self::Inside(at) => at(draft).iter().map(ToString::to_string).collect(),
            Self::Cores(at) => {
                at(draft).iter().map(|(id, &cores)| (id.to_string(), number(cores))).collect()
            }
            Self::Path(at) => at(draft).to_string_lossy().into_owned().into(),
            Self::File(at) => {
                at(draft).as_ref().map(|path| path.to_string_lossy().into_owned()).into()
            }
            Self::Flag(at) => (*at(draft)).into(),
            Self::Policy(at) => named(*at(draft)),
            Self::CpuMetric(at) => named(*at(draft)),
            Self::Algorithm(at) => named(*at(draft)),
        }
    }
}

const CORES: Expected = "expected URLs with a number each, such as {https://bbb1.example.org: 8}";

fn filled(text: &str) -> Result<&str, Expected> {
    if text.trim().is_empty() { Err("must not be empty") } else { Ok(text) }
}

/// A secret that nobody sees otherwise than it is.
fn unpadded(text: &str) -> Result<&str, Expected> {
    // One of blanks alone is empty, which says more.
    let filled = filled(text)?;
    if has_blanks_around(text) { Err(BLANKS) } else { Ok(filled) }
}

fn whole<T: TryFrom<i64>>(
    text: &str,
    least: i64,
    most: i64,
    expected: Expected,
) -> Result<T, Expected> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.and_then(|number| T::try_from(number).ok()).ok_or(expected)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("expected a number from {least} to {most}"))
}

fn size(text: &str, least: u64, most: u64) -> Result<usize, String> {
    let bytes = text::size(text)?;
    let fits = usize::try_from(bytes).ok().filter(|_| (least..=most).contains(&bytes));
    fits.ok_or_else(|| {
        format!("expected a size from {} to {}", text::show_size(least), text::show_size(most))
    })
}

fn word<T: DeserializeOwned>(text: &str, expected: Expected) -> Result<T, Expected> {
    serde_json::from_value(text.into()).map_err(|_| expected)
}

fn named<T: Serialize>(value: T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A whole number without `.0`, as Go writes it.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 { (value as i64).into() } else { value.into() }
}
