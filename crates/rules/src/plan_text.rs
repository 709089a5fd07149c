//! The plan as text for people: each node prints itself.

use std::fmt;
use std::ops::Bound;

use crate::plan::{Condition, Plan, Read, Source, Test};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |range: &crate::ResolvedRange| {
            let at =
                |ms| jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| t.to_string());
            let open = if range.open { ", open" } else { "" };
            let (from, to) = (at(range.from_ms), at(range.to_ms));
            format!("{from} to {to}{open}; partitions {} to {}", range.from_date, range.to_date)
        };
        writeln!(f, "scan app {}", self.app)?;
        writeln!(f, "  range {}", range(&self.range))?;
        if let Some(previous) = &self.previous {
            writeln!(f, "  compared with {}", range(previous))?;
        }
        match &self.events {
            Some(events) => writeln!(f, "  events {}", quoted(events))?,
            None => writeln!(f, "  all events")?,
        }
        if let Some(filter) = &self.filter {
            writeln!(f, "  where {}", self.condition(filter))?;
        }
        for read in &self.reads {
            writeln!(f, "  read {read}")?;
        }
        if let Some(group) = &self.group {
            let names = group.by.iter().map(|id| self.read(*id).attribute.as_str()).collect::<Vec<_>>();
            writeln!(f, "group by {}, top {} and others", names.join(", "), group.top)?;
        }
        if let Some(interval) = self.interval {
            writeln!(f, "cut into {} buckets of a {} in {}", self.buckets.len(), interval.word(), self.zone)?;
        }
        for measure in &self.measures {
            write!(f, "measure {:?}: {}", measure.name, measure.measure.word())?;
            if let Some(input) = measure.input {
                write!(f, " of {}", self.read(input).attribute)?;
            }
            if let Some(events) = &measure.events {
                write!(f, " where event is {}", quoted(events))?;
            }
            if let Some(filter) = &measure.filter {
                write!(f, " where {}", self.condition(filter))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) from {}", self.attribute, self.kind.name(), self.source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(column) => write!(f, "column {column}"),
            Self::Slot(slot) => write!(f, "slot {slot}"),
            Self::SlotOrJson { slot, since } => write!(f, "slot {slot}, JSON before slot map {since}"),
            Self::Json => f.write_str("JSON"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set => f.write_str("is set"),
            Self::TextIs(text) => write!(f, "= {text:?}"),
            Self::TextIn(texts) => write!(f, "in [{}]", quoted(texts)),
            Self::Contains(text) | Self::Has(text) => write!(f, "contains {text:?}"),
            Self::Starts(text) => write!(f, "starts with {text:?}"),
            Self::Matches(pattern) => write!(f, "matches {pattern:?}"),
            Self::NumberIs(number) => write!(f, "= {number}"),
            Self::NumberIn(numbers) => write!(f, "in {numbers:?}"),
            Self::NumberWithin(low, high) => {
                let low = match low {
                    Bound::Included(low) => format!("≥ {low}"),
                    Bound::Excluded(low) => format!("> {low}"),
                    Bound::Unbounded => String::new(),
                };
                let high = match high {
                    Bound::Included(high) => format!("≤ {high}"),
                    Bound::Excluded(high) => format!("< {high}"),
                    Bound::Unbounded => String::new(),
                };
                let parts = [low, high].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
                f.write_str(&parts.join(" and "))
            }
        }
    }
}

impl Plan {
    fn condition(&self, condition: &Condition) -> String {
        let joined = |all: &[Condition], word: &str| {
            let parts = all.iter().map(|c| self.condition(c)).collect::<Vec<_>>();
            format!("({})", parts.join(word))
        };
        match condition {
            Condition::All(all) => joined(all, " and "),
            Condition::Any(any) => joined(any, " or "),
            Condition::Not(inner) => format!("not {}", self.condition(inner)),
            Condition::Test { read, test } => format!("{} {test}", self.read(*read).attribute),
        }
    }
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}
