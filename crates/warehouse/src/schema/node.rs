//! What one node has, as far as the schema is concerned.

use std::collections::HashMap;

use serde::Deserialize;

use super::events::readers;
use super::fences::claims_seen;
use super::layout::Layout;
use crate::client::{Client, Statement, quoted};
use crate::error::{Result, WarehouseError};

/// A node, and what was found there.
#[derive(Debug)]
pub(super) struct Node {
    pub client: Client,
    /// Its address, without a password.
    pub name: String,
    /// Which shard it belongs to, from 0.
    pub shard: usize,
    /// The newest step that it has taken; 0 if it has no tables.
    pub version: u32,
    /// Over how many shards its rows are spread, and which of them it is, from 1; zeros if nobody has said.
    pub placed: (u32, u32),
    /// The same as its server has it in `remote_servers`: how many shards the cluster has, and which one it is
    /// itself; zeros where it does not know.
    pub known: (u32, u32),
    /// How often partitions were claimed since `owners` was emptied.
    pub claims: u32,
    /// The comments of what is read: each tells what it was made from.
    comments: HashMap<String, String>,
    /// The engine of `events_local`.
    pub engine: Option<String>,
}

#[derive(Deserialize)]
struct TableLine {
    name: String,
    comment: String,
    engine: String,
}

impl Node {
    pub async fn look(client: Client, shard: usize, layout: &Layout) -> Result<Self> {
        let database = &layout.database;
        let tables: Vec<TableLine> = lines(
            &client,
            &format!("SELECT name, comment, engine FROM system.tables WHERE database = {}", quoted(database)),
        )
        .await?;
        let has = |name: &str| tables.iter().any(|table| table.name == name);
        let version = match has("schema_versions") {
            true => number(&client, &format!("SELECT max(version) FROM {database}.schema_versions")).await?,
            false => 0,
        };
        let placed = match has("placements") {
            true => {
                let newest = "argMax(shards, applied_time), argMax(shard, applied_time)";
                pair(&client, &format!("SELECT {newest} FROM {database}.placements")).await?
            }
            false => (0, 0),
        };
        let known = match &layout.cluster {
            Some(cluster) => {
                let sql = format!(
                    "SELECT uniqExact(shard_num), maxIf(shard_num, is_local) FROM system.clusters WHERE cluster = {}",
                    quoted(&cluster.name)
                );
                pair(&client, &sql).await?
            }
            None => (0, 0),
        };
        let claims = match has("owners") {
            true => number(&client, &claims_seen(database)).await?,
            false => 0,
        };
        let engine =
            tables.iter().find(|table| table.name == "events_local").map(|table| table.engine.clone());
        let comments = tables.into_iter().map(|table| (table.name, table.comment)).collect();
        Ok(Self {
            name: client.url().to_string(),
            client,
            shard,
            version,
            placed,
            known,
            claims,
            comments,
            engine,
        })
    }

    /// The statements for what is read and is not as it should be. Each notes what it was made from: its own
    /// text, its owner, and the columns under it.
    pub async fn stale_readers(&self, layout: &Layout) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT toString(sipHash64(arraySort(groupArray((table, name, type))))) FROM system.columns \
             WHERE database = {} AND endsWith(table, '_local')",
            quoted(&layout.database)
        );
        let columns = self.client.text(Statement { sql: &sql, ..Statement::default() }).await?;
        let mut stale = Vec::new();
        for (name, sql) in readers(layout) {
            let made_from = format!("{sql}\n{}\n{columns}", self.client.user());
            let comment = format!("suanpan {:016x}", fingerprint(made_from.as_bytes()));
            if self.comments.get(&name) != Some(&comment) {
                stale.push(format!("{sql} COMMENT {}", quoted(&comment)));
            }
        }
        Ok(stale)
    }

    /// The statements that make this node's tables as those of another replica of its shard are. What the steps
    /// would make first, Keeper would refuse: it knows the tables as they are by now.
    pub async fn tables_of(peer: &Self, layout: &Layout) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Made {
            create_table_query: String,
        }
        let made: Vec<Made> = lines(
            &peer.client,
            &format!(
                "SELECT create_table_query FROM system.tables WHERE database = {} \
                 AND (endsWith(name, '_local') OR name = 'owners') ORDER BY name != 'owners', name",
                quoted(&layout.database)
            ),
        )
        .await?;
        let once =
            |made: Made| made.create_table_query.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1);
        Ok(made.into_iter().map(once).collect())
    }

    /// How many events of this node belong to another shard.
    pub async fn misplaced(&self, layout: &Layout, shards: usize) -> Result<u64> {
        let (database, key) = (&layout.database, suanpan_event::PLACE_KEY_SQL);
        let sql =
            format!("SELECT count() FROM {database}.events_local WHERE {key} % {shards} != {}", self.shard);
        number(&self.client, &sql).await
    }
}

async fn number<N: std::str::FromStr<Err: ToString>>(client: &Client, sql: &str) -> Result<N> {
    let text = client.text(Statement { sql, ..Statement::default() }).await?;
    text.trim().parse().map_err(WarehouseError::decode)
}

async fn pair(client: &Client, sql: &str) -> Result<(u32, u32)> {
    let text = client.text(Statement { sql, ..Statement::default() }).await?;
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(second))) => Ok((first, second)),
        _ => Err(WarehouseError::decode(text)),
    }
}

async fn lines<T: serde::de::DeserializeOwned>(client: &Client, sql: &str) -> Result<Vec<T>> {
    let sql = format!("{sql} FORMAT JSONEachRow");
    let text = client.text(Statement { sql: &sql, ..Statement::default() }).await?;
    text.lines().map(|line| serde_json::from_str(line).map_err(WarehouseError::decode)).collect()
}

/// FNV-1a: it need only tell texts apart that nobody chose.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
