use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Caretaker;

const PROBE_EVERY: Duration = Duration::from_millis(20);
const SAID_SHOWN_BYTES: usize = 3000;

/// One process of a component. It is killed when this is dropped.
#[derive(Debug)]
pub struct Part {
    name: String,
    child: Child,
    said: PathBuf,
    caretaker: Arc<Caretaker>,
}

/// How the start of a part went.
#[derive(Debug)]
pub enum Started {
    /// It listens.
    Listens(Part),
    /// It ended before; these were its last words. Perhaps another took its port first.
    Ended(String),
}

impl Part {
    /// Starts the command; what it says goes to `said`.
    ///
    /// # Panics
    /// There is no such program, or the file can't be written.
    pub fn spawn(name: &str, command: &mut Command, said: &Path, caretaker: &Arc<Caretaker>) -> Self {
        let sink = File::options().create(true).append(true).open(said).expect("the folder was just made");
        let child = command
            .stdin(Stdio::null())
            .stdout(sink.try_clone().expect("a file can be shared"))
            .stderr(sink)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} can't be started: {error}"));
        caretaker.watch(child.id());
        Self { name: name.to_owned(), child, said: said.to_owned(), caretaker: Arc::clone(caretaker) }
    }

    /// Waits until something listens at the address.
    ///
    /// # Panics
    /// Nothing listens within `limit`.
    pub fn listening(mut self, at: SocketAddr, limit: Duration) -> Started {
        let deadline = Instant::now() + limit;
        loop {
            if TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_ok() {
                return Started::Listens(self);
            }
            if self.ended() {
                return Started::Ended(self.last_words());
            }
            assert!(
                Instant::now() < deadline,
                "{} does not listen at {at} after {limit:?}:\n{}",
                self.name,
                self.last_words()
            );
            sleep(PROBE_EVERY);
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.pid()).expect("process ids are small");
        // It may have ended; it is our child, so its id is not another's before we waited for it.
        let _gone = kill(Pid::from_raw(id), signal);
    }

    /// Ends it as a power failure would, and waits for that.
    pub fn kill(self) {
        drop(self);
    }

    /// The end of what it said.
    pub fn last_words(&self) -> String {
        let said = fs::read(&self.said).unwrap_or_default();
        String::from_utf8_lossy(&said[said.len().saturating_sub(SAID_SHOWN_BYTES)..]).into_owned()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        self.caretaker.forget(self.child.id());
    }
}
