//! Simulated BBB servers: the demo, the tests and the benchmarks share them.
//!
//! A [`SimServer`] answers as the BigBlueButton of its [`Version`] does, 3.0 unless told otherwise. It is reached in memory through [`SimServers`], or over a
//! loopback socket through [`SimServer::listen`]. What it does is decided in plain functions ([`machine`] and what
//! it calls); one task owns its state.

mod bodies; // what a broken server sends
mod breakouts; // rooms that a meeting makes inside
pub mod client; // calls a BBB API as a front end does
mod create;
pub mod crowd; // people who come and go by a script
mod desk; // what the owner of the state does with a request
mod documents; // what is put into a meeting
mod elements; // reads answers' elements
mod endings; // what follows when a meeting is over
pub mod errand; // requests of a server's own
mod events; // what hooks are told
mod failures; // requests that BBB fails at
pub mod faults; // what can be made to go wrong, and when
pub mod figures; // processor, memory and counts, as an agent beside the server measures them
pub mod fleet; // a whole day of a fleet, to compare ways of placing meetings
mod gate; // what the web servers in front refuse
pub mod hooks; // where events go
mod info;
mod join;
mod lookup; // which meeting an id means
pub mod machine; // the meetings, and which call does what
pub mod meeting; // a meeting and who is in it
pub mod memory; // the way to simulated servers without sockets
mod pages; // the root, the client's page, and pages of the web server around BBB
mod params; // what a request says, and whether it is signed
pub mod recording; // what a server keeps of a meeting that has ended
mod recordings; // the calls about recordings
mod reply; // the shapes of answers
mod rules; // what BBB checks before it does anything
pub mod seen; // what a server was asked
pub mod server;
mod sessions; // the calls of a browser that is in a meeting
pub mod settings;
pub mod socket; // the way to a simulated server over loopback
pub mod telegraf; // pushes figures as Telegraf does
mod tracks; // subtitles and captions of recordings
pub mod version;

pub use client::BbbClient;
pub use crowd::Crowd;
pub use errand::{Elsewhere, Errand, Outcome, Reason};
pub use faults::{BadXml, Fault, Faults};
pub use figures::Figures;
pub use hooks::Hook;
pub use lookup::{InternalIds, Lookup};
pub use machine::Ask;
pub use meeting::{Meeting, Role, User};
pub use memory::SimServers;
pub use recording::{Recording, Track};
pub use seen::Seen;
pub use server::SimServer;
pub use settings::{RecordingsPaging, SimSettings};
pub use socket::SimHandle;
pub use telegraf::Telegraf;
pub use version::Version;
