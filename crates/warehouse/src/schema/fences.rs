//! Who may write what comes from a partition of the log.
//!
//! `owners` says it: the number that the last claim of the partition chose. An INSERT of rows with another
//! number is refused whole, so that a worker which lost its partition while it slept can't add anything,
//! however long after. A partition that nobody claimed has no row, reads as 0, and so does a row that names no
//! writer: then there is no fence.
//!
//! The engine is `Join`, because a constraint may look into it (`joinGet`), and because the last row of a key
//! wins at once; 200,000 rows are compared in 10 ms. It keeps a small file for each claim; how many there were is counted under the key (0, 0),
//! which no log has, and beyond [`CLAIMS_MAX`] the table is emptied. That fences every worker off, and each
//! claims again; nobody's number can come back by it.
//!
//! Its files are not synced: `engine::torn` mends one that a power failure cut short, by emptying the table.

use super::layout::Layout;

/// Claims that are kept before the table is emptied. A file each, of about 200 bytes.
const CLAIMS_MAX: u32 = 10_000;

fn owners_table(database: &str, name: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {database}.{name} \
         (log_epoch UInt64, log_partition UInt32, writer UInt64, claims UInt32) \
         ENGINE = Join(ANY, LEFT, log_epoch, log_partition) SETTINGS join_any_take_last_row = 1"
    )
}

/// The statements that make `owners` and bind the tables to it. A link gets the place of the record that it
/// came from. A note on a dead event is no worker's: it names no writer, and passes.
pub(super) fn fences(Layout { database, .. }: &Layout) -> Vec<String> {
    let place = "ADD COLUMN IF NOT EXISTS log_epoch SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)), \
                 ADD COLUMN IF NOT EXISTS log_partition SimpleAggregateFunction(max, UInt32) CODEC(ZSTD(1)), ";
    let owner = format!("joinGet('{database}.owners', 'writer', log_epoch, log_partition) = writer");
    let fence = |table: &str, columns: &str, writer: &str, check: &str| {
        format!(
            "ALTER TABLE {database}.{table} {columns}ADD COLUMN IF NOT EXISTS writer {writer} CODEC(ZSTD(1)), \
             ADD CONSTRAINT IF NOT EXISTS {FENCE} CHECK {check}"
        )
    };
    let melts = "SimpleAggregateFunction(max, UInt64)";
    vec![
        owners_table(database, "owners"),
        fence("events_local", "", "UInt64", &owner),
        fence("ledger_local", "", melts, &owner),
        fence("learnt_local", "", melts, &owner),
        fence("identity_links_local", place, melts, &owner),
        fence("dead_letter_local", "", "UInt64", &format!("writer = 0 OR {owner}")),
    ]
}

/// The tables whose rows come from the log.
pub(crate) const FENCED: [&str; 5] =
    ["events_local", "ledger_local", "learnt_local", "identity_links_local", "dead_letter_local"];

/// The constraint's name, by which a refusal is told from one for a row's data.
pub(crate) const FENCE: &str = "fenced";

/// How many claims the table has seen since it was emptied.
pub(crate) fn claims_seen(database: &str) -> String {
    format!("SELECT joinGet('{database}.owners', 'claims', toUInt64(0), toUInt32(0))")
}

/// The statements that empty the table, all at once, if it has seen too many claims. The empty one has a name
/// that nobody else chooses: two processes that exchanged with one and the same would bring the old numbers back.
pub(super) fn emptied(database: &str, claims: u32) -> Vec<String> {
    if claims <= CLAIMS_MAX {
        return Vec::new();
    }
    let empty = format!("owners_{:016x}", rand::random::<u64>());
    vec![
        owners_table(database, &empty),
        format!("EXCHANGE TABLES {database}.owners AND {database}.{empty}"),
        format!("DROP TABLE {database}.{empty} SYNC"),
    ]
}
