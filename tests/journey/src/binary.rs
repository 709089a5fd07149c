use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

/// How long one command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// The binary: `$SUANPAN_BIN`, else built once by cargo.
///
/// # Panics
/// It can't be built.
pub fn suanpan() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("SUANPAN_BIN").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "suanpan-app", "--message-format=json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo runs the tests, so it can be run");
    let messages = String::from_utf8_lossy(&output.stdout);
    let binary = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "suanpan")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    binary.unwrap_or_else(|| panic!("suanpan can't be built: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The binary's command without the settings of our own environment.
pub fn command() -> Command {
    without_settings(Command::new(suanpan()))
}

/// The command without the settings of our own environment.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("SUANPAN_") && n != "SUANPAN_CACHE") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Finished {
    /// Expects exit code 0 and gives the standard output.
    ///
    /// # Panics
    /// Another exit code.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// Expects another exit code than 0 and gives the standard error.
    ///
    /// # Panics
    /// Exit code 0, or none.
    #[track_caller]
    pub fn failed(self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "{:?}: {}{}", self.code, self.out, self.err);
        self.err
    }
}

/// Runs a command of the binary to its end.
///
/// # Panics
/// It takes longer than a minute.
pub async fn run<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Finished {
    run_with_input(arguments, "").await
}

/// [`run`] with this text on standard input.
///
/// # Panics
/// It takes longer than a minute.
pub async fn run_with_input<A: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    input: &str,
) -> Finished {
    let mut command = tokio::process::Command::from(command());
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("suanpan can be run");
    let mut stdin = child.stdin.take().expect("it was piped");
    let exchange = async {
        // A command that does not read its input may be gone already.
        let _not_read = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await
    };
    let ended = tokio::time::timeout(COMMAND_TIMEOUT, exchange).await;
    let output = ended.expect("a command ends within a minute").expect("its output can be read");
    Finished {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
