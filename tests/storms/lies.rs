//! What a server says that is not so: a list that leaves out a meeting which lives, or another meeting's info.

use axum::body::{Body, to_bytes};
use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bigblueswarm::outside::servers::Incoming;
use bigblueswarm::sim::{SimServer, Version};
use http::header::CONTENT_LENGTH;

use crate::plan::Failing;

/// No list of a storm is longer, in bytes.
const LONGEST: usize = 1 << 20;

/// What a server says wrongly at present.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lies {
    pub(crate) short_lists: bool,
    pub(crate) other_infos: bool,
}

impl Lies {
    pub(crate) fn of(ways: &[Failing]) -> Self {
        let has = |way| ways.contains(&way);
        // One at a time: of a meeting that neither shows nothing can be known.
        let short_lists = has(Failing::ShortLists);
        Self { short_lists, other_infos: has(Failing::OtherInfos) && !short_lists }
    }
}

/// The list without the first of its meetings.
pub(crate) async fn shortened(answer: Incoming) -> Incoming {
    let Incoming { status, mut headers, body } = answer;
    let bytes = to_bytes(body, LONGEST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let (open, close) = ("<meeting>", "</meeting>");
    let part = text.find(open).zip(text.find(close));
    let less = match part {
        Some((from, to)) => [&text[..from], &text[to + close.len()..]].concat(),
        None => text.into_owned(),
    };
    headers.remove(CONTENT_LENGTH);
    Incoming { status, headers, body: Body::from(less) }
}

/// Where an info about another meeting of this server is had than the one that is asked for, if it has one.
pub(crate) async fn another(sim: &SimServer, version: Version, asked: &str) -> Option<String> {
    let wanted = query::value(asked, "meetingID")?;
    let meetings = sim.meetings().await;
    let mut others = meetings.iter().filter(|m| m.lives() && m.id != *wanted);
    let other = others.find(|m| m.internal_id != *wanted)?;
    let name = if version == Version::V2_5 { &other.id } else { &other.internal_id };
    let asked = format!("meetingID={name}");
    let signed = query::signed(&asked, "getMeetingInfo", sim.secret().reveal(), Algorithm::Sha256);
    Some(format!("/bigbluebutton/api/getMeetingInfo?{signed}"))
}

/// Whether this tells of a meeting; and the answer itself.
pub(crate) async fn is_an_info(answer: Incoming) -> (bool, Incoming) {
    let Incoming { status, headers, body } = answer;
    let bytes = to_bytes(body, LONGEST).await.unwrap_or_default();
    let is_one = bytes.windows(7).any(|word| word == b"SUCCESS");
    (is_one, Incoming { status, headers, body: Body::from(bytes) })
}
