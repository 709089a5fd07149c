use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::part::Started;
use crate::{Caretaker, Part, cache_dir, free_ports};

/// The certificate that the encrypted server's is signed with.
const ROOT: &str = include_str!("../certificates/root.crt");
const CERTIFICATE: &str = include_str!("../certificates/server.crt");
const KEY: &str = include_str!("../certificates/server.key");
const USER: &str = "suanpan";
const PASSWORD: &str = "a-secret-of-tests";
/// Who runs the server where we are root, which it refuses: nobody.
const OTHER_ID: u32 = 65_534;
const START_MAX: Duration = Duration::from_secs(60);
const START_TRIES: usize = 5;
const PROBE_EVERY: Duration = Duration::from_millis(20);
/// After a kill the next start waits for the last of the server's processes to go.
const PAUSE: Duration = Duration::from_millis(300);

/// A real PostgreSQL in a folder of its own: as installed here, or as `scripts/fetch_postgres.py` fetched it.
/// It never waits for the disk.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    is_encrypted: bool,
    programs: Programs,
    server: Mutex<Option<Part>>,
    caretaker: Arc<Caretaker>,
    folder: TempDir,
}

impl Postgres {
    /// Starts a server and waits until it takes connections: 2 seconds on a quiet machine.
    ///
    /// # Panics
    /// There is no PostgreSQL, or it does not start.
    pub fn start() -> Self {
        Self::start_as(false)
    }

