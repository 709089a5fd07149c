use serde::{Deserialize, Serialize};

/// What one rule may be. Going over a limit is an error that names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleLimits {
    /// Bytes of a rule's text.
    pub body_bytes_max: usize,
    /// Characters of a measure's, attribute's or event's name.
    pub name_chars_max: usize,
    /// Characters of a title.
    pub title_chars_max: usize,
    /// Measures of a rule.
    pub measures_max: usize,
    /// Events that one measure counts.
    pub events_max: usize,
    /// Nodes of all filters of a rule together: conditions, `and`, `or`, `not`.
    pub filter_nodes_max: usize,
    /// Levels of nesting of one filter.
    pub filter_depth_max: usize,
    /// Values of one `in` or `not in`.
    pub in_values_max: usize,
    /// Characters of a regular expression.
    pub regex_chars_max: usize,
    /// Attributes that a rule breaks down by.
    pub breakdown_max: usize,
    /// Groups named before the rest is folded into "others".
    pub top_max: usize,
    /// Days that a range spans.
    pub range_days_max: usize,
    /// Points of one series: the intervals in the range.
    pub points_max: usize,
    /// Points of a whole answer: intervals × (top + others) × measures × periods.
    pub answer_points_max: usize,
    /// Errors reported at once.
    pub errors_max: usize,
}

impl Default for RuleLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 * 1024,
            name_chars_max: 128,
            title_chars_max: 256,
            measures_max: 10,
            events_max: 100,
            filter_nodes_max: 100,
            filter_depth_max: 8,
            in_values_max: 1_000,
            regex_chars_max: 1_000,
            breakdown_max: 3,
            top_max: 100,
            range_days_max: 3_660,
            points_max: 10_000,
            answer_points_max: 90_000,
            errors_max: 50,
        }
    }
}
