//! What a meeting costs as it is now.

/// More webcams than this are not shown to anyone at once.
const WEBCAMS_SHOWN: u64 = 9;
/// No meeting has more people; counts beyond are mistakes.
const MOST: u64 = 10_000;

/// Cores that a meeting of so many users and webcams keeps busy, as far as can be said without having measured it:
/// 0.05, 0.020 for each user and 0.004 for each video stream that comes or goes.
pub fn cost(users: u64, webcams: u64) -> f64 {
    let users = users.min(MOST);
    let webcams = webcams.min(users);
    let streams = webcams + users.saturating_sub(1) * webcams.min(WEBCAMS_SHOWN);
    0.05 + 0.020 * users as f64 + 0.004 * streams as f64
}
