//! The asking user on a configured server, and the proof, on any server, that it is walled in.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access::ask_profile;
use crate::ask::AskLimits;
use crate::client::{Client, Credentials, Statement, quoted};
use crate::engine::Secret;
use crate::error::{Result, WarehouseError};

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

/// Makes the asking user by SQL, as `users.xml` does for an engine of our own.
pub(crate) async fn make_asker(
    writer: &Client,
    asker: &Client,
    database: &str,
    limits_max: &AskLimits,
) -> Result<()> {
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
    let statements = [
        format!("CREATE USER IF NOT EXISTS {user} IDENTIFIED WITH sha256_password BY {password}"),
        format!(
            "ALTER USER {user} IDENTIFIED WITH sha256_password BY {password} SETTINGS {}",
            settings.join(", ")
        ),
        format!("GRANT SELECT ON {database}.events TO {user}"),
    ];
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

/// Proves that the asking user is read-only and reads the filtered view alone. Returns whether
/// questions may lower their limits.
pub(crate) async fn prove_walls(asker: &Client, database: &str) -> Result<bool> {
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
const OWN_TABLES: [&str; 7] = [
    "events_local",
    "ledger",
    "ledger_local",
    "dead_letter_local",
    "identity_links_local",
    "learnt_local",
    "schema_versions",
];

/// Asks as no app: `-` starts no app's id.
async fn ask_text(asker: &Client, sql: &str, mut options: Vec<(&str, String)>) -> Result<String> {
    options.push(("query_id", format!("-|{}", Uuid::new_v4())));
    asker.text(Statement { sql, options, data: None }).await
}
