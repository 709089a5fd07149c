use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// A small process that outlives the tests by a moment, and then ends what they left running and removes its
/// folder. After an orderly end it finds nothing to do.
#[derive(Debug)]
pub struct Caretaker(Mutex<Child>);

/// Reads `+pid` and `-pid` until the tests say `done` or end without.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
running=' '
while read -r word; do
    case "$word" in
        done) exit 0;;
        +*) running="$running${word#+} ";;
        -*) before="${running%% ${word#-} *}"; after="${running#* ${word#-} }"; running="$before $after";;
    esac
done
for pid in $running; do kill -9 "$pid" 2>/dev/null; done
# Only folders that are named after the tests, whoever asks.
case "${1##*/}" in suanpan-*) ;; *) exit 1;; esac
for try in 1 2 3 4 5; do
    rm -rf -- "$1" && exit 0
    sleep 1
done
"#;

impl Caretaker {
    /// Will remove this folder.
    ///
    /// # Panics
    /// There is no `sh`.
    pub fn of(folder: &Path) -> Self {
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "caretaker"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is sh");
        Self(Mutex::new(child))
    }

    /// Will end this process too.
    pub(crate) fn watch(&self, pid: u32) {
        self.tell(&format!("+{pid}\n"));
    }

    /// This process has ended, and its id may be another's soon.
    pub(crate) fn forget(&self, pid: u32) {
        self.tell(&format!("-{pid}\n"));
    }

    fn tell(&self, words: &str) {
        let mut child = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(stdin) = &mut child.stdin {
            let _gone = stdin.write_all(words.as_bytes());
        }
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        self.tell("done\n");
        let child = self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(child.stdin.take());
        let _gone = child.wait();
    }
}
