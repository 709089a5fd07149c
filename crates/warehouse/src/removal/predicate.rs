use super::{LogEnd, Removal, RemovedRows};
use crate::lookup::Lookup;

/// Where an event names its person.
const ID_COLUMNS: [&str; 4] = ["user_id", "device_id", "actor_id", "linked_id"];

/// A condition that holds for a removal's rows, now and later, with its values.
pub(crate) struct Predicate {
    pub sql: String,
    values: Vec<(&'static str, Vec<String>)>,
}

impl Predicate {
    pub fn of(removal: &Removal) -> Self {
        let (whose, values) = match &removal.rows {
            RemovedRows::Day { day, apps } => (
                format!("report_date = '{day}' AND has({{apps:Array(String)}}, toString(app_id))"),
                vec![("apps", apps.iter().map(|app| app.to_string()).collect())],
            ),
            RemovedRows::Person { app, ids } => {
                (format!("app_id = '{app}' AND {}", one_of(&ID_COLUMNS)), vec![("ids", ids.clone())])
            }
        };
        Self { sql: format!("{whose}{}", before(&removal.ends)), values }
    }

    /// The same by the hashes of a person's ids.
    pub fn hashed(self, hashes: Vec<String>) -> Self {
        let sql = self.sql.replace(&one_of(&ID_COLUMNS), &one_hashed_of(&ID_COLUMNS));
        Self { sql, values: vec![("ids", hashes)] }
    }

    pub fn bind(&self, lookup: Lookup) -> Lookup {
        self.values
            .iter()
            .fold(lookup, |lookup, (name, values)| lookup.texts(name, values.iter().map(String::as_str)))
    }
}

/// One of these columns holds one of `ids`.
pub(crate) fn one_of(columns: &[&str]) -> String {
    any_of(columns, |column| format!("has({{ids:Array(String)}}, {column})"))
}

/// One of these columns holds an id whose hash is one of `ids`.
pub(crate) fn one_hashed_of(columns: &[&str]) -> String {
    any_of(columns, |column| format!("has({{ids:Array(String)}}, hex(sipHash128({column})))"))
}

fn any_of(columns: &[&str], each: impl Fn(&str) -> String) -> String {
    let each: Vec<String> = columns.iter().map(|column| each(column)).collect();
    format!("({})", each.join(" OR "))
}

/// What the log had given by then.
pub(crate) fn before(ends: &[LogEnd]) -> String {
    if ends.is_empty() {
        return String::new();
    }
    let beyond = |LogEnd { epoch, partition, offset }: &LogEnd| {
        format!("(log_epoch = {epoch} AND log_partition = {partition} AND log_offset >= {offset})")
    };
    let beyond: Vec<String> = ends.iter().map(beyond).collect();
    format!(" AND NOT ({})", beyond.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_later_is_not_meant() {
        assert_eq!(before(&[]), "");
        let ends =
            [LogEnd { epoch: 7, partition: 0, offset: 5 }, LogEnd { epoch: 8, partition: 1, offset: 0 }];
        assert_eq!(
            before(&ends),
            " AND NOT ((log_epoch = 7 AND log_partition = 0 AND log_offset >= 5) OR \
             (log_epoch = 8 AND log_partition = 1 AND log_offset >= 0))"
        );
    }
}
