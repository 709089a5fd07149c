//! A cluster for tests: embedded engines, each of them a shard.

use std::net::TcpListener;
use std::path::PathBuf;

use super::child_command;
use crate::cluster::{ClusterConfig, ShardAddresses};
use crate::engine::{
    ASK_USER, Engine, EngineConfig, OwnSetup, OwnShard, WRITE_USER, passwords, private_folder,
};
use crate::error::WarehouseError;
use crate::warehouse::Warehouse;

const NAME: &str = "suanpan";
const STARTS_MAX: u32 = 5;

/// Embedded engines that are the shards of a cluster, with migrated tables. They have no replicas: the library
/// can't replicate. They end, and their data go, when this is dropped.
#[derive(Debug)]
pub struct TestCluster {
    config: EngineConfig,
    nodes: Vec<Option<Engine>>,
    engine: Engine,
    folders: Folders,
}

/// The shards' folders, which go when the cluster does.
#[derive(Debug, Default)]
struct Folders(Vec<PathBuf>);

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _gone_already = std::fs::remove_dir_all(folder);
        }
    }
}

impl TestCluster {
    /// Starts the engines one after the other, and makes the tables.
    ///
    /// # Panics
    /// There is no engine; run `make engine`.
    pub async fn start(shards: usize) -> Self {
        let (nodes, folders) = start_nodes(shards).await;
        let file = nodes[0].password_file().expect("an engine of our own has passwords");
        let secrets = passwords(file).expect("the engine has written them");
        let addresses = nodes.iter().map(|node| vec![node.http_url()]).collect();
        let cluster = ClusterConfig {
            name: NAME.into(),
            shards: ShardAddresses::new(addresses).expect("each engine has an address of its own"),
            replicated: false,
            ..ClusterConfig::default()
        };
        let config = EngineConfig {
            cluster: Some(cluster),
            user: Some(WRITE_USER.into()),
            password: Some(secrets.write),
            ask_user: Some(ASK_USER.into()),
            ask_password: Some(secrets.ask),
            ..EngineConfig::default()
        };
        let engine = Engine::start(config.clone()).await.expect("a cluster's configuration is right");
        engine.warehouse().migrate().await.expect("the tables can be made");
        Self { config, nodes: nodes.into_iter().map(Some).collect(), engine, folders }
    }

    /// The tables of the cluster.
    pub fn warehouse(&self) -> Warehouse {
        self.engine.warehouse()
    }

    /// What to give to [`Engine::start`] to use this cluster from elsewhere.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// The engine that is this shard, counted from 0.
    ///
    /// # Panics
    /// It was ended.
    pub fn node(&self, shard: usize) -> &Engine {
        self.nodes[shard].as_ref().expect("the shard was not ended")
    }

    /// Ends a shard for good.
    pub async fn end(&mut self, shard: usize) {
        if let Some(node) = self.nodes[shard].take() {
            node.stop().await;
        }
    }

    /// Runs a statement on one shard alone, as the owner of the tables, and gives its answer as lines of values
    /// with tabs between them.
    ///
    /// # Panics
    /// The statement fails.
    pub async fn on_shard(&self, shard: usize, sql: &str) -> String {
        let statement = crate::client::Statement { sql, ..Default::default() };
        let node = self.node(shard).warehouse();
        node.writer().text(statement).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Ends the engines, and waits until they have.
    pub async fn stop(self) {
        for node in self.nodes.into_iter().flatten() {
            node.stop().await;
        }
        drop(self.folders);
    }
}

/// The engines must know each other's ports before they start, so one may be taken by then: all start anew.
async fn start_nodes(shards: usize) -> (Vec<Engine>, Folders) {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_nodes(shards).await {
            Ok(started) => return started,
            Err(error) => {
                assert!(tries < STARTS_MAX, "the engines start; `make engine` fetches them: {error}")
            }
        }
    }
}

async fn try_nodes(shards: usize) -> Result<(Vec<Engine>, Folders), WarehouseError> {
    let held: Vec<TcpListener> =
        (0..shards).map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port is free")).collect();
    let port = |listener: &TcpListener| listener.local_addr().expect("it listens").port();
    let tcp_ports: Vec<u16> = held.iter().map(port).collect();
    drop(held);
    let base = std::env::temp_dir().join(format!("suanpan-test-{}", uuid::Uuid::new_v4()));
    let (mut nodes, mut folders) = (Vec::new(), Folders::default());
    for number in 0..shards {
        let config = EngineConfig {
            data_dir: base.with_extension(number.to_string()),
            child_command: Some(child_command()),
            use_path_binary: false,
            memory_bytes_max: 1024 * 1024 * 1024,
            ..EngineConfig::default()
        };
        folders.0.push(config.data_dir.clone());
        // All have the passwords of the first.
        if let Some(file) = nodes.first().and_then(Engine::password_file) {
            private_folder(&config.data_dir)?;
            let copied = std::fs::copy(file, config.data_dir.join("passwords.json"));
            copied.map_err(|source| WarehouseError::File { path: config.data_dir.clone(), source })?;
        }
        let shard = OwnShard { cluster: NAME.into(), tcp_ports: tcp_ports.clone(), number };
        let databases = std::slice::from_ref(&config.database);
        nodes.push(Engine::start_own(&config, OwnSetup { databases, shard: Some(&shard) }).await?);
    }
    Ok((nodes, folders))
}
