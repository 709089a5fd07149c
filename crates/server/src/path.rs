//! The variable parts of a request's path. axum's extractor answers plain text to what it can't
//! read (a wrong percent-encoding); every error under `/api` is a problem document.

use axum::extract::{FromRequestParts, Path as AxumPath};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use suanpan_gateway::Problem;

/// The variable parts of the path.
pub(crate) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match AxumPath::from_request_parts(parts, state).await {
            Ok(AxumPath(path)) => Ok(Self(path)),
            Err(rejection) => {
                let detail = format!("{} can't be read: {}", parts.uri.path(), rejection.body_text());
                Err(Problem::new(rejection.status(), "path_invalid", detail))
            }
        }
    }
}
