//! The url that says where a Redis is, and how long it may take to answer.
//!
//! ```text
//! redis://[user[:password]@]host[:port][/database][?timeout_ms=5000]
//! rediss://…[?ca=FILE]                      the same with TLS; `ca` for a certificate authority of one's own
//! redis-cluster://host:port,host:port …     some nodes of a cluster; the others are asked for
//! rediss-cluster://…                        the same with TLS
//! ```
//!
//! User and password may be percent-encoded. They are never shown: neither in an error nor by `Debug`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::StoreError;

/// The port where none is named.
const PORT: u16 = 6379;

/// How long a call may take where the url does not say.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Host and port of one server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Who one is to the server.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// A url that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// One server, or some of a cluster's.
    pub(super) places: Vec<Place>,
    pub(super) cluster: bool,
    pub(super) tls: bool,
    pub(super) login: Login,
    pub(super) database: i64,
    /// What may take no longer: connecting, and each call.
    pub(super) timeout: Duration,
    /// A file of certificates, instead of the system's.
    pub(super) ca: Option<PathBuf>,
}

impl Address {
    /// Reads a url.
    ///
    /// Errors: it is none of the above; the message leaves out who logs in.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (cluster, tls) = match scheme {
            "redis" => (false, false),
            "rediss" => (false, true),
            "redis-cluster" => (true, false),
            "rediss-cluster" => (true, true),
            _ => {
                return Err(refused(
                    "it begins with none of `redis://`, `rediss://`, `redis-cluster://`, `rediss-cluster://`",
                ));
            }
        };
        // A password may hold any sign, so what comes before the last `@` is taken off first: nothing
        // of it ends in a message.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Login::parse(login)?, rest),
            None => (Login::default(), rest),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        let places = hosts.split(',').map(Place::parse).collect::<Result<Vec<_>, _>>()?;
        if places.len() > 1 && !cluster {
            return Err(refused("several hosts make a cluster: write `redis-cluster://`"));
        }
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| refused("the database after `/` is not a number"))?,
        };
        if cluster && database != 0 {
            return Err(refused("a cluster has one database: leave out what follows `/`"));
        }
        let mut address = Self { places, cluster, tls, login, database, timeout: TIMEOUT, ca: None };
        for setting in query.split('&').filter(|setting| !setting.is_empty()) {
            address.set(setting)?;
        }
        Ok(address)
    }

    fn set(&mut self, setting: &str) -> Result<(), StoreError> {
        match setting.split_once('=').unwrap_or((setting, "")) {
            ("timeout_ms", count) => match count.parse() {
                Ok(count) if count > 0 => self.timeout = Duration::from_millis(count),
                _ => return Err(refused("`timeout_ms` is not a count of milliseconds above 0")),
            },
            ("ca", path) if self.tls => self.ca = Some(decoded(path)?.into()),
            ("ca", _) => return Err(refused("`ca` goes with `rediss://` or `rediss-cluster://`")),
            (name, _) => {
                return Err(refused(&format!("it has no setting `{name}`: known are `timeout_ms`, `ca`")));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.cluster, self.tls) {
            (false, false) => "redis",
            (false, true) => "rediss",
            (true, false) => "redis-cluster",
            (true, true) => "rediss-cluster",
        };
        let places: Vec<String> = self.places.iter().map(Place::to_string).collect();
        write!(f, "{scheme}://{}", places.join(","))?;
        if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, StoreError> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err(refused("it names no host"));
        }
        let port = match port {
            None => PORT,
            Some(port) => {
                port.parse().map_err(|_| refused("the port after `:` is not a number below 65536"))?
            }
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, StoreError> {
        let (user, password) = match text.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password)?)),
            None => (text, None),
        };
        let user = decoded(user)?;
        Ok(Self { user: (!user.is_empty()).then_some(user), password })
    }
}

/// `text` with each `%` and two digits as the byte that they stand for.
fn decoded(text: &str) -> Result<String, StoreError> {
    let wrong = || refused("a `%` in it is not followed by two hexadecimal digits, or makes no UTF-8");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn refused(what: &str) -> StoreError {
    StoreError::Url { what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_who() {
        let address =
            Address::parse("rediss://feat:p%40ss/w@rd@db.internal:7000/3?timeout_ms=250&ca=/etc/ca.pem");
        let address = address.unwrap();
        assert_eq!(address.places, [Place { host: "db.internal".into(), port: 7000 }]);
        assert_eq!(address.login.user.as_deref(), Some("feat"));
        assert_eq!(address.login.password.as_deref(), Some("p@ss/w@rd"));
        assert_eq!((address.database, address.tls, address.cluster), (3, true, false));
        assert_eq!(address.timeout, Duration::from_millis(250));
        assert_eq!(address.ca, Some("/etc/ca.pem".into()));
        assert_eq!(address.to_string(), "rediss://db.internal:7000/3");
        assert!(!format!("{address:?}").contains("ss/w"), "{address:?}");
    }

    #[test]
    fn a_cluster_is_some_of_its_nodes() {
        let address = Address::parse("redis-cluster://:secret@a:1,[::1]:2,c").unwrap();
        assert_eq!(address.to_string(), "redis-cluster://a:1,[::1]:2,c:6379");
        assert_eq!(address.login, Login { user: None, password: Some("secret".into()) });
    }

    #[test]
    fn a_url_that_says_something_else_is_refused_without_its_password() {
        for (url, why) in [
            ("http://u:hunter2@a", "begins with none of"),
            ("hunter2", "begins with none of"),
            ("redis://u:hunter2@", "names no host"),
            ("redis://u:hunter2@a:x", "port"),
            ("redis://u:hunter2@a/x", "database"),
            ("redis://u:hunter2@a,b", "redis-cluster://"),
            ("redis-cluster://u:hunter2@a/1", "one database"),
            ("redis://u:hunter2%4@a", "`%`"),
            ("redis://u:hunter2@a?timeout_ms=0", "timeout_ms"),
            ("redis://u:?hunter2?@a?timeout=1", "no setting `timeout`"),
            ("redis://u:hunter2@a?ca=x", "rediss://"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.to_string().contains(why), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
