use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::torn::owners_are_emptied;
use super::{ChildCommand, EngineChildArgs};
use crate::client::{Client, Endpoint};
use crate::error::{Result, WarehouseError};
use crate::metrics;

/// How long the engine may take to its first answer. It takes 1 to 2 s; loading many parts after a
/// crash takes longer.
const START_TIMEOUT_S: u64 = 60;
/// A parent that was killed leaves its child some moments to finish what it does.
const FOLDER_TRIES_MAX: u32 = 20;
const FOLDER_PAUSE_MS: u64 = 500;
const PORT_TRIES_MAX: u32 = 10;
const PING_TIMEOUT_S: u64 = 2;
const POLL_PAUSE_MS: u64 = 25;
/// An orderly stop waits for running statements; questions are cut at their time limit.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// One of several shards would wait for the connections that its fellows keep.
const STOP_TIMEOUT_SHARD: Duration = Duration::from_millis(300);
const RESTART_PAUSE_MS_MIN: u64 = 200;
const RESTART_PAUSE_MS_MAX: u64 = 10_000;
/// An engine that served this long has recovered: the next pause is short again.
const HEALTHY_AFTER_S: u64 = 60;
/// How much of its last words goes into an error.
const LAST_WORDS_BYTES: u64 = 1_500;

/// What is needed to start the child, again and again.
#[derive(Debug)]
pub(super) struct Launch {
    pub command: ChildCommand,
    pub folder: PathBuf,
    pub library: Option<PathBuf>,
    pub binary: Option<PathBuf>,
    pub tcp_port: Option<u16>,
    pub client: Client,
    pub endpoint: Endpoint,
}

/// A child that answers, and the port it answers at.
pub(super) struct Serving {
    child: Child,
    /// Held open for as long as the child is to serve. Not left in `child`, whose `wait` closes it.
    lifeline: Option<ChildStdin>,
    since: Instant,
    port: u16,
}

enum Why {
    FolderLocked,
    PortTaken,
    Unknown,
}

impl Launch {
    /// Starts the child and waits for its first answer.
    pub async fn start(&self, port_before: Option<u16>) -> Result<Serving> {
        let mut port_wanted = port_before;
        let mut folder_tries = 0;
        let mut port_tries = 0;
        let mut is_mended = false;
        loop {
            let port = match port_wanted.take() {
                Some(port) => port,
                None => free_port()?,
            };
            self.endpoint.move_to(port);
            let mut child = self.spawn(port)?;
            match self.first_answer(&mut child).await? {
                None => {
                    let lifeline = child.stdin.take();
                    return Ok(Serving { child, lifeline, since: Instant::now(), port });
                }
                Some(status) => match (self.why(), folder_tries, port_tries) {
                    (Why::PortTaken, _, ..PORT_TRIES_MAX) => port_tries += 1,
                    (Why::FolderLocked, ..FOLDER_TRIES_MAX, _) => {
                        folder_tries += 1;
                        tokio::time::sleep(Duration::from_millis(FOLDER_PAUSE_MS)).await;
                    }
                    (Why::FolderLocked, ..) => {
                        return Err(WarehouseError::FolderLocked { folder: self.folder.clone() });
                    }
                    (Why::Unknown, ..) if !is_mended && owners_are_emptied(&self.folder, &self.words()) => {
                        is_mended = true;
                    }
                    _ => return Err(self.failed(&format!("it ended ({status})"))),
                },
            }
        }
    }

    /// Why the child ended, from what it said: its exit code does not tell.
    fn why(&self) -> Why {
        let words = self.words();
        if words.contains("Cannot lock file") {
            Why::FolderLocked
        } else if words.contains("Address already in use") {
            Why::PortTaken
        } else {
            Why::Unknown
        }
    }

    fn words(&self) -> String {
        last_words(&self.output_file())
    }

    fn output_file(&self) -> PathBuf {
        self.folder.join("engine.out")
    }

