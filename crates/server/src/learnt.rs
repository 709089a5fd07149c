use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use suanpan_catalog::AppView;
use suanpan_event::{AttributeType, Personal, PlannedEvent, built_in};
use suanpan_warehouse::{LEARNT_UNLISTED_MAX, Learnt, LearntTypes};
use utoipa::{IntoParams, ToSchema};

use crate::api::Api;
use crate::path::Path;
use crate::problem::{Reply, warehouse};
use crate::query::{QueryOf, fields};

/// How names begin that client libraries give. A plan need not list them.
const RESERVED_PREFIX: char = '$';

/// What is asked for.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct LearntQuery {
    /// Only what the tracking plan does not have.
    unplanned: bool,
    /// Only this event.
    event: Option<String>,
}

/// The names that were seen.
#[derive(Serialize, ToSchema)]
pub(crate) struct LearntBody {
    /// Events, by name.
    events: Vec<LearntEvent>,
    /// What lies beyond the bound; absent if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_listed: Option<NotListed>,
    /// The bound: events, and attributes of events, that are listed of an app.
    names_max: usize,
}

/// Names beyond the bound: they were seen and are not listed.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotListed {
    /// How many different ones.
    names: u64,
    /// Whether there may be more than that.
    is_at_least: bool,
    /// How often any of them was seen.
    seen: u64,
}

/// An event that was seen.
#[derive(Serialize, ToSchema)]
pub(crate) struct LearntEvent {
    /// Its name.
    pub event: String,
    /// Whether the tracking plan has it, or need not have it.
    pub is_planned: bool,
    /// When it was first received, in milliseconds since 1970.
    first_seen_ms: i64,
    /// When it was last received.
    last_seen_ms: i64,
    /// How often it was stored.
    events: u64,
    /// The attributes it came with, by name.
    pub attributes: Vec<LearntAttribute>,
}

/// An attribute that an event came with.
#[derive(Serialize, ToSchema)]
pub(crate) struct LearntAttribute {
    /// Its name.
    pub attribute: String,
    /// Whether the tracking plan has it in this event, or need not have it.
    pub is_planned: bool,
    /// When it was first received, in milliseconds since 1970.
    first_seen_ms: i64,
    /// When it was last received.
    last_seen_ms: i64,
    /// How many events had it.
    events: u64,
    /// The types its values had: `string`, `number`, `boolean`, `datetime`, `array`, `object`, `null`.
    types: Vec<&'static str>,
    /// The type that fits them, for a plan; absent if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggested_type: Option<&'static str>,
    /// Up to five of its values, each cut to 64 characters; none of an attribute that the plan marks
    /// as personal.
    samples: Vec<String>,
    #[serde(skip)]
    pub type_bits: u8,
}

/// The events and attributes that were seen, with what is known of them.
#[utoipa::path(get, path = "/api/apps/{app}/learnt", tag = "tracking plan", security(("read" = [])),
    params(("app" = String, Path), LearntQuery), responses((status = 200, body = LearntBody)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Path(app): Path<String>,
    query: QueryOf<LearntQuery>,
    headers: HeaderMap,
) -> Reply<Json<LearntBody>> {
    let app = api.access.read(&headers, &app)?;
    let view = api.app_view(&app)?;
    let query = fields(query)?;
    let learnt = api.warehouse.learnt(&app).await.map_err(|e| warehouse(&e))?;
    let not_listed = learnt.iter().find(|name| name.is_unlisted()).map(|rest| NotListed {
        names: rest.unlisted.min(LEARNT_UNLISTED_MAX as u64),
        is_at_least: rest.unlisted >= LEARNT_UNLISTED_MAX as u64,
        seen: rest.events,
    });
    let mut events = by_event(&view, learnt);
    if let Some(only) = query.event.filter(|name| !name.is_empty()) {
        events.retain(|event| event.event == only);
    }
    if query.unplanned {
        for event in &mut events {
            event.attributes.retain(|attribute| !attribute.is_planned);
        }
        events.retain(|event| !event.is_planned || !event.attributes.is_empty());
    }
    Ok(Json(LearntBody { events, not_listed, names_max: api.bounds.learning.names_per_app_max }))
}

