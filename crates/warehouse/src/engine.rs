//! Finds a ClickHouse to speak to: a configured server, a `clickhouse` binary on PATH run as our
//! child, or the embedded library in a child process. The rest of the crate cannot tell them apart.

mod child;
mod choice;
mod config;
mod credentials;
mod render;
mod supervise;
mod torn;

use std::path::{Path, PathBuf};

use reqwest::Url;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::info;

pub use child::{EngineChildArgs, run_engine_child};
pub use choice::LIBRARY_VERSION;
pub(crate) use choice::require_version;
pub use config::{ChildCommand, EngineConfig, Secret};
pub(crate) use credentials::{passwords, private_folder};
pub(crate) use render::{ASK_USER, WRITE_USER};

use crate::client::{Client, Credentials, Endpoint};
use crate::cluster::ClusterConfig;
use crate::error::{Result, WarehouseError};
use crate::metrics;
use crate::nodes::Nodes;
use crate::warehouse::{AskAccess, Warehouse};
use choice::OwnEngine;
use render::Rendering;
use supervise::Launch;

/// A ClickHouse that answers. An engine of our own ends when this is stopped or dropped.
#[derive(Debug)]
pub struct Engine {
    warehouse: Warehouse,
    endpoint: Endpoint,
    kind: &'static str,
    user: String,
    password_file: Option<PathBuf>,
    process_id: Option<u32>,
    supervisor: Option<Supervisor>,
}

/// What an engine of our own serves.
#[derive(Clone, Copy)]
pub(crate) struct OwnSetup<'a> {
    /// The databases that may be made in it.
    pub databases: &'a [String],
    /// Which shard it is, if it is one of several.
    pub shard: Option<&'a OwnShard>,
}

/// One of several engines of our own that are the shards of a cluster. Tests have such.
#[derive(Debug)]
pub(crate) struct OwnShard {
    /// The cluster's name.
    pub cluster: String,
    /// The ports at which the engines speak with each other, shard by shard.
    pub tcp_ports: Vec<u16>,
    /// Which of them this engine is.
    pub number: usize,
}

impl OwnShard {
    fn tcp_port(&self) -> u16 {
        self.tcp_ports[self.number]
    }
}

#[derive(Debug)]
struct Supervisor {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Engine {
    /// Chooses an engine. One of our own is started and answers on return, after 1 to 2 s; it is
    /// started again whenever it ends by itself. Whether a configured server answers shows at
    /// [`Warehouse::migrate`]. While one is away, callers get [`WarehouseError::Unavailable`].
    ///
    /// # Errors
    /// No engine to be had, or a folder in use: each with a sentence saying what to do.
    pub async fn start(config: EngineConfig) -> Result<Self> {
        check_database(&config.database)?;
        match (&config.cluster, &config.clickhouse_url) {
            (Some(_), Some(_)) => Err(WarehouseError::AccessRefused {
                message: "a ClickHouse URL and a cluster are configured: choose one".into(),
            }),
            (Some(cluster), None) => Self::connect_cluster(cluster, &config),
            (None, Some(url)) => Self::connect(url, &config),
            (None, None) => {
                let databases = std::slice::from_ref(&config.database);
                Self::start_own(&config, OwnSetup { databases, shard: None }).await
            }
        }
    }

    /// [`Self::start`] for an engine of our own that several databases may be made in.
    pub(crate) async fn start_own(config: &EngineConfig, setup: OwnSetup<'_>) -> Result<Self> {
        credentials::private_folder(&config.data_dir)?;
        let folder = std::path::absolute(&config.data_dir)
            .map_err(|source| WarehouseError::File { path: config.data_dir.clone(), source })?;
        let chosen = choice::choose_own(config, &folder.join("data")).await?;
        let password_file = folder.join("passwords.json");
        let passwords = credentials::passwords(&password_file)?;
        let backups = config.backups_dir.clone().unwrap_or_else(|| folder.join("backups"));
        let backups = std::path::absolute(&backups)
            .map_err(|source| WarehouseError::File { path: backups.clone(), source })?;
        Rendering {
            folder: &folder,
            server_data: &folder.join("server"),
            backups: &backups,
            default_serves: matches!(chosen, OwnEngine::Library(_)),
            memory_bytes_max: config.memory_bytes_max,
            databases: setup.databases,
            shard: setup.shard,
            passwords: &passwords,
            limits_max: &config.ask_limits_max,
        }
        .write()?;

        let endpoint = Endpoint::loopback(0);
        let write = Credentials { user: WRITE_USER.into(), password: passwords.write };
        let ask = Credentials { user: ASK_USER.into(), password: passwords.ask };
        let client = Client::new(endpoint.clone(), write)?;
        let (library, binary) = match chosen.clone() {
            OwnEngine::Library(library) => (Some(library), None),
            OwnEngine::Binary(binary) => (None, Some(binary)),
        };
        let kind = if library.is_some() { "embedded library" } else { "clickhouse binary" };
        let command = match config.child_command.clone() {
            Some(command) => command,
            None => {
                ChildCommand::own().map_err(|source| WarehouseError::File { path: "self".into(), source })?
            }
        };
        let tcp_port = setup.shard.map(OwnShard::tcp_port);
        let launch = Launch {
            command,
            folder,
            library,
            binary,
            tcp_port,
            client: client.clone(),
            endpoint: endpoint.clone(),
        };
        let serving = launch.start(None).await?;
        metrics::engine_up(true);
        info!(engine = kind, url = %endpoint.url(), "the ClickHouse engine serves");

        let process_id = serving.process_id();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(launch.supervise(serving, stopped));
        let warehouse = Warehouse::new(Nodes::one(client), AskAccess::Given(ask), config)?;
        Ok(Self {
            warehouse,
            endpoint,
            kind,
            user: WRITE_USER.into(),
            password_file: Some(password_file),
            process_id,
            supervisor: Some(Supervisor { stop, task }),
        })
    }

