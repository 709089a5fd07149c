use tracing::info;

use super::events::{events_local, ledger_local, views};
use super::side_tables::{dead_letter_local, identity_links_local, learnt_local, origin_columns};
use crate::client::{Client, Statement, quoted};
use crate::error::{Result, WarehouseError};

/// A step from one schema version to the next. Every statement can be run again.
struct Migration {
    version: u32,
    name: &'static str,
    statements: fn(database: &str) -> Vec<String>,
}

/// All steps in order; the last is the version this Suanpan knows.
const MIGRATIONS: [Migration; 5] = [
    Migration {
        version: 1,
        name: "events and ledger",
        statements: |database| {
            vec![events_local(database, "MergeTree"), ledger_local(database, "AggregatingMergeTree")]
        },
    },
    Migration {
        version: 2,
        name: "where events come from",
        statements: |database| vec![origin_columns(database)],
    },
    Migration {
        version: 3,
        name: "dead letter",
        statements: |database| vec![dead_letter_local(database, "ReplacingMergeTree(version)")],
    },
    Migration {
        version: 4,
        name: "identity links",
        statements: |database| vec![identity_links_local(database, "AggregatingMergeTree")],
    },
    Migration {
        version: 5,
        name: "learnt names",
        statements: |database| vec![learnt_local(database, "AggregatingMergeTree")],
    },
];

const KNOWN: u32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Brings the database to the newest version. Safe to run by several processes at once, and after
/// a crash at any point.
pub(crate) async fn migrate(client: &Client, database: &str) -> Result<()> {
    create_database(client, database).await?;
    client
        .run(&format!(
            "CREATE TABLE IF NOT EXISTS {database}.schema_versions \
             (version UInt32, name String, applied_time DateTime('UTC') DEFAULT now()) \
             ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
        ))
        .await?;
    let found = current_version(client, database).await?;
    if found > KNOWN {
        return Err(WarehouseError::SchemaTooNew { database: database.to_owned(), found, known: KNOWN });
    }
    for step in MIGRATIONS.iter().filter(|step| step.version > found) {
        for statement in (step.statements)(database) {
            client.run(&statement).await?;
        }
        let (version, name) = (step.version, quoted(step.name));
        client
            .run(&format!(
                "INSERT INTO {database}.schema_versions (version, name) SETTINGS async_insert = 0 \
                 VALUES ({version}, {name})"
            ))
            .await?;
        info!(database, version, step = step.name, "schema migrated");
    }
    // Anew each time: they follow the columns, and the owner's name, which may have changed.
    for statement in views(database) {
        client.run(&statement).await?;
    }
    Ok(())
}

async fn create_database(client: &Client, database: &str) -> Result<()> {
    client.run(&format!("CREATE DATABASE IF NOT EXISTS {database}")).await.map_err(|error| match error {
        // ACCESS_DENIED
        WarehouseError::Query { code: 497, message } => WarehouseError::AccessRefused {
            message: format!(
                "ClickHouse user {} may not create the database {database}: grant it ALL ON {database}.* \
                 ({message})",
                client.user()
            ),
        },
        other => other,
    })
}

async fn current_version(client: &Client, database: &str) -> Result<u32> {
    let sql = format!("SELECT max(version) FROM {database}.schema_versions");
    let text = client.text(Statement { sql: &sql, ..Statement::default() }).await?;
    text.trim().parse().map_err(WarehouseError::decode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestEngine;

    /// Takes a database back to the first version, with a row of that time in it.
    async fn as_of_version_1(client: &Client, database: &str) {
        let created = format!("SHOW CREATE TABLE {database}.events_local FORMAT TSVRaw");
        let columns = client.text(Statement { sql: &created, ..Statement::default() }).await.unwrap();
        assert!(columns.contains("is_bot"));
        let drop_table = |table: &str| format!("DROP TABLE {database}.{table} SYNC");
        let mut statements: Vec<String> =
            ["events_local", "dead_letter_local", "identity_links_local", "learnt_local", "schema_versions"]
                .map(drop_table)
                .into();
        statements.push(events_local(database, "MergeTree"));
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
        as_of_version_1(warehouse.writer(), warehouse.database()).await;
        warehouse.migrate().await.unwrap();
        let sql = format!(
            "SELECT event, country, is_bot, (SELECT max(version) FROM {0}.schema_versions) FROM {0}.events_local",
            warehouse.database()
        );
        let found = warehouse.writer().text(Statement { sql: &sql, ..Statement::default() }).await.unwrap();
        assert_eq!(found, format!("view\t\tfalse\t{KNOWN}\n"));
        engine.stop().await;
    }
}
