use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use suanpan_gateway::Problem;

/// Time a client may take to send a body under `/api`.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body under `/api`, or why it can't be read; errors say where the JSON is wrong. The
/// handler looks into it after it has checked who is asking.
pub(crate) struct JsonBody<T>(pub Result<T, Problem>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let TextBody(text) = TextBody::from_request(request, state).await?;
        let parse = |text: String| {
            serde_json::from_str(&text).map_err(|e| {
                let detail = format!("the body is not the JSON expected: {e}");
                Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
            })
        };
        Ok(Self(text.and_then(parse)))
    }
}

/// For fields in which null means something else than being absent: the former is an inner none.
pub(crate) fn given<'de, T, D>(field: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(field).map(Some)
}

/// A body that is passed on as text, or why it can't be read.
pub(crate) struct TextBody(pub Result<String, Problem>);

impl<S: Send + Sync> FromRequest<S> for TextBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let reading = String::from_request(request, state);
        let Ok(text) = tokio::time::timeout(BODY_TIMEOUT, reading).await else {
            let detail = format!("the body took longer than {} s", BODY_TIMEOUT.as_secs());
            return Ok(Self(Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail))));
        };
        Ok(Self(text.map_err(|rejection| {
            let problem = |code| Problem::new(rejection.status(), code, rejection.body_text());
            match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => problem("body_too_large").limit("server.api_body_bytes_max"),
                _ => problem("body_unreadable"),
            }
        })))
    }
}
