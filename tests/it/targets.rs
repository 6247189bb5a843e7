//! Tenants' servers that answer as the story wants, and remember what came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bigblueswarm::outside::targets::{Call, TargetError, Targets};
use http::StatusCode;
use tokio::sync::watch;

/// So long one attempt takes at most, as the real way to them has it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a server says to the next calls, by the start of the URL; none when it never answers.
type Said = Option<Result<StatusCode, TargetError>>;

/// Every tenant's server at once. Answers 200 unless the story says otherwise.
#[derive(Clone)]
pub(crate) struct ScriptedTargets(Arc<watch::Sender<Script>>);

#[derive(Default)]
struct Script {
    said: HashMap<String, Said>,
    calls: Vec<Call>,
}

impl ScriptedTargets {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::channel(Script::default()).0))
    }

    /// Calls whose URL begins so are answered with this status.
    pub(crate) fn answer(&self, start: &str, status: u16) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.0.send_modify(|script| drop(script.said.insert(start.into(), Some(Ok(status)))));
    }

    /// Calls whose URL begins so get no answer, for this reason.
    pub(crate) fn fail(&self, start: &str, why: TargetError) {
        self.0.send_modify(|script| drop(script.said.insert(start.into(), Some(Err(why)))));
    }

    /// Calls whose URL begins so are never answered.
    pub(crate) fn hang(&self, start: &str) {
        self.0.send_modify(|script| drop(script.said.insert(start.into(), None)));
    }

    /// What came so far, in its order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.borrow().calls.clone()
    }

    /// What came so far for URLs that begin so.
    pub(crate) fn calls_of(&self, start: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.url.starts_with(start)).collect()
    }
}

#[async_trait]
impl Targets for ScriptedTargets {
    async fn send(&self, call: Call) -> Result<StatusCode, TargetError> {
        let mut said = Some(Ok(StatusCode::OK));
        self.0.send_modify(|script| {
            let fits = script.said.iter().filter(|(start, _)| call.url.starts_with(*start));
            if let Some((_, scripted)) = fits.max_by_key(|(start, _)| start.len()) {
                said = scripted.clone();
            }
            script.calls.push(call);
        });
        match said {
            Some(said) => said,
            None => {
                tokio::time::sleep(TIMEOUT).await;
                Err(TargetError::Failed("no answer in time".into()))
            }
        }
    }
}
