use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use suanpan_catalog::{AppView, CatalogError, NewAttribute};
use suanpan_event::{AppId, AttributeTerms, PlannedEvent, PlannedUse, built_in};
use utoipa::ToSchema;

use crate::api::Api;
use crate::json::JsonBody;
use crate::learnt::{LearntEvent, by_event, suggested_type};
use crate::path::Path;
use crate::problem::{Reply, catalog, warehouse};
use crate::query::invalid;
use crate::words::{LifeStatus, ValueType};

/// Events and attributes that one call adds. Each is a change of the plan of its own.
const ADOPTED_MAX: usize = 1_000;

/// What is to be added to the tracking plan of what was seen; at least one thing.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdoptBody {
    /// All of it.
    all: bool,
    /// These events, with the attributes they came with.
    events: Vec<String>,
    /// These attributes; the planned events that came with them list them.
    attributes: Vec<String>,
    /// Where the new events and attributes stand in their life; `live` if absent.
    status: LifeStatus,
}

/// What was added.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct AdoptedBody {
    /// Events that are new in the plan, or list more attributes.
    events: Vec<String>,
    /// Attributes that are new in the plan.
    attributes: Vec<AdoptedAttribute>,
    /// What was not added, and why.
    skipped: Vec<Skipped>,
}

/// An attribute that is new in the plan.
#[derive(Serialize, ToSchema)]
pub(crate) struct AdoptedAttribute {
    /// Its name.
    name: String,
    /// The type that fits the values that were seen.
    #[serde(rename = "type")]
    kind: ValueType,
}

/// A name that was not added.
#[derive(Serialize, ToSchema)]
pub(crate) struct Skipped {
    /// The event or attribute.
    name: String,
    /// Why.
    reason: String,
}

/// Adds events and attributes that were seen to the tracking plan, with the types that fit their
/// values; nothing is required. What the plan has stays as it is.
#[utoipa::path(post, path = "/api/apps/{app}/learnt/adopt", tag = "tracking plan", security(("admin" = [])),
    params(("app" = String, Path)), request_body = AdoptBody, responses((status = 200, body = AdoptedBody)))]
pub(crate) async fn adopt(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<AdoptBody>,
) -> Reply<Json<AdoptedBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let body = body?;
    if !body.all && body.events.is_empty() && body.attributes.is_empty() {
        return Err(invalid("say what to adopt: events, attributes, or \"all\": true"));
    }
    let view = api.app_view(&app)?;
    let learnt = by_event(&view, api.warehouse.learnt(&app).await.map_err(|e| warehouse(&e))?);
    let choice = Choice { body: &body, view: &view, learnt: &learnt };
    let (attributes, events) = (choice.attributes(), choice.events());
    if attributes.len() + events.len() > ADOPTED_MAX {
        let found = attributes.len() + events.len();
        return Err(invalid(format!(
            "{found} names are more than {ADOPTED_MAX} at once; adopt some events first"
        )));
    }
    let mut adopted = AdoptedBody { skipped: choice.unseen(), ..AdoptedBody::default() };
    define_attributes(&api, &app, (&attributes, &body), &mut adopted).await?;
    define_events(&api, &app, (&events, &body), &mut adopted).await?;
    Ok(Json(adopted))
}

/// What of all that was seen is meant.
struct Choice<'a> {
    body: &'a AdoptBody,
    view: &'a AppView,
    learnt: &'a [LearntEvent],
}

impl<'a> Choice<'a> {
    fn has_event(&self, event: &LearntEvent) -> bool {
        self.body.all || self.body.events.contains(&event.event)
    }

    /// The names of attributes that are meant in an event.
    fn attributes_of(&self, event: &'a LearntEvent) -> impl Iterator<Item = &'a str> {
        let is_all = self.has_event(event);
        let named = &self.body.attributes;
        let unplanned = event.attributes.iter().filter(|attribute| !attribute.is_planned);
        let names = unplanned.map(|attribute| attribute.attribute.as_str());
        names.filter(move |name| is_all || named.iter().any(|named| named == name))
    }

    /// Attributes to define, with the types of their values in all events.
    fn attributes(&self) -> BTreeMap<&'a str, u8> {
        let chosen: BTreeSet<&str> = self.learnt.iter().flat_map(|event| self.attributes_of(event)).collect();
        let mut types: BTreeMap<&str, u8> = BTreeMap::new();
        for attribute in self.learnt.iter().flat_map(|event| &event.attributes) {
            let is_defined = self.view.attributes.iter().any(|known| known.name == attribute.attribute);
            if !is_defined && chosen.contains(attribute.attribute.as_str()) {
                *types.entry(&attribute.attribute).or_default() |= attribute.type_bits;
            }
        }
        types
    }

