use axum::http::{HeaderMap, Method, StatusCode};
use suanpan_catalog::{KeyGrant, KeyKind, Snapshot};
use suanpan_wire::{Batch, Head};

use crate::Problem;

/// The secret of a request, sent as `Authorization: Bearer SECRET` or as the user name of `Basic`.
///
/// # Errors
/// 401 with code `key_missing`.
pub fn credentials(headers: &HeaderMap) -> Result<String, Problem> {
    let head = Head { method: &Method::GET, path: "", query: "", headers };
    head.authorization().ok_or_else(|| {
        let detail = "send a key as 'Authorization: Bearer KEY', or as the user name of Basic";
        Problem::new(StatusCode::UNAUTHORIZED, "key_missing", detail)
    })
}

/// The write key of a request: in its head, or where its format carries it. A client that names
/// itself in both places is known by either. Ingest keys can only write, and nothing else can.
pub(crate) fn write_key<'s>(
    snapshot: &'s Snapshot,
    head: &Head<'_>,
    batch: &Batch<'_>,
) -> Result<&'s KeyGrant, Problem> {
    let in_head = head.authorization();
    let given = [in_head.as_deref(), batch.key.as_deref()];
    let mut secrets = given.into_iter().flatten().filter(|secret| !secret.is_empty()).peekable();
    if secrets.peek().is_none() {
        let detail = "send a write key as 'Authorization: Bearer KEY', or where the client's format has it";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "key_missing", detail));
    }
    let grant = secrets.find_map(|secret| snapshot.key(secret)).ok_or_else(|| {
        let detail = "the key is not known here, or was revoked; make one with 'suanpan keys create'";
        Problem::new(StatusCode::UNAUTHORIZED, "key_unknown", detail)
    })?;
    if grant.kind != KeyKind::Write {
        let detail = "this is a read key; events are reported with a write key";
        return Err(Problem::new(StatusCode::FORBIDDEN, "key_cannot_write", detail));
    }
    Ok(grant)
}
