//! What the tests of all formats share: requests as clients send them, and drafts as text.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use suanpan_event::{AppId, EventLimits, Origin, TrackingPlan};
use uuid::Uuid;

use crate::{Admission, Batch, Format, Head, Refusal, Reply, Report, Unreadable, WireLimits, admit, route};

/// A request as a client sends it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: Method::POST,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.into()),
        }
    }

    pub fn get(target: &str) -> Self {
        Self { method: Method::GET, ..Self::post(target, "") }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub fn head(&self) -> Head<'_> {
        Head { method: &self.method, path: &self.path, query: &self.query, headers: &self.headers }
    }

    /// The batch in the request, as this format reads it.
    pub fn read<T>(&self, format: &dyn Format, then: impl FnOnce(&Batch<'_>) -> T) -> Result<T, Unreadable> {
        let limits = WireLimits::default();
        let payload = format.payload(&self.head(), self.body.clone(), &limits)?;
        let batch = format.decode(&self.head(), &payload, &limits)?;
        Ok(then(&batch))
    }

    /// Checks the events, each as Suanpan's own format without its id; one that was refused as
    /// `code field`.
    pub fn check(&self, format: &dyn Format, expected: &[&str]) {
        let found = self.read(format, shown).unwrap();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found, expected);
        }
    }
}

fn shown(batch: &Batch<'_>) -> Vec<String> {
    let each = batch.events.iter().map(|event| match event {
        Ok(draft) => {
            let native = draft.to_native(Uuid::nil());
            native.replacen(&format!("\"id\":\"{}\",", Uuid::nil()), "", 1)
        }
        Err(refused) => format!("{} {}", refused.rejection.code, refused.rejection.field),
    });
    each.collect()
}

/// A reply's status and body.
pub(crate) fn told(reply: &Reply) -> (u16, String) {
    match reply {
        Reply::Http { status, body, .. } => (*status, String::from_utf8_lossy(body).into_owned()),
        Reply::Reset => (0, String::new()),
    }
}

/// The answer to a request that was refused with this status, and maybe a time to come again.
pub(crate) fn refused(format: &dyn Format, request: &Request, status: u16) -> (u16, serde_json::Value) {
    let refusal = Refusal {
        status,
        code: "some_code",
        detail: "Some sentence.",
        retry_after_s: (status >= 429).then_some(1),
        problem_json: b"{}",
    };
    let (status, body) = told(&format.refuse(&request.head(), &refusal));
    (status, serde_json::from_str(&body).unwrap())
}

/// Admits all of a batch, as the gateway does.
pub(crate) fn report(batch: &Batch<'_>, received_time_ms: i64) -> Report {
    let app_id: AppId = "shop".parse().unwrap();
    let (limits, plan) = (EventLimits::default(), TrackingPlan::default());
    let about = Admission {
        app_id: &app_id,
        may_report_old: false,
        received_time_ms,
        clock_correction_ms: crate::clock_correction_ms(batch.sent_at, received_time_ms, &limits),
        limits: &limits,
        plan: &plan,
    };
    let mut report = Report::with_capacity(batch.events.len());
    for event in &batch.events {
        let admitted = match event {
            Ok(draft) => admit(draft, &about, Origin::default(), Uuid::new_v4),
            Err(refused) => Err((*refused.rejection).clone()),
        };
        match admitted {
            Ok((event, warnings)) => report.accept(event.event_id, warnings),
            Err(rejection) => report.reject(rejection),
        }
    }
    report
}

/// Requests with bodies that are nearly right: what stands in `samples`, with bytes changed, taken
/// out, put in and doubled; and with bodies that are anything.
pub(crate) fn nearly_right(samples: Vec<Request>) -> impl Strategy<Value = Request> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..6_u8, any::<u8>()), 0..12);
    let mutated = (prop::sample::select(samples.clone()), edits).prop_map(|(request, edits)| {
        let mut body = request.body.to_vec();
        for (at, what, byte) in edits {
            let at = at.index(body.len().max(1));
            mutate(&mut body, at, what, byte);
        }
        Request { body: body.into(), ..request }
    });
    let anything = (prop::sample::select(samples), prop::collection::vec(any::<u8>(), 0..200));
    prop_oneof![
        4 => mutated,
        1 => anything.prop_map(|(request, body)| Request { body: body.into(), ..request }),
    ]
}

fn mutate(body: &mut Vec<u8>, at: usize, what: u8, byte: u8) {
    const WORDS: [&str; 8] =
        ["null", "{}", "[]", "1e999", "\\ud800", "123456789012345678901", "\"\"", "[[[[[[[[[["];
    match what {
        _ if body.is_empty() => body.push(byte),
        0 => body[at] = byte,
        1 => body.insert(at, byte),
        2 => drop(body.remove(at)),
        3 => body.truncate(at),
        4 => {
            let end = (at + usize::from(byte)).min(body.len());
            let part = body[at..end].to_vec();
            body.splice(at..at, part);
        }
        _ => drop(body.splice(at..at, WORDS[usize::from(byte) % WORDS.len()].bytes())),
    }
}

/// Reads, admits and answers: no panic, and no more out than a small multiple of what came in.
pub(crate) fn survive(format: &dyn Format, request: &Request) -> Result<(), TestCaseError> {
    let read = request.read(format, |batch| {
        let out: usize = batch.events.iter().flatten().map(|draft| draft.properties.get().len()).sum();
        let bound = 4 * request.body.len() + 1024 * (1 + batch.events.len());
        prop_assert!(out <= bound, "{out} bytes out of {}", request.body.len());
        let report = report(batch, 1_795_374_435_713);
        prop_assert_eq!(report.results.len(), batch.events.len());
        format.reply(&request.head(), batch, &report);
        Ok(())
    });
    read.unwrap_or(Ok(()))
}

/// The format that a path has; for paths that several share, the one that this body tells.
pub(crate) fn format_at(request: &Request) -> &'static str {
    match route(&request.path) {
        Some(crate::Route::Events(format)) => format.name(),
        Some(crate::Route::Told(tell)) => tell(&request.head(), &request.body).name(),
        Some(crate::Route::Document(_)) => "document",
        None => "none",
    }
}
