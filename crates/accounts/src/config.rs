use std::path::PathBuf;

/// How the accounts are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountsConfig {
    /// Seconds between two looks for events that are older than their apps keep them. Default 3,600.
    pub retention_period_s: u64,
    /// Days of events that one round of retention removes at most; the next round goes on. Default 8.
    pub retention_days_per_round_max: usize,
    /// Seconds between two looks at the accounts of the last hour. Default 60.
    pub look_period_s: u64,
    /// Differences of one kind that an audit lists; more are counted. Default 1,000.
    pub differences_listed_max: usize,
    /// Folder of backups. With an engine of our own, the engine must be allowed to write there.
    pub backups_dir: PathBuf,
    /// Disk of the ClickHouse servers that tables are backed up to. Default: none, into `backups_dir`.
    pub backup_disk: Option<String>,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            retention_period_s: 3_600,
            retention_days_per_round_max: 8,
            look_period_s: 60,
            differences_listed_max: 1_000,
            backups_dir: PathBuf::from("backups"),
            backup_disk: None,
        }
    }
}
