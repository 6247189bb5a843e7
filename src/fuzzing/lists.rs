//! What instances send: never a panic, and what is merged is what was there.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::bbb::meetings::{Listed, Memo, Reading};
use crate::bbb::xml::{Peek, XmlFault, check, check_start, peek, read};
use crate::bbb::{meetings, recordings, sessions};

/// Any answer of an instance, read in every way there is.
pub fn xml(data: &[u8]) {
    let (whole, said, look) = (check(data), read(data), peek(data));
    if let Ok(said) = &said {
        let expected = if said.success { Peek::Success } else { Peek::Failed };
        assert_eq!((&whole, &look), (&Ok(()), &expected));
    }
    if let Err(fault) = &whole {
        let known = said.as_ref().expect_err("it is not sound");
        assert!(known == fault || *known == XmlFault::NoReturncode, "{known:?}, {fault:?}");
    }
    let half = &data[..data.len() / 2];
    match peek(half) {
        Peek::NeedMore => {}
        Peek::Fault(_) => assert!(!matches!(look, Peek::Success | Peek::Failed)),
        found => assert_eq!(found, look),
    }
    if whole.is_ok() {
        assert_eq!(check_start(half), Ok(()), "a sound answer starts soundly");
    }
    meetings(data);
    recordings(data);
    sessions(data);
}

/// The parts of an answer, which follow each other.
fn parts<'d>(data: &'d [u8], spans: &[&Range<usize>]) -> Vec<&'d [u8]> {
    assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "{spans:?}");
    spans.iter().map(|span| &data[(*span).clone()]).collect()
}

fn meetings(data: &[u8]) {
    let whole = meetings::scan(data);
    let first = in_parts(data, Arc::default(), whole.as_deref().ok());
    if let Some(memo) = first {
        assert!(in_parts(data, memo, whole.as_deref().ok()).is_some());
    }
    let Ok(listed) = whole else { return };
    let spans: Vec<_> = listed.iter().map(|meeting| &meeting.span).collect();
    let raw = parts(data, &spans);
    let mut pieces = Vec::new();
    raw.iter().for_each(|meeting| meetings::add(&mut pieces, meeting));
    let merged = meetings::merged([Bytes::from(pieces)]).concat();
    let again = meetings::scan(&merged).expect("what was merged can be read");
    assert_eq!(again.len(), listed.len());
    for ((before, after), raw) in listed.iter().zip(&again).zip(raw) {
        assert_eq!(&merged[after.span.clone()], raw);
        assert_eq!(*before, Listed { span: before.span.clone(), ..after.clone() });
    }
}

/// A list that arrives in parts holds what it holds as a whole, whatever it held the last time.
fn in_parts(data: &[u8], last: Arc<Memo>, whole: Option<&[Listed]>) -> Option<Arc<Memo>> {
    let mut reading = Reading::after(last);
    let mut found = Vec::new();
    let mut take = |listed: Arc<Listed>, raw: &[u8]| found.push((listed, raw.to_vec()));
    let mut bad = false;
    for part in data.chunks(1 + data.len() % 61) {
        bad = bad || reading.push(part, &mut take).is_err();
    }
    let memo = if bad { None } else { reading.finish(&mut take).ok() };
    assert_eq!(memo.is_some(), whole.is_some());
    let whole = whole?;
    assert_eq!(found.len(), whole.len());
    for ((listed, raw), expected) in found.iter().zip(whole) {
        assert_eq!(raw.as_slice(), &data[expected.span.clone()]);
        assert_eq!(Listed { span: expected.span.clone(), ..Listed::clone(listed) }, *expected);
    }
    memo.map(Arc::new)
}

fn recordings(data: &[u8]) {
    let Ok(list) = recordings::scan(data) else { return };
    let spans: Vec<_> = list.recordings.iter().map(|recording| &recording.span).collect();
    let raw = parts(data, &spans);
    for total in [None, Some(raw.len())] {
        let pieces = raw.iter().map(|raw| Bytes::copy_from_slice(raw));
        let merged = recordings::merged(pieces, total).concat();
        let again = recordings::scan(&merged).expect("what was merged can be read");
        assert_eq!((again.recordings.len(), again.total), (raw.len(), total));
        for ((before, after), raw) in list.recordings.iter().zip(&again.recordings).zip(&raw) {
            assert_eq!(&merged[after.span.clone()], *raw);
            let moved = recordings::Recorded { span: before.span.clone(), ..after.clone() };
            assert_eq!(*before, moved);
        }
    }
}

fn sessions(data: &[u8]) {
    let Ok(listed) = sessions::scan(data) else { return };
    let spans: Vec<_> = listed.iter().map(|session| &session.span).collect();
    let raw = parts(data, &spans);
    let merged = sessions::merged(raw.iter().copied());
    let again = sessions::scan(&merged).expect("what was merged can be read");
    assert_eq!(again.len(), listed.len());
    for ((before, after), raw) in listed.iter().zip(&again).zip(raw) {
        assert_eq!((&merged[after.span.clone()], &after.internal_id), (raw, &before.internal_id));
    }
}
