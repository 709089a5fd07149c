use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::kafka_guard::Guard;
use crate::part::Started;
use crate::{Caretaker, Part, cache_dir, free_ports};

/// The version that `scripts/fetch_kafka.py` fetches.
const VERSION: &str = "4.3.1";
/// Any will do, the same on all nodes.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";
const START_MAX: Duration = Duration::from_secs(90);
const START_TRIES: usize = 3;
/// A small heap, and the first compiler only: half the start, at a third of the memory.
const JAVA_OPTIONS: [&str; 4] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms64m", "-Xmx256m"];

/// A real Kafka of one broker or three (KRaft; each is a controller too). Topics get as many replicas as
/// there are brokers, at most 3, and with three at least two must be in sync.
#[derive(Debug)]
pub struct Kafka {
    ports: Vec<Ports>,
    guard: Option<Guard>,
    nodes: Mutex<Vec<Option<Part>>>,
    caretaker: Arc<Caretaker>,
    folder: TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    clients: u16,
    controller: u16,
}

impl Kafka {
    /// Starts so many brokers, 1 or 3, and waits until they take connections: 2 to 4 seconds on a quiet machine.
    ///
    /// # Panics
    /// Java or Kafka's jars are missing, or a broker does not start.
    pub fn start(nodes: u8) -> Self {
        assert!(nodes == 1 || nodes == 3, "one broker, or three");
        Self::start_with(nodes, Guard::none)
    }

    /// Starts one broker that takes TLS with a password only: see [`Self::client_settings`].
    ///
    /// # Panics
    /// As for [`Self::start`].
    pub fn start_guarded() -> Self {
        Self::start_with(1, Guard::make)
    }

    fn start_with(nodes: u8, guard: fn(&Path) -> Option<Guard>) -> Self {
        let mut last_words = String::new();
        for _ in 0..START_TRIES {
            match Self::try_start(nodes, guard) {
                Ok(kafka) => return kafka,
                Err(words) => last_words = words,
            }
        }
        panic!("Kafka does not start:\n{last_words}");
    }

