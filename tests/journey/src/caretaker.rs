use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A small process that outlives the tests by a moment if they are killed, and then ends a server
/// and removes its folder. In an orderly end it does nothing.
pub(crate) struct Caretaker(Child);

/// Reads until the tests say a word or end without one.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
if read -r word; then exit 0; fi
kill -9 "$1"
# Only folders that are named after the tests, whoever asks.
case "${2##*/}" in suanpan-*) ;; *) exit 1;; esac
# The engine ends by itself a moment later, and may write until then.
for try in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$2"
    sleep 1
    test -e "$2" || exit 0
done
"#;

impl Caretaker {
    /// Watches over this server.
    pub fn of(server: u32, folder: &Path) -> Self {
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "caretaker", &server.to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is sh");
        Self(child)
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.0.stdin.take() {
            let _gone = stdin.write_all(b"done\n");
        }
        let _gone = self.0.wait();
    }
}
