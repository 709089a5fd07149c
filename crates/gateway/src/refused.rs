use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use suanpan_event::AppId;

use crate::address::truncated;
use crate::metrics;

/// Sources that are remembered; more push out those that were not heard of for longest.
const SOURCES_MAX: usize = 1000;

/// Characters of a detail that are kept.
const DETAIL_CHARS_MAX: usize = 300;

/// Counts requests that were refused as a whole, by where they came from: wrong keys, pages that
/// may not report, bodies that can't be read. Nothing of them is stored. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RefusedRequests(Arc<Mutex<Sources>>);

#[derive(Debug, Default)]
struct Sources {
    by_kind: HashMap<Kind, Count>,
    /// Grows with each request: who has the smallest was not heard of for longest.
    turn: u64,
    forgotten: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    source: Option<IpAddr>,
    app: Option<AppId>,
    format: &'static str,
    code: &'static str,
}

#[derive(Debug)]
struct Count {
    turn: u64,
    requests: u64,
    first_ms: i64,
    last_ms: i64,
    detail: String,
}

/// A refused request.
#[derive(Debug, Clone, Copy)]
pub struct RefusedRequest<'r> {
    /// The client's address; only its network is kept.
    pub ip: Option<IpAddr>,
    /// The app, where the key or the request tells it.
    pub app: Option<&'r AppId>,
    /// The wire format.
    pub format: &'static str,
    /// The problem's code.
    pub code: &'static str,
    /// The problem's sentence.
    pub detail: &'r str,
}

/// Refused requests of one kind from one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedSource {
    /// The network of the client's address, 24 bits of IPv4 or 48 of IPv6; empty if not known.
    pub source: String,
    /// The app, where the key or the request told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppId>,
    /// The wire format.
    pub format: &'static str,
    /// The problem's code.
    pub code: &'static str,
    /// Requests since the process started, or since the source was forgotten last.
    pub requests: u64,
    /// When the first one came, in milliseconds since 1970-01-01 UTC.
    pub first_ms: i64,
    /// When the last one came.
    pub last_ms: i64,
    /// The last one's problem in a sentence.
    pub detail: String,
}

impl RefusedRequests {
    /// Counts a request.
    pub fn note(&self, request: &RefusedRequest<'_>, now_ms: i64) {
        let RefusedRequest { ip, app, format, code, detail } = *request;
        let kind = Kind { source: ip.map(truncated), app: app.cloned(), format, code };
        let mut sources = self.sources();
        sources.turn += 1;
        let turn = sources.turn;
        if !sources.by_kind.contains_key(&kind) && sources.by_kind.len() >= SOURCES_MAX {
            sources.forget_one();
        }
        let fresh = || Count { turn, requests: 0, first_ms: now_ms, last_ms: now_ms, detail: String::new() };
        let count = sources.by_kind.entry(kind).or_insert_with(fresh);
        count.turn = turn;
        count.requests += 1;
        count.last_ms = now_ms;
        count.detail.clear();
        count.detail.extend(without_keys(detail).chars().take(DETAIL_CHARS_MAX));
    }

