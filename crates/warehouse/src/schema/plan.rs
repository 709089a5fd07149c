//! Brings every node to the newest schema: finds out what each lacks, says it, and does it.
//!
//! All that is done can be done again, by several processes at once too: each statement asks first whether its
//! work is there, or replaces what it makes in one step. The steps go in lockstep over all nodes, since a
//! replica that was left behind a step can't join tables that are ahead of it. Where the servers take
//! `ON CLUSTER`, each statement is sent once; what a node keeps for itself is sent to each node either way.

use std::time::Duration;

use serde::Serialize;
use tracing::{info, warn};

use super::events::readers;
use super::fences::emptied;
use super::layout::Layout;
use super::migrations::{KNOWN, MIGRATIONS, beginning};
use super::node::Node;
use crate::client::{Client, quoted};
use crate::cluster::OnCluster;
use crate::error::{Result, WarehouseError};
use crate::nodes::in_time;

/// How often a change is tried again that another process, or another replica, is making just now.
const TRIES_MAX: u32 = 40;
const TRY_PAUSE: Duration = Duration::from_millis(250);

/// Something that [`crate::Warehouse::migrate`] will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// The node's address, or `ON CLUSTER` for all.
    pub node: String,
    /// The statement.
    pub sql: String,
    /// What it is for.
    pub why: String,
}

/// The nodes that answer, and how to speak to all of them.
pub(crate) struct Planner<'w> {
    layout: &'w Layout,
    nodes: Vec<Node>,
    shards: usize,
    by_cluster: bool,
}

impl<'w> Planner<'w> {
    /// Looks at the nodes, given shard by shard. Of each shard one must answer; a replica that does not is
    /// passed over, and is brought up to date the next time.
    pub async fn look(layout: &'w Layout, shards: &[Client]) -> Result<Self> {
        let mut nodes = Vec::new();
        for (shard, replicas) in shards.iter().enumerate() {
            let (mut found, mut away) = (0, None);
            for client in replicas.each_node() {
                match in_time(&client.clone(), Node::look(client, shard, layout)).await {
                    Ok(node) => {
                        check(&node, layout)?;
                        check_cluster(&node, layout, shards.len())?;
                        nodes.push(node);
                        found += 1;
                    }
                    Err(error @ WarehouseError::Unavailable { .. }) => away = Some(error),
                    Err(error) => return Err(error),
                }
            }
            match (found, away) {
                (0, Some(error)) => return Err(error),
                (_, Some(error)) => {
                    warn!(%error, "a replica is away: its tables are brought up to date later")
                }
                _ => {}
            }
        }
        let by_cluster = takes_on_cluster(layout, &nodes).await;
        Ok(Self { layout, nodes, shards: shards.len(), by_cluster })
    }

    /// What [`Self::run`] would do, in this order.
    pub async fn plan(&self) -> Result<Vec<PlannedStep>> {
        let mut planned = Vec::new();
        for (why, statements) in self.steps().await? {
            for (sql, nodes) in statements {
                self.say(&mut planned, (&sql, &why), &nodes);
            }
        }
        let is_made = planned.is_empty();
        for node in &self.nodes {
            let made_from = "what is read follows the columns of the tables";
            let stale: Vec<String> = match is_made {
                true => node.stale_readers(self.layout).await?,
                false => readers(self.layout).into_iter().map(|(_, sql)| sql).collect(),
            };
            for sql in stale {
                let said = |step: &PlannedStep| self.by_cluster && step.sql == self.on_cluster(&sql);
                if !planned.iter().any(said) {
                    self.say(&mut planned, (&sql, made_from), &[node]);
                }
            }
            for sql in self.notes(node) {
                planned.push(PlannedStep { node: node.name.clone(), sql, why: "notes what was done".into() });
            }
        }
        Ok(planned)
    }

    fn say(&self, planned: &mut Vec<PlannedStep>, (sql, why): (&str, &str), nodes: &[&Node]) {
        if self.by_cluster {
            planned.push(PlannedStep {
                node: "ON CLUSTER".into(),
                sql: self.on_cluster(sql),
                why: why.to_owned(),
            });
            return;
        }
        let step =
            |node: &&Node| PlannedStep { node: node.name.clone(), sql: sql.to_owned(), why: why.to_owned() };
        planned.extend(nodes.iter().map(step));
    }

