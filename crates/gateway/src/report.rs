use std::net::IpAddr;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode, header, request};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use suanpan_catalog::{AppView, KeyGrant};
use suanpan_event::AppId;
use suanpan_log::LogError;
use suanpan_wire::{
    Admission, Batch, Draft, Format, Head, NATIVE, Reply, Report, Route, WireLimits, clock_correction_ms,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::admission::{Admitted, admit_all};
use crate::dead::{Burial, presentable};
use crate::origin::user_agent;
use crate::{Gateway, LiveEvent, Peer, Problem, RefusedRequest, Seen, answer, auth, body, cors, metrics};

impl Gateway {
    /// One request, from its head to its answer.
    async fn answer(&self, route: Route, parts: request::Parts, mut body: Body) -> Response {
        let started = Instant::now();
        let read = self.read(route, &parts, &mut body).await;
        let (format, answered) = match read {
            Err((format, problem)) => {
                body::drain(&mut body, &self.parts().limits).await;
                (format, Err(problem.into()))
            }
            Ok(Read::Document(reply)) => return answer::http(reply),
            Ok(Read::Events { format, payload, _memory }) => {
                (format, self.take(format, &parts, &payload).await)
            }
        };
        let code = answered.as_ref().map_or_else(|refused| refused.problem.code(), |_reply| "ok");
        metrics::request(format.name(), code, started.elapsed());
        match answered {
            Ok(reply) => answer::http(reply),
            Err(refused) => {
                self.note(format, &parts, &refused);
                answer::refusal(format, &head(&parts), &refused.problem)
            }
        }
    }

    /// Counts a request that was refused for what its sender did, by where it came from.
    fn note(&self, format: &'static dyn Format, parts: &request::Parts, refused: &Refused) {
        if refused.problem.status().is_server_error() {
            return;
        }
        let noted = RefusedRequest {
            ip: self.parts().origins.client_ip(peer(parts), &parts.headers),
            app: refused.app.as_ref(),
            format: format.name(),
            code: refused.problem.code(),
            detail: refused.problem.detail(),
        };
        self.parts().refused.note(&noted, (self.parts().clock)());
    }

    /// Reads the body and takes its transport encodings off, within memory that is reserved first.
    async fn read(
        &self,
        route: Route,
        parts: &request::Parts,
        body: &mut Body,
    ) -> Result<Read, (&'static dyn Format, Problem)> {
        let expected: &'static dyn Format = match route {
            Route::Events(format) => format,
            // Until the body is there, the head tells as well as it can.
            Route::Told(told) => told(&head(parts), b""),
            Route::Document(_) => &NATIVE,
        };
        let refuse = |problem| (expected, problem);
        let ours = &self.parts().limits;
        body::check_head(&parts.headers, ours).map_err(refuse)?;
        let wire = self.hold(body::most_bytes(&parts.headers, ours)).map_err(refuse)?;
        let packed = body::collect(body, ours).await.map_err(refuse)?;
        let head = head(parts);
        let limits = self.wire_limits();
        // Beside the body stand its records, which are about as large. Held only from here on, so
        // that slow uploads of small bodies don't keep others out.
        let is_packed = head.says_gzip() || suanpan_wire::is_gzip(&packed);
        let room = if is_packed { unpacked_bytes(packed.len(), &limits) } else { packed.len() };
        let memory = (wire, self.hold(room).map_err(refuse)?);
        let unpacked = |packed| suanpan_wire::unpack(packed, head.says_gzip(), &limits);
        let (format, payload) = match route {
            Route::Events(format) => (format, format.payload(&head, packed, &limits)),
            Route::Document(document) => {
                let body = unpacked(packed).map_err(|e| refuse(e.into()))?;
                return Ok(Read::Document(document(&head, &body)));
            }
            Route::Told(told) => {
                let body = unpacked(packed).map_err(|e| refuse(e.into()))?;
                let format = told(&head, &body);
                let mut plain = parts.headers.clone();
                plain.remove(header::CONTENT_ENCODING);
                (format, format.payload(&Head { headers: &plain, ..head }, body, &limits))
            }
        };
        let payload = payload.map_err(|unreadable| (format, unreadable.into()))?;
        metrics::body(payload.len());
        // What unpacking might have taken is given back at once: the waiting, for the disk, comes now.
        drop(memory);
        let _memory = self.hold(2 * payload.len()).map_err(|problem| (format, problem))?;
        Ok(Read::Events { format, payload, _memory })
    }

    /// Decodes the payload, and admits what it holds for the app of its key.
    async fn take(
        &self,
        format: &'static dyn Format,
        parts: &request::Parts,
        payload: &Bytes,
    ) -> Result<Reply, Refused> {
        let head = head(parts);
        let mut batch = format.decode(&head, payload, &self.wire_limits()).map_err(Problem::from)?;
        let snapshot = self.parts().catalog.snapshot();
        let grant = auth::write_key(&snapshot, &head, &batch)?;
        let view = snapshot.app(&grant.app_id).ok_or_else(app_gone)?;
        let of_app = |problem: Problem| Refused { problem, app: Some(grant.app_id.clone()) };
        cors::check_origin(head.headers, &view.settings).map_err(of_app)?;
        let _share = self.0.fairness.hold(&grant.app_id, payload.len()).map_err(of_app)?;
        let peer = peer(parts);
        let ip = self.parts().origins.client_ip(peer, head.headers);
        let sender = Sender { head, peer, ip, grant, view };
        self.name_visitors(&mut batch, &sender);
        if batch.is_dry_run {
            let admitted = self.admit(format, &batch, &sender);
            self.show(format, &batch, &sender, &admitted.report);
            return Ok(format.reply(&head, &batch, &admitted.report));
        }
        let events = batch.events.len() as u64;
        self.0.quotas.take(view, grant, events, (self.parts().clock)()).map_err(of_app)?;
        let Admitted { report, records } = self.admit(format, &batch, &sender);
        if !records.is_empty()
            && let Err(error) = self.parts().log.append(records).await
        {
            self.0.quotas.give_back(view, grant, events);
            return Err(of_app(log_problem(error)));
        }
        count(format.name(), &report);
        self.show(format, &batch, &sender, &report);
        Ok(format.reply(&head, &batch, &report))
    }

    /// Gives visitors whose client names no person an id for the day.
    fn name_visitors(&self, batch: &mut Batch<'_>, sender: &Sender<'_>) {
        let now_ms = (self.parts().clock)();
        for draft in batch.events.iter_mut().flatten().filter(|draft| draft.is_anonymous_visitor) {
            let agent = sender.agent_of(draft);
            let ip = draft.ip.or(sender.ip);
            draft.device_id = self.0.visitors.visitor_id(&sender.grant.app_id, now_ms, ip, agent).into();
        }
    }

    fn admit(&self, format: &'static dyn Format, batch: &Batch<'_>, sender: &Sender<'_>) -> Admitted {
        let parts = self.parts();
        let received_time_ms = (parts.clock)();
        let limits = &parts.limits.event;
        let about = Admission {
            app_id: &sender.grant.app_id,
            may_report_old: sender.grant.may_report_old,
            received_time_ms,
            clock_correction_ms: clock_correction_ms(batch.sent_at, received_time_ms, limits),
            limits,
            plan: &sender.view.plan,
        };
        let name = format.name();
        let policy = sender.view.settings.ip;
        let is_native = name == NATIVE.name();
        let burial = Burial { about: &about, format: name, ip: policy, is_native };
        let own = parts.origins.resolve(sender.peer, sender.head.headers, policy);
        // A server's address is not where its visitors are.
        let visitors_ip = sender.ip.filter(|_| own.device_type != "server");
        admit_all(batch, &burial, parts.log.batch(), |draft| {
            if draft.ip.is_none() && draft.user_agent.is_empty() {
                return own.clone();
            }
            let agent = sender.agent_of(draft);
            parts.origins.resolve_for(draft.ip.or(visitors_ip), agent, policy)
        })
    }

    /// Shows each event to those who watch the app, once it is on disk.
    fn show(&self, format: &'static dyn Format, batch: &Batch<'_>, sender: &Sender<'_>, report: &Report) {
        let live = &self.parts().live;
        if !live.is_watched() {
            return;
        }
        let received_ms = (self.parts().clock)();
        let unread = Draft::of("");
        for (event, result) in batch.events.iter().zip(&report.results) {
            let (draft, shown) = match event {
                Ok(draft) => (draft, draft.properties.get()),
                // What can't be read can't be masked.
                Err(_) if sender.view.plan.has_personal() => (&unread, ""),
                Err(refused) => (&unread, &*refused.raw),
            };
            let seen = Seen {
                status: result.status,
                event: &draft.event,
                user_id: &draft.user_id,
                device_id: &draft.device_id,
                is_debug: batch.is_debug,
            };
            live.publish(&sender.grant.app_id, &seen, || {
                let masked =
                    presentable(shown, &sender.view.plan, sender.view.settings.ip).unwrap_or_default();
                let told = LiveEvent::of(result)
                    .named(&draft.event, &draft.user_id, &draft.device_id, &draft.library)
                    .showing(&masked);
                let got = if shown.is_empty() { String::new() } else { told.got.clone() };
                LiveEvent {
                    got,
                    received_ms,
                    format: format.name(),
                    time_ms: draft.time_ms,
                    is_debug: batch.is_debug,
                    is_dry_run: batch.is_dry_run,
                    ..told
                }
            });
        }
    }
}

