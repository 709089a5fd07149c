//! How a table is stored: the one thing in which a cluster's tables differ from a single machine's.

use suanpan_event::PLACE_KEY_SQL;

use crate::cluster::ClusterConfig;

/// Tokens of blocks that a table knows. A batch is at most 400 blocks, and only the last is ever repeated.
const TOKENS: u32 = 1_000;
/// A shard's table is written by many processes, and a replica may stay behind for long.
const TOKENS_REPLICATED: u32 = 10_000;
const TOKENS_REPLICATED_S: u32 = 7 * 24 * 3600;

/// Where all tables are and how they are stored.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub database: String,
    pub cluster: Option<ClusterConfig>,
}

impl Layout {
    /// Whether the shards' nodes are replicas of each other.
    pub fn is_replicated(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.replicated)
    }

    /// The engine of a table: `family`, such as `ReplacingMergeTree(version)`, as it is or replicated.
    pub fn engine(&self, family: &str, table: &str) -> String {
        let Some(cluster) = self.cluster.as_ref().filter(|_| self.is_replicated()) else {
            return family.to_owned();
        };
        let path = cluster.keeper_path.replace("{database}", &self.database).replace("{table}", table);
        let (name, arguments) = family.split_once('(').unwrap_or((family, ")"));
        let rest = if arguments == ")" { ")".to_owned() } else { format!(", {arguments}") };
        format!("Replicated{name}('{path}', '{}'{rest}", cluster.replica_name)
    }

    /// The settings of every table that stores: an INSERT that was answered is on disk, and its token known.
    pub fn settings(&self) -> String {
        let tokens = if self.is_replicated() {
            format!(
                "replicated_deduplication_window = {TOKENS_REPLICATED}, \
                 replicated_deduplication_window_seconds = {TOKENS_REPLICATED_S}"
            )
        } else {
            format!("non_replicated_deduplication_window = {TOKENS}")
        };
        format!("{tokens}, fsync_after_insert = 1, fsync_part_directory = 1")
    }

    /// What to read a table by: `DB.x_local`, in a cluster `DB.x_all`.
    pub fn table(&self, table: &str) -> String {
        let place = if self.cluster.is_some() { "all" } else { "local" };
        format!("{}.{table}_{place}", self.database)
    }

    /// The statement that makes the table over all shards' `local` tables, named `name`.
    pub fn distributed(&self, (name, local): (&str, &str), key: &str) -> Option<String> {
        let cluster = &self.cluster.as_ref()?.name;
        let database = &self.database;
        Some(format!(
            "CREATE OR REPLACE TABLE {database}.{name} AS {database}.{local} \
             ENGINE = Distributed('{cluster}', '{database}', '{local}', {key})"
        ))
    }
}

/// Tables with one `x_all` each, and the key by which its rows are spread. Of those with the key 0 a row may be
/// on any shard: what reads them adds up.
pub(crate) const DISTRIBUTED: [(&str, &str); 7] = [
    ("events", PLACE_KEY_SQL),
    ("ledger", "0"),
    ("dead_letter", r"xxHash64(concat(app_id, '\0', toString(id)))"),
    ("identity_links", "0"),
    ("learnt", "0"),
    ("removed", "0"),
    ("removal_steps", "0"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_template_renders_both_families() {
        let one = Layout { database: "d".into(), cluster: None };
        let cluster = ClusterConfig { name: "c".into(), ..ClusterConfig::default() };
        let many = Layout { cluster: Some(cluster), ..one.clone() };
        let check = |family: &str, replicated: &str| {
            assert_eq!(one.engine(family, "t_local"), family);
            assert_eq!(many.engine(family, "t_local"), replicated);
        };
        let at = "'/clickhouse/tables/{shard}/d/t_local', '{replica}'";
        check("MergeTree", &format!("ReplicatedMergeTree({at})"));
        check("ReplacingMergeTree(version)", &format!("ReplicatedReplacingMergeTree({at}, version)"));
        assert_eq!(
            (one.table("events"), many.table("events")),
            ("d.events_local".into(), "d.events_all".into())
        );
        assert!(many.settings().contains("replicated_deduplication_window = 10000"));
        assert_eq!(one.distributed(("x_all", "x_local"), "0"), None);
    }
}
