//! The dead letter: what the gateway refused, kept for a while to be looked at and tried again.
//!
//! One row stands for a record and a day of receipt, however often it was sent that day. What a
//! replay makes of it is noted on the row itself, which is written again with a higher version.

mod filter;
mod keep;
mod replay;
mod search;

use crate::warehouse::Warehouse;
pub use filter::{DeadLetterFilter, DeadLetterPlace};
pub use keep::KeptDeadLetter;
pub use replay::{ReplayNote, ReplaySelection, ReplayTotal};

pub use search::{DeadLetterBy, DeadLetterCount, StoredDead};

/// Dead events that one call reads or notes at most.
pub const DEAD_LETTER_PAGE_MAX: usize = 1_000;

/// The table as it is to be read: the newest version of each row. A day's rows are versions of that
/// day's rows only, so that days need not be merged with each other; and all rows of one dead event are on one
/// shard, so that each shard does this by itself.
fn newest(warehouse: &Warehouse) -> String {
    format!("{} FINAL", warehouse.table("dead_letter"))
}

const EACH_DAY_BY_ITSELF: &str = "SETTINGS do_not_merge_across_partitions_select_final = 1";
