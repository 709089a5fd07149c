use jiff::tz::TimeZone;
use serde::Serialize;
use suanpan_event::{AppId, Attribute, Slot};

use crate::check::check;
use crate::plan::{Plan, Source};
use crate::{ResolvedRange, Rule, RuleErrors, RuleLimits, sql};

/// What a rule is compiled against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The app that asks.
    pub app: &'a AppId,
    /// Its time zone.
    pub zone: &'a TimeZone,
    /// The zone's IANA name, for texts.
    pub zone_name: &'a str,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// Its tracking plan.
    pub attributes: &'a [Attribute],
    /// The least `slot_map` of all the app's rows in the ranges read
    /// ([`crate::ResolvedRanges::report_dates`]); none if it is not known.
    pub slot_floor: Option<u32>,
    /// The events table: our own text, never input.
    pub table: &'a str,
    /// The limits.
    pub limits: &'a RuleLimits,
}

/// A rule as statements, and all that is needed to make an answer of their rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compiled {
    /// The typed plan; prints itself.
    pub plan: Plan,
    /// The statements: one, or the current and the previous period's.
    pub statements: Vec<Statement>,
    /// The range.
    pub range: ResolvedRange,
    /// The period compared with.
    pub previous: Option<ResolvedRange>,
    /// The custom attributes that are read, and how.
    pub slots_used: Vec<SlotUse>,
    #[serde(skip)]
    pub(crate) zone: TimeZone,
}

/// One statement to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The SQL, without a FORMAT clause.
    pub sql: String,
    /// Name and value of each parameter, the value in the engine's text form (`param_NAME` of
    /// ClickHouse's HTTP interface). May be as long as a rule's body.
    pub params: Vec<(String, String)>,
    /// Which period's rows it gives.
    pub period: Period,
}

/// Which period a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// The rule's range.
    Current,
    /// The one just before.
    Previous,
}

/// How a custom attribute is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotUse {
    /// Its name.
    pub attribute: String,
    /// Its slot; without one it is read from JSON.
    pub slot: Option<Slot>,
    /// Whether all rows have the slot; otherwise older ones are read from JSON.
    pub covered: bool,
}

/// Checks a rule against an app and prints its statements.
///
/// # Errors
/// Everything in the rule that does not fit the app or the limits, each with its path.
pub fn compile(rule: &Rule, context: &Context<'_>) -> Result<Compiled, RuleErrors> {
    let plan = check(rule, context)?;
    let periods = [Some(Period::Current), plan.previous.map(|_| Period::Previous)];
    let statements =
        periods.into_iter().flatten().map(|period| sql::statement(&plan, context.table, period)).collect();
    Ok(Compiled {
        statements,
        range: plan.range,
        previous: plan.previous,
        slots_used: slots_used(&plan),
        zone: context.zone.clone(),
        plan,
    })
}

fn slots_used(plan: &Plan) -> Vec<SlotUse> {
    let custom = |source| match source {
        Source::Column(_) => None,
        Source::Slot(slot) => Some((Some(slot), true)),
        Source::SlotOrJson { slot, .. } => Some((Some(slot), false)),
        Source::Json => Some((None, false)),
    };
    plan.reads
        .iter()
        .filter_map(|read| {
            let (slot, covered) = custom(read.source)?;
            Some(SlotUse { attribute: read.attribute.clone(), slot, covered })
        })
        .collect()
}
