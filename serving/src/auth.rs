//! Who calls, and whether they may: keys, roles, and the gate that every call passes.
//!
//! ```text
//!  call ──► gate ──► room? ──► open? ──► key? ──► role? ──► service
//!                    Busy      health    401      403
//! ```
//!
//! What no rule names is refused. Keys are stored as hashes that are slow to try (Argon2id); one that was
//! found good is remembered for a while, by a hash of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use feat_registry::Registry;
use feat_registry::keys::StoredKey;

use crate::current::Clock;
use crate::error::ServeError;

/// What keys begin with.
const MARK: &str = "feat_";
/// How long a key that was found good is not tried again: so long may one that was taken back still do.
const REMEMBERED: Duration = Duration::from_secs(10);
/// More keys than this are not remembered at once.
const MOST_REMEMBERED: usize = 4096;

/// What a caller may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look up, and read what is deployed.
    Reader,
    /// Make training sets, and plan changes.
    Author,
    /// Apply changes.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role, from the least.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Author, Self::Operator, Self::Admin];

    /// As keys have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Author => "author",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role with a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: anybody may.
    Nothing,
    /// A role.
    Role(Role),
}

/// What each call needs; of what is not here the answer is no.
pub(crate) fn needs(path: &str) -> Option<Needs> {
    match path {
        "/healthz" => return Some(Needs::Nothing),
        "/metrics" => return Some(Needs::Role(Role::Reader)),
        _ => {}
    }
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let role = match (service, method) {
        ("grpc.health.v1.Health", _) => return Some(Needs::Nothing),
        ("grpc.reflection.v1.ServerReflection", _)
        | ("feat.v1.OnlineService", "GetFeatures" | "DescribeService")
        | ("feat.v1.TrainingService", "ListTrainingSets" | "GetTrainingSet")
        | ("feat.v1.RegistryService", "GetObject" | "ListObjects" | "ListVersions" | "GetLineage") => {
            Role::Reader
        }
        ("feat.v1.TrainingService", "CreateTrainingSet" | "ReproduceTrainingSet")
        | ("feat.v1.RegistryService", "Plan") => Role::Author,
        ("feat.v1.RegistryService", "Apply") => Role::Operator,
        _ => return None,
    };
    Some(Needs::Role(role))
}

/// Whether a call changes something: then it is entered in the audit log also when it was allowed.
pub(crate) fn writes(path: &str) -> bool {
    matches!(path, "/feat.v1.RegistryService/Apply")
}

/// Who calls: put beside a request by the gate.
#[derive(Clone, Debug)]
pub struct Caller(Arc<str>);

impl Caller {
    /// Who calls, where nobody has to say.
    pub(crate) fn anonymous() -> Self {
        Self("anonymous".into())
    }

    /// Who makes a request.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_else(Self::anonymous)
    }

    /// By name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

/// A key as its holder gets it, once.
#[derive(Debug)]
pub struct NewKey {
    /// What is shown and found: `feat_` and eight hexadecimal digits.
    pub prefix: String,
    /// The whole key.
    pub key: String,
    /// What is stored of it.
    pub hash: String,
}

/// A new key.
///
/// Errors: the system gives no random bytes.
pub fn new_key() -> Result<NewKey, ServeError> {
    let failed = |cause: &dyn std::fmt::Display| ServeError::Internal(format!("no key can be made: {cause}"));
    let mut random = [0_u8; 36];
    getrandom::fill(&mut random).map_err(|cause| failed(&cause))?;
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let prefix = format!("{MARK}{}", hex(&random[..4]));
    let key = format!("{prefix}_{}", hex(&random[4..]));
    let hash = Argon2::default().hash_password(key.as_bytes()).map_err(|cause| failed(&cause))?;
    Ok(NewKey { prefix, key, hash: hash.to_string() })
}

/// Who holds which keys.
#[derive(Clone)]
pub(crate) struct Keys {
    registry: Registry,
    clock: Clock,
    good: Arc<Mutex<Remembered>>,
}

/// Keys that were found good, by a hash of them: when, and whose they are.
type Remembered = HashMap<[u8; 32], (Instant, Holder)>;

/// Who holds a key, and the most they may.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) caller: Caller,
    pub(crate) role: Option<Role>,
    expires_at: Option<feat_kernel::time::Instant>,
}

impl Keys {
    pub(crate) fn new(registry: Registry, clock: Clock) -> Self {
        Self { registry, clock, good: Arc::default() }
    }

    /// Who holds the key of an `authorization` header.
    ///
    /// Errors: there is none, it is of nobody, or it has ended: all alike to whoever tries.
    pub(crate) async fn holder(&self, header: Option<&str>) -> Result<Holder, ServeError> {
        let Some(header) = header else {
            return Err(ServeError::Unauthenticated(
                "no key: send `authorization: Bearer feat_…`, which `feat key add` makes".to_owned(),
            ));
        };
        let refused =
            || ServeError::Unauthenticated("the key is unknown, has ended, or was taken back".to_owned());
        let key = header.strip_prefix("Bearer ").ok_or_else(refused)?.trim();
        let prefix = key.rsplit_once('_').map(|(prefix, _)| prefix).ok_or_else(refused)?;
        let name = *blake3::hash(key.as_bytes()).as_bytes();
        let holder = if let Some(holder) = self.remembered(&name) {
            holder
        } else {
            let found = self.registry.key(prefix).await?.ok_or_else(refused)?;
            let holder = Holder::of(&found);
            let key = key.to_owned();
            // Slow by intention: not on a thread that answers lookups.
            let good = tokio::task::spawn_blocking(move || verified(&key, &found.hash)).await;
            if !good.unwrap_or(false) {
                return Err(refused());
            }
            self.remember(name, holder.clone());
            holder
        };
        if holder.expires_at.is_some_and(|end| end <= (self.clock)()) {
            return Err(refused());
        }
        Ok(holder)
    }

    fn remembered(&self, name: &[u8; 32]) -> Option<Holder> {
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, holder) = good.get(name)?;
        (at.elapsed() < REMEMBERED).then(|| holder.clone())
    }

    fn remember(&self, name: [u8; 32], holder: Holder) {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good.len() >= MOST_REMEMBERED {
            good.clear();
        }
        good.insert(name, (Instant::now(), holder));
    }
}

impl Holder {
    fn of(key: &StoredKey) -> Self {
        let role = key.roles.iter().filter_map(|name| Role::named(name)).max();
        Self { caller: Caller(key.principal.as_str().into()), role, expires_at: key.expires_at }
    }
}

fn verified(key: &str, hash: &str) -> bool {
    Argon2::default().verify_password(key.as_bytes(), hash).is_ok()
}
