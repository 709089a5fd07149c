use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use suanpan_catalog::NewAttribute;
use suanpan_event::{Attribute, AttributeTerms, BUILT_INS, BuiltIn, PlanValue};
use utoipa::ToSchema;

use crate::api::Api;
use crate::json::{JsonBody, given};
use crate::path::Path;
use crate::plan_body::PlannedAttributeBody;
use crate::problem::{Reply, catalog};
use crate::words::{LifeStatus, PersonalData, ValueType};

/// An attribute that rules can use.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttributeBody {
    /// What the tracking plan says of it.
    #[serde(flatten)]
    attribute: PlannedAttributeBody,
    /// Every event has it; it can't be changed.
    built_in: bool,
    /// The typed column that makes it fast, if one was free.
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<String>,
}

impl From<&Attribute> for AttributeBody {
    fn from(attribute: &Attribute) -> Self {
        Self {
            attribute: NewAttribute::from(attribute).into(),
            built_in: false,
            slot: attribute.slot.map(|s| s.slot.to_string()),
        }
    }
}

impl From<&BuiltIn> for AttributeBody {
    fn from(attribute: &BuiltIn) -> Self {
        let named = NewAttribute::new(attribute.name, attribute.kind);
        let attribute = NewAttribute { title: attribute.title.to_owned(), ..named };
        Self { attribute: attribute.into(), built_in: true, slot: None }
    }
}

/// A definition. Of an attribute that is defined already, what is absent stays as it is; with
/// another type, its limits go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttributeDefinition {
    /// What its values are.
    #[serde(rename = "type")]
    kind: ValueType,
    /// What people call it.
    #[serde(default)]
    title: Option<String>,
    /// What it means and when it is sent.
    #[serde(default)]
    description: Option<String>,
    /// Where it stands in its life.
    #[serde(default)]
    status: Option<LifeStatus>,
    /// What becomes of its values before they are stored.
    #[serde(default)]
    personal: Option<PersonalData>,
    /// It may stand in every event, not only in those that list it.
    #[serde(default)]
    common: Option<bool>,
    /// Whether its texts take many different values, such as order numbers.
    #[serde(default)]
    many_values: Option<bool>,
    /// The values it may have, texts or numbers; an empty list is any.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    allowed: Option<Vec<PlanValue>>,
    /// The least number, or the earliest instant (RFC 3339 with an offset); null is none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    min: Option<Option<PlanValue>>,
    /// The greatest number, or the latest instant; null is none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    max: Option<Option<PlanValue>>,
    /// A regular expression found somewhere in the text; null is none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pattern: Option<Option<String>>,
}

impl AttributeDefinition {
    fn over(self, name: String, present: Option<&Attribute>) -> NewAttribute {
        let kind = self.kind.into();
        let present = present.map_or_else(|| NewAttribute::new(name, kind), NewAttribute::from);
        let old = present.terms;
        let limits = if present.kind == kind { old.clone() } else { AttributeTerms::default() };
        let terms = AttributeTerms {
            description: self.description.unwrap_or(old.description),
            status: self.status.map_or(old.status, LifeStatus::into),
            personal: self.personal.map_or(old.personal, PersonalData::into),
            common: self.common.unwrap_or(old.common),
            many_values: self.many_values.unwrap_or(old.many_values),
            allowed: self.allowed.unwrap_or(limits.allowed),
            min: self.min.unwrap_or(limits.min),
            max: self.max.unwrap_or(limits.max),
            pattern: self.pattern.unwrap_or(limits.pattern).filter(|pattern| !pattern.is_empty()),
        };
        NewAttribute { name: present.name, kind, title: self.title.unwrap_or(present.title), terms }
    }
}

/// The attributes that an app's rules can use, built-in ones included.
#[utoipa::path(get, path = "/api/apps/{app}/attributes", tag = "attributes", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = Vec<AttributeBody>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<Vec<AttributeBody>>> {
    let app = api.access.read(&headers, &app)?;
    let built_ins = BUILT_INS.iter().map(AttributeBody::from);
    let app = api.app_view(&app)?;
    Ok(Json(built_ins.chain(app.attributes.iter().map(AttributeBody::from)).collect()))
}

/// Defines an attribute of the tracking plan, or changes one.
#[utoipa::path(put, path = "/api/apps/{app}/attributes/{name}", tag = "attributes", security(("admin" = [])),
    params(("app" = String, Path), ("name" = String, Path)), request_body = AttributeDefinition,
    responses((status = 200, body = AttributeBody)))]
pub(crate) async fn define(
    State(api): State<Api>,
    Path((app, name)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<AttributeDefinition>,
) -> Reply<Json<AttributeBody>> {
    let app = api.access.admin_of(&headers, &app)?;
    let body = body?;
    let view = api.app_view(&app)?;
    let present = view.attribute(&name);
    let new = body.over(name, present);
    let attribute = api.catalog().define_attribute(&app, new).await.map_err(catalog)?;
    Ok(Json(AttributeBody::from(&attribute)))
}

/// Removes an attribute from the plan, and from the planned events that list it. Events keep the property.
#[utoipa::path(delete, path = "/api/apps/{app}/attributes/{name}", tag = "attributes", security(("admin" = [])),
    params(("app" = String, Path), ("name" = String, Path)), responses((status = 204)))]
pub(crate) async fn remove(
    State(api): State<Api>,
    Path((app, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<StatusCode> {
    let app = api.access.admin_of(&headers, &app)?;
    api.catalog().remove_attribute(&app, &name).await.map_err(catalog)?;
    Ok(StatusCode::NO_CONTENT)
}
