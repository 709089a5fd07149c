use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use suanpan_catalog::NewAttribute;
use suanpan_event::{Attribute, AttributeType, BUILT_INS};
use utoipa::ToSchema;

use crate::api::Api;
use crate::json::JsonBody;
use crate::problem::{Reply, catalog};

/// What an attribute's values are.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ValueType {
    /// Text.
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An instant.
    Datetime,
}

impl From<AttributeType> for ValueType {
    fn from(kind: AttributeType) -> Self {
        match kind {
            AttributeType::String => Self::String,
            AttributeType::Number => Self::Number,
            AttributeType::Boolean => Self::Boolean,
            AttributeType::Datetime => Self::Datetime,
        }
    }
}

impl From<ValueType> for AttributeType {
    fn from(kind: ValueType) -> Self {
        match kind {
            ValueType::String => Self::String,
            ValueType::Number => Self::Number,
            ValueType::Boolean => Self::Boolean,
            ValueType::Datetime => Self::Datetime,
        }
    }
}

/// An attribute that rules can use.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttributeBody {
    /// The property's name as clients report it, or a built-in field's.
    name: String,
    /// What its values are.
    #[serde(rename = "type")]
    kind: ValueType,
    /// What people call it.
    title: String,
    /// Every event has it; it can't be changed.
    built_in: bool,
    /// The typed column that makes it fast, if one was free.
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<String>,
}

impl From<&Attribute> for AttributeBody {
    fn from(attribute: &Attribute) -> Self {
        Self {
            name: attribute.name.clone(),
            kind: attribute.kind.into(),
            title: attribute.title.clone(),
            built_in: false,
            slot: attribute.slot.map(|s| s.slot.to_string()),
        }
    }
}

/// A definition.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttributeDefinition {
    /// What its values are.
    #[serde(rename = "type")]
    kind: ValueType,
    /// What people call it.
    #[serde(default)]
    title: String,
    /// Whether its texts take many different values, such as order numbers.
    #[serde(default)]
    many_values: bool,
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
    let built_ins = BUILT_INS.iter().map(|b| AttributeBody {
        name: b.name.to_owned(),
        kind: b.kind.into(),
        title: b.title.to_owned(),
        built_in: true,
        slot: None,
    });
    let app = api.app_view(&app)?;
    Ok(Json(built_ins.chain(app.attributes.iter().map(AttributeBody::from)).collect()))
}

/// Defines an attribute, or changes its type or title.
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
    let new = NewAttribute { name, kind: body.kind.into(), title: body.title, many_values: body.many_values };
    let attribute = api.catalog().define_attribute(&app, new).await.map_err(catalog)?;
    Ok(Json(AttributeBody::from(&attribute)))
}

/// Removes an attribute from the plan. Events keep the property.
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
