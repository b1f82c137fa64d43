//! A certificate authority of the test's own, and a certificate of this machine's loopback.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// `ca.pem` is what clients trust; `cert.pem` with `key.pem` is who the server is, `server.pem` both in one.
#[derive(Debug)]
pub struct Authority(TempDir);

impl Authority {
    /// A new one, good for two days.
    pub fn found() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path();
        let key = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(place, &format!("{key} -x509 -days 2 -keyout ca.key -out ca.pem -subj /CN=ca"));
        openssl(place, &format!("{key} -keyout key.pem -out request.pem -subj /CN=server"));
        std::fs::write(place.join("names"), "subjectAltName=IP:127.0.0.1").expect("a file");
        openssl(
            place,
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
        );
        let read = |name: &str| std::fs::read_to_string(place.join(name)).expect("OpenSSL wrote it");
        std::fs::write(place.join("server.pem"), read("key.pem") + &read("cert.pem")).expect("a file");
        Self(folder)
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let made = made.expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