    fn connect(url: &str, config: &EngineConfig) -> Result<Self> {
        let (base, write) = external_address(url, config)?;
        let endpoint = Endpoint::external(base);
        let client = Client::new(endpoint.clone(), write)?;
        info!(url = %endpoint.url(), "using the configured ClickHouse");
        Self::external("configured server", (endpoint, Nodes::one(client)), config)
    }

    fn connect_cluster(cluster: &ClusterConfig, config: &EngineConfig) -> Result<Self> {
        if let Some(message) = cluster.problem() {
            return Err(WarehouseError::AccessRefused { message });
        }
        let mut writer: Option<Credentials> = None;
        let mut shards = Vec::new();
        for replicas in &cluster.shards.0 {
            let mut endpoints = Vec::new();
            for url in replicas {
                let (base, credentials) = external_address(url, config)?;
                // The first address with a password speaks for all.
                if writer.as_ref().is_none_or(|writer| writer.password.expose().is_empty()) {
                    writer = Some(credentials);
                }
                endpoints.push(Endpoint::external(base));
            }
            shards.push(endpoints);
        }
        let writer = writer.expect("a cluster has a shard, and a shard a node");
        let first = shards[0][0].clone();
        let client = Client::new(first.clone(), writer)?;
        info!(shards = shards.len(), cluster = cluster.name, "using the configured ClickHouse cluster");
        Self::external("configured cluster", (first, Nodes::of_shards(&client, shards)), config)
    }

    fn external(
        kind: &'static str,
        (endpoint, nodes): (Endpoint, Nodes),
        config: &EngineConfig,
    ) -> Result<Self> {
        let user = nodes.any().user().to_owned();
        let ask = match &config.ask_user {
            Some(user) => AskAccess::Given(Credentials {
                user: user.clone(),
                password: config.ask_password.clone().unwrap_or_default(),
            }),
            None => AskAccess::Made,
        };
        Ok(Self {
            warehouse: Warehouse::new(nodes, ask, config)?,
            endpoint,
            kind,
            user,
            password_file: None,
            process_id: None,
            supervisor: None,
        })
    }

    /// A handle for everything else. Call [`Warehouse::migrate`] once before use.
    pub fn warehouse(&self) -> Warehouse {
        self.warehouse.clone()
    }

    /// `embedded library`, `clickhouse binary`, `configured server` or `configured cluster`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The address of ClickHouse's HTTP protocol; of a cluster, that of its first node.
    pub fn http_url(&self) -> String {
        self.endpoint.url().to_string()
    }

    /// The user that owns the tables.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Where the generated passwords are, for an engine of our own.
    pub fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// The first child's process id, for an engine of our own.
    pub fn process_id(&self) -> Option<u32> {
        self.process_id
    }

    /// Ends an engine of our own, and waits until it has.
    pub async fn stop(mut self) {
        if let Some(supervisor) = self.supervisor.take() {
            // A receiver that is gone means that the supervisor has ended already.
            let _ = supervisor.stop.send(());
            let _ = supervisor.task.await;
        }
    }
}

impl Drop for Engine {
    /// Without a supervisor the child's standard input closes, and it ends by itself.
    fn drop(&mut self) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.task.abort();
        }
    }
}

/// Database names stand in statements and XML as they are.
fn check_database(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 64 && name.chars().all(plain) {
        return Ok(());
    }
    let message = format!("the database name {name:?} is not 1 to 64 letters, digits and _, a letter first");
    Err(WarehouseError::AccessRefused { message })
}

fn external_address(url: &str, config: &EngineConfig) -> Result<(Url, Credentials)> {
    let refuse = |why: String| WarehouseError::AccessRefused { message: format!("the ClickHouse URL {why}") };
    let mut base = Url::parse(url).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err(refuse("must start with http:// or https:// and name a host".into()));
    }
    let from_url = |text: &str| -> Option<String> {
        let text = text.replace('+', "%2B");
        url_decode(&text).filter(|text| !text.is_empty())
    };
    let user = config.user.clone().or_else(|| from_url(base.username())).unwrap_or_else(|| "default".into());
    let password = match &config.password {
        Some(password) => password.clone(),
        None => Secret::new(base.password().and_then(from_url).unwrap_or_default()),
    };
    // An address with a host can carry user and password, so it can also lose them.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    base.set_query(None);
    Ok((base, Credentials { user, password }))
}

fn url_decode(text: &str) -> Option<String> {
    let pair = format!("x={text}");
    Url::parse("http://h/").ok().and_then(|mut url| {
        url.set_query(Some(&pair));
        url.query_pairs().next().map(|(_, value)| value.into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_address_gives_up_its_password() {
        let config = EngineConfig::default();
        let (base, who) = external_address("http://me:a%2Bb%40c+d@host:8124/", &config).unwrap();
        assert_eq!(base.as_str(), "http://host:8124/");
        assert_eq!((who.user.as_str(), who.password.expose()), ("me", "a+b@c+d"));
        assert!(external_address("file:///etc", &config).is_err());
        assert!(!format!("{who:?}").contains("a+b"));
    }

    #[test]
    fn a_database_name_is_plain() {
        assert!(check_database("suanpan_2").is_ok());
        for bad in ["", "a-b", "a.b", "1a", "a b", "a'"] {
            assert!(check_database(bad).is_err(), "{bad}");
        }
    }
}
