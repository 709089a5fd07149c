//! Metric rules: a question as data, turned into SQL. Pure: no clock, no network, no files.
//!
//! The flow, one file a step: [`parse`] (text → [`Rule`]) → check (against the app's tracking
//! plan) → [`Plan`] (typed; prints itself) → SQL with parameters → [`Compiled::assemble`] (rows →
//! [`Answer`]). Time is resolved here too: ranges and buckets are made in the app's time zone and
//! handed to the engine as instants, so that both sides cut time at the very same places.
//!
//! Invariants: no text of a rule or a tracking plan is ever part of the SQL, only of parameters;
//! every statement is guarded by the app's id; every error names the path in the rule.

mod answer;
mod bucket;
mod check;
mod compile;
mod condition;
mod document;
mod error;
mod limits;
mod moment;
mod nearest;
mod parse;
mod parse_filter;
mod parse_range;
mod pattern;
mod plan;
mod plan_text;
mod range;
mod rule;
mod sql;
mod sql_params;
mod sql_read;

pub use answer::{Answer, AnswerMismatch, AnswerRange, PreviousSeries, Series};
pub use bucket::Bucket;
pub use compile::{Compiled, Context, Period, SlotUse, Statement, compile};
pub use error::{ErrorCode, RuleError, RuleErrors};
pub use limits::RuleLimits;
pub use moment::Moment;
pub use parse::{parse, parse_within};
pub use plan::{Condition, Group, MeasureNode, Plan, Read, ReadId, Source, Test};
pub use range::{ResolvedRange, ResolvedRanges};
pub use rule::{
    AttributeRef, Comparison, Filter, Interval, Kind, Measure, MeasureKind, Operand, Operator, Range, Rule,
    Scalar, TOP_DEFAULT, json_schema,
};