    /// Does it.
    pub async fn run(&self) -> Result<()> {
        for (why, statements) in self.steps().await? {
            for (sql, nodes) in statements {
                self.change(&sql, &nodes).await?;
            }
            info!(database = self.layout.database, step = why, "schema migrated");
        }
        self.check_places().await?;
        for node in &self.nodes {
            for sql in node.stale_readers(self.layout).await? {
                // Sent to the cluster once for each node that lacks it: the others make it again, the same.
                self.change(&sql, &[node]).await?;
            }
            for sql in self.notes(node) {
                node.client.run(&sql).await?;
            }
        }
        Ok(())
    }

    /// The steps that some node has not taken: why, and for each statement the nodes to run it on.
    async fn steps(&self) -> Result<Vec<(String, Vec<(String, Vec<&Node>)>)>> {
        let lacks = |version: u32| self.nodes.iter().filter(move |node| node.version < version);
        let mut steps = Vec::new();
        let new: Vec<&Node> =
            self.nodes.iter().filter(|node| node.version < KNOWN || node.placed.0 == 0).collect();
        if !new.is_empty() {
            let statements = beginning(self.layout).into_iter().map(|sql| (sql, new.clone())).collect();
            steps.push(("database, and the notes of its schema".to_owned(), statements));
        }
        let copies = self.copies().await?;
        let is_copy = |node: &Node| copies.iter().any(|(copy, ..)| copy.name == node.name);
        for (node, peer, statements) in &copies {
            let statements = statements.iter().map(|sql| (sql.clone(), vec![*node])).collect();
            steps.push((format!("a new replica beside {}", peer.name), statements));
        }
        for step in &MIGRATIONS {
            let nodes: Vec<&Node> = lacks(step.version).filter(|node| !is_copy(node)).collect();
            if !nodes.is_empty() {
                let statements = (step.statements)(self.layout);
                let statements = statements.into_iter().map(|sql| (sql, nodes.clone())).collect();
                steps.push((format!("schema version {}: {}", step.version, step.name), statements));
            }
        }
        Ok(steps)
    }

    /// Nodes without tables beside a replica that has them, with the statements that make theirs.
    async fn copies(&self) -> Result<Vec<(&Node, &Node, Vec<String>)>> {
        let mut copies = Vec::new();
        for node in self.nodes.iter().filter(|node| node.engine.is_none()) {
            let is_peer = |peer: &&Node| peer.shard == node.shard && peer.engine.is_some();
            if let Some(peer) = self.nodes.iter().find(is_peer) {
                copies.push((node, peer, Node::tables_of(peer, self.layout).await?));
            }
        }
        Ok(copies)
    }

    /// What a node keeps for itself: its versions, how its rows are spread, and `owners`, emptied if need be.
    fn notes(&self, node: &Node) -> Vec<String> {
        let database = &self.layout.database;
        let mut notes: Vec<String> = MIGRATIONS
            .iter()
            .filter(|step| step.version > node.version)
            .map(|step| {
                let (version, name) = (step.version, quoted(step.name));
                format!(
                    "INSERT INTO {database}.schema_versions (version, name) SETTINGS async_insert = 0 \
                     VALUES ({version}, {name})"
                )
            })
            .collect();
        if node.placed != self.place(node) {
            let (shards, shard) = self.place(node);
            notes.push(format!(
                "INSERT INTO {database}.placements (shards, shard) SETTINGS async_insert = 0 \
                 VALUES ({shards}, {shard})"
            ));
        }
        notes.extend(emptied(database, node.claims));
        notes
    }

    /// Over how many shards a node's rows are to be spread, and which of them it is.
    fn place(&self, node: &Node) -> (u32, u32) {
        let number = |n: usize| u32::try_from(n).expect("there are at most 256 shards");
        (number(self.shards), number(node.shard + 1))
    }

    /// Questions rely on a person's events being on the shard that the key says.
    async fn check_places(&self) -> Result<()> {
        if self.shards == 1 || self.nodes.iter().all(|node| node.placed == self.place(node)) {
            return Ok(());
        }
        for shard in 0..self.shards {
            let node =
                self.nodes.iter().find(|node| node.shard == shard).expect("a node of each shard answers");
            let rows = node.misplaced(self.layout, self.shards).await?;
            if rows > 0 {
                return Err(WarehouseError::Misplaced { shard: shard + 1, rows, shards: self.shards });
            }
        }
        Ok(())
    }

