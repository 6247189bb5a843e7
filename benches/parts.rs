//! What reading what instances say costs, beside a copy of the same bytes.

#[path = "data_plane/texts.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod texts;

use bigblueswarm::bbb::{meetings, xml};
use divan::Bencher;
use divan::counter::BytesCount;

fn main() {
    divan::main();
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
