//! What stands behind the `?` of an address, read so that errors say what to mend.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use suanpan_event::parse_time;
use suanpan_gateway::Problem;

/// A query, or why it can't be read. The handler looks into it after it has checked who is asking.
pub(crate) type QueryOf<T> = Result<Query<T>, QueryRejection>;

/// The query's fields.
pub(crate) fn fields<T>(query: QueryOf<T>) -> Result<T, Problem> {
    match query {
        Ok(Query(fields)) => Ok(fields),
        Err(rejection) => {
            let detail = format!("the query is not what was expected: {}", rejection.body_text());
            Err(Problem::new(StatusCode::BAD_REQUEST, "query_invalid", detail))
        }
    }
}

/// An instant: RFC 3339 with an offset, milliseconds since 1970, or a date, which is its start in UTC.
pub(crate) fn instant(field: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let milliseconds = || text.parse().ok().filter(|ms: &i64| *ms >= 0);
    let date = || parse_time(&format!("{text}T00:00:00Z"));
    // A `+` that was not escaped reads as a space.
    let time = || parse_time(&text.replacen(' ', "+", usize::from(text.contains('T'))));
    match milliseconds().or_else(date).or_else(|| parse_time(text)).or_else(time) {
        Some(ms) => Ok(Some(ms)),
        None => Err(invalid(format!(
            "{field}: {text:?} is no instant; give RFC 3339 with an offset, milliseconds since 1970, or a date"
        ))),
    }
}

/// A wrong value.
pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_three_forms() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(instant("from", Some(text)).ok(), expected.map(Some), "{text}");
        };
        check("1709251200000", Some(1_709_251_200_000));
        check("2024-03-01", Some(1_709_251_200_000));
        check("2024-03-01T08:00:00+08:00", Some(1_709_251_200_000));
        check("2024-03-01T08:00:00 08:00", Some(1_709_251_200_000));
        check("2024-03-01 00:00:00Z", Some(1_709_251_200_000));
        check("yesterday", None);
        check("-1", None);
        assert_eq!(instant("from", Some("")), Ok(None));
    }
}
