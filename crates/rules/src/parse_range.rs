//! Step 1, ranges: relative or absolute.

use crate::document::{Json, Node};
use crate::error::{ErrorCode, Report};
use crate::moment::MOMENT_FORMS;
use crate::{Interval, Moment, Range};

const RANGE_FIELDS: &[&str] = &["last", "unit", "from", "to"];

pub(crate) fn range(node: &Node<'_>, report: &mut Report) -> Option<Range> {
    let fields = node.fields(RANGE_FIELDS, report)?;
    let is_relative = fields.has("last") || fields.has("unit");
    if is_relative && (fields.has("from") || fields.has("to")) {
        let message = "expected either \"last\" and \"unit\", or \"from\" and \"to\"";
        report.add(ErrorCode::FieldNotAllowed, &node.path, message);
        return None;
    }
    if is_relative {
        let last = fields.need("last", "how many units", report).and_then(|n| n.count(report));
        let unit = fields
            .need("unit", "the unit's length, such as \"day\"", report)
            .and_then(|n| n.word(Interval::WORDS, report));
        return Some(Range::Relative { last: last?, unit: unit? });
    }
    let from = fields.need("from", MOMENT_FORMS, report).and_then(|n| moment(&n, report));
    let to = fields.need("to", MOMENT_FORMS, report).and_then(|n| moment(&n, report));
    Some(Range::Absolute { from: from?, to: to? })
}

fn moment(node: &Node<'_>, report: &mut Report) -> Option<Moment> {
    let Json::Text(text) = node.json else { return node.mismatch(MOMENT_FORMS, report) };
    match text.parse() {
        Ok(moment) => Some(moment),
        Err(message) => {
            report.add(ErrorCode::ValueInvalid, &node.path, message);
            None
        }
    }
}
