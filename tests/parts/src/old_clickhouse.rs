use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::part::Started;
use crate::{Caretaker, Part, ZooKeeper, cache_dir, free_ports};

const START_MAX: Duration = Duration::from_secs(60);
const START_TRIES: usize = 3;

/// Real ClickHouse servers that are the replicas of one shard, with their ZooKeeper. They are Debian's, version
/// 18.16 of 2018: the only ones with replication that package managers have. The cluster is called `suanpan`, the
/// user `default`, without a password; macros are `{shard}` and `{replica}`; `ON CLUSTER` works.
#[derive(Debug)]
pub struct OldClickHouse {
    ports: Vec<Ports>,
    nodes: Mutex<Vec<Option<Part>>>,
    zookeeper: ZooKeeper,
    caretaker: Arc<Caretaker>,
    folder: TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    tcp: u16,
    replicas: u16,
}

impl OldClickHouse {
    /// Starts so many replicas, and waits until they take connections: about 3 seconds.
    ///
    /// # Panics
    /// The servers are not fetched, or one does not start.
    pub fn start(replicas: u8) -> Self {
        let mut last_words = String::new();
        for _ in 0..START_TRIES {
            match Self::try_start(replicas) {
                Ok(started) => return started,
                Err(words) => last_words = words,
            }
        }
        panic!("ClickHouse does not start:\n{last_words}");
    }

    /// The port of a replica's HTTP protocol. Replicas count from 1.
    pub fn http_port(&self, replica: u8) -> u16 {
        self.ports[index(replica)].http
    }

    /// Ends a replica by `kill -9`.
    pub fn kill(&self, replica: u8) {
        self.running()[index(replica)].take();
    }

    /// Starts a killed replica again, with its data and ports.
    ///
    /// # Panics
    /// It runs, or does not start.
    pub fn restart(&self, replica: u8) {
        assert!(self.running()[index(replica)].is_none(), "replica {replica} runs");
        let part = self.listening(replica, self.spawn(replica));
        let part = part.unwrap_or_else(|words| panic!("replica {replica} does not start again:\n{words}"));
        self.running()[index(replica)] = Some(part);
    }

    fn try_start(replicas: u8) -> Result<Self, String> {
        let zookeeper = ZooKeeper::start();
        let ports = (0..replicas).map(|_| free_ports::<3>());
        let ports = ports.map(|[http, tcp, replicas]| Ports { http, tcp, replicas }).collect();
        let folder =
            tempfile::Builder::new().prefix("suanpan-replicas-").tempdir().expect("there is a temp folder");
        let caretaker = Arc::new(Caretaker::of(folder.path()));
        let servers = Self { ports, nodes: Mutex::default(), zookeeper, caretaker, folder };
        for replica in 1..=replicas {
            servers.write_settings(replica);
            let part = servers.listening(replica, servers.spawn(replica))?;
            servers.running().push(Some(part));
        }
        Ok(servers)
    }

    fn spawn(&self, replica: u8) -> Part {
        let root = fetched().join("clickhouse");
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|folder| root.join(folder));
        let libraries = std::env::join_paths(libraries).expect("the cache's path has no colon");
        let place = self.place(replica);
        let mut command = Command::new(root.join("usr/sbin/clickhouse-server"));
        command
            .env("LD_LIBRARY_PATH", libraries)
            .arg(format!("--config-file={}", place.join("config.xml").display()));
        Part::spawn(&format!("replica {replica}"), &mut command, &place.join("said"), &self.caretaker)
    }

    fn listening(&self, replica: u8, part: Part) -> Result<Part, String> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.http_port(replica)));
        match part.listening(at, START_MAX) {
            Started::Listens(part) => Ok(part),
            Started::Ended(words) => Err(words),
        }
    }

    fn write_settings(&self, replica: u8) {
        let place = self.place(replica);
        fs::create_dir(&place).expect("the folder is new");
        fs::write(place.join("config.xml"), self.settings(replica)).expect("the folder is new");
        fs::write(place.join("users.xml"), USERS).expect("the folder is new");
    }

    fn settings(&self, replica: u8) -> String {
        let place = self.place(replica);
        let place = place.display();
        let Ports { http, tcp, replicas } = self.ports[index(replica)];
        let keeper = self.zookeeper.port();
        let node =
            |ports: &Ports| format!("<replica><host>127.0.0.1</host><port>{}</port></replica>", ports.tcp);
        let nodes: String = self.ports.iter().map(node).collect();
        format!(
            "<yandex>
  <logger><level>warning</level><log>{place}/log</log><errorlog>{place}/errors</errorlog></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port>
  <tcp_port>{tcp}</tcp_port>
  <interserver_http_port>{replicas}</interserver_http_port>
  <interserver_http_host>127.0.0.1</interserver_http_host>
  <path>{place}/data/</path>
  <tmp_path>{place}/tmp/</tmp_path>
  <users_config>{place}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <timezone>UTC</timezone>
  <mark_cache_size>67108864</mark_cache_size>
  <merge_tree>
    <zookeeper_session_expiration_check_period>1</zookeeper_session_expiration_check_period>
  </merge_tree>
  <zookeeper>
    <node><host>127.0.0.1</host><port>{keeper}</port></node>
    <session_timeout_ms>2000</session_timeout_ms>
  </zookeeper>
  <macros><shard>1</shard><replica>{replica}</replica></macros>
  <remote_servers><suanpan>
    <shard><internal_replication>true</internal_replication>{nodes}</shard>
  </suanpan></remote_servers>
  <distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
</yandex>
"
        )
    }

    fn place(&self, replica: u8) -> PathBuf {
        self.folder.path().join(format!("replica-{replica}"))
    }

    fn running(&self) -> MutexGuard<'_, Vec<Option<Part>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const USERS: &str = "<yandex>
  <profiles><default><allow_experimental_low_cardinality_type>1</allow_experimental_low_cardinality_type></default></profiles>
  <quotas><default></default></quotas>
  <users><default>
    <password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
  </default></users>
</yandex>
";

fn index(replica: u8) -> usize {
    usize::from(replica).checked_sub(1).expect("replicas count from 1")
}

/// Where `scripts/fetch_replicas.py` has put both kinds of servers.
pub(crate) fn fetched() -> PathBuf {
    let place = cache_dir().join("replicas");
    assert!(
        place.join("fetched").is_file(),
        "ZooKeeper and ClickHouse are not in {}: `make test-cluster` fetches them (scripts/fetch_replicas.py)",
        place.display()
    );
    place
}
