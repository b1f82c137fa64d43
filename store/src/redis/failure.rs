//! What an error of the server or of the connection means to the one who runs feat.

use redis::{ErrorKind, RedisError, ServerError, Value};

use super::address::Place;
use crate::StoreError;

/// The codes that tell what to do. Before version 7 a script's error has the code `ERR` and the real
/// one within its text, after a `-`.
const CODES: [&str; 21] = [
    "OOM",
    "READONLY",
    "MISCONF",
    "NOREPLICAS",
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "NOSCRIPT",
    "UNKILLABLE",
    "EXECABORT",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "DENIED",
    "CROSSSLOT",
    "WRONGTYPE",
    "NOPROTO",
];

/// The error that `said` by the server at `at` is to the caller.
pub(super) fn said(at: &Place, said: &ServerError) -> StoreError {
    let details = said.details().unwrap_or_default();
    coded(at, said.code(), details)
}

fn coded(at: &Place, code: &str, details: &str) -> StoreError {
    let code = match code {
        // What version 7.0 says where others say `NOPERM`.
        "ERR" if details.starts_with("The user executing the script can't") => "NOPERM",
        // What a script meets whose keys are on their way to another server just now.
        "ERR" if details.contains("non local key") => "TRYAGAIN",
        "ERR" => CODES.into_iter().find(|code| details.contains(&format!("-{code} "))).unwrap_or("ERR"),
        code => code,
    };
    let (at, what) = (at.to_string(), format!("{code} {details}").trim_end().to_owned());
    match code {
        "OOM" => StoreError::OutOfMemory { at },
        "READONLY" | "MISCONF" | "NOREPLICAS" => StoreError::ReadOnly { at, what },
        "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "NOSCRIPT"
        | "UNKILLABLE" | "EXECABORT" => StoreError::NotReady { at, what },
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => StoreError::Login { at, what },
        _ => StoreError::Answer { at, what },
    }
}

/// Whether the server says that it is no master any more: behind its address there may be another one, which
/// only a new connection would reach.
pub(super) fn is_elsewhere(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error)
        if matches!(error.code(), "READONLY" | "MASTERDOWN") || error.details().is_some_and(|said| said.contains("-READONLY ")))
}

/// The error that a broken exchange with `at` is to the caller.
pub(super) fn broken(at: &Place, cause: &RedisError) -> StoreError {
    match cause.kind() {
        ErrorKind::AuthenticationFailed => StoreError::Login {
            at: at.to_string(),
            what: cause.detail().unwrap_or("wrong password").to_owned(),
        },
        ErrorKind::Server(_) | ErrorKind::Extension => {
            coded(at, cause.code().unwrap_or_default(), cause.detail().unwrap_or_default())
        }
        ErrorKind::InvalidClientConfig => {
            StoreError::Unsuitable { at: at.to_string(), what: cause.to_string() }
        }
        // A certificate that is not accepted comes as an error of the stream.
        _ if cause.to_string().contains("certificate") => {
            StoreError::Untrusted { at: at.to_string(), what: cause.to_string() }
        }
        _ => StoreError::Unreachable { at: at.to_string(), what: cause.to_string() },
    }
}

/// An answer of another shape than was asked for.
pub(super) fn odd(at: &Place, found: &Value) -> StoreError {
    match found {
        Value::ServerError(error) => said(at, error),
        other => {
            // Values are data of users, and long: their kind is enough.
            let kind = match other {
                Value::Nil => "nothing",
                Value::Int(_) => "a number",
                Value::BulkString(_) => "bytes",
                Value::Array(_) => "a list",
                _ => "a value of an unexpected kind",
            };
            StoreError::Answer { at: at.to_string(), what: kind.to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retry;

    #[test]
    fn the_code_of_an_error_says_whether_to_wait() {
        let at = Place { host: "a".into(), port: 1 };
        for code in
            ["OOM", "READONLY", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "NOREPLICAS", "MOVED"]
        {
            assert_eq!(coded(&at, code, "x").retry(), Retry::Later, "{code}");
            let wrapped = format!("Error running script (call to f_0): @user_script:5: -{code} command x");
            let error = coded(&at, "ERR", &wrapped);
            assert_eq!(error.retry(), Retry::Later, "{error}");
        }
        let moving =
            coded(&at, "ERR", "Script attempted to access a non local key in a cluster node script: x");
        assert_eq!(moving.retry(), Retry::Later, "{moving}");
        let denied = coded(&at, "ERR", "The user executing the script can't run this command or subcommand");
        assert!(matches!(denied, StoreError::Login { .. }), "{denied:?}");
        for code in ["NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE", "CROSSSLOT", "ERR"] {
            assert_eq!(coded(&at, code, "x").retry(), Retry::Never, "{code}");
        }
    }
}
