use rand::RngExt as _;
use rand::rngs::StdRng;
use suanpan_journey::{Outside, Server, Setup};
use suanpan_parts::{Kafka, Postgres};

/// Twice as many as there are pipelines, and one that does not divide evenly.
const PARTITIONS: u32 = 5;
/// The least that brokers take: a stopped pipeline loses its partitions after so long.
const SESSION_MS: u32 = 6_000;
const GATEWAYS: usize = 2;
const PIPELINES: usize = 2;

/// Several processes, each with a part of the work, on Kafka, PostgreSQL and a ClickHouse.
pub struct Fleet {
    pub kafka: Kafka,
    _postgres: Postgres,
    pub gateways: Vec<Server>,
    pub pipelines: Vec<Server>,
    common: Vec<String>,
}

impl Fleet {
    /// Starts all but the process that is asked and managed, for which [`Self::setup`] is.
    ///
    /// # Panics
    /// Something does not start.
    pub async fn start(brokers: u8, outside: &Outside, settings: &[String], rng: &mut StdRng) -> Self {
        let (kafka, postgres) = (Kafka::start(brokers), Postgres::start());
        let mut common = outside.settings();
        common.extend(settings.iter().cloned());
        common.extend([
            "log.kind=kafka".to_owned(),
            format!("log.kafka.brokers={}", kafka.bootstrap()),
            format!("log.kafka.partitions={PARTITIONS}"),
            format!("log.kafka.replication={brokers}"),
            format!("log.kafka.in_sync_min={}", brokers.div_ceil(2)),
            format!("log.kafka.session_timeout_ms={SESSION_MS}"),
            "log.kafka.handover_ms=2000".to_owned(),
            "log.kafka.delivery_timeout_ms=5000".to_owned(),
            format!("catalog.url={}", postgres.url()),
            format!("storage.admin_token={:032x}", rng.random::<u128>()),
        ]);
        let mut fleet =
            Self { kafka, _postgres: postgres, gateways: Vec::new(), pipelines: Vec::new(), common };
        for _ in 0..GATEWAYS {
            fleet.gateways.push(Server::start_as(fleet.setup("gateway")).await);
        }
        for _ in 0..PIPELINES {
            fleet.pipelines.push(Server::start_as(fleet.setup("pipeline")).await);
        }
        fleet
    }

    /// How a process with these roles is set up.
    pub fn setup(&self, roles: &str) -> Setup {
        let mut settings = self.common.clone();
        settings.push(format!("serve.roles={roles}"));
        Setup { settings, is_apart: true, ..Setup::default() }
    }

    /// Ends all in an orderly way, and gives what is wrong with how they ended.
    pub fn stop(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        for server in self.gateways.iter_mut().chain(&mut self.pipelines) {
            let (status, said) = server.stop();
            if status.code() != Some(0) {
                wrong.push(format!("the orderly end of a process of the fleet: {status}\n{said}"));
            }
        }
        wrong
    }
}
