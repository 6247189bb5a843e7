//! What a call costs beside servers that do no more than they must, and how much memory the program takes.
//!
//! Everything runs on loopback, each part in a process of its own: this program starts itself again with a
//! role, and the balancer is the real binary. Rounds of the floor and of ours take turns, so that what else
//! the machine does troubles both.
//!
//! `cargo bench --bench data_plane` measures all of it; `-- join`, `-- create`, `-- getMeetings`, `-- getRecordings` or `-- memory` a part.

mod backend; // BBB servers that answer from a drawer
mod calls; // figures of the calls that read
mod client; // sends requests as fast as they are answered
mod creates; // figures of creates, which wait for the disk
mod drawer; // recordings of an instance
mod figures; // medians, and how they are written
mod floor; // the least that could be done
mod lists; // figures of getMeetings over many instances
mod memory; // what a large swarm takes
mod process; // the processes, what they cost, and their end
mod recordings; // figures of getRecordings
mod swarm; // the balancer with its tenants and instances
mod texts; // what instances say

use std::error::Error;

/// The program's own allocator, so that the floor is not slower for want of it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["backend", instances, meetings] => {
            role(backend::run(instances.parse()?, meetings.parse()?, 0))
        }
        ["backend", instances, "0", recordings] => {
            role(backend::run(instances.parse()?, 0, recordings.parse()?))
        }
        ["floor-join", ref backends @ ..] => role(floor::join(backends)),
        ["floor-proxy", ref backends @ ..] => role(floor::proxy(backends)),
        ["floor-copy", ref backends @ ..] => role(floor::copy(backends)),
        // `cargo bench` says so, `cargo test` does not.
        _ if words.contains(&"--bench") => measure(&words),
        _ => Ok(()),
    }
}

/// Serves with as many threads as the program itself would have.
fn role(serving: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serving)
}

fn measure(words: &[&str]) -> Outcome {
    let named: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|named| **named == part);
    // One thread: the requests' cost is to be small beside that of what answers them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        calls::measure(wanted).await?;
        if wanted("create") {
            creates::measure().await?;
        }
        if wanted("getMeetings") {
            lists::measure().await?;
        }
        if wanted("getRecordings") {
            recordings::measure().await?;
        }
        if wanted("memory") {
            memory::measure().await?;
        }
        Ok(())
    })
}