/// Whose request it is, and where it came from.
struct Sender<'r> {
    head: Head<'r>,
    peer: Option<IpAddr>,
    ip: Option<IpAddr>,
    grant: &'r KeyGrant,
    view: &'r AppView,
}

impl<'s> Sender<'s> {
    /// The visitor's `User-Agent`: what a server reports of it, else the request's own.
    fn agent_of<'d>(&self, draft: &'d Draft<'_>) -> &'d str
    where
        's: 'd,
    {
        if draft.user_agent.is_empty() { user_agent(self.head.headers) } else { &draft.user_agent }
    }
}

/// A request of which nothing was kept.
struct Refused {
    problem: Problem,
    /// Its app, once that was known.
    app: Option<AppId>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, app: None }
    }
}

/// How often its own size deflate can unpack to, at most (RFC 1951: 258 bytes for two bits).
const DEFLATE_RATIO_MAX: usize = 1032;

/// The most bytes that unpacking takes, with room for the buffer to grow.
fn unpacked_bytes(packed: usize, limits: &WireLimits) -> usize {
    2 * packed.saturating_mul(DEFLATE_RATIO_MAX).min(limits.unpacked_bytes_max)
}

fn peer(parts: &request::Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|peer| peer.0.ip())
}

/// What a request turned out to hold.
enum Read {
    Events {
        format: &'static dyn Format,
        payload: Bytes,
        /// Given back when the request is over.
        _memory: OwnedSemaphorePermit,
    },
    Document(Reply),
}

