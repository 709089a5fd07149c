use axum::http::{HeaderMap, Method};
use suanpan_event::{DeadEvent, Rejection};
use suanpan_log::PartitionedBatch;
use suanpan_wire::{Admission, Draft, Format as _, Head, NATIVE, admit};
use uuid::Uuid;

use crate::admission::push_event;
use crate::report::log_problem;
use crate::{Gateway, Problem};

/// What became of a dead event that was tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readmitted {
    /// It fits now, and is on disk under this id: the same at each replay, so that it is counted
    /// once however often it is replayed.
    Accepted {
        /// The event's id.
        id: Uuid,
    },
    /// It is still refused, for this reason.
    Rejected(Rejection),
    /// What is kept of it is no event.
    Unreadable,
}

impl Gateway {
    /// Admits dead events as if they came now with what their apps' plans and limits say today; the
    /// time of receipt stays the first one, and the limit on age is measured from then. Returns
    /// when the accepted ones are on disk; the results are in the order given.
    ///
    /// # Errors
    /// 503: the log takes none just now. Then none of these was accepted.
    pub async fn readmit(&self, dead: &[DeadEvent<'_>]) -> Result<Vec<Readmitted>, Problem> {
        let mut records = self.parts().log.batch();
        let results = dead.iter().map(|dead| self.readmit_one(dead, &mut records)).collect();
        if !records.is_empty() {
            self.parts().log.append(records).await.map_err(log_problem)?;
        }
        Ok(results)
    }

    fn readmit_one(&self, dead: &DeadEvent<'_>, records: &mut PartitionedBatch) -> Readmitted {
        let text = if dead.draft.is_empty() { &dead.raw } else { &dead.draft };
        let snapshot = self.parts().catalog.snapshot();
        let (true, Some(view)) = (dead.is_replayable, snapshot.app(&dead.app_id)) else {
            return Readmitted::Unreadable;
        };
        let (method, headers) = (Method::POST, HeaderMap::new());
        let head = Head { method: &method, path: "/v1/events", query: "", headers: &headers };
        let Ok(batch) = NATIVE.decode(&head, text.as_bytes(), &self.wire_limits()) else {
            return Readmitted::Unreadable;
        };
        let draft: Draft<'_> = match batch.events.into_iter().next() {
            Some(Ok(draft)) => draft,
            Some(Err(refused)) => return Readmitted::Rejected(*refused.rejection),
            None => return Readmitted::Unreadable,
        };
        let about = Admission {
            app_id: &dead.app_id,
            may_report_old: dead.may_report_old,
            received_time_ms: dead.received_time_ms,
            clock_correction_ms: dead.clock_correction_ms,
            limits: &self.parts().limits.event,
            plan: &view.plan,
        };
        match admit(&draft, &about, dead.origin.clone(), || dead.id) {
            Ok((event, _warnings)) => {
                push_event(records, &event);
                Readmitted::Accepted { id: event.event_id }
            }
            Err(rejection) => Readmitted::Rejected(rejection),
        }
    }
}
