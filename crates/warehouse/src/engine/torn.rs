//! Mends what a power failure may leave of `owners`: a file of it that was cut short.
//!
//! A `Join` table writes its files without waiting for the disk, and an engine that can't load a table does not
//! start. Emptying the table is always safe: it fences every worker off, and each claims again.

use std::fs;
use std::path::Path;

use uuid::Uuid;

/// If the engine ended because it can't load `owners`, removes the table's rows and says so.
pub(super) fn owners_are_emptied(folder: &Path, last_words: &str) -> bool {
    let Some(table) = torn_owners(last_words) else { return false };
    let store = table.to_string();
    let rows = folder.join("data/store").join(&store[..3]).join(&store);
    let Ok(files) = fs::read_dir(&rows) else { return false };
    let files = files.flatten().map(|entry| entry.path());
    let removed = files.filter(|path| path.extension().is_some_and(|end| end == "bin")).map(fs::remove_file);
    let removed: Vec<_> = removed.collect();
    let is_done = !removed.is_empty() && removed.iter().all(Result::is_ok);
    tracing::warn!(folder = %rows.display(), is_done, "the table of claims can't be loaded and is emptied");
    is_done
}

/// The number of the table in "Load job 'load table DATABASE.owners' failed: … UUID 'NUMBER' …".
fn torn_owners(words: &str) -> Option<Uuid> {
    let (_, job) = words.split_once("Load job 'load table ")?;
    let (table, reason) = job.split_once("' failed")?;
    let (_, number) = reason.split_once(" UUID '")?;
    if !table.ends_with(".owners") {
        return None;
    }
    Uuid::parse_str(number.get(..36)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owners_are_recognised() {
        let number = "81aae77e-1308-453c-9e48-c56d77d4de2e";
        let words = |table: &str| {
            format!(
                "Load job 'load table suanpan.{table}' failed: Code: 33. Cannot attach table `suanpan`.`{table}` \
                 from query ATTACH TABLE suanpan.{table} UUID '{number}' (`log_epoch` UInt64)"
            )
        };
        let check = |words: &str, expected: Option<&str>| {
            assert_eq!(torn_owners(words).map(|number| number.to_string()).as_deref(), expected, "{words}");
        };
        check(&words("owners"), Some(number));
        check(&words("events_local"), None);
        check("Address already in use", None);
        check("Load job 'load table suanpan.owners' failed: UUID 'short'", None);
    }
}
