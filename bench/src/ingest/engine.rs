use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use suanpan_bench::server::Server;

use crate::load::Target;

const DATABASE: &str = "suanpan";
/// How long a statement may take.
const TIMEOUT: Duration = Duration::from_secs(300);
/// A merge may begin a moment after another: so often none must be seen.
const QUIET_LOOKS: u32 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What the pipeline says with its inserts: one INSERT is one block. Without deduplication, which
/// would hash the rows where the pipeline names its batch.
const BARE_INSERT: &[(&str, &str)] = &[
    ("async_insert", "0"),
    ("insert_deduplicate", "0"),
    ("max_insert_block_size", "1048576"),
    ("min_insert_block_size_rows", "1048576"),
    ("min_insert_block_size_bytes", "1073741824"),
    ("input_format_parallel_parsing", "0"),
    ("max_partitions_per_insert_block", "400"),
    ("wait_end_of_query", "1"),
];

/// The server's engine, spoken to directly.
pub struct Engine {
    address: String,
    write_password: String,
    ask_password: String,
    http: reqwest::Client,
}

impl Engine {
    /// Finds the port among its process's arguments, and the passwords in its folder.
    pub fn of(server: &Server) -> Result<Self> {
        let arguments = std::fs::read(format!("/proc/{}/cmdline", server.engine_process_id()?))?;
        let mut arguments = arguments.split(|byte| *byte == 0).skip_while(|a| *a != b"--http-port");
        let port = arguments.nth(1).context("the engine's process names no port")?;
        let passwords = std::fs::read(server.folder.join("engine/passwords.json"))?;
        let passwords: serde_json::Value = serde_json::from_slice(&passwords)?;
        let of =
            |user: &str| passwords[user].as_str().map(str::to_owned).context("no password of the engine");
        Ok(Self {
            address: format!("127.0.0.1:{}", std::str::from_utf8(port)?),
            write_password: of("write")?,
            ask_password: of("ask")?,
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
        })
    }

    /// Runs a statement as the user who writes.
    pub async fn run(&self, sql: &str) -> Result<Bytes> {
        let query = [("user", "suanpan_write"), ("password", &self.write_password), ("database", DATABASE)];
        self.post(&query, sql.to_owned().into()).await.with_context(|| sql.to_owned())
    }

    /// Runs a statement whose answer is one text.
    pub async fn text(&self, sql: &str) -> Result<String> {
        Ok(String::from_utf8(self.run(sql).await?.into())?.trim().to_owned())
    }

    /// Asks as questions do: read-only, and an app's rows alone.
    pub async fn ask(&self, app: &str, sql: &str) -> Result<String> {
        let id = format!("{app}|{}", uuid::Uuid::new_v4());
        let query = [
            ("user", "suanpan_ask"),
            ("password", &self.ask_password),
            ("database", DATABASE),
            ("query_id", &id),
        ];
        Ok(String::from_utf8(self.post(&query, sql.to_owned().into()).await?.into())?)
    }

    /// Inserts bodies one after the other; returns how long it took.
    pub async fn insert(
        &self,
        table: &str,
        columns: &str,
        format: &str,
        bodies: &[Bytes],
    ) -> Result<Duration> {
        let sql = format!("INSERT INTO {table} ({columns}) FORMAT {format}");
        let mut query = BARE_INSERT.to_vec();
        query.extend([("user", "suanpan_write"), ("password", &self.write_password), ("database", DATABASE)]);
        query.push(("query", &sql));
        let started = Instant::now();
        for body in bodies {
            self.post(&query, body.clone()).await?;
        }
        Ok(started.elapsed())
    }

    /// Waits until no merge of a table runs; returns how long that took.
    pub async fn merged(&self, table: &str) -> Result<Duration> {
        let sql = format!("SELECT count() FROM system.merges WHERE table = '{table}'");
        let (started, mut quiet) = (Instant::now(), 0);
        while quiet < QUIET_LOOKS {
            ensure!(started.elapsed() < TIMEOUT, "{table} still merges after {TIMEOUT:?}");
            quiet = if self.text(&sql).await? == "0" { quiet + 1 } else { 0 };
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(started.elapsed() - LOOK_EVERY * QUIET_LOOKS)
    }

    /// Where a client of ClickHouse's own would post lines of JSON.
    pub fn json_target(&self, table: &str) -> Target {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("database", DATABASE)
            .append_pair("query", &format!("INSERT INTO {table} FORMAT JSONEachRow"))
            .append_pair("async_insert", "1")
            .append_pair("wait_for_async_insert", "1")
            .finish();
        let headers = format!(
            "x-clickhouse-user: suanpan_write\r\nx-clickhouse-key: {}\r\ncontent-type: application/json\r\n",
            self.write_password
        );
        Target { address: self.address.clone(), path: format!("/?{query}"), headers }
    }

    async fn post(&self, query: &[(&str, &str)], body: Bytes) -> Result<Bytes> {
        let request = self.http.post(format!("http://{}/", self.address)).query(query).body(body);
        let response = request.send().await?;
        let (is_ok, answer) = (response.status().is_success(), response.bytes().await?);
        ensure!(
            is_ok,
            "the engine: {}",
            String::from_utf8_lossy(&answer).chars().take(800).collect::<String>()
        );
        Ok(answer)
    }
}