fn head(parts: &request::Parts) -> Head<'_> {
    Head {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or(""),
        headers: &parts.headers,
    }
}

/// The reporting endpoints, and the documents that clients ask for before they report.
pub fn router(gateway: Gateway) -> Router {
    let mut router = Router::new();
    for (path, route) in suanpan_wire::ROUTES {
        let answer = move |State(gateway): State<Gateway>, request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            let asked = parts.headers.clone();
            let mut response = match parts.method {
                Method::OPTIONS => return cors::preflight(&asked),
                Method::GET | Method::POST => gateway.answer(*route, parts, body).await,
                _ => answer::wrong_method(&parts),
            };
            cors::allow(&asked, response.headers_mut());
            response
        };
        router = router.route(path, any(answer));
    }
    router.with_state(gateway)
}

/// The app was deleted between two looks at the catalog.
fn app_gone() -> Problem {
    let detail = "the key's app was deleted; 'suanpan apps restore' brings it back";
    Problem::new(StatusCode::UNAUTHORIZED, "key_unknown", detail)
}

/// Counted only once the batch is on disk: a refused request leaves no trace but its own count.
fn count(format: &'static str, report: &Report) {
    let warned = report.results.iter().filter(|r| !r.notes.is_empty()).count();
    metrics::events(format, "ok", report.accepted - warned);
    metrics::events(format, "warning", warned);
    metrics::events(format, "duplicate", report.duplicate);
    metrics::events(format, "rejected", report.rejected);
    for result in &report.results {
        if let Some(code) = result.code {
            metrics::rejection(code.name());
        }
        for note in &result.notes {
            metrics::warning(note.code.name());
        }
    }
}

pub(crate) fn log_problem(error: LogError) -> Problem {
    let unavailable = |code, detail, seconds| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after_s(seconds)
    };
    match error {
        LogError::Overloaded { .. } => {
            unavailable("overloaded", "the log is behind; send it again in a second", 1)
                .limit("log.append_queue_bytes_max")
        }
        LogError::Full { .. } | LogError::DiskFull { .. } => {
            tracing::error!(%error, "the log takes no more events");
            unavailable("log_full", "the server's disk is full; nothing of this request was kept", 30)
        }
        LogError::Unavailable { .. } => {
            tracing::warn!(%error, "an append was not acknowledged");
            let detail = "the log's brokers do not answer; send it again in some seconds";
            unavailable("log_unavailable", detail, 5)
        }
        // Sending it again would not help: the log's limits are set below the gateway's.
        LogError::RecordTooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", error.to_string())
                .limit("gateway.event_bytes_max")
        }
        LogError::BatchTooLarge { option, .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", error.to_string())
                .limit(format!("log.{option}"))
        }
        _ => {
            tracing::error!(%error, "the log refused an append");
            let detail = "the server can't write to its log; nothing of this request was kept";
            unavailable("log_unavailable", detail, 10)
        }
    }
}
