//! An attribute's limits, compiled: is a value listed, within the range, of the pattern?

use std::collections::HashSet;

use regex::Regex;

use crate::attribute_terms::compiled;
use crate::{Attribute, AttributeType, PlanValue};

/// How many of the allowed values a message lists.
const SHOWN_MAX: usize = 5;

/// What a value offends against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offence {
    NotListed,
    OutOfRange,
    PatternMismatch,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ValueLimits {
    texts: HashSet<Box<str>>,
    numbers: Vec<f64>,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<Regex>,
    /// The terms in words, for messages.
    listed: String,
    range: String,
}

impl ValueLimits {
    /// Limits that don't fit the type are left out: [`crate::AttributeTerms::check`] refuses them
    /// before they are stored.
    pub fn new(attribute: &Attribute) -> Self {
        let terms = &attribute.terms;
        let end = |value: &Option<PlanValue>| value.as_ref().and_then(|v| v.number(attribute.kind));
        let texts = terms.allowed.iter().filter_map(|value| match value {
            PlanValue::Text(text) => Some(text.as_str().into()),
            PlanValue::Number(_) => None,
        });
        let is_number = attribute.kind == AttributeType::Number;
        let numbers = terms.allowed.iter().filter_map(|value| value.number(attribute.kind));
        Self {
            texts: if is_number { HashSet::new() } else { texts.collect() },
            numbers: if is_number { numbers.collect() } else { Vec::new() },
            min: end(&terms.min),
            max: end(&terms.max),
            pattern: terms.pattern.as_deref().and_then(|pattern| compiled(pattern).ok()),
            listed: listed(&terms.allowed),
            range: range(terms.min.as_ref(), terms.max.as_ref()),
        }
    }

    pub fn text(&self, text: &str) -> Option<Offence> {
        if !self.texts.is_empty() && !self.texts.contains(text) {
            return Some(Offence::NotListed);
        }
        let mismatch = self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text));
        mismatch.then_some(Offence::PatternMismatch)
    }

    pub fn number(&self, number: f64) -> Option<Offence> {
        // At most some hundred numbers, compared one by one: a hash of floats would be no faster.
        if !self.numbers.is_empty() && !self.numbers.contains(&number) {
            return Some(Offence::NotListed);
        }
        let is_outside = self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max);
        is_outside.then_some(Offence::OutOfRange)
    }

    /// What was expected, in words.
    pub fn expected(&self, offence: Offence) -> String {
        match offence {
            Offence::NotListed => self.listed.clone(),
            Offence::OutOfRange => self.range.clone(),
            Offence::PatternMismatch => {
                let pattern = self.pattern.as_ref().map(Regex::as_str).unwrap_or_default();
                format!("a text that matches {pattern}")
            }
        }
    }
}

fn shown(value: &PlanValue) -> String {
    match value {
        PlanValue::Number(number) => number.to_string(),
        PlanValue::Text(text) => crate::excerpt(text),
    }
}

fn listed(allowed: &[PlanValue]) -> String {
    let first: Vec<String> = allowed.iter().take(SHOWN_MAX).map(shown).collect();
    let more = allowed.len().saturating_sub(SHOWN_MAX);
    let rest = if more > 0 { format!(" or one of {more} others") } else { String::new() };
    format!("one of {}{rest}", first.join(", "))
}

fn range(min: Option<&PlanValue>, max: Option<&PlanValue>) -> String {
    match (min.map(shown), max.map(shown)) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("{min} or more"),
        (None, Some(max)) => format!("{max} or less"),
        (None, None) => String::new(),
    }
}
