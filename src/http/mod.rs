pub mod busy; // BBB's error form for what the door itself refuses
pub mod metrics; // how many calls, how they ended, how long they took
pub mod server; // connections: accepted, bounded, drained
