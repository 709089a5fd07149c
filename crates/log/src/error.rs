use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the log did not do what was asked. Cloneable, because one failed write fails many appends.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Too much waits to be written. Nothing was kept; try again after a moment.
    #[error("the log is overloaded: {records} records of {bytes} bytes wait to be written")]
    Overloaded {
        /// Records that wait.
        records: usize,
        /// Bytes that wait.
        bytes: usize,
    },
    /// One record is over the limit: it will never be taken.
    #[error("a record of {bytes} bytes is over record_bytes_max = {limit}")]
    RecordTooLarge {
        /// Bytes of the record.
        bytes: usize,
        /// `record_bytes_max`.
        limit: usize,
    },
    /// A batch is over a limit: send it in parts.
    #[error("a batch of {size} is over {option} = {limit}")]
    BatchTooLarge {
        /// Records, or bytes with headers, as the option counts.
        size: u64,
        /// The option that limits it.
        option: &'static str,
        /// The option's value.
        limit: u64,
    },
    /// The log has reached `log_bytes_max`. Nothing was kept; it takes more when the reader has committed.
    #[error("the log is full: log_bytes_max = {limit} bytes hold records that are not committed")]
    Full {
        /// `log_bytes_max`.
        limit: u64,
    },
    /// The disk is full (or its quota is), or has less than `disk_free_bytes_min` left. Not acknowledged; the log goes on
    /// when there is space again.
    #[error("no space on the log's disk")]
    DiskFull {
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The system refused a file operation. An append that ends so is not acknowledged.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Another process (or another log of this one) holds the folder.
    #[error("the log in {} is open elsewhere: stop the other process, or give this one a folder of its own", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The file was written by another version of this program, in a format this one does not know.
    #[error("{} has format version {found}; this program knows version {known}", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version it names.
        found: u32,
        /// The version that is understood.
        known: u32,
    },
    /// A segment of another log lies in the folder: moving it away makes the log usable.
    #[error("{} belongs to another log: move it out of the folder", path.display())]
    Foreign {
        /// The segment.
        path: PathBuf,
    },
    /// The log's identity cannot be read from any of its files: a human is needed.
    #[error("{} is damaged, and no segment tells the log's identity", path.display())]
    IdentityLost {
        /// The identity file.
        path: PathBuf,
    },
    /// A commit names offsets that do not exist yet.
    #[error("cannot commit {asked}: the log ends at {end}")]
    CommitBeyondEnd {
        /// The offset asked for.
        asked: u64,
        /// The durable end.
        end: u64,
    },
    /// Records were to be deleted that are not committed yet. Nothing was deleted.
    #[error("cannot delete below {asked} in partition {partition}: it is committed up to {committed}")]
    NotCommitted {
        /// The partition.
        partition: u32,
        /// The offset asked for.
        asked: u64,
        /// The first offset that is not committed.
        committed: u64,
    },
    /// An option contradicts another or a limit of the format.
    #[error("log option {option} {rule}")]
    Config {
        /// The option.
        option: &'static str,
        /// What it must be.
        rule: String,
    },
    /// Another process reads this partition now.
    #[error("partition {partition} of the log was given to another process")]
    Revoked {
        /// The partition.
        partition: u32,
    },
    /// The cluster's log can't be reached, or does not take what is sent. Not acknowledged; it goes on by itself.
    #[error("the log's brokers do not answer: {message}")]
    Unavailable {
        /// What they or the client said.
        message: String,
    },
    /// What reads the cluster's log broke down: only a process that is started anew reads on.
    #[error("the log's reader broke down: {message}")]
    Broken {
        /// What is known of it.
        message: String,
    },
    /// There is no such partition.
    #[error("the log has no partition {partition}")]
    UnknownPartition {
        /// The partition.
        partition: u32,
    },
    /// The log is being read by another subscription.
    #[error("the log is being read already")]
    Subscribed,
    /// The log was closed, or its writer has stopped.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    /// Wraps a refused operation; a full disk becomes [`LogError::DiskFull`].
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let source = Arc::new(source);
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { source },
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }
}
