//! The flags of `feat serve` and of the keys of those who call it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::log::Form;

/// `feat serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 is any that is free, and is printed.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8815")]
    pub(crate) listen: SocketAddr,
    /// Answers only callers with a key (`feat key add`), each what their role allows.
    #[arg(long)]
    pub(crate) keys: bool,
    /// The server's certificate, in PEM: callers come by TLS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The most rows of a lookup.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) rows: usize,
    /// The most calls under way at once; further ones are refused.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub(crate) calls: usize,
    /// Keeps a sample of the answers below this folder, for `feat audit skew`.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) log_answers: Option<PathBuf>,
    /// The share of the calls whose answers are kept, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, requires = "log_answers", value_parser = share)]
    pub(crate) log_share: f64,
    /// How lines of the log look, on standard error.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log: Form,
    /// Logs what is refused, too. The environment's `FEAT_LOG` says it finer.
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// A share of something.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1, such as 0.01".to_owned()),
    }
}

/// `feat key`
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Makes a key and prints it, once: only a hash of it is kept.
    Add {
        /// Whose it is, such as a model service.
        principal: String,
        /// What they may do, beside what they may already.
        #[arg(long, default_value = "reader", value_parser = ["reader", "author", "operator", "admin"])]
        role: String,
        /// When it ends, RFC 3339 with a zone; never when not written.
        #[arg(long, value_name = "T")]
        expires: Option<String>,
    },
    /// Lists the keys: what each begins with, whose it is, when it ends.
    List {
        /// Prints one JSON list on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Takes a key back.
    Revoke {
        /// What it begins with: `feat_` and eight digits.
        prefix: String,
    },
}

/// `feat audit`
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Shows who did what, newest last, once every entry was found to be as it was written.
    Log {
        /// Prints one JSON list on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Computes a sample of answers again, offline at their stamps, and tells how many values differ.
    Skew(Skew),
}

/// `feat audit skew`
#[derive(Debug, Args)]
pub(crate) struct Skew {
    /// The folder in which `feat serve --log-answers` kept them.
    pub(crate) answers: PathBuf,
    /// Only those of this service, `name` or `name@version`.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// The most answers that are computed again, evenly chosen, of each version of a service.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: usize,
    /// Prints one JSON document on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
