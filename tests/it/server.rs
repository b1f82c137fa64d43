//! A `feat serve` that runs.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use tonic::transport::{Channel, Endpoint};

use crate::feat::{command, words};
use crate::shop::signal;

/// A running `feat serve`, ended with this.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(folder: &Path, more: &str) -> Self {
        let mut serve = command(folder, &words(&format!("serve --listen 127.0.0.1:0 {more}")));
        let mut process =
            serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs");
        let said = BufReader::new(process.stdout.take().expect("it is ours")).lines().next();
        let said = said.expect("it says where it listens").expect("text");
        let address = said.strip_prefix("listening on ").unwrap_or_else(|| panic!("{said}")).to_owned();
        Self { process, address }
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to stop; its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        signal(&self.process, "TERM");
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