    /// One broker for all tests of a program, started by the first that asks; it ends with the program.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(1))
    }

    /// Where clients connect: `host:port` of each broker, with commas.
    pub fn bootstrap(&self) -> String {
        let all: Vec<_> = self.ports.iter().map(|ports| format!("127.0.0.1:{}", ports.clients)).collect();
        all.join(",")
    }

    /// What librdkafka needs besides to be let in by a guarded broker; nothing for others.
    pub fn client_settings(&self) -> Vec<(String, String)> {
        self.guard.as_ref().map(Guard::client_settings).unwrap_or_default()
    }

    /// How many brokers it has, running or not.
    pub fn nodes(&self) -> u8 {
        u8::try_from(self.ports.len()).expect("there are at most three")
    }

    /// Ends a broker as a power failure would (but what it wrote reaches the disk). Brokers count from 1.
    ///
    /// # Panics
    /// There is no such broker.
    pub fn kill(&self, node: u8) {
        self.running()[index(node)].take();
    }

    /// Starts a killed broker again, on the same port and data, and waits until it takes connections: about
    /// 4 seconds, since its old session must end first.
    ///
    /// # Panics
    /// It runs, or does not start.
    pub fn restart(&self, node: u8) {
        assert!(self.running()[index(node)].is_none(), "broker {node} runs");
        let part = self.listening(node, self.spawn(node));
        let part = part.unwrap_or_else(|words| panic!("broker {node} does not start again:\n{words}"));
        self.running()[index(node)] = Some(part);
    }

    /// Stops a broker without ending it: connections to it stay, and nothing answers.
    ///
    /// # Panics
    /// It does not run.
    pub fn pause(&self, node: u8) {
        self.signal(node, Signal::SIGSTOP);
    }

    /// Lets a paused broker go on.
    ///
    /// # Panics
    /// It does not run.
    pub fn resume(&self, node: u8) {
        self.signal(node, Signal::SIGCONT);
    }

    /// The folder of a broker's data: a folder `topic-partition` for each partition.
    pub fn data_dir(&self, node: u8) -> PathBuf {
        self.folder.path().join(format!("data-{node}"))
    }

    fn try_start(nodes: u8, guard: fn(&Path) -> Option<Guard>) -> Result<Self, String> {
        let ports = (0..nodes).map(|_| free_ports::<2>());
        let ports = ports.map(|[clients, controller]| Ports { clients, controller }).collect();
        let folder =
            tempfile::Builder::new().prefix("suanpan-kafka-").tempdir().expect("there is a temp folder");
        let caretaker = Arc::new(Caretaker::of(folder.path()));
        let guard = guard(folder.path());
        let kafka = Self { ports, guard, nodes: Mutex::default(), caretaker, folder };
        fs::write(kafka.folder.path().join("log4j2.properties"), LOG_SETTINGS).expect("the folder is new");
        for node in 1..=nodes {
            kafka.format(node);
        }
        let started: Vec<Part> = (1..=nodes).map(|node| kafka.spawn(node)).collect();
        for (node, part) in (1..).zip(started) {
            let part = kafka.listening(node, part)?;
            kafka.running().push(Some(part));
        }
        Ok(kafka)
    }

    fn format(&self, node: u8) {
        let settings = self.settings_file(node);
        fs::write(&settings, self.settings(node)).expect("the folder is new");
        let formatted = self
            .java()
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(&settings)
            .output()
            .unwrap_or_else(|error| panic!("java can't be run, and tests run a real Kafka: {error}"));
        assert!(
            formatted.status.success(),
            "Kafka can't make its folder: {}{}",
            String::from_utf8_lossy(&formatted.stdout),
            String::from_utf8_lossy(&formatted.stderr)
        );
    }

    fn spawn(&self, node: u8) -> Part {
        let said = self.folder.path().join(format!("broker-{node}.out"));
        let mut command = self.java();
        command.arg("kafka.Kafka").arg(self.settings_file(node));
        Part::spawn(&format!("broker {node}"), &mut command, &said, &self.caretaker)
    }

    fn listening(&self, node: u8, part: Part) -> Result<Part, String> {
        let port = self.ports[index(node)].clients;
        match part.listening(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), START_MAX) {
            Started::Listens(part) => Ok(part),
            Started::Ended(words) => Err(words),
        }
    }

    fn java(&self) -> Command {
        let mut command = Command::new("java");
        let logging = self.folder.path().join("log4j2.properties");
        command
            .args(JAVA_OPTIONS)
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .arg("-cp")
            .arg(jars().join("*"));
        command
    }

    fn signal(&self, node: u8, signal: Signal) {
        let running = self.running();
        running[index(node)].as_ref().unwrap_or_else(|| panic!("broker {node} does not run")).signal(signal);
    }

    fn running(&self) -> MutexGuard<'_, Vec<Option<Part>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings_file(&self, node: u8) -> PathBuf {
        self.folder.path().join(format!("server-{node}.properties"))
    }

    /// As few threads and bytes as a broker works with, and sessions that end soon after a kill.
    fn settings(&self, node: u8) -> String {
        let Ports { clients, controller } = self.ports[index(node)];
        let (replicas, in_sync) = if self.ports.len() == 1 { (1, 1) } else { (3, 2) };
        let voters: Vec<_> = (1..)
            .zip(&self.ports)
            .map(|(node, ports)| format!("{node}@127.0.0.1:{}", ports.controller))
            .collect();
        let protocol = self.guard.as_ref().map_or("PLAINTEXT", |_| Guard::PROTOCOL);
        let mut settings = format!(
            "process.roles=broker,controller\nnode.id={node}\ncontroller.quorum.voters={}\n\
             listeners={protocol}://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners={protocol}://127.0.0.1:{clients}\n\
             inter.broker.listener.name={protocol}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocol}:{protocol}\nlog.dirs={}\n",
            voters.join(","),
            self.data_dir(node).display(),
        );
        let counts = [
            ("default.replication.factor", replicas),
            ("min.insync.replicas", in_sync),
            ("offsets.topic.replication.factor", replicas),
            ("transaction.state.log.replication.factor", replicas),
            ("transaction.state.log.min.isr", in_sync),
            ("share.coordinator.state.topic.replication.factor", replicas),
            ("share.coordinator.state.topic.min.isr", in_sync),
        ];
        for (name, count) in counts {
            writeln!(settings, "{name}={count}").expect("a string takes all");
        }
        settings + SETTINGS + &self.guard.as_ref().map(Guard::broker_settings).unwrap_or_default()
    }
}

const SETTINGS: &str = "\
controller.listener.names=CONTROLLER
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
";

const LOG_SETTINGS: &str = "\
appenders=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c %m%n
rootLogger.level=WARN
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=out
";

fn index(node: u8) -> usize {
    usize::from(node).checked_sub(1).expect("brokers count from 1")
}

fn jars() -> PathBuf {
    let place = cache_dir().join("kafka").join(VERSION);
    assert!(
        Path::new(&place).join("fetched").is_file(),
        "Kafka is not in {}: `make test` fetches it (scripts/fetch_kafka.py)",
        place.display()
    );
    place
}
