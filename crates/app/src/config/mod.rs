//! One configuration tree: each station owns its section. A setting's value comes from, later
//! wins: the default, the TOML file, the environment, the command line.

mod load;
mod reference;
mod setting;
mod settings;
mod settings_edge;
mod settings_log;
mod settings_warehouse;

use std::path::PathBuf;

use suanpan_accounts::AccountsConfig;
use suanpan_answers::AnswersConfig;
use suanpan_catalog::CatalogLimits;
use suanpan_gateway::{GatewayLimits, LiveLimits, OriginConfig};
use suanpan_log::{KafkaConfig, LogConfig};
use suanpan_pipeline::PipelineConfig;
use suanpan_rules::RuleLimits;
use suanpan_server::ServerConfig;
use suanpan_warehouse::{EngineConfig, Secret};

use crate::roles::Roles;

pub use load::{Sources, load};
pub use reference::reference;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// What this process does.
    pub roles: Roles,
    /// Where state lives.
    pub storage: StorageConfig,
    /// The HTTP server.
    pub server: ServerConfig,
    /// Reporting.
    pub gateway: GatewayLimits,
    /// Where reports come from.
    pub origins: OriginConfig,
    /// Those who watch events arrive.
    pub live: LiveLimits,
    /// Which log.
    pub log_kind: LogKind,
    /// The embedded log.
    pub log: LogConfig,
    /// The log in Kafka.
    pub kafka: KafkaConfig,
    /// Log to warehouse.
    pub pipeline: PipelineConfig,
    /// ClickHouse.
    pub warehouse: EngineConfig,
    /// Apps, keys, plans.
    pub catalog: CatalogLimits,
    /// A PostgreSQL for the catalog, instead of a file in the data folder.
    pub catalog_url: Option<Secret>,
    /// Rules.
    pub rules: RuleLimits,
    /// Answers and their cache.
    pub answers: AnswersConfig,
    /// Audit, retention, deletions, backups.
    pub accounts: AccountsConfig,
    /// Folder of backups, where it is not `backups` in the data folder.
    pub accounts_backups_dir: Option<PathBuf>,
    /// What the process says about itself.
    pub messages: MessagesConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            roles: Roles::ALL,
            storage: StorageConfig::default(),
            server: ServerConfig::default(),
            gateway: GatewayLimits::default(),
            origins: OriginConfig::default(),
            live: LiveLimits::default(),
            // The folders follow from `storage.data_dir` when the server starts.
            log_kind: LogKind::Embedded,
            log: LogConfig::new("log"),
            kafka: KafkaConfig::default(),
            pipeline: PipelineConfig::default(),
            warehouse: EngineConfig::default(),
            catalog: CatalogLimits::default(),
            catalog_url: None,
            rules: RuleLimits::default(),
            answers: AnswersConfig::default(),
            accounts: AccountsConfig::default(),
            accounts_backups_dir: None,
            messages: MessagesConfig::default(),
        }
    }
}

/// Where acknowledged events wait to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// In files of this process.
    Embedded,
    /// In Kafka.
    Kafka,
}

/// Where state lives.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// The folder of everything that must survive: log, catalog, engine, admin token.
    pub data_dir: PathBuf,
    /// The admin token, where several processes must know the same one; else it is made and kept in the data
    /// folder.
    pub admin_token: Option<Secret>,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("suanpan-data"), admin_token: None }
    }
}

/// What the process says about itself, on standard error.
#[derive(Debug, Clone)]
pub struct MessagesConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
}

impl Default for MessagesConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: "text".to_owned() }
    }
}
