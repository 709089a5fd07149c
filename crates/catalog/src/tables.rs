//! The catalog's tables, as numbered steps. They are written for SQLite, and a few words of each are put
//! otherwise for PostgreSQL, so that there is one text of every step.

use std::time::Duration;

use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::database::Kind;

/// How long all steps may take.
pub(crate) const STEPS_MAX: Duration = Duration::from_secs(120);

/// What PostgreSQL calls the same, in the order of replacing. Texts compare byte by byte in SQLite, and so
/// they shall in every database. A key's bytes for apps of before the tracking plan: no PostgreSQL has any.
const IN_POSTGRES: [(&str, &str); 7] = [
    ("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    ("INTEGER", "BIGINT"),
    ("TEXT", r#"TEXT COLLATE "C""#),
    ("BLOB", "BYTEA"),
    (") WITHOUT ROWID", ")"),
    ("DEFAULT x''", "DEFAULT ''"),
    ("randomblob(32)", "sha256(convert_to(gen_random_uuid()::text, 'UTF8'))"),
];

/// The steps to the newest tables.
pub(crate) fn steps(kind: Kind) -> Migrator {
    let mut steps = sqlx::migrate!("./migrations");
    // They run in a transaction that has the lock of all changes.
    steps.locking = false;
    if kind == Kind::Postgres {
        steps.migrations = steps.migrations.iter().map(in_postgres).collect();
    }
    steps
}

fn in_postgres(step: &Migration) -> Migration {
    let said =
        IN_POSTGRES.iter().fold(step.sql.as_str().to_owned(), |sql, (here, there)| sql.replace(here, there));
    let sql = AssertSqlSafe(said).into_sql_str();
    Migration::new(step.version, step.description.clone(), step.migration_type, sql, step.no_tx)
}
