//! How a ClickHouse cluster is described: its shards, the replicas of each, and where replicas meet.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Nodes of a cluster, all in all.
const NODES_MAX: usize = 256;

/// A cluster of ClickHouse servers. The servers must know it by the same name in their `remote_servers`, with the
/// shards in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterConfig {
    /// Its name in the servers' `remote_servers`: letters, digits, `_` and `-`.
    pub name: String,
    /// The HTTP addresses of all nodes.
    pub shards: ShardAddresses,
    /// Whether a shard's nodes are replicas by ZooKeeper or Keeper. Without, each shard is one node.
    pub replicated: bool,
    /// Where a replicated table's replicas meet. The servers replace their macros, such as `{shard}`; `{database}`
    /// and `{table}` are replaced here.
    pub keeper_path: String,
    /// What a replica calls itself there.
    pub replica_name: String,
    /// Whether tables are made by `ON CLUSTER`.
    pub on_cluster: OnCluster,
    /// On how many replicas an INSERT must be before it is answered; 0 and 1: on one.
    pub insert_quorum: u32,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            name: "suanpan".into(),
            shards: ShardAddresses::default(),
            replicated: true,
            keeper_path: "/clickhouse/tables/{shard}/{database}/{table}".into(),
            replica_name: "{replica}".into(),
            on_cluster: OnCluster::Auto,
            insert_quorum: 0,
        }
    }
}

impl ClusterConfig {
    /// What is wrong with it, in a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let text = |c: char| c.is_ascii_graphic() && !matches!(c, '\'' | '\\');
        let shards = &self.shards.0;
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return Some(format!(
                "the cluster's name {:?} is not 1 to 64 letters, digits, _ and -",
                self.name
            ));
        }
        if shards.is_empty() {
            return Some("the cluster has no shards".into());
        }
        if !self.replicated && shards.iter().any(|replicas| replicas.len() > 1) {
            return Some(
                "a shard with several nodes must be replicated, or its rows would be on one of them".into(),
            );
        }
        if !self.keeper_path.chars().chain(self.replica_name.chars()).all(text)
            || self.replica_name.is_empty()
        {
            return Some(
                "the Keeper path and the replica's name may hold no spaces, quotes or backslashes".into(),
            );
        }
        if self.replicated && !(self.keeper_path.starts_with('/') && self.keeper_path.contains("{table}")) {
            return Some(format!(
                "the Keeper path {:?} must start with / and hold {{table}}",
                self.keeper_path
            ));
        }
        if shards.len() > 1 && self.replicated && !self.keeper_path.contains("{shard}") {
            return Some(
                "the Keeper path must hold {shard}: else all shards would be replicas of one".into(),
            );
        }
        let fewest = shards.iter().map(Vec::len).min().unwrap_or(0);
        if self.insert_quorum as usize > fewest {
            return Some(format!(
                "insert_quorum is {}, and a shard has {fewest} replicas",
                self.insert_quorum
            ));
        }
        None
    }
}

/// Whether tables are made by one statement for the whole cluster (`ON CLUSTER`, which needs Keeper and the
/// servers' `distributed_ddl`), or by one for each node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCluster {
    /// By one statement if the servers can.
    #[default]
    Auto,
    /// By one statement.
    Yes,
    /// Node by node.
    No,
}

impl FromStr for OnCluster {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            _ => Err(format!("{text:?} is not auto, yes or no")),
        }
    }
}

/// The HTTP addresses of a cluster's nodes, shard by shard. As text: `,` between the replicas of a shard, `;`
/// between shards, such as `http://a:8123,http://b:8123;http://c:8123,http://d:8123`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShardAddresses(pub(crate) Vec<Vec<String>>);

impl ShardAddresses {
    /// These addresses, shard by shard.
    ///
    /// # Errors
    /// A sentence: a shard without a node, one node named twice, more than 256 nodes.
    pub fn new(shards: Vec<Vec<String>>) -> Result<Self, String> {
        let nodes: Vec<&String> = shards.iter().flatten().collect();
        let mut distinct = nodes.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if shards.iter().any(Vec::is_empty) || nodes.iter().any(|node| node.is_empty()) {
            return Err("a shard has no node: write `,` between replicas, `;` between shards".into());
        }
        if distinct.len() < nodes.len() {
            return Err("a node is named twice".into());
        }
        if nodes.len() > NODES_MAX {
            return Err(format!("{} nodes are more than {NODES_MAX}", nodes.len()));
        }
        Ok(Self(shards))
    }

    /// How many shards there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ShardAddresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let replicas = |shard: &str| shard.split(',').map(|node| node.trim().to_owned()).collect();
        Self::new(text.split(';').map(replicas).collect())
    }
}

impl TryFrom<String> for ShardAddresses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ShardAddresses> for String {
    fn from(shards: ShardAddresses) -> Self {
        let shards: Vec<String> = shards.0.iter().map(|replicas| replicas.join(",")).collect();
        shards.join(";")
    }
}

/// Addresses may carry a password: only their number prints.
impl fmt::Debug for ShardAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replicas: Vec<usize> = self.0.iter().map(Vec::len).collect();
        write!(f, "ShardAddresses({} shards with {replicas:?} nodes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_shard_by_shard() {
        let check = |text: &str, expected: Option<&[&[&str]]>| {
            let read: Option<ShardAddresses> = text.parse().ok();
            let read: Option<Vec<Vec<&str>>> = read
                .as_ref()
                .map(|shards| shards.0.iter().map(|r| r.iter().map(String::as_str).collect()).collect());
            let expected: Option<Vec<Vec<&str>>> =
                expected.map(|shards| shards.iter().map(|r| r.to_vec()).collect());
            assert_eq!(read, expected, "{text}");
        };
        check("http://a,http://b; http://c", Some(&[&["http://a", "http://b"], &["http://c"]]));
        check("", Some(&[]));
        check("http://a;", None);
        check("http://a,,http://b", None);
        check("http://a;http://a", None);
        let read: ShardAddresses = "http://u:p@a;http://b".parse().unwrap();
        assert!(!format!("{read:?}").contains("u:p"));
        assert_eq!(String::from(read), "http://u:p@a;http://b");
    }

    #[test]
    fn what_can_not_be_is_said() {
        let check = |change: fn(&mut ClusterConfig), word: &str| {
            let shards = "http://a,http://b;http://c,http://d".parse().unwrap();
            let mut config = ClusterConfig { shards, ..ClusterConfig::default() };
            change(&mut config);
            let problem = config.problem().unwrap_or_default();
            assert!(
                if word.is_empty() { problem.is_empty() } else { problem.contains(word) },
                "{word}: {problem}"
            );
        };
        check(|_| {}, "");
        check(|c| c.name = "a b".into(), "name");
        check(|c| c.shards = ShardAddresses::default(), "no shards");
        check(|c| c.replicated = false, "several nodes");
        check(|c| c.keeper_path = "/t/{table}".into(), "{shard}");
        check(|c| c.keeper_path = "/t/{shard}".into(), "{table}");
        check(|c| c.replica_name = "'".into(), "quotes");
        check(|c| c.insert_quorum = 3, "insert_quorum");
    }
}
