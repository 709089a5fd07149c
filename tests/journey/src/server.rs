use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::Method;
use tempfile::TempDir;

use crate::caretaker::Caretaker;
use crate::disks::SmallDisks;
use crate::external::External;
use crate::relay::Relay;
use crate::{Calls, Process, Reply, Store, command, eventually};

/// After a crash an engine may have to wait for the one before it, and to check its parts.
const START_LIMIT_S: u64 = 60;
const END_LIMIT: Duration = Duration::from_secs(40);
const LINES_KEPT: usize = 400;

/// How a server is to be started, each time.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Settings, each as `key=value`.
    pub settings: Vec<String>,
    /// Its environment besides ours.
    pub environment: Vec<(String, String)>,
    /// Folders below its data folder that stand on a disk of their own, of so many MiB. Where the system
    /// lets nobody make a disk, only settings bound them.
    pub small_disks: Vec<(&'static str, u32)>,
    /// Whether it stays away from the ClickHouse that the tests were given.
    pub is_apart: bool,
}

/// A running `suanpan serve` on a folder of its own.
pub struct Server {
    folder: TempDir,
    setup: Setup,
    disks: Option<SmallDisks>,
    warehouse: Option<(External, Relay)>,
    running: Option<Running>,
    calls: Calls,
}

struct Running {
    child: Child,
    process: Process,
    said: Said,
    caretaker: Caretaker,
}

/// A server that ended instead of serving.
#[derive(Debug)]
pub struct Refused {
    /// The exit code.
    pub code: Option<i32>,
    /// What it said.
    pub said: String,
}

