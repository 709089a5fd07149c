use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde::Serialize;
use suanpan_event::AppId;
use suanpan_gateway::{RefusedRequests, RefusedSource};
use utoipa::ToSchema;

use crate::access::Access;
use crate::path::Path;
use crate::problem::Reply;

/// Requests that were refused as a whole since the process started. Nothing of them was stored.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedRequestsBody {
    /// The latest first; at most 1,000.
    sources: Vec<RefusedSourceBody>,
    /// Sources that were forgotten because there were more.
    forgotten: u64,
}

/// Refused requests of one kind from one network.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedSourceBody {
    /// The network of the clients' addresses, 24 bits of IPv4 or 48 of IPv6; empty if not known.
    source: String,
    /// The app, where the key told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    /// The wire format.
    format: String,
    /// The problem's code, such as `key_unknown`.
    code: String,
    /// How many.
    requests: u64,
    /// When the first one came, in milliseconds since 1970.
    first_ms: i64,
    /// When the last one came.
    last_ms: i64,
    /// The last one's problem in a sentence.
    detail: String,
}

impl From<RefusedSource> for RefusedSourceBody {
    fn from(refused: RefusedSource) -> Self {
        Self {
            source: refused.source,
            app: refused.app.map(|app| app.to_string()),
            format: refused.format.to_owned(),
            code: refused.code.to_owned(),
            requests: refused.requests,
            first_ms: refused.first_ms,
            last_ms: refused.last_ms,
            detail: refused.detail,
        }
    }
}

fn list(refused: &RefusedRequests, app: Option<&AppId>) -> Json<RefusedRequestsBody> {
    let (sources, forgotten) = refused.list(app);
    Json(RefusedRequestsBody {
        sources: sources.into_iter().map(RefusedSourceBody::from).collect(),
        forgotten,
    })
}

/// Requests refused as a whole, counted by where they came from: wrong keys, bodies that can't be
/// read, pages that may not report, quotas.
#[utoipa::path(get, path = "/api/refused-requests", tag = "operation", security(("admin" = [])),
    responses((status = 200, body = RefusedRequestsBody)))]
pub(crate) async fn all(
    State(access): State<Access>,
    Extension(refused): Extension<RefusedRequests>,
    headers: HeaderMap,
) -> Reply<Json<RefusedRequestsBody>> {
    access.admin(&headers)?;
    Ok(list(&refused, None))
}

/// The same for one app, as far as a request told its app.
#[utoipa::path(get, path = "/api/apps/{app}/refused-requests", tag = "operation", security(("read" = [])),
    params(("app" = String, Path)), responses((status = 200, body = RefusedRequestsBody)))]
pub(crate) async fn of_app(
    State(access): State<Access>,
    Extension(refused): Extension<RefusedRequests>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Reply<Json<RefusedRequestsBody>> {
    let app = access.read(&headers, &app)?;
    access.app_view(&app)?;
    Ok(list(&refused, Some(&app)))
}
