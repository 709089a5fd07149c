//! One configuration tree: each station owns its section. A setting's value comes from, later
//! wins: the default, the TOML file, the environment, the command line.

mod load;
mod reference;
mod setting;
mod settings;
mod settings_edge;

use std::path::PathBuf;

use suanpan_answers::AnswersConfig;
use suanpan_catalog::CatalogLimits;
use suanpan_gateway::{GatewayLimits, LiveLimits, OriginConfig};
use suanpan_log::LogConfig;
use suanpan_pipeline::PipelineConfig;
use suanpan_rules::RuleLimits;
use suanpan_server::ServerConfig;
use suanpan_warehouse::EngineConfig;

pub use load::{Sources, load};
pub use reference::reference;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
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
    /// The embedded log.
    pub log: LogConfig,
    /// Log to warehouse.
    pub pipeline: PipelineConfig,
    /// ClickHouse.
    pub warehouse: EngineConfig,
    /// Apps, keys, plans.
    pub catalog: CatalogLimits,
    /// Rules.
    pub rules: RuleLimits,
    /// Answers and their cache.
    pub answers: AnswersConfig,
    /// What the process says about itself.
    pub messages: MessagesConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            storage: StorageConfig::default(),
            server: ServerConfig::default(),
            gateway: GatewayLimits::default(),
            origins: OriginConfig::default(),
            live: LiveLimits::default(),
            // The folders follow from `storage.data_dir` when the server starts.
            log: LogConfig::new("log"),
            pipeline: PipelineConfig::default(),
            warehouse: EngineConfig::default(),
            catalog: CatalogLimits::default(),
            rules: RuleLimits::default(),
            answers: AnswersConfig::default(),
            messages: MessagesConfig::default(),
        }
    }
}

/// Where state lives.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// The folder of everything that must survive: log, catalog, engine, admin token.
    pub data_dir: PathBuf,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("suanpan-data") }
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
