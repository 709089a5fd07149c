//! Step 2, filters: operators and values against the attribute's type.

use std::ops::Bound;

use jiff::tz::TimeZone;
use suanpan_event::AttributeType;

use crate::error::{ErrorCode, Report};
use crate::moment::MOMENT_FORMS;
use crate::pattern;
use crate::plan::Test;
use crate::{Moment, Operand, Operator, RuleLimits, Scalar};

/// Types one condition: its test, and whether it is negated.
pub(crate) struct Typing<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: AttributeType,
    pub(crate) zone: &'a TimeZone,
    pub(crate) limits: &'a RuleLimits,
}

impl Typing<'_> {
    /// The test that an operator and its operand mean, and whether its opposite is meant.
    pub(crate) fn test(
        &self,
        is: Operator,
        value: Option<&Operand>,
        report: &mut Report,
    ) -> Option<(Test, bool)> {
        let (positive, negated) = match is {
            Operator::IsNot => (Operator::Is, true),
            Operator::NotIn => (Operator::In, true),
            Operator::NotContains => (Operator::Contains, true),
            Operator::NotSet => (Operator::Set, true),
            other => (other, false),
        };
        if !operators(self.kind).contains(&positive) {
            let words = Operator::WORDS.iter().map(|(_, meaning)| *meaning);
            let mut known = words.filter(|o| allows(self.kind, *o)).map(Operator::word).collect::<Vec<_>>();
            known.dedup();
            let message = format!(
                "{:?} is not possible for a {}; possible: {}",
                is.word(),
                self.kind.name(),
                known.join(", ")
            );
            report.add(ErrorCode::TypeMismatch, format!("{}.is", self.path), message);
            return None;
        }
        let test = match (positive, value) {
            (Operator::Set, _) => Test::Set,
            (_, Some(Operand::One(value))) => self.one(positive, value, report)?,
            (Operator::Between, Some(Operand::Many(values))) => self.between(values, report)?,
            (_, Some(Operand::Many(values))) => self.many(values, report)?,
            (_, None) => return None,
        };
        Some((test, negated))
    }

    fn one(&self, is: Operator, value: &Scalar, report: &mut Report) -> Option<Test> {
        let path = format!("{}.value", self.path);
        match self.kind {
            AttributeType::String => {
                let text = self.text(value, &path, report)?;
                match is {
                    Operator::Contains => Some(Test::Contains(text)),
                    Operator::Starts => Some(Test::Starts(text)),
                    Operator::Regex => self.regex(text, &path, report),
                    _ => Some(Test::TextIs(text)),
                }
            }
            AttributeType::StringList => self.text(value, &path, report).map(Test::Has),
            AttributeType::Number => Some(within(is, self.number(value, &path, report)?)),
            AttributeType::Boolean => match value {
                Scalar::Boolean(value) => Some(Test::NumberIs(f64::from(u8::from(*value)))),
                other => mismatch("true or false", other, &path, report),
            },
            AttributeType::Datetime => {
                let (start, end) = self.moment(value, &path, report)?;
                let (low, high) = match is {
                    Operator::Above => (Bound::Included(end), Bound::Unbounded),
                    Operator::From => (Bound::Included(start), Bound::Unbounded),
                    Operator::Below => (Bound::Unbounded, Bound::Excluded(start)),
                    Operator::To => (Bound::Unbounded, Bound::Excluded(end)),
                    _ => (Bound::Included(start), Bound::Excluded(end)),
                };
                Some(Test::NumberWithin(low, high))
            }
        }
    }

    fn many(&self, values: &[Scalar], report: &mut Report) -> Option<Test> {
        let items = values.iter().enumerate().map(|(at, v)| (format!("{}.value[{at}]", self.path), v));
        if self.kind == AttributeType::Number {
            let numbers = items.map(|(path, v)| self.number(v, &path, report)).collect::<Vec<_>>();
            return Some(Test::NumberIn(numbers.into_iter().collect::<Option<_>>()?));
        }
        let texts = items.map(|(path, v)| self.text(v, &path, report)).collect::<Vec<_>>();
        Some(Test::TextIn(texts.into_iter().collect::<Option<_>>()?))
    }

    fn between(&self, values: &[Scalar], report: &mut Report) -> Option<Test> {
        let [low, high] = values else { return None };
        let path = |at: usize| format!("{}.value[{at}]", self.path);
        let (low, high, upper) = if self.kind == AttributeType::Datetime {
            let low = self.moment(low, &path(0), report);
            let (_, end) = self.moment(high, &path(1), report)?;
            (low?.0, end, Bound::Excluded(end))
        } else {
            let low = self.number(low, &path(0), report);
            let high = self.number(high, &path(1), report)?;
            (low?, high, Bound::Included(high))
        };
        if low > high {
            let message = "nothing lies between: the second value is less than the first";
            report.add(ErrorCode::ValueInvalid, format!("{}.value", self.path), message);
            return None;
        }
        Some(Test::NumberWithin(Bound::Included(low), upper))
    }

    fn text(&self, value: &Scalar, path: &str, report: &mut Report) -> Option<String> {
        match value {
            Scalar::Text(text) if text.is_empty() => {
                let message = "an empty text counts as not set; use \"is set\" or \"is not set\"";
                report.add(ErrorCode::ValueInvalid, path, message);
                None
            }
            Scalar::Text(text) => Some(text.clone()),
            other => mismatch("a text", other, path, report),
        }
    }

    fn number(&self, value: &Scalar, path: &str, report: &mut Report) -> Option<f64> {
        match value {
            // Adding zero turns the negative zero into the positive one.
            Scalar::Number(number) => Some(*number + 0.0),
            other => mismatch("a number", other, path, report),
        }
    }

    fn moment(&self, value: &Scalar, path: &str, report: &mut Report) -> Option<(f64, f64)> {
        let Scalar::Text(text) = value else { return mismatch(MOMENT_FORMS, value, path, report) };
        let parsed = text.parse::<Moment>().and_then(|moment| {
            let bounds = || Some((moment.start_ms(self.zone)?, moment.end_ms(self.zone)?));
            bounds().ok_or_else(|| format!("{text:?} lies beyond the years that can be computed"))
        });
        match parsed {
            // Within ±2^53 milliseconds, so the conversions are exact.
            Ok((start, end)) => Some((start as f64, end as f64)),
            Err(message) => {
                report.add(ErrorCode::ValueInvalid, path, message);
                None
            }
        }
    }

    fn regex(&self, pattern: String, path: &str, report: &mut Report) -> Option<Test> {
        let chars = pattern.chars().count();
        if chars > self.limits.regex_chars_max {
            let limit = ("regex_chars_max", self.limits.regex_chars_max);
            report.over(path, format!("the pattern has {chars} characters"), limit);
            return None;
        }
        if let Some(why) = pattern::refusal(&pattern) {
            report.add(ErrorCode::RegexInvalid, path, why);
            return None;
        }
        Some(Test::Matches(pattern))
    }
}

