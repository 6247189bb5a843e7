//! Whether the store takes writes, as far as was seen: a full disk answers questions as ever.

use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::StoreError;

/// So long a failed step counts though checks succeed: a tiny record finds room where a larger one does not.
const COUNTS_FOR: Duration = Duration::from_secs(10);

/// What was seen of writes.
#[derive(Default)]
pub(super) struct Writes {
    /// Why the last check failed, if it did.
    check: ArcSwapOption<String>,
    /// When and why a step failed since one succeeded.
    step: ArcSwapOption<(Instant, String)>,
}

impl Writes {
    /// A check ended so. Fails as well while a step failed lately.
    pub(super) fn checked(&self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        self.check.store(result.as_ref().err().map(|e| e.to_string().into()));
        result?;
        self.failed_step().map_or(Ok(()), |why| Err(StoreError::Away(why)))
    }

    /// Steps that wrote ended so.
    pub(super) fn stepped<T>(&self, result: &Result<T, StoreError>) {
        let failed = result.as_ref().err().map(|e| (Instant::now(), e.to_string()).into());
        if failed.is_some() || self.step.load().is_some() {
            self.step.store(failed);
        }
    }

    fn failed_step(&self) -> Option<String> {
        let failed = self.step.load();
        let (at, why) = &**failed.as_ref()?;
        (at.elapsed() < COUNTS_FOR).then(|| why.clone())
    }

    /// Why writes fail, for operators.
    pub(super) fn ailment(&self) -> Option<String> {
        let check = self.check.load().as_ref().map(|why| why.to_string());
        check.or_else(|| self.failed_step()).map(|why| format!("writes fail: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn away(why: &str) -> Result<(), StoreError> {
        Err(StoreError::Away(why.into()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_check_is_told_until_the_next_and_a_failed_step_until_one_succeeds_or_for_a_while()
     {
        let writes = Writes::default();
        let told = || writes.ailment().unwrap_or_default();
        assert!(writes.checked(Ok(())).is_ok() && told().is_empty());
        assert!(writes.checked(away("full")).is_err());
        assert_eq!(told(), "writes fail: store is away: full");
        writes.stepped(&away("no room"));
        assert!(writes.checked(Ok(())).is_err());
        assert_eq!(told(), "writes fail: store is away: no room");
        writes.stepped(&Ok(()));
        assert!(writes.checked(Ok(())).is_ok() && told().is_empty());
        writes.stepped(&away("no room"));
        advance(COUNTS_FOR).await;
        assert!(writes.checked(Ok(())).is_ok() && told().is_empty());
    }
}