    /// All that is remembered, the latest first, of one app or of all; and how many sources were
    /// forgotten because there were too many.
    pub fn list(&self, app: Option<&AppId>) -> (Vec<RefusedSource>, u64) {
        let sources = self.sources();
        let mut found: Vec<(u64, RefusedSource)> = sources
            .by_kind
            .iter()
            .filter(|(kind, _)| app.is_none() || kind.app.as_ref() == app)
            .map(|(kind, count)| (count.turn, kind.with(count)))
            .collect();
        let forgotten = sources.forgotten;
        drop(sources);
        found.sort_by_key(|(turn, _)| std::cmp::Reverse(*turn));
        (found.into_iter().map(|(_, source)| source).collect(), forgotten)
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        // A count that panicked half-way is off by one at most.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sources {
    /// Looks at all of them, which takes microseconds: cheaper than an order that is kept at each
    /// request for the rare time that somebody uses a thousand networks.
    fn forget_one(&mut self) {
        let oldest = self.by_kind.iter().min_by_key(|(_, count)| count.turn).map(|(kind, _)| kind.clone());
        if let Some(oldest) = oldest {
            self.by_kind.remove(&oldest);
            self.forgotten += 1;
            metrics::refused_source_forgotten();
        }
    }
}

impl Kind {
    fn with(&self, count: &Count) -> RefusedSource {
        RefusedSource {
            source: self.source.map(|ip| ip.to_string()).unwrap_or_default(),
            app: self.app.clone(),
            format: self.format,
            code: self.code,
            requests: count.requests,
            first_ms: count.first_ms,
            last_ms: count.last_ms,
            detail: count.detail.clone(),
        }
    }
}

/// A sentence may quote what the client sent, and that may be somebody's key.
fn without_keys(detail: &str) -> String {
    let mut clean = String::with_capacity(detail.len());
    let mut rest = detail;
    while let Some(at) = ["spw_", "spr_", "spa_"].iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, key) = rest.split_at(at);
        let end = key.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(key.len());
        clean.push_str(before);
        clean.push_str("[key]");
        rest = &key[end..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG_KEY: RefusedRequest<'_> =
        RefusedRequest { ip: None, app: None, format: "native", code: "key_unknown", detail: "unknown" };

    #[test]
    fn requests_of_one_kind_and_network_are_counted_together() {
        let refused = RefusedRequests::default();
        let shop: AppId = "shop".parse().unwrap();
        for (last, now_ms) in [(1, 100), (2, 200), (3, 300)] {
            let ip = Some(IpAddr::from([203, 0, 113, last]));
            refused.note(&RefusedRequest { ip, ..WRONG_KEY }, now_ms);
        }
        let forbidden = RefusedRequest { app: Some(&shop), code: "origin_forbidden", ..WRONG_KEY };
        refused.note(&forbidden, 250);
        let (all, forgotten) = refused.list(None);
        assert_eq!(forgotten, 0);
        let counts: Vec<_> =
            all.iter().map(|s| (s.source.as_str(), s.code, s.requests, s.first_ms, s.last_ms)).collect();
        assert_eq!(
            counts,
            [("", "origin_forbidden", 1, 250, 250), ("203.0.113.0", "key_unknown", 3, 100, 300)]
        );
        assert_eq!(refused.list(Some(&shop)).0, all[..1]);
    }

    #[test]
    fn the_sources_are_bounded() {
        let refused = RefusedRequests::default();
        let from = |number: u16| {
            let [high, low] = number.to_be_bytes();
            RefusedRequest { ip: Some(IpAddr::from([10, high, low, 1])), ..WRONG_KEY }
        };
        (0..1000).for_each(|number| refused.note(&from(number), 1));
        refused.note(&from(0), 2);
        refused.note(&from(1000), 3);
        let (all, forgotten) = refused.list(None);
        assert_eq!((all.len(), forgotten), (SOURCES_MAX, 1));
        assert_eq!([&all[0].source, &all[1].source], ["10.3.232.0", "10.0.0.0"]);
        assert!(!all.iter().any(|source| source.source == "10.0.1.0"));
    }

    #[test]
    fn a_detail_is_cut_and_shows_no_key() {
        let refused = RefusedRequests::default();
        let detail = format!("bad \"spw_abc123\" and spr_XYZ; {}", "x".repeat(1000));
        refused.note(&RefusedRequest { detail: &detail, ..WRONG_KEY }, 1);
        let (all, _) = refused.list(None);
        assert!(all[0].detail.starts_with("bad \"[key]\" and [key]; xxx"), "{}", all[0].detail);
        assert_eq!(all[0].detail.len(), DETAIL_CHARS_MAX);
    }
}
