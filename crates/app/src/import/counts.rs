use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bad_line::Reject;

/// Reasons that are told apart; the gateway has a dozen codes.
const REASONS_MAX: usize = 50;

/// What became of lines. `lines` = `accepted` + `duplicate` + `rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All lines, without a header and blank ones.
    pub lines: u64,
    /// Events that are on the server's disk.
    pub accepted: u64,
    /// Of these, events about which something was odd.
    pub warnings: u64,
    /// Events whose id another event of the same request had.
    pub duplicate: u64,
    /// Lines that are no event, or one that the gateway refused.
    pub rejected: u64,
    /// Why lines were rejected, by code.
    pub rejections: BTreeMap<String, Reason>,
    /// What was odd about accepted events, by code.
    pub oddities: BTreeMap<String, Reason>,
}

/// A reason: how often, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// How often.
    pub count: u64,
    /// The first line.
    pub first_line: u64,
    /// What was said about the first line.
    pub message: String,
}

impl Counts {
    /// Counts a rejected line.
    pub fn reject(&mut self, reject: &Reject) {
        self.rejected += 1;
        let field = if reject.field.is_empty() { String::new() } else { format!("{}: ", reject.field) };
        let message = format!("{field}{}", reject.message);
        note(&mut self.rejections, &reject.code, reject.line, message);
    }

    /// Counts something odd about an accepted event.
    pub fn odd(&mut self, code: &str, line: u64, message: String) {
        note(&mut self.oddities, code, line, message);
    }
}

fn note(reasons: &mut BTreeMap<String, Reason>, code: &str, line: u64, message: String) {
    if let Some(known) = reasons.get_mut(code) {
        known.count += 1;
    } else if reasons.len() < REASONS_MAX {
        reasons.insert(code.to_owned(), Reason { count: 1, first_line: line, message });
    }
}
