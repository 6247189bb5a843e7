//! Stories about the demo: a whole day against a small stand-in for the balancer, honest or not.

mod stand_in;

use std::future::pending;
use std::io::{self, Write};
use std::sync::mpsc;
use std::time::Duration;

use bigblueswarm::cli::demo::day::Pace;
use bigblueswarm::cli::demo::screen::Screen;
use bigblueswarm::cli::demo::{DemoArgs, LEFT, WELL, WRONG, run_until};
use tokio::time::{sleep, timeout};

use stand_in::{StandIn, Vice};

const PATIENCE: Duration = Duration::from_secs(60);

fn pace() -> Pace {
    Pace { hour: Duration::from_millis(400), hours: 9..14 }
}

struct Heard(mpsc::Sender<Vec<u8>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Plays a day against a balancer of this vice: the exit code and all that was said.
async fn day_with(vice: Vice) -> (u8, String) {
    let (tell, heard) = mpsc::channel();
    let mut screen = Screen::lines(Heard(tell));
    let args = DemoArgs { once: true, port: 0 };
    let balancer = StandIn(vice);
    let day = run_until(pending(), args, pace(), &balancer, &mut screen);
    let code = timeout(PATIENCE, day).await.expect("a day ends").expect("the demo starts");
    drop(screen);
    let said: Vec<u8> = heard.iter().flatten().collect();
    (code, String::from_utf8_lossy(&said).into_owned())
}

async fn caught(vice: Vice, expected: &str) {
    let (code, said) = day_with(vice).await;
    assert_eq!(code, WRONG, "{said}");
    let complaint = said.lines().any(|line| line.starts_with("WRONG: ") && line.contains(expected));
    assert!(complaint, "{expected} in\n{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_with_an_honest_balancer_ends_well() {
    let (code, said) = day_with(Vice::None).await;
    assert_eq!(code, WELL, "{said}");
    for expected in [
        "Every one is where it was promised",
        "\n09:",
        "bbb3 is drained",
        "bbb3 draining",
        "bbb1 crashes",
        "bbb1 down",
        "bbb1 is back, without its",
        "/t/science.example.org/bigbluebutton/api/join?fullName=Ada&meetingID=by-hand-0&role=MODERATOR&checksum=",
        "/t/arts.example.org/bigbluebutton/api/getMeetings?checksum=",
        "curl -H 'Authorization: ",
    ] {
        assert!(said.contains(expected), "{expected} in\n{said}");
    }
    let first =
        said.lines().find(|line| line.contains("creates were acknowledged")).expect("a summary");
    let created: u64 = first.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!(created > 100, "{first}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_that_sends_people_elsewhere_is_caught() {
    caught(Vice::JoinsElsewhere, "but who joins is sent to").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_that_creates_twice_is_caught() {
    caught(Vice::CreatesTwice, "is on 2 servers at once").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_that_shows_everything_to_everybody_is_caught() {
    caught(Vice::ShowsAll, "was shown").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_that_tells_of_anothers_meeting_is_caught() {
    caught(Vice::TellsAll, "was told of").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_that_promises_too_much_is_caught() {
    caught(Vice::Pretends, "was acknowledged, but is on no server").await;
}

#[tokio::test]
async fn who_leaves_early_is_told_so_by_the_exit_code() {
    let args = |once| DemoArgs { once, port: 0 };
    for (once, code) in [(true, LEFT), (false, WELL)] {
        let leave = sleep(Duration::from_millis(300));
        let mut screen = Screen::lines(io::sink());
        let left = run_until(leave, args(once), pace(), &StandIn(Vice::None), &mut screen).await;
        assert_eq!(left.expect("the demo starts"), code);
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let args = DemoArgs { once: true, port };
    let mut screen = Screen::lines(io::sink());
    let refused = run_until(pending(), args, pace(), &StandIn(Vice::None), &mut screen).await;
    let why = format!("{:#}", refused.expect_err("the port is taken"));
    assert!(why.contains(&port.to_string()), "{why}");
}
