//! The settings of the warehouse: one ClickHouse, or a cluster.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use suanpan_warehouse::{ClusterConfig, OnCluster, Secret};

use super::Config;
use super::setting::{Kind, Setting, flag, number, optional, shown, whole_number};
use super::settings::{FLAGS, MIB, TIB};

/// The cluster, begun by whichever of its settings comes first.
fn cluster(config: &mut Config) -> &mut ClusterConfig {
    config.warehouse.cluster.get_or_insert_default()
}

/// The cluster, or what one would be by default.
fn shape(config: &Config) -> ClusterConfig {
    config.warehouse.cluster.clone().unwrap_or_default()
}

/// ClickHouse.
pub(super) const WAREHOUSE: &[Setting] = &[
    Setting {
        key: "warehouse.url",
        doc: "A ClickHouse of your own, such as `http://clickhouse:8123`; empty uses an engine of Suanpan's own.",
        unit: "URL",
        kind: Kind::Text,
        get: |config| config.warehouse.clickhouse_url.clone().unwrap_or_default(),
        set: |config, text| {
            config.warehouse.clickhouse_url = optional(text);
            Ok(())
        },
    },
    Setting {
        key: "warehouse.shards",
        doc: "The nodes of a ClickHouse cluster: `,` between the replicas of a shard, `;` between shards, such as \
              `http://a:8123,http://b:8123;http://c:8123,http://d:8123`. Instead of `warehouse.url`.",
        unit: "URLs",
        kind: Kind::Text,
        get: |config| shape(config).shards.into(),
        set: |config, text| {
            if text.is_empty() {
                config.warehouse.cluster = None;
                return Ok(());
            }
            let shards = text.parse().map_err(anyhow::Error::msg)?;
            cluster(config).shards = shards;
            Ok(())
        },
    },
    Setting {
        key: "warehouse.cluster",
        doc: "The cluster's name in the servers' `remote_servers`.",
        unit: "name",
        kind: Kind::Text,
        get: |config| shape(config).name,
        set: |config, text| {
            cluster(config).name = text.to_owned();
            Ok(())
        },
    },
    Setting {
        key: "warehouse.replicated",
        doc: "Whether a shard's nodes are replicas by ZooKeeper or Keeper.",
        unit: "",
        kind: Kind::Choice(FLAGS),
        get: |config| shape(config).replicated.to_string(),
        set: |config, text| {
            cluster(config).replicated = flag(text)?;
            Ok(())
        },
    },
    Setting {
        key: "warehouse.keeper_path",
        doc: "Where a replicated table's replicas meet; the servers replace their macros, such as `{shard}`.",
        unit: "path",
        kind: Kind::Text,
        get: |config| shape(config).keeper_path,
        set: |config, text| {
            cluster(config).keeper_path = text.to_owned();
            Ok(())
        },
    },
    Setting {
        key: "warehouse.replica_name",
        doc: "What a replica calls itself there.",
        unit: "text",
        kind: Kind::Text,
        get: |config| shape(config).replica_name,
        set: |config, text| {
            cluster(config).replica_name = text.to_owned();
            Ok(())
        },
    },
    Setting {
        key: "warehouse.on_cluster",
        doc: "Whether tables are made by one statement for the whole cluster, or node by node; `auto` asks the servers.",
        unit: "",
        kind: Kind::Choice(&["auto", "yes", "no"]),
        get: |config| {
            let name = match shape(config).on_cluster {
                OnCluster::Auto => "auto",
                OnCluster::Yes => "yes",
                OnCluster::No => "no",
            };
            name.to_owned()
        },
        set: |config, text| {
            cluster(config).on_cluster = text.parse().map_err(anyhow::Error::msg)?;
            Ok(())
        },
    },
    Setting {
        key: "warehouse.insert_quorum",
        doc: "Replicas of a shard that an insert must reach before it counts as stored; 0 and 1: one.",
        unit: "replicas",
        kind: Kind::Number { min: 0, max: 16 },
        get: |config| shape(config).insert_quorum.to_string(),
        set: |config, text| {
            let replicas = whole_number(text, 0, 16)?;
            cluster(config).insert_quorum = u32::try_from(replicas)?;
            Ok(())
        },
    },
    Setting {
        key: "warehouse.user",
        doc: "User of that ClickHouse who may create the database.",
        unit: "",
        kind: Kind::Text,
        get: |config| config.warehouse.user.clone().unwrap_or_default(),
        set: |config, text| {
            config.warehouse.user = optional(text);
            Ok(())
        },
    },
    Setting {
        key: "warehouse.password",
        doc: "That user's password.",
        unit: "",
        kind: Kind::Secret,
        get: |_| String::new(),
        set: |config, text| {
            config.warehouse.password = optional(text).map(Secret::new);
            Ok(())
        },
    },
    Setting {
        key: "warehouse.ask_user",
        doc: "User of that ClickHouse who asks, read-only and with the row filter; empty makes one.",
        unit: "",
        kind: Kind::Text,
        get: |config| config.warehouse.ask_user.clone().unwrap_or_default(),
        set: |config, text| {
            config.warehouse.ask_user = optional(text);
            Ok(())
        },
    },
    Setting {
        key: "warehouse.ask_password",
        doc: "That user's password.",
        unit: "",
        kind: Kind::Secret,
        get: |_| String::new(),
        set: |config, text| {
            config.warehouse.ask_password = optional(text).map(Secret::new);
            Ok(())
        },
    },
    Setting {
        key: "warehouse.database",
        doc: "Database of all tables.",
        unit: "name",
        kind: Kind::Text,
        get: |config| config.warehouse.database.clone(),
        set: |config, text| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            ensure!(
                !text.is_empty() && text.chars().all(plain),
                "a database is named by letters, digits and _"
            );
            config.warehouse.database = text.to_owned();
            Ok(())
        },
    },
    Setting {
        key: "warehouse.library",
        doc: "The embedded engine's `libchdb.so`; empty looks where `make engine` puts it.",
        unit: "path",
        kind: Kind::Text,
        get: |config| shown(config.warehouse.library.as_ref()),
        set: |config, text| {
            config.warehouse.library = optional(text).map(PathBuf::from);
            Ok(())
        },
    },
    Setting {
        key: "warehouse.use_path_binary",
        doc: "Whether a `clickhouse` binary on PATH is preferred over the library.",
        unit: "",
        kind: Kind::Choice(FLAGS),
        get: |config| config.warehouse.use_path_binary.to_string(),
        set: |config, text| {
            config.warehouse.use_path_binary = flag(text)?;
            Ok(())
        },
    },
    number!(
        "warehouse.memory_bytes_max",
        warehouse.memory_bytes_max,
        "bytes",
        512 * MIB,
        4 * TIB,
        "Memory of an engine of Suanpan's own."
    ),
];