pub(crate) fn by_event(view: &AppView, learnt: Vec<Learnt>) -> Vec<LearntEvent> {
    let planned: BTreeMap<&str, &PlannedEvent> =
        view.plan.events().iter().map(|event| (event.name.as_str(), event)).collect();
    let mut events: Vec<LearntEvent> = Vec::new();
    // The names are sorted, and an event stands before its attributes.
    for name in learnt.into_iter().filter(|name| !name.is_unlisted()) {
        let plan = planned.get(name.event.as_str()).copied();
        if events.last().is_none_or(|event| event.event != name.event) {
            let is_planned = plan.is_some() || name.event.starts_with(RESERVED_PREFIX);
            let Learnt { event, first_seen_ms, last_seen_ms, events: count, .. } = name.clone();
            let attributes = Vec::new();
            events.push(LearntEvent {
                event,
                is_planned,
                first_seen_ms,
                last_seen_ms,
                events: count,
                attributes,
            });
        }
        if let (false, Some(event)) = (name.attribute.is_empty(), events.last_mut()) {
            event.attributes.push(attribute(view, plan, name));
        }
    }
    events
}

fn attribute(view: &AppView, plan: Option<&PlannedEvent>, name: Learnt) -> LearntAttribute {
    let defined = view.attributes.iter().find(|attribute| attribute.name == name.attribute);
    let is_listed = plan.is_none_or(|plan| plan.attributes.iter().any(|used| used.name == name.attribute));
    let is_planned = name.attribute.starts_with(RESERVED_PREFIX)
        || defined.is_some_and(|attribute| attribute.terms.common || is_listed);
    let is_personal = defined.is_some_and(|attribute| attribute.terms.personal != Personal::Keep);
    let suggested = built_in(&name.attribute).is_none().then(|| suggested_type(name.types)).flatten();
    LearntAttribute {
        attribute: name.attribute,
        is_planned,
        first_seen_ms: name.first_seen_ms,
        last_seen_ms: name.last_seen_ms,
        events: name.events,
        types: LearntTypes(name.types).names(),
        type_bits: name.types,
        suggested_type: suggested.map(AttributeType::name),
        samples: if is_personal { Vec::new() } else { name.samples },
    }
}

/// The type that values of these types have in common. Texts take in everything that is one value.
pub(crate) fn suggested_type(types: u8) -> Option<AttributeType> {
    const SCALARS: u8 =
        LearntTypes::STRING | LearntTypes::NUMBER | LearntTypes::BOOLEAN | LearntTypes::DATETIME;
    match types & !LearntTypes::NULL {
        0 => None,
        LearntTypes::NUMBER => Some(AttributeType::Number),
        LearntTypes::BOOLEAN => Some(AttributeType::Boolean),
        LearntTypes::DATETIME => Some(AttributeType::Datetime),
        LearntTypes::ARRAY => Some(AttributeType::StringList),
        mixed if mixed & !SCALARS == 0 => Some(AttributeType::String),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_suggested_where_one_fits() {
        use LearntTypes as T;
        let check = |types: u8, expected: Option<&str>| {
            assert_eq!(suggested_type(types).map(AttributeType::name), expected, "{types:b}");
        };
        check(T::NUMBER | T::NULL, Some("number"));
        check(T::BOOLEAN, Some("boolean"));
        check(T::DATETIME, Some("datetime"));
        check(T::STRING | T::DATETIME, Some("string"));
        check(T::NUMBER | T::STRING, Some("string"));
        check(T::ARRAY, Some("list"));
        check(T::ARRAY | T::STRING, None);
        check(T::OBJECT, None);
        check(T::NULL, None);
    }
}
