//! The forms in which values are written: each is read here and shown again in the same form.

use std::net::IpAddr;
use std::time::Duration;

use bytesize::ByteSize;
use http::Uri;
use http::uri::Authority;
use ipnet::IpNet;
use jiff::SignedDuration;
use jiff::fmt::friendly::{Designator, Spacing, SpanParser, SpanPrinter};

use crate::domain::reach::Inside;

/// What was expected instead.
pub(super) type Expected = &'static str;

const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

/// A duration as Go writes it, such as `1h30m`, `1.5h` or `250ms`, with its sign.
pub(super) fn span(text: &str) -> Result<SignedDuration, Expected> {
    const EXPECTED: Expected = "expected a duration such as 90s, 1h30m or 250ms";
    let go = |letter: char| letter.is_ascii_digit() || ".+-hmsnuµμ".contains(letter);
    if !text.chars().all(go) || text.len() > 64 {
        return Err(EXPECTED);
    }
    SpanParser::new().parse_duration(text).map_err(|_| EXPECTED)
}

/// A duration that something can wait for.
pub(super) fn duration(text: &str) -> Result<Duration, Expected> {
    let span = span(text)?;
    if span.is_negative() {
        return Err("must not be negative");
    }
    bounded(span)
}

/// How far to look back: `5m`, or `-5m` as the predecessor wrote it.
pub(super) fn lookback(text: &str) -> Result<Duration, Expected> {
    let length = bounded(span(text)?)?;
    if length < Duration::from_secs(1) {
        return Err("must be at least 1s");
    }
    Ok(length)
}

fn bounded(span: SignedDuration) -> Result<Duration, Expected> {
    let length = span.unsigned_abs();
    if length < Duration::from_millis(1) {
        return Err("must be at least 1ms");
    }
    if length > LONGEST { Err("must be at most 168h") } else { Ok(length) }
}

pub(super) fn show_duration(length: Duration) -> String {
    let printer = SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::None);
    printer.unsigned_duration_to_string(&length)
}

/// A number of bytes, such as `64MiB` or `65536`.
pub(super) fn size(text: &str) -> Result<u64, Expected> {
    let bytes: ByteSize = text.parse().map_err(|_| "expected a size such as 64MiB or 65536")?;
    Ok(bytes.as_u64())
}

pub(super) fn show_size(bytes: u64) -> String {
    let whole = UNITS.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// A limit in percent; the predecessor took 0 as not given.
pub(super) fn percent(text: &str) -> Result<Option<f64>, Expected> {
    const EXPECTED: Expected = "expected a number from 0 to 100";
    let value: f64 = text.parse().map_err(|_| EXPECTED)?;
    if !(0.0..=100.0).contains(&value) {
        return Err(EXPECTED);
    }
    Ok((value > 0.0).then_some(value))
}

/// A network, or a single address as a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, Expected> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| "expected networks such as 10.0.0.0/8 or 192.0.2.7")
}

/// A network, an address, or the name of a host without its port.
pub(super) fn inside(text: &str) -> Result<Inside, Expected> {
    if let Ok(net) = network(text) {
        return Ok(Inside::Net(net));
    }
    let name = text.trim_end_matches('.');
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    // What ends in a number is an address, well or badly written.
    let number = name.rsplit('.').next().is_some_and(|end| end.bytes().all(|b| b.is_ascii_digit()));
    if number || !name.bytes().all(named) {
        return Err("expected networks and hosts such as 10.0.0.0/8 or hooks.example.org");
    }
    Ok(Inside::Host(name.to_ascii_lowercase()))
}

/// `host:port`, without a user or a scheme.
pub(super) fn host_and_port(text: &str) -> Result<String, Expected> {
    const EXPECTED: Expected = "expected host:port, such as 127.0.0.1:6379";
    let authority: Authority = text.parse().map_err(|_| EXPECTED)?;
    let complete =
        authority.port_u16().is_some_and(|port| port > 0) && !authority.host().is_empty();
    if !complete || text.contains('@') { Err(EXPECTED) } else { Ok(text.into()) }
}