    /// Events to define, or to change, with the attributes they get.
    fn events(&self) -> Vec<(&'a str, Vec<&'a str>)> {
        let is_known = |name: &str| self.view.plan.events().iter().any(|event| event.name == name);
        let mut events = Vec::new();
        for event in self.learnt {
            let attributes: Vec<&str> = if is_known(&event.event) || event.is_planned {
                self.attributes_of(event).collect()
            } else if self.has_event(event) {
                event.attributes.iter().map(|attribute| attribute.attribute.as_str()).collect()
            } else {
                continue;
            };
            let is_new = !event.is_planned && self.has_event(event);
            if is_new || (is_known(&event.event) && !attributes.is_empty()) {
                events.push((event.event.as_str(), attributes));
            }
        }
        events
    }

    /// Names that were asked for and never seen.
    fn unseen(&self) -> Vec<Skipped> {
        let has_event = |name: &String| self.learnt.iter().any(|event| event.event == *name);
        let attributes = || self.learnt.iter().flat_map(|event| &event.attributes);
        let events = self.body.events.iter().filter(|name| !has_event(name));
        let others = self.body.attributes.iter().filter(|name| attributes().all(|a| a.attribute != **name));
        let skipped = |name: &String| Skipped { name: name.clone(), reason: "it was not seen".to_owned() };
        events.chain(others).map(skipped).collect()
    }
}

async fn define_attributes(
    api: &Api,
    app: &AppId,
    (attributes, body): (&BTreeMap<&str, u8>, &AdoptBody),
    adopted: &mut AdoptedBody,
) -> Reply<()> {
    for (name, types) in attributes {
        let mut skip = |reason: String| adopted.skipped.push(Skipped { name: (*name).to_owned(), reason });
        if built_in(name).is_some() {
            skip("an attribute that every event has is called so".to_owned());
            continue;
        }
        let Some(kind) = suggested_type(*types) else {
            skip("its values have no type that a plan knows".to_owned());
            continue;
        };
        let terms = AttributeTerms { status: body.status.into(), ..AttributeTerms::default() };
        let new = NewAttribute { terms, ..NewAttribute::new(*name, kind) };
        match api.catalog().define_attribute(app, new).await {
            Ok(_) => {
                adopted.attributes.push(AdoptedAttribute { name: (*name).to_owned(), kind: kind.into() })
            }
            Err(error) => skip(refusal(error)?),
        }
    }
    Ok(())
}

async fn define_events(
    api: &Api,
    app: &AppId,
    (events, body): (&[(&str, Vec<&str>)], &AdoptBody),
    adopted: &mut AdoptedBody,
) -> Reply<()> {
    for (name, attributes) in events {
        let view = api.app_view(app)?;
        let known = view.plan.events().iter().find(|event| event.name == *name);
        let new = || PlannedEvent {
            name: (*name).to_owned(),
            status: body.status.into(),
            ..PlannedEvent::default()
        };
        let mut event = known.cloned().unwrap_or_else(new);
        let listed = event.attributes.len();
        for attribute in attributes {
            let defined = view.attributes.iter().find(|known| known.name == *attribute);
            let is_listed = event.attributes.iter().any(|used| used.name == *attribute);
            if defined.is_some_and(|known| !known.terms.common) && !is_listed {
                event.attributes.push(PlannedUse { name: (*attribute).to_owned(), required: false });
            }
        }
        if known.is_some() && event.attributes.len() == listed {
            continue;
        }
        match api.catalog().define_event(app, event).await {
            Ok(_) => adopted.events.push((*name).to_owned()),
            Err(error) => {
                let reason = refusal(error)?;
                adopted.skipped.push(Skipped { name: (*name).to_owned(), reason });
            }
        }
    }
    Ok(())
}

/// Why a name can't be in the plan; anything else ends the call.
fn refusal(error: CatalogError) -> Reply<String> {
    match error {
        CatalogError::Invalid { .. } | CatalogError::LimitReached { .. } => Ok(error.to_string()),
        other => Err(catalog(other)),
    }
}
