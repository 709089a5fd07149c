use std::path::PathBuf;

use crate::schema::FENCE;

/// Codes by which an INSERT is refused for a value in its rows: CANNOT_PARSE_TEXT, CANNOT_PARSE_QUOTED_STRING,
/// CANNOT_PARSE_INPUT_ASSERTION_FAILED, CANNOT_READ_ALL_DATA, CANNOT_PARSE_DATE, CANNOT_PARSE_DATETIME,
/// TYPE_MISMATCH, ARGUMENT_OUT_OF_BOUND, CANNOT_CONVERT_TYPE, CANNOT_PARSE_NUMBER, INCORRECT_DATA,
/// TOO_LARGE_STRING_SIZE, SIZES_OF_ARRAYS_DONT_MATCH, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE,
/// CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN, CANNOT_PARSE_UUID, FUNCTION_THROW_IF_VALUE_IS_NON_ZERO,
/// DECIMAL_OVERFLOW, CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING, CANNOT_PARSE_BOOL, VIOLATED_CONSTRAINT.
const ABOUT_DATA: [u32; 21] =
    [6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 190, 321, 349, 376, 395, 407, 441, 467, 469];

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
    /// Another worker has claimed the partition of the log that the rows come from. Drop what is at hand: it is
    /// the other one's now.
    #[error("another worker has claimed this partition of the log: {message}")]
    Fenced {
        /// ClickHouse's words.
        message: String,
    },
    /// ClickHouse refused rows for what is in them: other rows may do.
    #[error("ClickHouse refuses these rows (code {code}): {message}")]
    DataRefused {
        /// ClickHouse's error code.
        code: u32,
        /// Its message.
        message: String,
    },
    /// Rows are on another shard than their key says, since the number of shards has changed.
    #[error(
        "{rows} rows of shard {shard} belong to another of the {shards} shards: move them first, as          docs/cluster.md says, or configure the shards as they were"
    )]
    Misplaced {
        /// The shard, counted from 1.
        shard: usize,
        /// Events on it that belong elsewhere.
        rows: u64,
        /// How many shards are configured.
        shards: usize,
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

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Try the same again later.
    Retryable,
    /// Give up what is at hand: another worker has it.
    Fenced,
    /// Leave some rows out: they are refused for what is in them.
    Data,
    /// Tell a person.
    Other,
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, WarehouseError>;

impl WarehouseError {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Overloaded { .. })
    }

    /// Whether the server has too much to do (too many parts, no memory, no disk): fewer and larger batches
    /// help. Such an error is retryable.
    pub fn is_overloaded(&self) -> bool {
        matches!(self, Self::Overloaded { .. })
    }

    /// Whether another worker owns the partition of the log by now.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Fenced { .. })
    }

    /// Whether the rows were refused for what is in them: without some, the others may be taken.
    pub fn refuses_data(&self) -> bool {
        matches!(self, Self::DataRefused { .. } | Self::BatchInvalid { .. })
    }

    /// What a caller can do.
    pub fn class(&self) -> ErrorClass {
        match self {
            error if error.is_retryable() => ErrorClass::Retryable,
            error if error.is_fenced() => ErrorClass::Fenced,
            error if error.refuses_data() => ErrorClass::Data,
            _ => ErrorClass::Other,
        }
    }

    /// A refusal of an INSERT's statement as what it says about the rows. VIOLATED_CONSTRAINT names the
    /// constraint.
    pub(crate) fn of_rows(self) -> Self {
        match self {
            Self::Query { code: 469, message } if message.contains(&format!("`{FENCE}`")) => {
                Self::Fenced { message }
            }
            Self::Query { code, message } if ABOUT_DATA.contains(&code) => {
                Self::DataRefused { code, message }
            }
            other => other,
        }
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
            Self::Fenced { .. } => "fenced",
            Self::DataRefused { .. } => "data_refused",
            Self::Misplaced { .. } => "misplaced",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_says_what_to_do() {
        let check = |code, message: &str, expected: ErrorClass| {
            let error = WarehouseError::from_code(code, message.to_owned()).of_rows();
            assert_eq!(error.class(), expected, "{code} {message}");
        };
        check(252, "Too many parts", ErrorClass::Retryable);
        check(210, "refused", ErrorClass::Retryable);
        check(469, "Constraint `fenced` for table d.t is violated", ErrorClass::Fenced);
        check(469, "Constraint `other` for table d.t is violated", ErrorClass::Data);
        check(41, "Cannot parse datetime", ErrorClass::Data);
        check(60, "Unknown table", ErrorClass::Other);
        let full = WarehouseError::from_code(252, String::new());
        assert!(full.is_overloaded() && full.is_retryable() && !full.is_fenced() && !full.refuses_data());
    }
}