    /// Runs a statement that makes or changes tables.
    async fn change(&self, sql: &str, nodes: &[&Node]) -> Result<()> {
        if self.by_cluster {
            let any = nodes.first().expect("a step is for some node");
            return change_on(any, &self.on_cluster(sql)).await;
        }
        for node in nodes {
            change_on(node, sql).await?;
        }
        Ok(())
    }

    fn on_cluster(&self, sql: &str) -> String {
        on_cluster(self.layout, sql)
    }
}

/// The statement for all nodes: `ON CLUSTER` stands behind the name of what is made or changed.
fn on_cluster(layout: &Layout, sql: &str) -> String {
    let Some(cluster) = &layout.cluster else { return sql.to_owned() };
    let database = &layout.database;
    let is_name = |at: &usize| sql[*at..].chars().nth(database.len()).is_none_or(|c| c == '.');
    let spaced = format!(" {database}");
    let mut names = sql.match_indices(&spaced).map(|(at, _)| at + 1).filter(is_name);
    let at = names.next().expect("every statement names the database");
    let end = sql[at..].find(char::is_whitespace).map_or(sql.len(), |end| at + end);
    format!("{} ON CLUSTER '{}'{}", &sql[..end], cluster.name, &sql[end..])
}

/// All statements that make the tables of a cluster from nothing, for the whole of it.
pub(crate) fn statements_on_cluster(layout: &Layout) -> Vec<String> {
    let steps = MIGRATIONS.iter().flat_map(|step| (step.statements)(layout));
    beginning(layout).into_iter().chain(steps).map(|sql| on_cluster(layout, &sql)).collect()
}

/// Runs a statement, again while another process or replica is changing the same.
async fn change_on(node: &Node, sql: &str) -> Result<()> {
    let mut tries = 0;
    loop {
        match node.client.run(sql).await {
            // CANNOT_ASSIGN_ALTER: this replica has not yet heard of another change.
            Err(WarehouseError::Query { code: 517, .. }) if tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(TRY_PAUSE).await;
            }
            // ACCESS_DENIED
            Err(WarehouseError::Query { code: 497, message }) => {
                return Err(WarehouseError::AccessRefused {
                    message: format!(
                        "ClickHouse user {} may not create the database or its tables: grant it what \
                         docs/cluster.md lists ({message})",
                        node.client.user()
                    ),
                });
            }
            done => return done,
        }
    }
}

/// What can't be mended from here.
fn check(node: &Node, layout: &Layout) -> Result<()> {
    if node.version > KNOWN {
        let database = layout.database.clone();
        return Err(WarehouseError::SchemaTooNew { database, found: node.version, known: KNOWN });
    }
    let expected = layout.engine("MergeTree", "");
    let expected = expected.split('(').next().unwrap_or_default();
    match &node.engine {
        Some(engine) if engine != expected => Err(WarehouseError::AccessRefused {
            message: format!(
                "the tables of database {} on {} are {engine}, and the configuration asks for {expected}: use \
                 another database, or change `warehouse.replicated`",
                layout.database, node.name
            ),
        }),
        _ => Ok(()),
    }
}

/// Questions go by the servers' own list of the shards, and rows by ours.
fn check_cluster(node: &Node, layout: &Layout, shards: usize) -> Result<()> {
    let Some(cluster) = &layout.cluster else { return Ok(()) };
    let (known, own) = node.known;
    let (name, at, here) = (&cluster.name, &node.name, node.shard + 1);
    let problem = if known as usize != shards {
        format!(
            "{at} knows {known} shards of the cluster {name} (remote_servers), and {shards} are configured"
        )
    } else if own != 0 && own as usize != here {
        format!(
            "{at} is shard {own} of the cluster {name} by its own remote_servers, and is configured as {here}"
        )
    } else {
        return Ok(());
    };
    Err(WarehouseError::AccessRefused {
        message: format!("{problem}: the lists must be the same, in one order"),
    })
}

