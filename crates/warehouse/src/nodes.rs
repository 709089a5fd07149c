//! The nodes that a warehouse is made of: one, or the shards of a cluster with their replicas.

use std::time::Duration;

use reqwest::Url;

use crate::client::{Client, Endpoint};
use crate::error::{Result, WarehouseError};
use crate::warehouse::Warehouse;

/// All nodes, as the owner of the tables. A client of a shard uses one of its replicas until that one fails.
#[derive(Debug)]
pub(crate) struct Nodes {
    shards: Vec<Client>,
    /// Any node: through it the tables of all shards are read.
    any: Client,
}

impl Nodes {
    /// One node.
    pub fn one(client: Client) -> Self {
        Self { shards: vec![client.clone()], any: client }
    }

    /// The nodes at these addresses, shard by shard. Each process begins with replicas by chance, so that many
    /// spread over them.
    pub fn of_shards(client: &Client, shards: Vec<Vec<Endpoint>>) -> Self {
        let begin = |endpoints: Vec<Endpoint>| {
            let first = rand::random_range(0..endpoints.len());
            client.at(endpoints, first)
        };
        let any = begin(shards.iter().flatten().cloned().collect());
        Self { shards: shards.into_iter().map(begin).collect(), any }
    }

    pub fn any(&self) -> &Client {
        &self.any
    }

    pub fn shards(&self) -> &[Client] {
        &self.shards
    }
}

/// How long a node is waited for before it counts as away. One that is stopped, or cut off, says nothing.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The answer of a node, if it comes in time.
pub(crate) async fn in_time<T>(node: &Client, answer: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || WarehouseError::unavailable(format!("{} says nothing within {ANSWER_MAX:?}", node.url()));
    tokio::time::timeout(ANSWER_MAX, answer).await.unwrap_or_else(|_elapsed| Err(late()))
}

/// What became of something that is done on every node. Of each shard at least one node must do it; those that do
/// not answer are passed over then, and a replica that has done it is the one in use.
#[derive(Debug)]
pub(crate) struct Roll {
    shards: Vec<(Vec<Url>, Option<WarehouseError>)>,
}

impl Roll {
    pub fn of(warehouse: &Warehouse) -> Self {
        Self { shards: warehouse.shards().iter().map(|_| (Vec::new(), None)).collect() }
    }

    /// Notes what became of it on a node. Any failure but that the node is away is one of all.
    pub fn note<T>(&mut self, (shard, node): (usize, &Client), outcome: Result<T>) -> Result<Option<T>> {
        let (done, away) = &mut self.shards[shard];
        match outcome {
            Ok(value) => {
                done.push(node.url());
                Ok(Some(value))
            }
            Err(error @ WarehouseError::Unavailable { .. }) => {
                *away = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Fails if a shard has no node that did it.
    pub fn end(self, warehouse: &Warehouse) -> Result<()> {
        for ((done, away), shard) in self.shards.into_iter().zip(warehouse.shards()) {
            match (done.first(), away) {
                (None, Some(error)) => return Err(error),
                (Some(first), Some(error)) => {
                    tracing::warn!(%error, "a replica does not answer and is passed over");
                    if !done.contains(&shard.url()) {
                        shard.prefer(first);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Warehouse {
    /// The shards, each by the replica in use.
    pub(crate) fn shards(&self) -> &[Client] {
        self.nodes().shards()
    }

    /// The shard where what belongs to no partition of the log is kept.
    pub(crate) fn home(&self) -> &Client {
        &self.shards()[0]
    }

    /// The shard where a partition of the log keeps its ledger and what it learns.
    pub(crate) fn home_of(&self, partition: u32) -> &Client {
        let shards = self.shards();
        &shards[partition as usize % shards.len()]
    }

    /// The shard of a place key, by its number.
    pub(crate) fn shard_of(&self, place_key: u64) -> usize {
        let shards = self.shards().len() as u64;
        usize::try_from(place_key % shards).expect("there are at most 256 shards")
    }

    /// Every node alone, with the number of its shard.
    pub(crate) fn every_node(&self) -> Vec<(usize, Client)> {
        let of_shard = |(number, shard): (usize, &Client)| {
            shard.each_node().into_iter().map(move |node| (number, node)).collect::<Vec<_>>()
        };
        self.shards().iter().enumerate().flat_map(of_shard).collect()
    }

    /// Runs a statement on every shard. What it does to a replicated table, the other replicas do too.
    pub(crate) async fn run_on_shards(&self, sql: &str) -> Result<()> {
        for shard in self.shards() {
            shard.run(sql).await?;
        }
        Ok(())
    }

    /// What a system table, such as `parts`, says on every node: of a cluster, each row comes once a node.
    pub(crate) fn system(&self, table: &str) -> String {
        match &self.layout().cluster {
            None => format!("system.{table}"),
            Some(cluster) => format!("clusterAllReplicas('{}', system.{table})", cluster.name),
        }
    }

    /// What to read a table by: see [`crate::schema::Layout::table`].
    pub(crate) fn table(&self, table: &str) -> String {
        self.layout().table(table)
    }
}
