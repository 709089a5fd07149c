use std::path::PathBuf;

/// What went wrong between Suanpan and ClickHouse; each variant is something else to do.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// No engine was found. The message says how to get one.
    #[error(
        "no ClickHouse engine: set a ClickHouse URL, put a `clickhouse` binary of 24.8 or later on PATH, or \
         run `make engine` to fetch the embedded one (looked for {looked_for})"
    )]
    EngineMissing {
        /// Where the library was expected.
        looked_for: PathBuf,
    },
    /// Another process has the data folder open.
    #[error("another Suanpan uses the folder {folder}: stop it, or choose another data folder")]
    FolderLocked {
        /// The folder.
        folder: PathBuf,
    },
    /// The engine did not come up. The message ends with its last words.
    #[error("the ClickHouse engine did not start: {message}")]
    EngineStart {
        /// What happened.
        message: String,
    },
    /// The server is older than what the schema needs.
    #[error("ClickHouse {found} is too old: 24.8 or later is needed")]
    VersionTooOld {
        /// What the server said.
        found: String,
    },
    /// The configured server refused to let us set up, or the asking user is not walled in.
    #[error("{message}")]
    AccessRefused {
        /// What was refused and what to do.
        message: String,
    },
    /// The tables were made by a later Suanpan.
    #[error(
        "the tables in database {database} have schema version {found}, and this Suanpan knows {known}: use a \
         later Suanpan"
    )]
    SchemaTooNew {
        /// The database.
        database: String,
        /// The version in the database.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// Nobody answered, or the connection broke. Try again: nothing was decided.
    #[error("ClickHouse is away: {message}")]
    Unavailable {
        /// What happened.
        message: String,
    },
    /// The server answered that it cannot now: too many parts, no memory, no disk. Try again later.
    #[error("ClickHouse cannot take more now (code {code}): {message}")]
    Overloaded {
        /// ClickHouse's error code.
        code: u32,
        /// Its message.
        message: String,
    },
    /// A question took longer than its limit.
    #[error("the question took longer than its limit of {limit_ms} ms")]
    TimeLimit {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// A question had to read more rows than its limit.
    #[error("the question would read more than its limit of {limit} rows")]
    RowLimit {
        /// The limit, in rows.
        limit: u64,
    },
    /// A question needed more memory than its limit.
    #[error("the question needed more memory than its limit of {limit_bytes} bytes")]
    MemoryLimit {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A question's result was larger than its limit.
    #[error("the result is larger than its limit of {limit_rows} rows or {limit_bytes} bytes")]
    ResultLimit {
        /// The limit, in rows.
        limit_rows: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// ClickHouse refused the statement itself: our mistake, or a foreign schema.
    #[error("ClickHouse refused the statement (code {code}): {message}")]
    Query {
        /// ClickHouse's error code.
        code: u32,
        /// Its message.
        message: String,
    },
    /// A batch that must not be sent: too many rows, or a slot that is used with two types.
    #[error("the batch cannot be inserted: {message}")]
    BatchInvalid {
        /// What is wrong with it.
        message: String,
    },
    /// The answer could not be read.
    #[error("ClickHouse's answer could not be read: {message}")]
    Decode {
        /// What was found.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, WarehouseError>;

impl WarehouseError {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Overloaded { .. })
    }

    /// The variant's name in metrics: a bounded set.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::EngineMissing { .. } => "engine_missing",
            Self::FolderLocked { .. } => "folder_locked",
            Self::EngineStart { .. } => "engine_start",
            Self::VersionTooOld { .. } => "version_too_old",
            Self::AccessRefused { .. } => "access_refused",
            Self::SchemaTooNew { .. } => "schema_too_new",
            Self::Unavailable { .. } => "unavailable",
            Self::Overloaded { .. } => "overloaded",
            Self::TimeLimit { .. } => "time_limit",
            Self::RowLimit { .. } => "row_limit",
            Self::MemoryLimit { .. } => "memory_limit",
            Self::ResultLimit { .. } => "result_limit",
            Self::Query { .. } => "query",
            Self::BatchInvalid { .. } => "batch_invalid",
            Self::Decode { .. } => "decode",
            Self::File { .. } => "file",
        }
    }

    pub(crate) fn unavailable(message: impl ToString) -> Self {
        Self::Unavailable { message: message.to_string() }
    }

    pub(crate) fn decode(message: impl ToString) -> Self {
        Self::Decode { message: message.to_string() }
    }

    /// ClickHouse's error code as what the caller can do. The codes are those of
    /// `src/Common/ErrorCodes.cpp`, which never change their meaning.
    pub(crate) fn from_code(code: u32, message: String) -> Self {
        match code {
            // SOCKET_TIMEOUT, NETWORK_ERROR, ALL_CONNECTION_TRIES_FAILED, DNS_ERROR, ABORTED.
            198 | 209 | 210 | 236 | 279 => Self::Unavailable { message },
            // TIMEOUT_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, NO_ZOOKEEPER, MEMORY_LIMIT_EXCEEDED,
            // TABLE_IS_READ_ONLY, NOT_ENOUGH_SPACE, TOO_MANY_PARTS, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE,
            // UNKNOWN_STATUS_OF_INSERT, QUERY_WAS_CANCELLED, CANNOT_SCHEDULE_TASK, TOO_MANY_MUTATIONS,
            // SERVER_OVERLOADED, KEEPER_EXCEPTION.
            159 | 202 | 225 | 241 | 242 | 243 | 252 | 286 | 319 | 394 | 439 | 692 | 745 | 999 => {
                Self::Overloaded { code, message }
            }
            _ => Self::Query { code, message },
        }
    }
}
