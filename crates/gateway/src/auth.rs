use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use suanpan_catalog::{KeyGrant, KeyKind, Snapshot};

use crate::Problem;

/// The secret of a request: `Authorization: Bearer SECRET`, or `Basic` with the secret as the
/// user name and an empty password, as HTTP clients make of `http://SECRET:@host/`.
fn bearer_or_basic(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        Some(rest.to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (user, _password) = decoded.split_once(':').unwrap_or((&decoded, ""));
        Some(user.to_owned())
    } else {
        None
    }
}

/// The secret of a request, sent as `Authorization: Bearer SECRET` or as the user name of `Basic`.
///
/// # Errors
/// 401 with code `key_missing`.
pub fn credentials(headers: &HeaderMap) -> Result<String, Problem> {
    bearer_or_basic(headers).ok_or_else(|| {
        let detail = "send a key as 'Authorization: Bearer KEY', or as the user name of Basic";
        Problem::new(StatusCode::UNAUTHORIZED, "key_missing", detail)
    })
}

/// The write key of a request. Ingest keys can only write, and nothing else can.
pub(crate) fn write_key<'s>(snapshot: &'s Snapshot, headers: &HeaderMap) -> Result<&'s KeyGrant, Problem> {
    let secret = credentials(headers)?;
    let unknown = || {
        let detail = "the key is not known here, or was revoked; make one with 'suanpan keys create'";
        Problem::new(StatusCode::UNAUTHORIZED, "key_unknown", detail)
    };
    let grant = snapshot.key(&secret).ok_or_else(unknown)?;
    if grant.kind != KeyKind::Write {
        let detail = "this is a read key; events are reported with a write key";
        return Err(Problem::new(StatusCode::FORBIDDEN, "key_cannot_write", detail));
    }
    Ok(grant)
}
