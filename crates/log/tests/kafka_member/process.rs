use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use suanpan_log::{EventLog as _, KafkaConfig, KafkaLog, PartitionReader};

/// The word that makes this program a member instead of a test.
pub const MEMBER: &str = "member";

/// A process that reads the log, and does what it is told. It ends when its standard input does, so also with
/// the tests.
pub struct Process {
    child: Child,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    pub fn start(brokers: &str, name: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args([MEMBER, brokers, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let words = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, words, answers }
    }

    /// Tells it something, and waits for what it says to that.
    pub fn ask(&mut self, words: &str) -> String {
        writeln!(self.words, "{words}").unwrap();
        self.line()
    }

    /// The next thing that it says.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// What the process does.
pub fn member(config: KafkaConfig) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let log = KafkaLog::open(config).await.unwrap();
        let mut subscription = log.subscribe().await.unwrap();
        let mut reader = subscription.next().await.unwrap();
        say(&format!("given {:?}", reader.decided()));
        while let Some(words) = told().await {
            if words == ["drop"] {
                drop(reader);
                say("dropped");
                reader = subscription.next().await.unwrap();
                say(&format!("given {:?}", reader.decided()));
            } else {
                say(&format!("{:?}", act(reader.as_mut(), &words).await));
            }
        }
    });
    // Waits for nothing: a thread may still be reading.
    runtime.shutdown_background();
}

async fn act(reader: &mut dyn PartitionReader, words: &[String]) -> Result<(), suanpan_log::LogError> {
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    match (words[0].as_str(), numbers.as_slice()) {
        ("decide", [start, end]) => reader.decide(*start..*end).await,
        ("commit", [next]) => reader.commit(*next).await,
        _ => panic!("{words:?}"),
    }
}

async fn told() -> Option<Vec<String>> {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line))
    });
    let line = line.await.unwrap().unwrap()?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

#[allow(clippy::print_stdout, reason = "it is how the process answers")]
fn say(words: &str) {
    println!("{words}");
}
