//! The binary `feat`, as `./test` has built it, and folders to run it in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in the repository")
}

/// The binary beside this one.
fn binary() -> PathBuf {
    let here = std::env::current_exe().expect("a test knows its own file");
    let folder = here.parent().and_then(Path::parent).expect("a test is built into a folder of the target");
    let binary = folder.join("feat");
    assert!(binary.is_file(), "{} is not there: build it first, as ./test does", binary.display());
    binary
}

/// Runs `feat` in `folder`.
pub(crate) fn feat(folder: &Path, arguments: &[String]) -> Output {
    command(folder, arguments).output().expect("the binary runs")
}

/// `feat` in `folder`, to be run.
pub(crate) fn command(folder: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder);
    command
}

/// What was printed, both streams, standard output first.
pub(crate) fn printed(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// A copy of `folder` of the repository, without what earlier runs left there.
pub(crate) fn copy(folder: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder for temporary files");
    copy_into(&root().join(folder), copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let path = entry.expect("a folder can be listed").path();
        let name = path.file_name().expect("an entry has a name");
        if path.is_dir() {
            if name != ".feat" {
                copy_into(&path, &to.join(name));
            }
        } else {
            std::fs::copy(&path, to.join(name)).expect("a file can be copied");
        }
    }
}

/// The words of a command line; double quotes keep blanks together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
