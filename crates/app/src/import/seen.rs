use std::collections::BTreeMap;
use std::fmt;

use super::field::Field;

/// Columns that are remembered; NDJSON may have any number.
const COLUMNS_MAX: usize = 1000;

/// The columns of a file, what they become, and which types were met.
#[derive(Debug, Default)]
pub struct Seen {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    place: Option<Field>,
    kinds: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// Notes a value.
    pub fn note(&mut self, name: &str, place: Option<&Field>, kind: &'static str) {
        let known = self.columns.iter().position(|c| c.name == name && c.place.as_ref() == place);
        let at = match known {
            Some(at) => at,
            None if self.columns.len() == COLUMNS_MAX => return,
            None => {
                let column = Column { name: name.to_owned(), place: place.cloned(), kinds: BTreeMap::new() };
                self.columns.push(column);
                self.columns.len() - 1
            }
        };
        *self.columns[at].kinds.entry(kind).or_default() += 1;
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self
            .columns
            .iter()
            .map(|c| c.place.as_ref().map_or_else(|| "left out".to_owned(), ToString::to_string))
            .collect();
        let wide =
            |texts: &mut dyn Iterator<Item = &str>| texts.map(unicode_width::UnicodeWidthStr::width).max();
        let names = wide(&mut self.columns.iter().map(|c| c.name.as_str())).unwrap_or(0);
        let fields = wide(&mut places.iter().map(String::as_str)).unwrap_or(0);
        for (column, place) in self.columns.iter().zip(&places) {
            let kinds = column.kinds.iter().filter(|(kind, _)| **kind != "left out");
            let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{kind} {count}")).collect();
            let name_gap = names - unicode_width::UnicodeWidthStr::width(column.name.as_str());
            let place_gap = fields - unicode_width::UnicodeWidthStr::width(place.as_str());
            let (name, kinds) = (&column.name, kinds.join(", "));
            let line = format!("  {name}{:name_gap$}  → {place}{:place_gap$}  {kinds}", "", "");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
