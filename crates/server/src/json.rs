use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use suanpan_gateway::Problem;

/// A JSON body under `/api`; errors say where the JSON is wrong.
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            let code =
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "body_too_large" } else { "body" };
            Problem::new(rejection.status(), code, rejection.body_text()).limit("api_body_bytes_max")
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|e| {
            let detail = format!("the body is not the JSON expected: {e}");
            Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
        })
    }
}

/// A body that is passed on as text.
pub(crate) struct TextBody(pub String);

impl<S: Send + Sync> FromRequest<S> for TextBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        String::from_request(request, state).await.map(Self).map_err(|rejection| {
            let code =
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "body_too_large" } else { "body" };
            Problem::new(rejection.status(), code, rejection.body_text()).limit("api_body_bytes_max")
        })
    }
}
