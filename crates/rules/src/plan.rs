//! Step 3: the typed plan. Everything a statement needs, nothing that could still be wrong.

use std::ops::Bound;

use serde::Serialize;
use suanpan_event::{AttributeType, Slot};

use crate::{Bucket, Interval, MeasureKind, ResolvedRange};

/// A checked rule, bound to an app. Displays as text for people; serializes for machines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The app whose events are read.
    pub app: String,
    /// The time zone it counts days in.
    pub zone: String,
    /// When.
    pub range: ResolvedRange,
    /// The period compared with.
    pub previous: Option<ResolvedRange>,
    /// The attributes read; [`ReadId`] counts them.
    pub reads: Vec<Read>,
    /// The events that count for any measure; all if none.
    pub events: Option<Vec<String>>,
    /// Which events count for all measures.
    pub filter: Option<Condition>,
    /// What is computed.
    pub measures: Vec<MeasureNode>,
    /// How it is split.
    pub group: Option<Group>,
    /// How long a bucket is.
    pub interval: Option<Interval>,
    /// The buckets of the range.
    #[serde(skip)]
    pub buckets: Vec<Bucket>,
    /// The buckets of the period compared with.
    #[serde(skip)]
    pub previous_buckets: Vec<Bucket>,
}

/// Counts the plan's reads, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReadId(pub usize);

/// One attribute that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Read {
    /// Its name.
    pub attribute: String,
    /// What its values are read as.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// Where from.
    pub source: Source,
}

/// Where an attribute's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A built-in attribute's column.
    Column(&'static str),
    /// A slot that all rows of the ranges have.
    Slot(Slot),
    /// A slot, and JSON for rows from before the slot was given.
    SlotOrJson {
        /// The slot.
        slot: Slot,
        /// The first slot map that has it.
        since: u32,
    },
    /// JSON.
    Json,
}

/// A filter with its values typed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// All hold.
    All(Vec<Condition>),
    /// Any holds.
    Any(Vec<Condition>),
    /// Does not hold.
    Not(Box<Condition>),
    /// An attribute's value passes a test. One that is not set passes none.
    Test {
        /// The attribute.
        read: ReadId,
        /// What its value must be.
        test: Test,
    },
}

/// What a value must be. Datetimes are numbers: milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Any value.
    Set,
    /// This text.
    TextIs(String),
    /// One of these texts.
    TextIn(Vec<String>),
    /// A text that holds this one.
    Contains(String),
    /// A list with this text among its elements.
    Has(String),
    /// A text that starts with this one.
    Starts(String),
    /// A text that matches this regular expression.
    Matches(String),
    /// This number.
    NumberIs(f64),
    /// One of these numbers.
    NumberIn(Vec<f64>),
    /// A number between two bounds.
    NumberWithin(Bound<f64>, Bound<f64>),
}

/// One measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasureNode {
    /// Its name in the answer.
    pub name: String,
    /// What it computes.
    pub measure: MeasureKind,
    /// Of which attribute.
    pub input: Option<ReadId>,
    /// Of which events; all those of the plan if none.
    pub events: Option<Vec<String>>,
    /// Which of those.
    pub filter: Option<Condition>,
}

/// A breakdown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The attributes.
    pub by: Vec<ReadId>,
    /// How many groups are named.
    pub top: u32,
}

impl Plan {
    /// The attribute of a read.
    pub fn read(&self, id: ReadId) -> &Read {
        &self.reads[id.0]
    }
}
