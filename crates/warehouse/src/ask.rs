//! Asks questions as the walled-in user, within limits.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use suanpan_event::AppId;
use uuid::Uuid;

use crate::access::seconds;
use crate::client::{Client, Statement};
use crate::error::{Result, WarehouseError};
use crate::metrics;
use crate::warehouse::Warehouse;

/// How much longer than its time limit we wait for the server to say that it was hit.
const GRACE_MS: u64 = 5_000;

/// What one question may take. Zero is taken as the least possible, not as no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AskLimits {
    /// Milliseconds from start to end.
    pub time_ms: u64,
    /// Rows read from tables. A question that is known to need more is refused before it reads.
    pub rows_to_read: u64,
    /// Bytes of memory on a server.
    pub memory_bytes: u64,
    /// Rows of the result.
    pub result_rows: u64,
    /// Bytes of the result, before it is made JSON.
    pub result_bytes: u64,
}

impl Default for AskLimits {
    fn default() -> Self {
        Self {
            time_ms: 10_000,
            rows_to_read: 1_000_000_000,
            memory_bytes: 1024 * 1024 * 1024,
            result_rows: 100_000,
            result_bytes: 32 * 1024 * 1024,
        }
    }
}

impl AskLimits {
    pub(crate) fn within(&self, max: &Self) -> Self {
        Self {
            time_ms: self.time_ms.clamp(1, max.time_ms.max(1)),
            rows_to_read: self.rows_to_read.clamp(1, max.rows_to_read.max(1)),
            memory_bytes: self.memory_bytes.clamp(1, max.memory_bytes.max(1)),
            result_rows: self.result_rows.clamp(1, max.result_rows.max(1)),
            result_bytes: self.result_bytes.clamp(1, max.result_bytes.max(1)),
        }
    }

    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        vec![
            ("max_execution_time", seconds(self.time_ms)),
            ("max_rows_to_read", self.rows_to_read.to_string()),
            ("max_memory_usage", self.memory_bytes.to_string()),
            ("max_result_rows", self.result_rows.to_string()),
            ("max_result_bytes", self.result_bytes.to_string()),
        ]
    }

    /// A refusal as the limit that was hit. The codes: TOO_MANY_ROWS, TIMEOUT_EXCEEDED,
    /// TOO_MANY_ROWS_OR_BYTES; memory is told apart from the whole server's by its text.
    pub(crate) fn hit(&self, error: WarehouseError) -> WarehouseError {
        match error {
            WarehouseError::Query { code: 158, .. } => WarehouseError::RowLimit { limit: self.rows_to_read },
            WarehouseError::Overloaded { code: 159, .. } => {
                WarehouseError::TimeLimit { limit_ms: self.time_ms }
            }
            WarehouseError::Overloaded { code: 241, message } if !message.contains("(total)") => {
                WarehouseError::MemoryLimit { limit_bytes: self.memory_bytes }
            }
            WarehouseError::Query { code: 396, .. } => {
                WarehouseError::ResultLimit { limit_rows: self.result_rows, limit_bytes: self.result_bytes }
            }
            other => other,
        }
    }
}

/// A question.
#[derive(Debug, Clone)]
pub struct AskRequest {
    /// Whose events are asked about: no others can be read, whatever `sql` says.
    pub app: AppId,
    /// One SELECT without FORMAT, over the table `events`. Values stand as `{name:Type}`.
    pub sql: String,
    /// Values for those, as ClickHouse's text format has them (see [`param_text`]).
    pub params: Vec<(String, String)>,
    /// Limits, cut to the configured maximum.
    pub limits: AskLimits,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// ClickHouse's type, for example `UInt64`, `Nullable(Float64)`, `DateTime('UTC')`.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// An answer. Integers up to 64 bits and floats are JSON numbers (infinite and NaN: null), dates and
/// times text as ClickHouse prints them.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with a value a column.
    pub rows: Vec<Vec<Value>>,
    /// Rows read to answer.
    pub rows_read: u64,
    /// Bytes read to answer, uncompressed.
    pub bytes_read: u64,
    /// How long it took, as seen from here.
    pub elapsed: Duration,
}

