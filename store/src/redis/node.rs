//! One server: its connection, made anew when it broke, and what is asked of a server at every start.
//!
//! The connection is shared by all callers; each sends its commands as one block, so they stay
//! together and in order. Nothing is ever sent twice: after an error the caller is told, and only it
//! can find out what was done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, Pipeline, RedisConnectionInfo,
};
use redis::{TlsCertificates, Value};
use tokio::time::{Instant, timeout_at};

use super::address::{Address, Place};
use super::failure;
use crate::StoreError;

/// The oldest version that is tried: the scripts need what came with it, and users and rights.
const OLDEST: (u32, u32) = (6, 2);

/// One server.
pub(super) struct Node {
    pub(super) place: Arc<Place>,
    address: Arc<Address>,
    held: Mutex<Held>,
    /// Held by the one caller that connects, while the others wait for what it gets.
    connecting: tokio::sync::Mutex<()>,
}

/// The connection, if there is one, and how many there were: so that a caller whose connection broke
/// does not throw away the one that came after it.
#[derive(Default)]
struct Held {
    connection: Option<MultiplexedConnection>,
    number: u64,
}

impl Held {
    fn found(&self) -> Option<(MultiplexedConnection, u64)> {
        self.connection.clone().map(|connection| (connection, self.number))
    }
}

impl Node {
    pub(super) fn new(place: Place, address: Arc<Address>) -> Self {
        Self {
            place: Arc::new(place),
            address,
            held: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Sends the commands and waits for their answers, one each; an answer may be an error.
    ///
    /// Errors: no answers by the deadline, or the connection could not be made or broke: the commands
    /// were carried out from the first up to some place, perhaps none, perhaps all.
    pub(super) async fn ask(&self, commands: &Pipeline, deadline: Instant) -> Result<Vec<Value>, StoreError> {
        let mut number = None;
        let asked = timeout_at(deadline, async {
            let (mut connection, held) = self.connected().await?;
            number = Some(held);
            let answers = connection.send_packed_commands(commands, 0, commands.len()).await;
            answers.map_err(|cause| failure::broken(&self.place, &cause))
        });
        let failed = match asked.await {
            Ok(Ok(answers)) => {
                if answers.iter().any(failure::is_elsewhere) {
                    self.drop_connection(number);
                }
                return Ok(answers);
            }
            Ok(Err(error)) => error,
            Err(_) => StoreError::Timeout { at: self.place.to_string(), after: self.address.timeout },
        };
        // A connection that fell silent may never speak again.
        self.drop_connection(number);
        Err(failed)
    }

    /// Makes the next caller connect, unless somebody has since connection `number`.
    fn drop_connection(&self, number: Option<u64>) {
        let mut held = self.held();
        if number == Some(held.number) {
            held.connection = None;
        }
    }

    /// The connection with its number, made and the server looked at if need be.
    async fn connected(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        if let Some(found) = self.held().found() {
            return Ok(found);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(found) = self.held().found() {
            return Ok(found);
        }
        let connection = self.connect().await?;
        let mut held = self.held();
        held.number += 1;
        held.connection = Some(connection.clone());
        Ok((connection, held.number))
    }

    /// Nothing panics while it is held.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        let failed = |cause| failure::broken(&self.place, &cause);
        // The one clock is the caller's.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let client = self.client()?;
        let mut connection =
            client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)?;
        let info = connection.send_packed_command(&redis::cmd("INFO")).await.map_err(failed)?;
        match info {
            Value::BulkString(text) => self.check(&facts(&String::from_utf8_lossy(&text)))?,
            other => return Err(failure::odd(&self.place, &other)),
        }
        Ok(connection)
    }

    fn client(&self) -> Result<Client, StoreError> {
        let failed = |cause| failure::broken(&self.place, &cause);
        let Place { host, port } = (*self.place).clone();
        let address = if self.address.tls {
            // Both ring and another provider may be linked, and then none is the default. Ring is the
            // one that every build of feat has; whoever set another before keeps it.
            let _kept = rustls::crypto::ring::default_provider().install_default();
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        // Set up by hand, so that no url with a password in it is ever handed on.
        let mut login = RedisConnectionInfo::default().set_db(self.address.database).set_skip_set_lib_name();
        if let Some(user) = &self.address.login.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.address.login.password {
            login = login.set_password(password);
        }
        let info = address.into_connection_info().map_err(failed)?.set_redis_settings(login);
        match &self.address.ca {
            None => Client::open(info).map_err(failed),
            Some(path) => {
                let certificates = std::fs::read(path).map_err(|cause| StoreError::Url {
                    what: format!("certificates `{}` are not read ({cause})", path.display()),
                })?;
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(certificates) };
                Client::build_with_tls(info, certificates).map_err(failed)
            }
        }
    }

    /// Whether the server can be a store, by what it says of itself.
    fn check(&self, facts: &HashMap<&str, &str>) -> Result<(), StoreError> {
        let at = || self.place.to_string();
        let fact = |name: &str| facts.get(name).copied().unwrap_or_default();
        let unsuitable = |what: String| Err(StoreError::Unsuitable { at: at(), what });

        let version = fact("redis_version");
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
            let (major, minor) = OLDEST;
            return unsuitable(format!("its version is `{version}`: use {major}.{minor} or newer"));
        }
        match (fact("cluster_enabled"), self.address.cluster) {
            ("1", false) => {
                return unsuitable("it belongs to a cluster: write `redis-cluster://`".to_owned());
            }
            ("1", true) | (_, false) => {}
            (_, true) => return unsuitable("it belongs to no cluster: write `redis://`".to_owned()),
        }
        if fact("role") == "slave" {
            let what = format!("it is a replica of `{}:{}`", fact("master_host"), fact("master_port"));
            return Err(StoreError::ReadOnly { at: at(), what });
        }
        match fact("maxmemory_policy") {
            "noeviction" => {}
            policy => return Err(StoreError::Eviction { at: at(), policy: policy.to_owned() }),
        }
        if fact("loading") == "1" {
            return Err(StoreError::NotReady { at: at(), what: "it is loading its data".to_owned() });
        }
        Ok(())
    }
}

/// The lines of `INFO`.
fn facts(text: &str) -> HashMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(':')).collect()
}
