//! Step 4, attributes: how one is read from a row.
//!
//! A text is never null: the empty one stands for "not set". So is a list, which is its JSON text,
//! and not set if it has no elements. Everything else is a nullable
//! Float64: numbers, booleans (0, 1), datetimes (milliseconds since 1970).
//!
//! The JSON forms give exactly what [`suanpan_event::coerce`] gives. They start from the value's
//! raw text, so that a document is parsed once per attribute: its first character tells the type,
//! and a number's text is already its shortest decimal form.

use suanpan_event::AttributeType;

use crate::plan::{Read, ReadId, Source};
use crate::sql_params::{Params, escaped};

/// A decimal number as Rust's parser takes it, but for `inf`, `nan` and the like.
const DECIMAL: &str = "^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$";

/// RFC 3339 with an offset, the form that [`suanpan_event::parse_time`] takes, of years in which
/// a storable instant can lie.
const INSTANT: &str = "^(1969|19[7-9][0-9]|20[0-9][0-9]|21[0-4][0-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\
[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-5]):[0-5][0-9])$";

/// The last storable instant in milliseconds, as in [`suanpan_event::parse_time`].
const STORABLE_MAX_MS: &str = "5662310399999";

/// The name under which a read can be used everywhere in a scan and around it.
pub(crate) fn name(id: ReadId, read: &Read) -> String {
    match (read.source, read.kind) {
        (Source::Column(column), AttributeType::String) => column.to_owned(),
        (Source::Slot(slot), _) => slot.to_string(),
        _ => format!("a{}", id.0 + 1),
    }
}

/// What the scan must select so that the name exists: the column itself, or named expressions.
/// The engine computes those that nothing uses for no row.
pub(crate) fn definitions(id: ReadId, read: &Read, params: &mut Params) -> Vec<String> {
    let name = name(id, read);
    let number = id.0 + 1;
    match read.source {
        Source::Column(column) if read.kind == AttributeType::Datetime => {
            vec![format!("toFloat64(toUnixTimestamp64Milli({column})) AS {name}")]
        }
        Source::Column(column) if read.kind != AttributeType::String => {
            vec![format!("toFloat64({column}) AS {name}")]
        }
        Source::Column(_) | Source::Slot(_) => vec![name],
        Source::SlotOrJson { slot, since } => {
            let since = params.named(&format!("since{number}"), "UInt32", || since.to_string());
            let (mut steps, json) = from_json(number, read, params);
            steps.push(format!("if(slot_map >= {since}, {slot}, {json}) AS {name}"));
            steps
        }
        Source::Json => {
            let (mut steps, json) = from_json(number, read, params);
            steps.push(format!("{json} AS {name}"));
            steps
        }
    }
}

/// Named steps, and the value made of them: `r` the value's JSON text (empty if the property is
/// missing), `s` a JSON text's content, `d` the decimal text of a number, `n` its number, `t` a
/// datetime's milliseconds.
fn from_json(number: usize, read: &Read, params: &mut Params) -> (Vec<String>, String) {
    let key = params.named(&format!("key{number}"), "String", || escaped(&read.attribute));
    let i = number;
    let mut steps = vec![format!("JSONExtractRaw(content, {key}) AS r{i}")];
    if !matches!(read.kind, AttributeType::Boolean | AttributeType::StringList) {
        steps.push(format!("JSONExtractString(r{i}) AS s{i}"));
    }
    let is_text = format!("startsWith(r{i}, '\"')");
    let finite = format!("if(match(d{i}, '{DECIMAL}') AND isFinite(n{i}), n{i}, NULL)");
    let value = match read.kind {
        AttributeType::String => {
            format!("multiIf({is_text}, s{i}, match(r{i}, '^[-0-9tf]'), r{i}, '')")
        }
        AttributeType::Number => {
            steps.push(format!(
                "multiIf({is_text}, s{i}, r{i} = 'true', '1', r{i} = 'false', '0', r{i}) AS d{i}"
            ));
            steps.push(format!("toFloat64OrNull(d{i}) AS n{i}"));
            finite
        }
        AttributeType::StringList => format!("if(startsWith(r{i}, '[') AND r{i} != '[]', r{i}, '')"),
        AttributeType::Boolean => format!("multiIf(r{i} = 'true', 1., r{i} = 'false', 0., NULL)"),
        AttributeType::Datetime => {
            steps.push(format!("r{i} AS d{i}"));
            steps.push(format!("toFloat64OrNull(d{i}) AS n{i}"));
            steps.push(format!(
                "toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull(s{i}, 3, 'UTC')) AS t{i}"
            ));
            let instant = format!(
                "if(match(s{i}, '{INSTANT}') AND t{i} BETWEEN 0 AND {STORABLE_MAX_MS}, toFloat64(t{i}), NULL)"
            );
            format!("if({is_text}, {instant}, {finite})")
        }
    };
    (steps, value)
}
