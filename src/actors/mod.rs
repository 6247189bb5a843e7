//! One module per actor. Each owns one piece of state; `actors.md` has the map.

pub mod callbacks;
pub mod directory;
pub mod hooks;
pub mod lists;
pub mod meetings;
pub mod metrics;
pub mod recordings;
pub mod registry;
pub mod seat;
pub mod settings;
pub mod supervisor;
pub mod tenants;

use std::future::Future;

use ractor::RpcReplyPort;

use crate::outside::store::StoreError;

/// Hears of every new value; made where the parts are wired, so that no actor holds another's handle.
pub type Subscriber<T> = Box<dyn Fn(T) + Send + Sync>;

/// Runs `work` in its own task, where even a panic ends as an error value.
pub(crate) async fn settle<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    tokio::spawn(work).await
}

/// The same for what asks a store: a panic of its is as if it were away.
pub(crate) async fn settle_stored<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    settle(work).await.unwrap_or_else(|e| Err(StoreError::Away(e.to_string())))
}

/// Answers, unless the asker has stopped waiting.
pub(crate) fn answer<T: Send>(reply_to: RpcReplyPort<T>, value: T) {
    let _ = reply_to.send(value);
}
