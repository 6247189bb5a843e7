//! Tests of the machine itself.

use std::process::ExitCode;
use std::time::Duration;

use crate::gate::{is_of, replace};
use crate::harness::{run_all, trial};
use crate::measure::{Bound, Series};
use crate::plan::{Trouble, draw};
use crate::run::errors;

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn main() -> ExitCode {
    run_all(vec![
        trial("the_same_seed_is_the_same_faults", the_same_faults),
        trial("an_hour_has_every_kind_of_fault", every_kind),
        trial("the_first_balancer_is_never_killed", the_first_is_never_killed),
        trial("growth_in_the_second_half_is_seen", growth),
        trial("errors_and_panics_in_logs_are_seen", logs),
        trial("ports_are_renamed_in_what_sentinels_say", ports),
        trial("connections_of_one_process_are_told_from_others", processes),
    ])
}

fn the_same_faults() {
    assert_eq!(draw(7, HOUR), draw(7, HOUR));
    assert_ne!(draw(7, HOUR), draw(8, HOUR));
    let count = draw(7, HOUR).len();
    assert!((200..280).contains(&count), "{count}");
}

fn every_kind() {
    let mut kinds: Vec<_> = draw(1, HOUR).iter().map(|fault| fault.what.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 23, "{kinds:?}");
}

fn the_first_is_never_killed() {
    assert!(draw(1, HOUR).iter().all(|fault| fault.what != Trouble::ReplicaKilled(0)));
}

fn growth() {
    let check = |value: fn(u64) -> u64, grows: bool| {
        let points = (0..400).map(|n| (n * 1_000, value(n))).collect();
        let series = Series { name: "x".into(), points, bound: Some(Bound(5, 10)) };
        assert_eq!(series.grows(), grows, "{:?}", series.quarters());
    };
    check(|_| 1_000, false);
    check(|n| 1_000 + n, true);
    check(|n| if n < 200 { n * 10 } else { 2_000 }, false);
    check(|n| if n % 50 == 0 { 9_000 } else { 1_000 }, false);
    check(|n| if n < 320 { 1_000 } else { 1_100 }, true);
}

fn logs() {
    let said = "{\"level\":\"WARN\"}\n{\"level\":\"ERROR\"}\nthread 'main' panicked at src/x.rs\n";
    assert_eq!(errors(said).len(), 2);
}

fn ports() {
    let mut said = b"$4\r\nport\r\n$5\r\n18123\r\n$5\r\nflags".to_vec();
    replace(&mut said, b"$5\r\n18123\r\n", b"$5\r\n20456\r\n");
    assert_eq!(said, b"$4\r\nport\r\n$5\r\n20456\r\n$5\r\nflags");
}

fn processes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let stream = std::net::TcpStream::connect(address).expect("a connection");
    let client = stream.local_addr().expect("an address");
    let (this, parent) = (std::process::id(), std::os::unix::process::parent_id());
    assert!(is_of(client, this) && !is_of(client, parent));
}
