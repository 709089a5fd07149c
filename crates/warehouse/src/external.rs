//! The asking user on a configured server, and the proof, on any server, that it is walled in.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access::{SHARD_VIEW, ask_profile};
use crate::ask::AskLimits;
use crate::client::{Client, Credentials, Statement, quoted};
use crate::engine::Secret;
use crate::error::{Result, WarehouseError};
use crate::nodes::in_time;
use crate::schema::Layout;

/// The asking user of a database. Its password follows from the owner's, so that all processes
/// of an installation know it without telling each other.
pub(crate) fn derived_asker(writer: &Client, database: &str) -> Credentials {
    let digest = Sha256::new()
        .chain_update(b"suanpan asking user\0")
        .chain_update(database)
        .chain_update(b"\0")
        .chain_update(writer.password().expose())
        .finalize();
    let password: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Credentials { user: format!("{database}_ask"), password: Secret::new(password) }
}

/// Makes the asking user on a node by SQL, as `users.xml` does for an engine of our own.
pub(crate) async fn make_asker(
    writer: &Client,
    asker: &Client,
    layout: &Layout,
    limits_max: &AskLimits,
) -> Result<()> {
    let database = &layout.database;
    let user = asker.user();
    let password = quoted(asker.password().expose());
    let settings: Vec<String> = ask_profile(limits_max)
        .into_iter()
        .map(|setting| match setting.min {
            Some(min) => {
                let (name, max) = (setting.name, setting.value);
                format!("{name} = {max} MIN {min} MAX {max} CHANGEABLE_IN_READONLY")
            }
            None => format!("{} = {} CONST", setting.name, setting.value),
        })
        .collect();
    let mut statements = vec![
        format!("CREATE USER IF NOT EXISTS {user} IDENTIFIED WITH sha256_password BY {password}"),
        format!(
            "ALTER USER {user} IDENTIFIED WITH sha256_password BY {password} SETTINGS {}",
            settings.join(", ")
        ),
        format!("GRANT SELECT ON {database}.events TO {user}"),
    ];
    if layout.cluster.is_some() {
        statements.push(format!("GRANT SELECT ON {database}.{SHARD_VIEW} TO {user}"));
    }
    for statement in statements {
        writer.run(&statement).await.map_err(|error| cannot_make(writer, database, error))?;
    }
    Ok(())
}

fn cannot_make(writer: &Client, database: &str, error: WarehouseError) -> WarehouseError {
    match error {
        WarehouseError::Query { message, .. } => WarehouseError::AccessRefused {
            message: format!(
                "ClickHouse user {} may not make the user that asks: grant it ACCESS MANAGEMENT, or make a user \
                 with readonly=1 and SELECT on {database}.events alone, and configure it as the asking user \
                 ({message})",
                writer.user(),
            ),
        },
        other => other,
    }
}

/// Proves on every node that answers that the asking user is read-only and reads what is filtered alone.
/// Returns whether questions may lower their limits.
pub(crate) async fn prove_walls(asker: &Client, database: &str) -> Result<bool> {
    let (mut settable, mut away) = (None, None);
    for node in asker.each_node() {
        match in_time(&node, prove_node(&node, database)).await {
            Ok(is_settable) => settable = Some(settable.unwrap_or(true) && is_settable),
            Err(error @ WarehouseError::Unavailable { .. }) => away = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (settable, away) {
        (None, Some(error)) => Err(error),
        (settable, _) => Ok(settable.unwrap_or(true)),
    }
}

async fn prove_node(asker: &Client, database: &str) -> Result<bool> {
    let user = asker.user();
    let refuse = |why: &str| {
        Err(WarehouseError::AccessRefused { message: format!("the asking ClickHouse user {user} {why}") })
    };
    if ask_text(asker, "SELECT getSetting('readonly')", Vec::new()).await?.trim() != "1" {
        return refuse("is not readonly=1");
    }
    if !ask_text(asker, "SELECT 1 FROM events LIMIT 1", Vec::new()).await?.is_empty() {
        return refuse("reads rows of no app: the view events does not filter by the query id");
    }
    for table in OWN_TABLES {
        if ask_text(asker, &format!("SELECT 1 FROM {table} LIMIT 1"), Vec::new()).await.is_ok() {
            return refuse(&format!(
                "can read {database}.{table}: grant it SELECT on {database}.events alone"
            ));
        }
    }
    let lowered = vec![("max_result_rows", "1".to_owned())];
    match ask_text(asker, "SELECT 1", lowered).await {
        Ok(_one) => Ok(true),
        Err(WarehouseError::Query { .. }) => {
            tracing::warn!(user, "questions can't lower their own limits: those of the user's profile hold");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// What only the owner reads.
const OWN_TABLES: [&str; 13] = [
    "events_local",
    "events_all",
    "ledger",
    "ledger_local",
    "ledger_all",
    "dead_letter_local",
    "dead_letter_all",
    "identity_links_local",
    "learnt_local",
    "removed_local",
    "owners",
    "placements",
    "schema_versions",
];

/// Asks as no app: `-` starts no app's id.
async fn ask_text(asker: &Client, sql: &str, mut options: Vec<(&str, String)>) -> Result<String> {
    options.push(("query_id", format!("-|{}", Uuid::new_v4())));
    asker.text(Statement { sql, options, data: None }).await
}