/// Whether the servers take `ON CLUSTER`: those that do keep a list of such statements.
async fn takes_on_cluster(layout: &Layout, nodes: &[Node]) -> bool {
    match layout.cluster.as_ref().map(|cluster| cluster.on_cluster) {
        None | Some(OnCluster::No) => false,
        Some(OnCluster::Yes) => true,
        Some(OnCluster::Auto) => match nodes.first() {
            Some(node) => node.client.run("SELECT 1 FROM system.distributed_ddl_queue LIMIT 1").await.is_ok(),
            None => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Statement;
    use crate::testing::TestEngine;

    /// Takes a database back to the first version, with a row of that time in it.
    async fn as_of_version_1(client: &Client, layout: &Layout) {
        let database = &layout.database;
        let created = format!("SHOW CREATE TABLE {database}.events_local FORMAT TSVRaw");
        let columns = client.text(Statement { sql: &created, ..Statement::default() }).await.unwrap();
        assert!(columns.contains("is_bot") && columns.contains("CONSTRAINT fenced"));
        let sql = format!(
            "SELECT name FROM system.tables WHERE database = '{database}' AND engine NOT LIKE '%View' \
             ORDER BY name = 'owners'"
        );
        let tables = client.text(Statement { sql: &sql, ..Statement::default() }).await.unwrap();
        let mut statements: Vec<String> =
            tables.lines().map(|table| format!("DROP TABLE {database}.{table} SYNC")).collect();
        let wide = format!(", {}", crate::schema::events::WIDE_PART);
        statements.extend((MIGRATIONS[0].statements)(layout).iter().map(|sql| sql.replace(&wide, "")));
        statements.push(format!(
            "INSERT INTO {database}.events_local (app_id, event, content) VALUES ('old', 'view', '{{}}')"
        ));
        for statement in statements {
            client.run(&statement).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_database_of_the_first_version_is_brought_up_to_date() {
        let engine = TestEngine::start().await;
        let warehouse = engine.warehouse();
        assert_eq!(warehouse.migration_plan().await.unwrap(), []);
        as_of_version_1(warehouse.writer(), warehouse.layout()).await;
        let planned = warehouse.migration_plan().await.unwrap();
        warehouse.migrate().await.unwrap();
        assert!(
            planned.iter().any(|step| step.sql.contains("ADD COLUMN IF NOT EXISTS is_bot")),
            "{planned:?}"
        );
        assert_eq!(warehouse.migration_plan().await.unwrap(), []);
        let sql = format!(
            "SELECT event, country, is_bot, (SELECT max(version) FROM {0}.schema_versions) FROM {0}.events_local",
            warehouse.database()
        );
        let found = warehouse.writer().text(Statement { sql: &sql, ..Statement::default() }).await.unwrap();
        assert_eq!(found, format!("view\t\tfalse\t{KNOWN}\n"));
        let sql = format!("SHOW CREATE TABLE {}.events_local FORMAT TSVRaw", warehouse.database());
        let made = warehouse.writer().text(Statement { sql: &sql, ..Statement::default() }).await.unwrap();
        assert!(made.contains(crate::schema::events::WIDE_PART), "{made}");
        engine.stop().await;
    }

    #[test]
    fn a_statement_for_the_cluster_names_it_behind_what_it_makes() {
        let cluster = Some(crate::ClusterConfig { name: "c".into(), ..crate::ClusterConfig::default() });
        let layout = Layout { database: "d".into(), cluster };
        let planner = Planner { layout: &layout, nodes: Vec::new(), shards: 2, by_cluster: true };
        let check = |sql: &str, expected: &str| assert_eq!(planner.on_cluster(sql), expected);
        check("CREATE DATABASE IF NOT EXISTS d", "CREATE DATABASE IF NOT EXISTS d ON CLUSTER 'c'");
        check("ALTER TABLE d.t ADD COLUMN d.x", "ALTER TABLE d.t ON CLUSTER 'c' ADD COLUMN d.x");
        check(
            "CREATE OR REPLACE VIEW d.v DEFINER = CURRENT_USER AS SELECT 1",
            "CREATE OR REPLACE VIEW d.v ON CLUSTER 'c' DEFINER = CURRENT_USER AS SELECT 1",
        );
        for statement in beginning(&layout).iter().chain(&(MIGRATIONS[6].statements)(&layout)) {
            assert!(planner.on_cluster(statement).contains(" ON CLUSTER 'c'"), "{statement}");
        }
    }
}
