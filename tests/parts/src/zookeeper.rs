use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::old_clickhouse::fetched;
use crate::part::Started;
use crate::{Caretaker, Part, free_ports};

const START_MAX: Duration = Duration::from_secs(60);
const START_TRIES: usize = 3;
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// A real ZooKeeper of one node. It ends when this is dropped.
#[derive(Debug)]
pub struct ZooKeeper {
    port: u16,
    _node: Part,
    _caretaker: Arc<Caretaker>,
    _folder: TempDir,
}

impl ZooKeeper {
    /// Starts it, and waits until it takes connections: about 2 seconds.
    ///
    /// # Panics
    /// Java or ZooKeeper's jars are missing, or it does not start.
    pub fn start() -> Self {
        let mut last_words = String::new();
        for _ in 0..START_TRIES {
            match Self::try_start() {
                Ok(zookeeper) => return zookeeper,
                Err(words) => last_words = words,
            }
        }
        panic!("ZooKeeper does not start:\n{last_words}");
    }

    /// Where clients connect, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn try_start() -> Result<Self, String> {
        let [port] = free_ports::<1>();
        let folder =
            tempfile::Builder::new().prefix("suanpan-zookeeper-").tempdir().expect("there is a temp folder");
        let caretaker = Arc::new(Caretaker::of(folder.path()));
        let settings = folder.path().join("zoo.cfg");
        // Sessions end soon after a kill: they last at least two ticks.
        let text = format!(
            "tickTime=500\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
             maxClientCnxns=0\n",
            folder.path().join("data").display()
        );
        fs::write(&settings, text).expect("the folder is new");
        let mut command = Command::new("java");
        command
            // No power fails here, so that nothing waits for the disk.
            .arg("-Dzookeeper.forceSync=no")
            .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(fetched().join("zookeeper/*"))
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(settings);
        let said = folder.path().join("zookeeper.out");
        let part = Part::spawn("ZooKeeper", &mut command, &said, &caretaker);
        match part.listening(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), START_MAX) {
            Started::Listens(node) => {
                serving(port);
                Ok(Self { port, _node: node, _caretaker: caretaker, _folder: folder })
            }
            Started::Ended(words) => Err(words),
        }
    }
}

/// It listens before it serves; and the old ClickHouse dies of a ZooKeeper that does not.
fn serving(port: u16) {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        // What it is told too early it never answers.
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"srvr")?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said)
    };
    let deadline = Instant::now() + START_MAX;
    while !ask().is_ok_and(|said| said.contains("Mode: ")) {
        assert!(Instant::now() < deadline, "ZooKeeper listens and does not serve after {START_MAX:?}");
        sleep(PROBE_EVERY);
    }
}