/// The operators that a type knows, without the opposites of others.
fn operators(kind: AttributeType) -> &'static [Operator] {
    use Operator::{Above, Below, Between, Contains, From, In, Is, Regex, Set, Starts, To};
    match kind {
        AttributeType::String => &[Is, In, Contains, Starts, Regex, Set],
        AttributeType::Number => &[Is, In, Above, From, Below, To, Between, Set],
        AttributeType::Boolean => &[Is, Set],
        AttributeType::StringList => &[Contains, Set],
        AttributeType::Datetime => &[Is, Above, From, Below, To, Between, Set],
    }
}

fn allows(kind: AttributeType, is: Operator) -> bool {
    let positive = match is {
        Operator::IsNot => Operator::Is,
        Operator::NotIn => Operator::In,
        Operator::NotContains => Operator::Contains,
        Operator::NotSet => Operator::Set,
        other => other,
    };
    operators(kind).contains(&positive)
}

fn within(is: Operator, number: f64) -> Test {
    match is {
        Operator::Above => Test::NumberWithin(Bound::Excluded(number), Bound::Unbounded),
        Operator::From => Test::NumberWithin(Bound::Included(number), Bound::Unbounded),
        Operator::Below => Test::NumberWithin(Bound::Unbounded, Bound::Excluded(number)),
        Operator::To => Test::NumberWithin(Bound::Unbounded, Bound::Included(number)),
        _ => Test::NumberIs(number),
    }
}

fn mismatch<T>(expected: &str, found: &Scalar, path: &str, report: &mut Report) -> Option<T> {
    let found = match found {
        Scalar::Text(text) => format!("the text {text:?}"),
        Scalar::Number(number) => format!("the number {number}"),
        Scalar::Boolean(value) => format!("{value}"),
    };
    report.add(ErrorCode::WrongType, path, format!("expected {expected}, found {found}"));
    None
}
