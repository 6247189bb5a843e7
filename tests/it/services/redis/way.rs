//! A way to Redis that can keep what subscriptions are told to itself, while commands go on.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::RedisServer;

/// A way to one server, for as long as it is kept.
pub(crate) struct Way {
    address: SocketAddr,
    silent: watch::Sender<bool>,
}

impl Way {
    /// A way that passes everything on.
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let (silent, heard) = watch::channel(false);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let target = server.address();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, heard) = (target.clone(), heard.clone());
                tokio::spawn(async move { carry(client, &target, heard).await });
            }
        });
        Self { address, silent }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on subscriptions are told nothing, or what comes from now on.
    pub(crate) fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

/// Carries bytes both ways until one side ends.
async fn carry(client: TcpStream, target: &str, silent: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut subscribes = false;
    let (mut asked, mut told) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        tokio::select! {
            bytes = some(&mut from_client, &mut asked) => {
                let Some(bytes) = bytes else { return };
                subscribes |= bytes.windows(9).any(|word| word == b"SUBSCRIBE");
                if to_server.write_all(bytes).await.is_err() {
                    return;
                }
            }
            bytes = some(&mut from_server, &mut told) => {
                let Some(bytes) = bytes else { return };
                let kept = subscribes && *silent.borrow();
                if !kept && to_client.write_all(bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn some<'a>(from: &mut (impl AsyncRead + Unpin), buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let count = from.read(buffer).await.ok().filter(|&count| count > 0)?;
    Some(&buffer[..count])
}
