//! The statements that make the tables, without what a server of 2018 does not know.
//!
//! Left out: codecs, skip indices, constraints, settings, milliseconds, `Bool`; of the families of engines those
//! that melt rows need a type that it lacks, so that those tables keep their rows. What stays is what is tested:
//! names, types, keys, partitions, `Replicated…` with its path and macros, and `ON CLUSTER`.

/// The tables that the test writes to.
const TABLES: [&str; 2] = ["events_local", "ledger_local"];

/// The statement as the old server takes it; none if it is about something else, or about nothing that is left.
pub fn reduced(sql: &str) -> Option<String> {
    if sql.starts_with("CREATE DATABASE") {
        return Some(sql.to_owned());
    }
    if !TABLES.iter().any(|table| sql.contains(&format!("suanpan.{table} "))) || sql.contains("ADD INDEX") {
        return None;
    }
    let sql = sql.split(", ADD CONSTRAINT").next().unwrap_or(sql);
    let sql = sql.split("\nSETTINGS").next().unwrap_or(sql);
    let sql: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("INDEX ")).collect();
    let mut sql = sql.join("\n").replace(",\n) ENGINE", "\n) ENGINE");
    sql = without_calls(&sql, " CODEC(", |_| String::new());
    sql =
        without_calls(&sql, "SimpleAggregateFunction(", |inner| inner.split_once(", ").unwrap().1.to_owned());
    sql = sql.replace("DateTime64(3, 'UTC')", "DateTime('UTC')").replace(" Bool", " UInt8");
    sql = sql.replace("ReplicatedAggregatingMergeTree", "ReplicatedMergeTree");
    Some(sql.replace("ADD COLUMN IF NOT EXISTS", "ADD COLUMN"))
}

/// Replaces each `name(…)`, with all that is in its parentheses.
fn without_calls(sql: &str, name: &str, replace: impl Fn(&str) -> String) -> String {
    let mut rest = sql;
    let mut text = String::new();
    while let Some(at) = rest.find(name) {
        let inner = &rest[at + name.len()..];
        let mut depth = 1;
        let end = inner.find(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let end = end.expect("parentheses close");
        text.push_str(&rest[..at]);
        text.push_str(&replace(&inner[..end]));
        rest = &inner[end + 1..];
    }
    text + rest
}
