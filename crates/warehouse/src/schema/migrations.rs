use tracing::info;

use super::events::{events_local, ledger_local, views};
use crate::client::{Client, Statement, quoted};
use crate::error::{Result, WarehouseError};

/// A step from one schema version to the next. Every statement can be run again.
struct Migration {
    version: u32,
    name: &'static str,
    statements: fn(database: &str) -> Vec<String>,
}

/// All steps in order; the last is the version this Suanpan knows.
const MIGRATIONS: [Migration; 1] = [Migration {
    version: 1,
    name: "events and ledger",
    statements: |database| {
        vec![events_local(database, "MergeTree"), ledger_local(database, "AggregatingMergeTree")]
    },
}];

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
