//! An answer that many may ask for, made once in a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long an answer is good.
const GOOD_FOR: Duration = Duration::from_millis(250);

/// The newest answer. However many ask, one at a time makes a new one.
pub(super) struct Recent<T> {
    newest: watch::Sender<Option<(Instant, Arc<T>)>>,
    turn: Semaphore,
}

impl<T> Recent<T> {
    pub(super) fn new() -> Self {
        Self { newest: watch::Sender::new(None), turn: Semaphore::new(1) }
    }

    fn good(&self) -> Option<Arc<T>> {
        let newest = self.newest.borrow();
        let (made, answer) = newest.as_ref()?;
        (made.elapsed() < GOOD_FOR).then(|| Arc::clone(answer))
    }

    /// The newest answer while it is good, else what `make` makes.
    pub(super) async fn get(&self, make: impl Future<Output = T>) -> Arc<T> {
        if let Some(answer) = self.good() {
            return answer;
        }
        let _turn = self.turn.acquire().await.expect("nobody closes the semaphore");
        if let Some(answer) = self.good() {
            return answer;
        }
        let answer = Arc::new(make.await);
        self.newest.send_replace(Some((Instant::now(), Arc::clone(&answer))));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_askers_share_one_answer() {
        let (recent, made) = (Recent::new(), AtomicUsize::new(0));
        let make = || async {
            sleep(Duration::from_secs(1)).await;
            made.fetch_add(1, Relaxed)
        };
        let answers = join_all((0..50).map(|_| recent.get(make()))).await;
        assert!(answers.iter().all(|answer| **answer == 0), "{answers:?}");
        sleep(GOOD_FOR).await;
        assert_eq!(*recent.get(make()).await, 1);
    }
}