#[derive(Deserialize)]
struct JsonCompact {
    meta: Vec<Column>,
    data: Vec<Vec<Value>>,
    statistics: Statistics,
}

#[derive(Deserialize)]
struct Statistics {
    rows_read: u64,
    bytes_read: u64,
}

/// A text as the value of a `{name:String}` parameter, or an element of an array of them:
/// ClickHouse reads parameters in its escaped format.
pub fn param_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            '\0' => escaped.push_str("\\0"),
            other => escaped.push(other),
        }
    }
    escaped
}

impl Warehouse {
    /// Answers a question. Dropping the future cancels it on the server.
    ///
    /// # Errors
    /// A limit that was hit, by its own variant; [`WarehouseError::Query`] for SQL that is wrong or
    /// reaches for what it may not.
    pub async fn ask(&self, request: &AskRequest) -> Result<Table> {
        let begun = Instant::now();
        let answer = self.ask_within(self.asker(), request, ("JSONCompact", "")).await.and_then(|text| {
            let answer: JsonCompact = serde_json::from_str(&text).map_err(WarehouseError::decode)?;
            Ok(Table {
                columns: answer.meta,
                rows: answer.data,
                rows_read: answer.statistics.rows_read,
                bytes_read: answer.statistics.bytes_read,
                elapsed: begun.elapsed(),
            })
        });
        match &answer {
            Ok(table) => metrics::asked(table.rows_read, table.elapsed),
            Err(error) => metrics::failed("ask", error),
        }
        answer
    }

    /// How many rows a question would read, by ClickHouse's primary key; it reads none to tell.
    /// Whole granules are counted (8,192 rows), of all apps that share them.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn estimate_rows(&self, app: &AppId, sql: &str, params: &[(String, String)]) -> Result<u64> {
        let request = AskRequest {
            app: app.clone(),
            sql: sql.to_owned(),
            params: params.to_vec(),
            limits: *self.ask_limits_max(),
        };
        // A node tells of its own rows alone, so that each shard is asked.
        let mut sum = 0;
        for shard in self.shards() {
            let asker = self.asker().at_nodes_of(shard);
            let text = self.ask_within(&asker, &request, ("TabSeparated", "EXPLAIN ESTIMATE ")).await?;
            // Columns: database, table, parts, rows, marks.
            let rows = |line: &str| line.split('\t').nth(3)?.parse::<u64>().ok();
            for line in text.lines() {
                sum += rows(line).ok_or_else(|| WarehouseError::decode(line))?;
            }
        }
        Ok(sum)
    }

    async fn ask_within(
        &self,
        asker: &Client,
        request: &AskRequest,
        (format, prefix): (&str, &str),
    ) -> Result<String> {
        let limits = request.limits.within(self.ask_limits_max());
        let mut options = if self.ask_limits_settable() { limits.options() } else { Vec::new() };
        options.push(("query_id", format!("{}|{}", request.app, Uuid::new_v4())));
        options.push(("default_format", format.to_owned()));
        // Buffered on the server, so that an error after the first rows is still an error.
        options.push(("wait_end_of_query", "1".to_owned()));
        let names: Vec<String> = request.params.iter().map(|(name, _)| format!("param_{name}")).collect();
        options.extend(
            names.iter().map(String::as_str).zip(request.params.iter().map(|(_, value)| value.clone())),
        );
        let sql = format!("{prefix}{}", request.sql);
        let asked = asker.text(Statement { sql: &sql, options, data: None });
        match tokio::time::timeout(Duration::from_millis(limits.time_ms + GRACE_MS), asked).await {
            Ok(answer) => answer.map_err(|error| limits.hit(error)),
            Err(_elapsed) => Err(WarehouseError::TimeLimit { limit_ms: limits.time_ms }),
        }
    }
}
