//! One writer for each partition of the log.
//!
//! Whoever is given a partition claims it: it chooses a number, and every node lets in only rows that carry it.
//! A worker that lost the partition while it was stopped finds itself fenced off, however long after. What it had
//! sent before is ended; what of that was stored by then, the new owner is told when it asks.
//!
//! A replica that does not answer to a claim keeps the number of the owner before. Its rows meet those of the
//! other replicas in Keeper, by their tokens: see `docs/decisions/018-one-ddl-template.md`.

use tokio::task::JoinSet;

use crate::client::{Client, Statement, quoted};
use crate::error::{Result, WarehouseError};
use crate::nodes::{Roll, in_time};
use crate::rows::BatchId;
use crate::schema::{FENCED, claims_seen};
use crate::warehouse::Warehouse;

/// That a worker is the one writer of a partition of the log, until somebody else claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The log's epoch.
    pub epoch: u64,
    /// The partition.
    pub partition: u32,
    /// Chosen by chance, never 0: the rows carry it.
    pub writer: u64,
}

impl Claim {
    /// The batch of these offsets, both included, as written by the one who claimed.
    pub fn batch(self, first: u64, last: u64) -> BatchId {
        BatchId { epoch: self.epoch, partition: self.partition, first, last, writer: self.writer }
    }
}

impl Warehouse {
    /// Makes the caller the only writer of a partition. On return nobody else's rows of it are coming any more,
    /// and what [`Self::committed`] and [`Self::stored_offsets`] say is the whole truth.
    ///
    /// # Errors
    /// Retryable: a shard does not answer, or its replica in use lacks rows that only another one has.
    pub async fn claim(&self, epoch: u64, partition: u32) -> Result<Claim> {
        let claim = Claim { epoch, partition, writer: rand::random_range(1..=u64::MAX) };
        let mut roll = Roll::of(self);
        for (shard, node) in self.every_node() {
            roll.note((shard, &node), in_time(&node, self.note_claim(&node, claim)).await)?;
        }
        roll.end(self)?;
        self.end_inserts(epoch, partition).await?;
        self.catch_up(partition).await?;
        Ok(claim)
    }

    async fn note_claim(&self, node: &Client, claim: Claim) -> Result<()> {
        let database = self.database();
        let seen = node.text(Statement { sql: &claims_seen(database), ..Statement::default() }).await?;
        let seen: u32 = seen.trim().parse().map_err(WarehouseError::decode)?;
        let Claim { epoch, partition, writer } = claim;
        // The first of the two says who writes, the second how often that was said.
        let sql = format!(
            "INSERT INTO {database}.owners SETTINGS async_insert = 0 VALUES ({epoch}, {partition}, {writer}, 0), \
             (0, 0, 0, {})",
            seen.saturating_add(1)
        );
        node.run(&sql).await
    }

    /// Ends INSERTs of this partition's batches that are still running, from a client that has gone away
    /// or has given up waiting: what they store must be known before anything is sent again.
    ///
    /// # Errors
    /// A shard does not answer.
    pub async fn end_inserts(&self, epoch: u64, partition: u32) -> Result<()> {
        let sql = format!(
            "KILL QUERY WHERE startsWith(query_id, {}) SYNC",
            quoted(&insert_prefix(epoch, partition))
        );
        self.on_nodes_that_answer(&sql).await
    }

    /// Runs a statement on all nodes at once. One that does not answer at all is soon passed over; on the others
    /// it may take as long as any statement.
    ///
    /// # Errors
    /// Retryable: no node of a shard did it.
    pub(crate) async fn on_nodes_that_answer(&self, sql: &str) -> Result<()> {
        let mut running = JoinSet::new();
        for (shard, node) in self.every_node() {
            let sql = sql.to_owned();
            running.spawn(async move {
                let done = match in_time(&node, node.run("SELECT 1")).await {
                    Ok(()) => node.run(&sql).await,
                    away => away,
                };
                (shard, node, done)
            });
        }
        let mut roll = Roll::of(self);
        while let Some(ended) = running.join_next().await {
            let (shard, node, done) = ended.expect("a statement does not panic");
            roll.note((shard, &node), done)?;
        }
        roll.end(self)
    }

    /// Waits until the replicas in use have every row that any replica was given. Where one that is away has
    /// rows which the one in use lacks, that can't be: then nothing is written until it is back.
    async fn catch_up(&self, partition: u32) -> Result<()> {
        if !self.layout().is_replicated() {
            return Ok(());
        }
        let mut turns = Vec::new();
        for shard in self.shards() {
            turns.push(self.sync_replica(shard).await?);
        }
        self.caught_up().insert(partition, turns);
        Ok(())
    }

    /// Waits until the replica in use has every row; says for which turn of the shard that holds.
    async fn sync_replica(&self, shard: &Client) -> Result<usize> {
        let turn = shard.turn();
        for table in FENCED {
            let sql = format!("SYSTEM SYNC REPLICA {}.{table} LIGHTWEIGHT", self.database());
            shard.run(&sql).await?;
        }
        self.unless_left(shard, turn)
    }

    /// Whether all that was asked since the turn was read was asked of one replica.
    fn unless_left(&self, shard: &Client, turn: usize) -> Result<usize> {
        match shard.turn() == turn {
            true => Ok(turn),
            false => Err(WarehouseError::unavailable("another replica is in use since this was asked")),
        }
    }

    /// To be called before what a shard is asked about a partition: if another replica is in use than the one
    /// that had every row when the partition was claimed, waits until this one has them. Nothing is waited for
    /// where this process claimed nothing. Returns the turn for [`Self::asked_whole`].
    pub(crate) async fn ask_whole(&self, partition: u32, number: usize) -> Result<Option<usize>> {
        let claimed = self.caught_up().get(&partition).map(|turns| turns[number]);
        let Some(claimed) = claimed else { return Ok(None) };
        let shard = &self.shards()[number];
        let turn = shard.turn();
        if turn != claimed {
            let turn = self.sync_replica(shard).await?;
            if let Some(turns) = self.caught_up().get_mut(&partition) {
                turns[number] = turn;
            }
        }
        Ok(Some(turn))
    }

    /// To be called with the answer.
    ///
    /// # Errors
    /// Retryable: another replica may have given it.
    pub(crate) fn asked_whole(&self, number: usize, turn: Option<usize>) -> Result<()> {
        turn.map_or(Ok(()), |turn| self.unless_left(&self.shards()[number], turn).map(drop))
    }
}

/// How the query ids of a partition's INSERTs begin.
pub(crate) fn insert_prefix(epoch: u64, partition: u32) -> String {
    format!("suanpan-insert|{epoch}|{partition}|")
}