    fn spawn(&self, http_port: u16) -> Result<Child> {
        let output = self.output_file();
        let file = File::create(&output).map_err(|source| WarehouseError::File { path: output, source })?;
        let again =
            file.try_clone().map_err(|source| WarehouseError::File { path: self.output_file(), source })?;
        let args = EngineChildArgs {
            data_dir: self.folder.clone(),
            library: self.library.clone(),
            binary: self.binary.clone(),
            http_port,
            tcp_port: self.tcp_port,
        };
        Command::new(&self.command.program)
            .args(&self.command.args)
            .args(args.to_args())
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(again)
            // Ctrl-C at the terminal is for the parent, which still has batches to write.
            .process_group(0)
            .spawn()
            .map_err(|source| WarehouseError::File { path: self.command.program.clone(), source })
    }

    /// None when the child answers; else how it ended.
    async fn first_answer(&self, child: &mut Child) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + Duration::from_secs(START_TIMEOUT_S);
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().map_err(|e| self.failed(&e.to_string()))? {
                return Ok(Some(status));
            }
            // Whoever took the port may not answer at all, or with anything.
            let ping = tokio::time::timeout(Duration::from_secs(PING_TIMEOUT_S), self.client.run("SELECT 1"));
            if let Ok(Ok(())) = ping.await {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(POLL_PAUSE_MS)).await;
        }
        let _ = child.kill().await;
        Err(self.failed(&format!("no answer within {START_TIMEOUT_S} s")))
    }

    fn failed(&self, what: &str) -> WarehouseError {
        let words = self.words();
        WarehouseError::EngineStart { message: format!("{what}; {words}") }
    }

    /// Keeps the engine serving until it is told to stop. Each crash is answered by a new start, at
    /// growing pauses of at most 10 s, for as long as it takes: the log holds the events meanwhile.
    pub async fn supervise(self, mut serving: Serving, mut stop: oneshot::Receiver<()>) {
        let mut pause_ms = RESTART_PAUSE_MS_MIN;
        loop {
            tokio::select! {
                _ = &mut stop => {
                    let is_shard = self.tcp_port.is_some();
                    return serving.stop(if is_shard { STOP_TIMEOUT_SHARD } else { STOP_TIMEOUT }).await;
                }
                ended = serving.child.wait() => {
                    metrics::engine_up(false);
                    warn!(status = ?ended, "the ClickHouse engine ended by itself; starting it again");
                }
            }
            if serving.since.elapsed() > Duration::from_secs(HEALTHY_AFTER_S) {
                pause_ms = RESTART_PAUSE_MS_MIN;
            }
            serving = loop {
                tokio::select! {
                    _ = &mut stop => return,
                    () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                }
                pause_ms = (pause_ms * 2).min(RESTART_PAUSE_MS_MAX);
                metrics::engine_restarted();
                match self.start(Some(serving.port)).await {
                    Ok(again) => break again,
                    Err(failure) => error!(%failure, "the ClickHouse engine does not start; trying again"),
                }
            };
            metrics::engine_up(true);
            info!(url = %self.endpoint.url(), "the ClickHouse engine serves again");
        }
    }
}

impl Serving {
    /// The process id, for those who watch its memory.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Closes the child's standard input, which ends it; kills it if it takes too long. What was
    /// acknowledged is on disk either way.
    async fn stop(mut self, timeout: Duration) {
        drop(self.lifeline.take());
        if tokio::time::timeout(timeout, self.child.wait()).await.is_err() {
            warn!("the ClickHouse engine did not end within {timeout:?} and was killed");
            let _ = self.child.kill().await;
        }
        metrics::engine_up(false);
    }
}

/// A port that is free now. Another process may take it before the engine does; then the engine
/// says so and another is tried.
fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| WarehouseError::EngineStart {
            message: format!("no free port on 127.0.0.1: {error}"),
        })
}

fn last_words(file: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    match read() {
        Ok(words) if !words.is_empty() => format!("its last words: {words}"),
        _ => "it said nothing".to_owned(),
    }
}
