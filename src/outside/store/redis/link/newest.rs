//! One answer out of several servers that should say the same.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use crate::outside::store::StoreError;

/// So long the others are waited for once one has answered: it may be behind.
const OTHERS_WITHIN: Duration = Duration::from_millis(100);

/// The answer of the latest epoch; if there is none, why the last one failed.
pub(super) async fn newest<T>(
    asked: impl IntoIterator<Item = impl Future<Output = Result<(u64, T), StoreError>>>,
    by: Instant,
) -> Result<T, StoreError> {
    let mut asked: FuturesUnordered<_> = asked.into_iter().collect();
    let mut best: Option<(u64, T)> = None;
    let mut failed = StoreError::Away("nobody answers in time".into());
    let mut until = by;
    while let Ok(Some(answer)) = timeout_at(until, asked.next()).await {
        match answer {
            Ok((epoch, _)) if best.as_ref().is_some_and(|(best, _)| *best >= epoch) => {}
            Ok(answer) => {
                best = Some(answer);
                until = until.min(Instant::now() + OTHERS_WITHIN);
            }
            Err(e) => failed = e,
        }
    }
    best.map(|(_, answer)| answer).ok_or(failed)
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::*;

    async fn check(answers: &[Result<(u64, &'static str), &str>], expected: Option<&str>) {
        let later = |answer: &Result<_, &str>| -> Ready<_> {
            ready(answer.map_err(|why| StoreError::Away(why.to_owned())))
        };
        let by = Instant::now() + Duration::from_secs(5);
        let found = newest(answers.iter().map(later), by).await;
        assert_eq!(found.ok(), expected);
    }

    #[tokio::test]
    async fn the_latest_epoch_wins_and_who_fails_is_passed_over() {
        check(&[Ok((1, "old")), Ok((2, "new")), Ok((1, "old"))], Some("new")).await;
        check(&[Err("refused"), Ok((0, "one"))], Some("one")).await;
        check(&[Err("refused")], None).await;
        check(&[], None).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_not_waited_for_once_another_has_answered() {
        let one = |silent: bool| async move {
            if silent {
                std::future::pending::<()>().await;
            }
            Ok((1, "answer"))
        };
        let began = Instant::now();
        let by = began + Duration::from_secs(9);
        assert_eq!(newest([true, false].map(one), by).await.ok(), Some("answer"));
        assert_eq!(began.elapsed(), OTHERS_WITHIN);
        assert!(newest([true].map(one), by).await.is_err());
    }
}
