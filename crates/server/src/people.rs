use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use suanpan_warehouse::Link;
use utoipa::ToSchema;

use crate::api::Api;
use crate::path::Path;
use crate::problem::{Reply, warehouse};

/// Two ids of one person.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkBody {
    /// The id that an event linked, for example the anonymous one.
    from_id: String,
    /// The person that the event was counted for.
    to_id: String,
    /// The earliest event that did so, in milliseconds since 1970.
    first_seen_ms: i64,
    /// The latest one.
    last_seen_ms: i64,
}

impl From<Link> for LinkBody {
    fn from(link: Link) -> Self {
        let Link { from_id, to_id, first_seen_ms, last_seen_ms } = link;
        Self { from_id, to_id, first_seen_ms, last_seen_ms }
    }
}

/// The links from and to an id of a person, the latest first; at most 1,000.
#[utoipa::path(get, path = "/api/apps/{app}/people/{id}/links", tag = "people", security(("read" = [])),
    params(("app" = String, Path), ("id" = String, Path)), responses((status = 200, body = Vec<LinkBody>)))]
pub(crate) async fn links(
    State(api): State<Api>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply<Json<Vec<LinkBody>>> {
    let app = api.access.read(&headers, &app)?;
    api.app_view(&app)?;
    let links = api.warehouse.links_of(&app, &id).await.map_err(|e| warehouse(&e))?;
    Ok(Json(links.into_iter().map(LinkBody::from).collect()))
}
