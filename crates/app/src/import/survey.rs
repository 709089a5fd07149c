use std::collections::HashSet;

use anyhow::{Context as _, Result, bail};
use suanpan_event::properties::Properties;

use super::columns::Columns;
use super::draft::inner_value;
use super::records::{Content, Records};
use super::{Format, ImportOptions, file};

/// Lines of NDJSON whose keys count as the file's columns.
const LINES_MIN: u64 = 1000;
/// Column names that are listed.
const NAMES_MAX: usize = 10_000;

/// The columns of a file: a CSV header, or the keys in the first lines of NDJSON. For NDJSON it
/// reads on until every column that the options name was met, or to the end.
///
/// # Errors
/// The file can't be read, is empty, or is clearly something else than its format.
pub fn columns_of(options: &ImportOptions, format: Format, columns: &Columns) -> Result<Vec<String>> {
    let shown = options.file.display();
    let source = file::open(&options.file)?;
    let mut records = Records::new(source.reader, format).with_context(|| format!("can't read {shown}"))?;
    let names = match format {
        Format::Csv => header(&mut records)?,
        Format::Ndjson => keys(&mut records, options, columns)?,
    };
    names.with_context(|| format!("{shown} is empty"))
}

/// Reads the names in a CSV header; none if there is nothing.
///
/// # Errors
/// The header can't be read, or names a column twice.
pub fn header(records: &mut Records) -> Result<Option<Vec<String>>> {
    let Some(found) = records.next()? else { return Ok(None) };
    let cells = match found.content {
        Ok(Content::Cells(cells)) => cells,
        Ok(Content::Json(_)) => bail!("NDJSON has no header"),
        Err(bad) => bail!("can't read the header in line {}: {}", found.line, bad.message),
    };
    let names: Vec<String> = cells.iter().map(|name| name.trim().to_owned()).collect();
    let mut once = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !name.is_empty() && !once.insert(name.as_str())) {
        bail!("the header names the column '{twice}' twice; rename one");
    }
    Ok(Some(names))
}

fn keys(records: &mut Records, options: &ImportOptions, columns: &Columns) -> Result<Option<Vec<String>>> {
    let mut names: Vec<String> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let asked = || options.map.iter().map(|mapping| &mapping.column).chain(&options.text_columns);
    let mut lines = 0;
    while let Some(found) = records.next()? {
        let Ok(Content::Json(json)) = found.content else { continue };
        if lines == 0 && json.trim_start().starts_with('[') {
            bail!(
                "the file is a JSON array, not one event a line; convert it: jq -c '.[]' FILE > NEW.ndjson"
            );
        }
        lines += 1;
        let Ok(object) = Properties::parse(json.trim()) else { continue };
        let mut add = |name: &str| {
            if !known.contains(name) && (names.len() < NAMES_MAX || asked().any(|asked| asked == name)) {
                known.insert(name.to_owned());
                names.push(name.to_owned());
            }
        };
        object.iter().for_each(|(name, _)| add(name));
        for dotted in columns.dotted() {
            if inner_value(&object, &dotted.outer, &dotted.inner).is_some() {
                add(&dotted.column);
            }
        }
        if lines >= LINES_MIN && asked().all(|name| known.contains(name)) {
            break;
        }
    }
    Ok((lines > 0).then_some(names))
}
