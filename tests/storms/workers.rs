//! Work on all cores.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does the work of each task, so many at once, and hands over what comes of it as it comes. `take` says whether to go on.
pub(crate) fn each<T: Copy + Sync, R: Send>(
    tasks: Vec<T>,
    jobs: usize,
    work: impl Fn(T) -> R + Sync,
    mut take: impl FnMut(R) -> bool,
) {
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        for _ in 0..jobs.max(1) {
            let (done, tasks, next, over, work) = (done.clone(), &tasks, &next, &over, &work);
            scope.spawn(move || {
                while let Some(task) = tasks.get(next.fetch_add(1, Relaxed)) {
                    if over.load(Relaxed) || done.send(work(*task)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for result in results {
            if !take(result) {
                return over.store(true, Relaxed);
            }
        }
    });
}
