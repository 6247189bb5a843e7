//! What an agent beside a server measures.

use std::time::Duration;

use bigblueswarm::sim::Crowd;
use bigblueswarm::sim::telegraf::lines;
use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use tokio::time::sleep;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_load_follows_users_and_cores() {
    let small = SimServer::start(settings().cores(2), new_year());
    let large = SimServer::start(settings().cores(16), new_year());
    let mut before = 0.0;
    for round in 0..3 {
        for server in [&small, &large] {
            call(server, "create", &format!("name=Class&meetingID=class-{round}")).await;
            let class = Crowd { users: 15, over: Duration::ZERO, stay: Duration::from_secs(600) };
            assert!(server.send_crowd(&format!("class-{round}"), class).await);
        }
        sleep(Duration::from_secs(1)).await;
        let (s, l) = (small.figures().await, large.figures().await);
        assert!(s.cpu() > before, "more users, more load");
        assert!(
            s.cpu() > l.cpu() && s.mem_used_percent > l.mem_used_percent,
            "more cores, less load"
        );
        assert!(s.cpu() <= 100.0 && s.mem_used_percent <= 100.0);
        before = s.cpu();
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_show_a_picture_as_are_set_to() {
    for (share, expected) in [(0.0, 0), (1.0, 12)] {
        let server = SimServer::start(settings().webcams(share), new_year());
        call(&server, "create", "name=Class&meetingID=class").await;
        let class = Crowd { users: 12, over: Duration::ZERO, stay: Duration::from_secs(600) };
        assert!(server.send_crowd("class", class).await);
        sleep(Duration::from_secs(1)).await;
        let list = call(&server, "getMeetings", "").await.text();
        let shown = format!("<videoCount>{expected}</videoCount>");
        assert!(list.contains(&shown), "{list}");
        assert_eq!(server.figures().await.counts.videos, expected);
    }
}

fn field(line: &ParsedLine<'_>, name: &str) -> Option<f64> {
    let found = line.field_set.iter().find(|(key, _)| key.as_str() == name)?;
    match found.1 {
        FieldValue::F64(x) => Some(x),
        FieldValue::I64(x) => Some(x as f64),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn figures_are_written_as_telegraf_writes_them() {
    let server = server();
    call(&server, "create", "name=One&meetingID=x1&meta_bigblueswarm-tenant=a.example.org%3A8443")
        .await;
    call(&server, "create", "name=Two&meetingID=x2&meta_bigblueswarm-tenant=b+c").await;
    enter(&server, "fullName=Ada&meetingID=x1&role=VIEWER").await;
    let figures = server.figures().await;
    let at = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let text = lines(&figures, &server.url(), at);
    let parsed: Vec<_> = parse_lines(&text).collect::<Result<_, _>>().unwrap();
    let of = |measurement: &str| {
        let line = parsed.iter().find(|l| l.series.measurement.as_str() == measurement);
        let line = line.unwrap_or_else(|| panic!("{measurement} is missing in {text}"));
        let tags = line.series.tag_set.as_ref().unwrap();
        assert!(
            tags.iter()
                .any(|(k, v)| k.as_str() == "bigblueswarm_host" && v.as_str() == server.url())
        );
        assert_eq!(line.timestamp, Some(1_767_225_600_000_000_000));
        line
    };
    assert_eq!(field(of("cpu"), "usage_idle"), Some(figures.usage_idle()));
    assert_eq!(field(of("cpu"), "usage_system"), Some(figures.usage_system));
    assert!(text.contains("cpu=cpu-total"));
    assert_eq!(field(of("mem"), "used_percent"), Some(figures.mem_used_percent));
    assert_eq!(field(of("system"), "n_cpus"), Some(4.0));
    assert_eq!(field(of("bigbluebutton"), "meetings"), Some(2.0));
    assert_eq!(field(of("bigbluebutton"), "online"), Some(1.0));
    assert_eq!(field(of("bigbluebutton:a.example.org:8443"), "participants"), Some(1.0));
    assert_eq!(field(of("bigbluebutton:b c"), "participants"), Some(0.0));
}