    /// As [`Self::start`], but it takes no connection that is not encrypted.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_encrypted() -> Self {
        Self::start_as(true)
    }

    /// The file of the certificate that the encrypted server's own is signed with.
    pub fn root_certificate(&self) -> PathBuf {
        self.folder.path().join("root.crt")
    }

    fn start_as(is_encrypted: bool) -> Self {
        let folder =
            tempfile::Builder::new().prefix("suanpan-postgres-").tempdir().expect("there is a temp folder");
        let caretaker = Arc::new(Caretaker::of(folder.path()));
        let programs = Programs::find(folder.path());
        let mut postgres =
            Self { port: 0, is_encrypted, programs, server: Mutex::default(), caretaker, folder };
        postgres.init();
        let mut last_words = String::new();
        for _ in 0..START_TRIES {
            [postgres.port] = free_ports();
            match postgres.try_start() {
                Ok(()) => return postgres,
                Err(words) => last_words = words,
            }
        }
        panic!("PostgreSQL does not start:\n{last_words}");
    }

    /// The address of the first database, with the password.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of a database of this name, which need not be there.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The password that is part of the addresses.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Ends all its processes as a power failure would.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&self) {
        let server = self.running().take().expect("PostgreSQL runs");
        let children = children(server.pid());
        server.kill();
        signal_all(&children, Signal::SIGKILL);
    }

    /// Starts it again after [`Self::kill`], on the same port and data.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&self) {
        let mut last_words = String::new();
        for _ in 0..START_TRIES {
            match self.try_start() {
                Ok(()) => return,
                Err(words) => last_words = words,
            }
            sleep(PAUSE);
        }
        panic!("PostgreSQL does not start again:\n{last_words}");
    }

    /// Stops all its processes where they are: connections stay open, and nothing is answered.
    ///
    /// # Panics
    /// It does not run.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a paused server go on.
    ///
    /// # Panics
    /// It does not run.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn init(&self) {
        let password = self.folder.path().join("password");
        fs::write(&password, PASSWORD).expect("the folder is new");
        let made = self
            .programs
            .command("initdb")
            .args(["-U", USER, "-A", "password", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--pwfile"])
            .arg(&password)
            .arg("-D")
            .arg(self.data_dir())
            .output()
            .unwrap_or_else(|error| panic!("initdb can't be run: {error}"));
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        if self.is_encrypted {
            fs::write(self.root_certificate(), ROOT).expect("the folder is new");
            fs::write(self.data_dir().join("server.crt"), CERTIFICATE).expect("the folder is new");
            let key = self.data_dir().join("server.key");
            fs::write(&key, KEY).expect("the folder is new");
            // It refuses a key that others may read, or that is somebody else's.
            fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("it was just made");
            self.programs.give(&key);
            let rule = format!("hostssl all {USER} 127.0.0.1/32 password\n");
            fs::write(self.data_dir().join("pg_hba.conf"), rule).expect("initdb made it");
        }
    }

    fn try_start(&self) -> Result<(), String> {
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(self.data_dir()).args(["-p", &self.port.to_string()]);
        // No socket files: their paths have a limit that a deep temp folder passes.
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=32MB",
            "max_connections=200",
        ] {
            command.args(["-c", setting]);
        }
        if self.is_encrypted {
            command.args(["-c", "ssl=on"]);
        }
        let part =
            Part::spawn("postgres", &mut command, &self.folder.path().join("postgres.out"), &self.caretaker);
        match part.listening(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), START_MAX) {
            Started::Listens(part) => {
                *self.running() = Some(self.ready(part)?);
                Ok(())
            }
            Started::Ended(words) => Err(words),
        }
    }

    /// It listens before it has recovered from a kill, and says in its file when it takes connections.
    fn ready(&self, mut part: Part) -> Result<Part, String> {
        let deadline = Instant::now() + START_MAX;
        let state = || fs::read_to_string(self.data_dir().join("postmaster.pid")).unwrap_or_default();
        while state().lines().nth(7).is_none_or(|state| state.trim() != "ready") {
            if part.ended() {
                return Err(part.last_words());
            }
            assert!(
                Instant::now() < deadline,
                "PostgreSQL is not ready after {START_MAX:?}:\n{}",
                part.last_words()
            );
            sleep(PROBE_EVERY);
        }
        Ok(part)
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The parent too, and first, so that it starts none meanwhile.
    fn signal(&self, signal: Signal) {
        let running = self.running();
        let server = running.as_ref().expect("PostgreSQL runs");
        server.signal(signal);
        signal_all(&children(server.pid()), signal);
    }

    fn running(&self) -> MutexGuard<'_, Option<Part>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where PostgreSQL's programs are, and how they are run.
#[derive(Debug)]
struct Programs {
    folder: PathBuf,
    /// Of an unpacked one: its own libraries.
    libraries: Option<PathBuf>,
    as_other: bool,
}

impl Programs {
    /// Gives the folder to who will run the server.
    fn find(work: &Path) -> Self {
        let unpacked = cache_dir().join("postgres");
        let place = newest(Path::new("/usr/lib/postgresql")).or_else(on_path);
        let as_other = fs::metadata(work).is_ok_and(|folder| folder.uid() == 0);
        if let Some(folder) = place {
            let found = Self { folder, libraries: None, as_other };
            found.give(work);
            return found;
        }
        let unpacked_in = |root: &Path| {
            let folder = newest(&root.join("usr/lib/postgresql"))?;
            Some(Self { folder, libraries: Some(root.join("usr/lib")), as_other })
        };
        let missing = "there is no PostgreSQL: `make test` fetches it (scripts/fetch_postgres.py)";
        let found = unpacked_in(&unpacked).unwrap_or_else(|| panic!("{missing}"));
        if !as_other {
            return found;
        }
        found.give(work);
        // The shared folder may be in a home that only its owner can enter.
        let copy = work.join("programs");
        let copied = Command::new("cp").args(["-a", "--"]).arg(&unpacked).arg(&copy).status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "PostgreSQL can't be copied to {}",
            copy.display()
        );
        unpacked_in(&copy).expect("the copy has what the original has")
    }

    /// Makes a file or folder theirs who run the programs.
    fn give(&self, path: &Path) {
        if self.as_other {
            chown(path, Some(OTHER_ID), Some(OTHER_ID)).expect("root may give a file away");
        }
    }

    fn command(&self, program: &str) -> Command {
        let program = self.folder.join(program);
        let mut command = if self.as_other {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={OTHER_ID}"), &format!("--regid={OTHER_ID}"), "--clear-groups"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        if let Some(libraries) = &self.libraries {
            // Debian keeps them in a folder named by the machine's kind.
            let machine = libraries.join(format!("{}-linux-gnu", std::env::consts::ARCH));
            command.env("LD_LIBRARY_PATH", machine);
        }
        // A home that cannot be entered, and settings for clients, are nothing to it.
        command.env("HOME", "/").env_remove("PGDATA").current_dir("/");
        command
    }
}

/// Of the folders named by version, the highest that has the programs.
fn newest(versions: &Path) -> Option<PathBuf> {
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = fs::read_dir(versions).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let complete = folders.filter(|folder| version(folder).is_some() && has_all(&folder.join("bin")));
    complete.max_by_key(|folder| version(folder)).map(|folder| folder.join("bin"))
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let programs =
        std::env::split_paths(&path).find_map(|folder| folder.join("initdb").canonicalize().ok())?;
    programs.parent().filter(|folder| has_all(folder)).map(Path::to_owned)
}

fn has_all(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file())
}

fn children(pid: u32) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|id| Some(Pid::from_raw(id.parse().ok()?))).collect()
}

fn signal_all(processes: &[Pid], signal: Signal) {
    for id in processes {
        // It may have ended by itself.
        let _gone = kill(*id, signal);
    }
}
