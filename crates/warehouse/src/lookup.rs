//! Questions of our own, as the owner of the tables: rows as lines of JSON, values as parameters. None
//! of the SQL comes from outside. What people ask for keeps to the limits of any question; what the
//! pipeline needs to go on must not fail by a limit that is meant for questions.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::ask::param_text;
use crate::client::{Client, Statement};
use crate::error::{Result, WarehouseError};
use crate::warehouse::Warehouse;

/// A statement's text with the values that stand in it as `{name:Type}`.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    pub sql: String,
    params: Vec<(String, String)>,
    is_limited: bool,
}

impl Lookup {
    pub fn new(sql: String) -> Self {
        Self { sql, params: Vec::new(), is_limited: false }
    }

    /// Binds it to the limits of questions.
    pub fn limited(self) -> Self {
        Self { is_limited: true, ..self }
    }

    /// Gives a text to `{name:String}`, or to another type that reads it.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.params.push((format!("param_{name}"), param_text(value)));
        self
    }

    /// Gives texts to `{name:Array(…)}`.
    pub fn texts<'v>(mut self, name: &str, values: impl IntoIterator<Item = &'v str>) -> Self {
        let quoted = |value: &str| format!("'{}'", param_text(value).replace('\'', "\\'"));
        let list: Vec<String> = values.into_iter().map(quoted).collect();
        self.params.push((format!("param_{name}"), format!("[{}]", list.join(","))));
        self
    }

    /// Gives numbers to `{name:Array(…)}`.
    pub fn numbers(mut self, name: &str, values: impl IntoIterator<Item = i64>) -> Self {
        let list: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        self.params.push((format!("param_{name}"), format!("[{}]", list.join(","))));
        self
    }
}

impl Warehouse {
    /// Reads all rows of an answer.
    pub(crate) async fn look_up<T: DeserializeOwned>(&self, lookup: Lookup) -> Result<Vec<T>> {
        let text =
            self.run_lookup(self.writer(), &format!("{} FORMAT JSONEachRow", lookup.sql), &lookup).await?;
        text.lines().map(|line| serde_json::from_str(line).map_err(WarehouseError::decode)).collect()
    }

    /// Reads the one value of an answer, which is called `number`.
    pub(crate) async fn one_number(&self, lookup: Lookup) -> Result<u64> {
        #[derive(Deserialize)]
        struct One {
            number: u64,
        }
        let rows: Vec<One> = self.look_up(lookup).await?;
        rows.first().map(|row| row.number).ok_or_else(|| WarehouseError::decode("no row"))
    }

    /// Runs a statement without an answer on a shard.
    pub(crate) async fn run_at(&self, shard: &Client, lookup: &Lookup) -> Result<()> {
        self.run_lookup(shard, &lookup.sql, lookup).await.map(drop)
    }

    async fn run_lookup(&self, node: &Client, sql: &str, lookup: &Lookup) -> Result<String> {
        let limits = *self.ask_limits_max();
        let mut options = if lookup.is_limited { limits.options() } else { Vec::new() };
        options.push(("output_format_json_quote_64bit_integers", "0".to_owned()));
        // Buffered on the server, so that an error after the first rows is still an error.
        options.push(("wait_end_of_query", "1".to_owned()));
        // What a subquery finds, it finds in all shards.
        options.push(("distributed_product_mode", "global".to_owned()));
        options.extend(lookup.params.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let answer = node.text(Statement { sql, options, data: None }).await;
        answer.map_err(|error| if lookup.is_limited { limits.hit(error) } else { error })
    }
}
