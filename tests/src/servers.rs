//! The real servers that tests talk to: started on free ports, stopped with the test.
//!
//! ```text
//!  test ──spawn──► server    ends when it is dropped, killed or stopped
//!    └──pipe─────► watch     reads the pipe, whose end means that the test died:
//!                            then it kills the server and removes the server's folder
//! ```
//!
//! What they need is fetched by the files in `tests/servers/`, which `./test` runs first and which
//! say by environment variables where it is.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

#[cfg(any(feature = "brokers", feature = "stores"))]
pub mod authority;
#[cfg(feature = "brokers")]
pub mod kafka;
#[cfg(feature = "stores")]
pub mod redis;

/// How long a server may take to start, or a condition to come true.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ports of the loopback that nobody listened on a moment ago, all different.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held =
        [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of the loopback"));
    held.map(|listener| listener.local_addr().expect("a bound port").port())
}

/// Waits until `look` finds something, and returns it.
///
/// # Panics
/// After a minute, with `what` was awaited.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A process that does not outlive its owner, however the owner ends.
#[derive(Debug)]
pub struct Process {
    server: Child,
    watch: Child,
}

impl Process {
    /// Starts `command`, whose data is in `folder`. It reads nothing; where it writes is the caller's
    /// to say.
    pub fn spawn(command: &mut Command, folder: &Path) -> Self {
        let server =
            command.stdin(Stdio::null()).spawn().unwrap_or_else(|cause| panic!("{command:?}: {cause}"));
        // The pipe's other end closes with this process, even by SIGKILL. A parent's death signal
        // would need unsafe code, and would come when the thread that spawned ends.
        let watch = Command::new("sh")
            // An interrupt from the keyboard is for the test alone, whose end is then noticed here.
            .args(["-c", "trap '' INT; read -r _; kill -9 \"$1\"; sleep 1; rm -rf \"$2\"", "watch"])
            .arg(server.id().to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        Self { server, watch }
    }

    /// Its number, for a signal.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.server.try_wait().expect("a child's state")
    }

    /// Sends a signal by its name, such as `STOP` or `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.server.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Asks it to end and waits until it has.
    pub fn stop(&mut self) {
        if self.ended().is_none() {
            self.signal("TERM");
            self.signal("CONT");
            self.server.wait().expect("a child's end");
        }
        self.unwatch();
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        // Before the server's number is free for another process.
        self.unwatch();
        let _ended_before = self.server.kill();
        self.server.wait().expect("a child's end");
    }

    fn unwatch(&mut self) {
        let _ended_before = self.watch.kill();
        self.watch.wait().expect("a child's end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
