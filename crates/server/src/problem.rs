use axum::http::StatusCode;
use suanpan_accounts::AccountsError;
use suanpan_answers::AskError;
use suanpan_catalog::CatalogError;
use suanpan_gateway::Problem;
use suanpan_log::LogError;
use suanpan_rules::RuleErrors;
use suanpan_warehouse::WarehouseError;

/// What a handler gives back.
pub(crate) type Reply<T> = Result<T, Problem>;

pub(crate) fn catalog(error: CatalogError) -> Problem {
    let detail = error.to_string();
    match error {
        CatalogError::NotFound { .. } => Problem::new(StatusCode::NOT_FOUND, "not_found", detail),
        CatalogError::Busy { .. } => Problem::new(StatusCode::CONFLICT, "busy", detail),
        CatalogError::LeaseLost { .. } => Problem::new(StatusCode::CONFLICT, "busy", detail),
        CatalogError::Exists { .. } => Problem::new(StatusCode::CONFLICT, "exists", detail),
        CatalogError::Invalid { .. } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail),
        CatalogError::LimitReached { limit, .. } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "limit_reached", detail)
                .limit(format!("catalog.{limit}"))
        }
        other => {
            tracing::error!(error = %other, "the catalog failed");
            let detail = "the catalog can't be read or written just now; the server's log says why";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "catalog_unavailable", detail).retry_after_s(5)
        }
    }
}

pub(crate) fn log(error: LogError) -> Problem {
    tracing::warn!(%error, "the log can't be asked");
    let detail = "the log does not answer just now; the server's messages say why";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", detail).retry_after_s(2)
}

pub(crate) fn rule(errors: &RuleErrors) -> Problem {
    let list = serde_json::to_value(&errors.errors).expect("rule errors are JSON");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "rule_invalid", errors.to_string()).errors(list)
}

pub(crate) fn ask(error: AskError) -> Problem {
    match error {
        AskError::UnknownApp(app) => {
            Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no app {:?}", app.as_str()))
        }
        AskError::Rule(errors) => rule(&errors),
        AskError::Overloaded { .. } => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", error.to_string())
                .limit("answers.queries_waiting_max")
                .retry_after_s(1)
        }
        AskError::Warehouse(error) => warehouse(&error),
        AskError::Mismatch(error) => {
            tracing::error!(%error, "an answer did not have the shape its plan asked for");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer could not be read")
        }
    }
}

pub(crate) fn warehouse(error: &WarehouseError) -> Problem {
    if let Some(limit) = limit_of(error) {
        let detail = format!("{error}; narrow the range or the filter, or raise the limit");
        return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "query_limit", detail).limit(limit);
    }
    if error.is_retryable() {
        tracing::warn!(%error, "the warehouse is away");
        let detail = "the warehouse does not answer just now; events are still accepted";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "warehouse_unavailable", detail)
            .retry_after_s(2);
    }
    tracing::error!(%error, "the warehouse refused a question");
    let detail = "the warehouse refused the question; the server's log says why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

pub(crate) fn accounts(error: AccountsError) -> Problem {
    let detail = error.to_string();
    match error {
        AccountsError::Catalog(error) => catalog(error),
        AccountsError::Warehouse(error @ WarehouseError::BatchInvalid { .. }) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", error.to_string())
        }
        AccountsError::Warehouse(error) => warehouse(&error),
        AccountsError::Busy { .. } => Problem::new(StatusCode::CONFLICT, "busy", detail),
        AccountsError::NotFound { .. } => Problem::new(StatusCode::NOT_FOUND, "not_found", detail),
        AccountsError::Invalid { .. } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail),
        AccountsError::Log(_) => {
            tracing::warn!(%detail, "the log can't be reached");
            let detail = "the log can't be reached just now; the server's log says why";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", detail).retry_after_s(5)
        }
        AccountsError::Damaged { .. } | AccountsError::Unheard | AccountsError::File { .. } => {
            tracing::error!(%detail, "the accounts can't be kept");
            let detail = "the server could not do it; its log says why";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        }
    }
}

/// The limit of one question that was hit.
fn limit_of(error: &WarehouseError) -> Option<&'static str> {
    match error {
        WarehouseError::TimeLimit { .. } => Some("answers.query_time_ms_max"),
        WarehouseError::RowLimit { .. } => Some("answers.query_rows_max"),
        WarehouseError::MemoryLimit { .. } => Some("answers.query_memory_bytes_max"),
        WarehouseError::ResultLimit { .. } => Some("answers.query_result_rows_max"),
        _ => None,
    }
}