impl Server {
    /// A server with the default settings.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A server with these settings, each as `key=value`.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_with(settings: &[&str]) -> Self {
        Self::start_as(Setup { settings: owned(settings), ..Setup::default() }).await
    }

    /// A server with these settings whose log stands on a disk of so many MiB.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_on_small_disk(mib: u32, settings: &[&str]) -> Self {
        let small_disks = vec![("log", mib)];
        Self::start_as(Setup { settings: owned(settings), small_disks, ..Setup::default() }).await
    }

    /// A server that is set up so.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_as(setup: Setup) -> Self {
        let mut server = Self::new(setup).await;
        server.start_again().await;
        server
    }

    async fn new(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("suanpan-journey-").tempdir();
        let folder = folder.expect("a folder can be made");
        let warehouse = match if setup.is_apart { None } else { External::claim().await } {
            Some(external) => {
                let relay = Relay::to(external.address()).await;
                Some((external, relay))
            }
            None => None,
        };
        let data = folder.path().join("data");
        let places: Vec<_> = setup.small_disks.iter().map(|(below, mib)| (data.join(below), *mib)).collect();
        let disks = if places.is_empty() { None } else { SmallDisks::make(&places) };
        Self { folder, setup, disks, warehouse, running: None, calls: Calls::nowhere() }
    }

    /// Starts again on the same folder, with the same settings.
    ///
    /// # Panics
    /// It does not start, or runs still.
    pub async fn start_again(&mut self) {
        if let Err(refused) = self.try_start().await {
            panic!("the server does not start: {refused:?}");
        }
    }

    /// Starts again on the same folder, with these settings instead.
    ///
    /// # Panics
    /// It does not start, or runs still.
    pub async fn start_again_with(&mut self, settings: &[&str]) {
        self.setup.settings = owned(settings);
        self.start_again().await;
    }

    /// Starts again on the same folder.
    ///
    /// # Errors
    /// It ended instead of serving.
    ///
    /// # Panics
    /// It runs still, or neither serves nor ends.
    pub async fn try_start(&mut self) -> Result<(), Refused> {
        self.start_up_to_its_address(&[]).await?;
        eventually("the server is ready", START_LIMIT_S, async || {
            let reply = Reply::try_of(self.calls.request(Method::GET, "/health/ready")).await;
            reply.ok().filter(|reply| reply.status == 200)
        })
        .await;
        Ok(())
    }

    /// Starts again on the same folder, and kills everything while it still takes up its work.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_only_to_kill(&mut self) {
        self.start_up_to_its_address(&[]).await.expect("the server starts again");
        self.kill_tree();
    }

    /// A server with the default settings whose ClickHouse is nowhere.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_without_warehouse() -> Self {
        let mut server = Self::new(Setup::default()).await;
        let started = server.start_up_to_its_address(&["warehouse.url=http://127.0.0.1:9"]).await;
        started.expect("a server starts while its warehouse is away");
        server
    }

    async fn start_up_to_its_address(&mut self, more: &[&str]) -> Result<(), Refused> {
        assert!(self.running.is_none(), "the server runs already");
        let mut child = self
            .command()
            .envs(self.setup.environment.iter().map(|(name, value)| (name, value)))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.data_dir())
            .args(self.all_settings(more).iter().flat_map(|setting| ["--set", setting]))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C at the terminal is for the tests, which end their servers.
            .process_group(0)
            .spawn()
            .expect("suanpan can be run");
        let process = Process::of(child.id()).expect("a child that is not waited for is there");
        let said = Said::of(child.stderr.take().expect("it was piped"));
        let caretaker = Caretaker::of(child.id(), self.folder.path());
        self.running = Some(Running { child, process, said, caretaker });
        eventually("the server says where it listens", START_LIMIT_S, async || self.first_words()).await
    }

    /// Where it listens, or why it does not; none yet.
    fn first_words(&mut self) -> Option<Result<(), Refused>> {
        let running = self.running.as_mut().expect("it was started");
        if let Some(url) = running.said.url() {
            self.calls.move_to(&url, &self.admin_token());
            return Some(Ok(()));
        }
        let ended = running.child.try_wait().expect("a child can be waited for")?;
        let running = self.running.take().expect("it was started");
        drop(running.caretaker);
        Some(Err(Refused { code: ended.code(), said: running.said.all() }))
    }

    /// The token that was set, or the one that the first start made.
    fn admin_token(&self) -> String {
        let set = self.setup.settings.iter().find_map(|setting| setting.strip_prefix("storage.admin_token="));
        let made = || std::fs::read_to_string(self.data_dir().join("admin-token"));
        set.map_or_else(|| made().expect("the first start made the token"), str::to_owned).trim().to_owned()
    }

    fn all_settings(&self, more: &[&str]) -> Vec<String> {
        let mut all = self.setup.settings.clone();
        if let Some((external, relay)) = &self.warehouse {
            all.extend(external.settings(relay.address()));
        }
        all.extend(more.iter().map(ToString::to_string));
        all
    }

    /// The data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path below the data folder, on its small disk if there is one.
    pub fn place(&self, below: &str) -> PathBuf {
        let place = self.data_dir().join(below);
        self.disks.as_ref().map_or_else(|| place.clone(), |disks| disks.seen(&place))
    }

    /// Whether the folders that were to stand on small disks do.
    pub fn has_small_disks(&self) -> bool {
        self.disks.is_some()
    }

    fn command(&self) -> Command {
        self.disks.as_ref().map_or_else(command, SmallDisks::command)
    }

    /// Calls its API, also after it was started again.
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// The server's own process.
    ///
    /// # Panics
    /// It does not run.
    pub fn process(&self) -> &Process {
        &self.running.as_ref().expect("the server runs").process
    }

    /// Whether it has an engine of its own rather than a ClickHouse given to the tests.
    pub fn has_own_engine(&self) -> bool {
        self.warehouse.is_none()
    }

    /// What it has said on standard error, the last lines.
    pub fn said(&self) -> String {
        self.running.as_ref().map(|running| running.said.all()).unwrap_or_default()
    }

    /// Makes the warehouse hang (or, one that is not our own, unreachable), or come back.
    ///
    /// # Panics
    /// There is no engine to stop.
    pub fn set_warehouse_away(&self, away: bool) {
        if let Some((_, relay)) = &self.warehouse {
            return relay.set_open(!away);
        }
        let engine = self.process().descendants();
        assert!(!away || !engine.is_empty(), "the engine is a process of its own");
        engine
            .iter()
            .for_each(|process| process.signal(if away { Signal::SIGSTOP } else { Signal::SIGCONT }));
    }

    /// Ends the engine, which the server starts again; a ClickHouse that is not our own stays
    /// unreachable.
    ///
    /// # Panics
    /// It goes on.
    pub fn break_off_warehouse(&self) {
        if self.warehouse.is_some() {
            return self.set_warehouse_away(true);
        }
        let engine = self.process().descendants();
        engine.iter().for_each(|process| process.signal(Signal::SIGKILL));
        wait_until_ended(engine);
    }

    /// Ends it and everything it started by kill -9, all at once.
    ///
    /// # Panics
    /// Something goes on.
    pub fn kill_tree(&mut self) {
        let running = self.running.take().expect("the server runs");
        kill_all(running);
    }

    /// Ends the server alone by kill -9, and gives the processes it leaves behind.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill_server_alone(&mut self) -> Vec<Process> {
        let mut running = self.running.take().expect("the server runs");
        let left = running.process.descendants();
        running.process.signal(Signal::SIGKILL);
        running.child.wait().expect("a child can be waited for");
        left
    }

    /// Asks it to end and waits until it has, with everything that it started.
    ///
    /// # Panics
    /// It or something it started goes on.
    pub fn stop(&mut self) -> (ExitStatus, String) {
        let mut running = self.running.take().expect("the server runs");
        let all = running.process.descendants();
        running.process.signal(Signal::SIGTERM);
        let deadline = Instant::now() + END_LIMIT;
        let status = loop {
            if let Some(status) = running.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() > deadline {
                let said = running.said.all();
                kill_all(running);
                panic!("the server does not end {} s after SIGTERM:\n{said}", END_LIMIT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let left: Vec<_> = all.iter().filter(|process| process.runs()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        (status, running.said.all())
    }

    /// Waits until every acknowledged event can be asked about.
    ///
    /// # Panics
    /// Not within a minute.
    pub async fn settle(&self) {
        eventually("every acknowledged event is stored", 60, async || {
            let request =
                self.calls.request(Method::GET, "/api/status").bearer_auth(self.calls.admin_token());
            let reply = Reply::try_of(request).await.ok()?;
            (reply.status == 200 && reply.body["lag"] == 0).then_some(())
        })
        .await;
    }

    /// Its ClickHouse, to look into with other tools.
    ///
    /// # Panics
    /// The server holds its engine's folder, so it must not run.
    pub async fn store(&self) -> Store {
        assert!(self.running.is_none(), "the folder belongs to the server while it runs");
        let settings = match &self.warehouse {
            Some((external, relay)) => external.settings(relay.address()),
            None => Vec::new(),
        };
        let database = self.warehouse.as_ref().map_or("suanpan", |(external, _)| external.database());
        Store::open(self.command(), (self.folder.path(), &self.data_dir()), &settings, database).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if std::thread::panicking() {
            eprintln!("--- the server's last words\n{}\n---", running.said.all());
        }
        kill_all(running);
    }
}

fn owned(settings: &[&str]) -> Vec<String> {
    settings.iter().map(ToString::to_string).collect()
}

/// Kills the server first, so that it starts nothing anew; waits until all have ended.
fn kill_all(mut running: Running) {
    let all = running.process.descendants();
    running.process.signal(Signal::SIGKILL);
    all.iter().for_each(|process| process.signal(Signal::SIGKILL));
    let _waited = running.child.wait();
    wait_until_ended(all);
    drop(running.caretaker);
}

/// Waits for processes that were killed.
fn wait_until_ended(mut all: Vec<Process>) {
    let deadline = Instant::now() + END_LIMIT;
    while !all.is_empty() {
        assert!(Instant::now() < deadline || std::thread::panicking(), "killed, and goes on: {all:?}");
        std::thread::sleep(Duration::from_millis(1));
        all.retain(Process::runs);
    }
}

/// The last lines that a server has said.
struct Said(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    url: Option<String>,
    last: VecDeque<String>,
}

impl Said {
    /// Reads in a thread of its own, until the server closes its standard error.
    fn of(stderr: ChildStderr) -> Self {
        let lines = Arc::new(Mutex::new(Lines::default()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self(lines)
    }

    fn url(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).url.clone()
    }

    fn all(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.last.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Lines {
    fn push(&mut self, line: String) {
        if let Some((_, rest)) = line.split_once("listens on http://") {
            let address = rest.split([';', ' ']).next().unwrap_or_default();
            self.url = Some(format!("http://{address}"));
        }
        if self.last.len() == LINES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}