/// `host:port`, or the same as a URL whose scheme says whether it is encrypted.
pub(super) fn redis_address(text: &str) -> Result<String, Expected> {
    const EXPECTED: Expected = "expected host:port, such as 127.0.0.1:6379, or rediss://host:port";
    let server = ["redis://", "rediss://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    host_and_port(server.unwrap_or(text)).map_err(|_| EXPECTED)?;
    Ok(text.into())
}

/// An address to call, without user or query, as both would be logged.
pub(super) fn url(text: &str) -> Result<String, Expected> {
    const EXPECTED: Expected =
        "expected a URL such as http://127.0.0.1:8086, without user or query";
    let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().filter(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    if !web || authority.is_none() || uri.query().is_some() || text.contains('#') {
        return Err(EXPECTED);
    }
    let port = uri.authority().and_then(|a| a.as_str().rsplit_once(':')).map(|(_, port)| port);
    match port {
        Some(port) if !port.ends_with(']') && !matches!(port.parse(), Ok(1u16..)) => Err(EXPECTED),
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, millis: Option<u64>) {
        assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_are_written_as_in_go() {
        check("90s", Some(90_000));
        check("1h30m", Some(5_400_000));
        check("1.5h", Some(5_400_000));
        check("250ms", Some(250));
        check("1m0s", Some(60_000));
        check("+5m", Some(300_000));
        assert_eq!(duration("1500µs"), Ok(Duration::from_micros(1500)));
        assert_eq!(duration("1500us"), Ok(Duration::from_micros(1500)));
        for wrong in [
            "",
            "5",
            "10 apples",
            "-5m",
            "0s",
            "1h-5m",
            "abc",
            "PT5M",
            "1d",
            "9999h",
            "5 minutes",
            "s",
        ] {
            check(wrong, None);
        }
        assert_eq!(lookback("-5m"), lookback("5m"));
        assert!(lookback("-5ms").is_err());
    }

    #[test]
    fn durations_are_shown_in_a_form_that_can_be_read_again() {
        for text in ["15m", "1h30m", "250ms", "900ms", "10s", "168h"] {
            assert_eq!(show_duration(duration(text).expect("sound")), text);
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "1m30s");
        assert_eq!(show_duration(Duration::from_millis(1500)), "1s500ms");
    }

    #[test]
    fn sizes_have_binary_units() {
        for text in ["64MiB", "32KiB", "1GiB", "1000", "0"] {
            assert_eq!(show_size(size(text).expect("sound")), text);
        }
        assert_eq!(size("1 KB"), Ok(1000));
        assert!(size("lots").is_err() && size("-1").is_err() && size("").is_err());
    }

    #[test]
    fn limits_are_percent_and_zero_is_not_given() {
        assert_eq!(percent("80"), Ok(Some(80.0)));
        assert_eq!(percent("0"), Ok(None));
        for wrong in ["101", "-1", "NaN", "inf", "90%", ""] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_have_host_and_port_and_no_user() {
        for right in ["127.0.0.1:6379", "redis:6379", "[::1]:6379"] {
            assert!(host_and_port(right).is_ok(), "{right}");
        }
        for wrong in
            ["", "redis", "redis:0", "redis:99999", ":6379", "me:pw@redis:6379", "redis://r:1"]
        {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
        for right in ["r:1", "redis://r:1", "rediss://[::1]:6379"] {
            assert!(redis_address(right).is_ok(), "{right}");
        }
        for wrong in [
            "rediss://r",
            "rediss://me:pw@r:1",
            "rediss://r:1/0",
            "http://r:1",
            "rediss://r:1#insecure",
        ] {
            assert!(redis_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_inside_is_a_network_or_a_host() {
        for (text, shown) in
            [("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128"), ("Hooks.x.", "hooks.x")]
        {
            assert_eq!(inside(text).map(|inside| inside.to_string()).as_deref(), Ok(shown));
        }
        for wrong in ["", "10.0.0.0/99", "10.0.0", "http://x", "x:80", "a b", "*"] {
            assert!(inside(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn urls_are_whole_and_have_no_user() {
        for right in [
            "http://127.0.0.1:8086",
            "https://influx.example.org/sub/",
            "http://[::1]:8086",
            "http://[::1]",
        ] {
            assert!(url(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "influx:8086",
            "ftp://x",
            "http://",
            "/path",
            "http://u:p@x",
            "http://x:99999",
            "http://x?a=b",
            "http://x y",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
