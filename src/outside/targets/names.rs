//! Names to addresses, without those that may not be reached.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::domain::reach::{Inside, permits};

/// The longest wait for a name.
const LOOKUP_WITHIN: Duration = Duration::from_secs(5);

/// Finds the addresses of a name.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    async fn addresses(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// What the system says.
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// All addresses of a name are inside our networks.
#[derive(Debug, thiserror::Error)]
#[error("no address of this name may be reached")]
pub(super) struct NotPermitted;

/// What connections are made by: what it leaves out is not connected to, whatever a name says next time.
pub(super) struct PermittedNames {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) allowed: Arc<[Inside]>,
}

impl Resolve for PermittedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allowed) = (self.lookup.clone(), self.allowed.clone());
        Box::pin(async move {
            let host = name.as_str();
            let found = timeout(LOOKUP_WITHIN, lookup.addresses(host)).await??;
            let permitted: Vec<SocketAddr> = found
                .iter()
                .filter(|address| permits(&allowed, host, **address))
                .map(|address| SocketAddr::new(*address, 0))
                .collect();
            if permitted.is_empty() && !found.is_empty() {
                return Err(NotPermitted.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
