//! How a server is entered: where it is, as whom, encrypted or not.

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, TlsCertificates,
};

use crate::config::RedisConfig;
use crate::domain::secret::Secret;
use crate::outside::store::StoreError;
use tokio::time::Duration;

pub(super) const DEFAULT_PORT: u16 = 6379;

/// What all servers are entered with.
#[derive(Clone)]
pub(super) struct Access {
    login: RedisConnectionInfo,
    tls: bool,
    /// The authorities that count, as PEM; none: those of the system.
    authorities: Option<Vec<u8>>,
}

impl Access {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        if config.tls {
            // Whoever chose a provider of TLS before is right too.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let authorities = config.ca.as_ref().map(|path| {
            let bad = |why: String| StoreError::BadAuthority(format!("{}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
            // Without one nothing could be verified, which would only be seen on connecting.
            let mark = b"-----BEGIN CERTIFICATE-----";
            let any = pem.windows(mark.len()).any(|part| part == mark);
            if any { Ok(pem) } else { Err(bad("holds no certificate in PEM".into())) }
        });
        let login = with_login(
            RedisConnectionInfo::default(),
            config.username.as_deref(),
            config.password.as_ref(),
        );
        let login = if config.database == 0 { login } else { login.set_db(config.database) };
        Ok(Self { login, tls: config.tls, authorities: authorities.transpose()? })
    }

    /// The same with another login.
    pub(super) fn as_user(&self, username: Option<&str>, password: Option<&Secret>) -> Self {
        let login = with_login(RedisConnectionInfo::default(), username, password);
        Self { login, ..self.clone() }
    }

    /// The server of this host and port.
    pub(super) fn client(&self, host: &str, port: u16) -> Result<Client, StoreError> {
        let host = host.to_owned();
        let address = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        self.open(address.into_connection_info().map_err(|_| bad(""))?, "")
    }

    /// The server of an address as it is configured: `host:port`, or a URL, whose login and database
    /// count where the configuration has none.
    pub(super) fn client_at(&self, address: &str) -> Result<Client, StoreError> {
        if !address.contains("://") {
            let (host, port) = host_and_port(address).ok_or_else(|| bad(address))?;
            return self.client(&host, port);
        }
        let info = address.into_connection_info().map_err(|_| bad(address))?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(bad(address));
        }
        self.open(info, address)
    }

    fn open(&self, info: ConnectionInfo, address: &str) -> Result<Client, StoreError> {
        let mut login = info.redis_settings().clone();
        if let Some(username) = self.login.username() {
            login = login.set_username(username);
        }
        if let Some(password) = self.login.password() {
            login = login.set_password(password);
        }
        if self.login.db() != 0 {
            login = login.set_db(self.login.db());
        }
        let encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let info = info.set_redis_settings(login);
        let client = match &self.authorities {
            Some(pem) if encrypted => {
                let certificates =
                    TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
                let bad = |_| StoreError::BadAuthority("can't be read as certificates".into());
                return Client::build_with_tls(info, certificates).map_err(bad);
            }
            _ => Client::open(info),
        };
        client.map_err(|_| bad(address))
    }
}

/// Connecting, and each answer, take this long at most.
pub(super) fn bounded(by: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(by)).set_response_timeout(Some(by))
}

fn with_login(
    mut login: RedisConnectionInfo,
    username: Option<&str>,
    password: Option<&Secret>,
) -> RedisConnectionInfo {
    if let Some(username) = username {
        login = login.set_username(username);
    }
    match password.filter(|password| !password.is_empty()) {
        Some(password) => login.set_password(password.reveal()),
        None => login,
    }
}

fn bad(address: &str) -> StoreError {
    StoreError::BadAddress(without_login(address))
}

/// The address as it may be shown: a URL can hold a password.
fn without_login(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((_, server)) => server.to_owned(),
        None => address.to_owned(),
    }
}

/// The host and port of `host:port`, `host` or `[v6]:port`.
pub(super) fn host_and_port(address: &str) -> Option<(String, u16)> {
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty() && !host.contains(['/', ' '])).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: Option<(&str, u16)>) {
        assert_eq!(host_and_port(address), expected.map(|(host, port)| (host.to_owned(), port)));
    }

    #[test]
    fn addresses_are_host_and_port() {
        check("redis:6380", Some(("redis", 6380)));
        check("redis", Some(("redis", 6379)));
        check("[::1]:6380", Some(("::1", 6380)));
        check("[::1]", Some(("::1", 6379)));
        check("::1", None);
        check("redis:port", None);
        check(":6379", None);
        check("", None);
    }

    #[test]
    fn a_url_may_hold_login_and_database_and_the_configured_ones_win() {
        let url = "redis://ada:other@redis:1/3";
        let config = RedisConfig {
            password: Some(Secret::new("configured")),
            database: 5,
            ..RedisConfig::at(url)
        };
        let read = Access::new(&config).and_then(|access| access.client_at(url)).expect("a server");
        let login = read.get_connection_info().redis_settings();
        assert_eq!((login.username(), login.password()), (Some("ada"), Some("configured")));
        assert_eq!(login.db(), 5);
        assert_eq!(without_login(url), "redis:1/3");
    }

    #[test]
    fn nothing_turns_verification_off() {
        let url = "rediss://redis:1/#insecure";
        let access = Access::new(&RedisConfig::at(url)).expect("nothing to read");
        assert!(matches!(access.client_at(url), Err(StoreError::BadAddress(_))));
    }
}
