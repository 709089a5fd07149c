use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{AskLimits, ClusterConfig};

/// A password: it never prints.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How to start the engine's child: our own binary's `engine` command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildCommand {
    /// The executable.
    pub program: PathBuf,
    /// The arguments before those of [`crate::EngineChildArgs`].
    pub args: Vec<String>,
}

impl ChildCommand {
    /// `<this executable> engine`.
    ///
    /// # Errors
    /// The system does not say which executable this is.
    pub fn own() -> std::io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, args: vec!["engine".into()] })
    }
}

/// Which ClickHouse to use, and what it may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineConfig {
    /// The embedded engine's folder: its data, its generated passwords (mode 0600) and its log.
    pub data_dir: PathBuf,
    /// Folder that the embedded engine may write backups into and read them from. Default: `backups` in
    /// `data_dir`.
    pub backups_dir: Option<PathBuf>,
    /// HTTP address of a ClickHouse to use instead of an engine of our own, such as
    /// `http://clickhouse:8123`. It may carry `user:password@`.
    pub clickhouse_url: Option<String>,
    /// A cluster of ClickHouse servers instead. Users and passwords are as for `clickhouse_url`.
    pub cluster: Option<ClusterConfig>,
    /// User for `clickhouse_url` who may create the database. Default: the URL's, else `default`.
    pub user: Option<String>,
    /// That user's password. Default: the URL's, else none.
    pub password: Option<Secret>,
    /// User that asks, on `clickhouse_url`, if you have made one; else one is made by SQL. It must have
    /// `readonly=1`, and SELECT on the view `events` alone.
    pub ask_user: Option<String>,
    /// That user's password.
    pub ask_password: Option<Secret>,
    /// The database of all tables: letters, digits and `_`.
    pub database: String,
    /// `libchdb.so`. Default: `engine/26.7.3-stable.1/libchdb.so` in `cache_dir`.
    pub library: Option<PathBuf>,
    /// Where `make engine` puts the engine. Default: `SUANPAN_CACHE`, else `~/.cache/suanpan`.
    pub cache_dir: Option<PathBuf>,
    /// Whether a `clickhouse` binary on PATH is preferred over the library.
    pub use_path_binary: bool,
    /// Bytes of memory an engine of our own may take in all; statements beyond it fail, retryably.
    pub memory_bytes_max: u64,
    /// The most any question may take. A question can ask for less.
    pub ask_limits_max: AskLimits,
    /// The command of the engine's child. Default: [`ChildCommand::own`].
    #[serde(skip)]
    pub child_command: Option<ChildCommand>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data/engine"),
            backups_dir: None,
            clickhouse_url: None,
            cluster: None,
            user: None,
            password: None,
            ask_user: None,
            ask_password: None,
            database: "suanpan".into(),
            library: None,
            cache_dir: None,
            use_path_binary: true,
            memory_bytes_max: 3 * 1024 * 1024 * 1024,
            ask_limits_max: AskLimits::default(),
            child_command: None,
        }
    }
}
