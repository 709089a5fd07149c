use std::collections::HashSet;

use suanpan_event::Origin;
use suanpan_log::RecordBatch;
use suanpan_wire::{Admission, Batch, Draft, Report, admit};
use uuid::Uuid;

use crate::dead::Burial;

/// What is to be appended, and what is to be answered once that is done.
pub(crate) struct Admitted {
    pub report: Report,
    pub records: RecordBatch,
}

/// Admits each event of a batch alone. Accepted and refused events become log records: what is
/// refused goes to the dead letter by the same way, as durably.
///
/// `origin_of` tells where a draft came from.
pub(crate) fn admit_all<'o>(
    batch: &Batch<'_>,
    burial: &Burial<'_>,
    origin_of: impl Fn(&Draft<'_>) -> Origin<'o>,
) -> Admitted {
    let about: &Admission<'_> = burial.about;
    let mut report = Report::with_capacity(batch.events.len());
    let bytes: usize = batch.events.iter().map(|e| raw_of(e) + 160).sum();
    let mut records = RecordBatch::with_capacity(batch.events.len(), bytes);
    let mut ids = HashSet::with_capacity(batch.events.len());
    for event in &batch.events {
        let draft = match event {
            Ok(draft) => draft,
            Err(refused) => {
                let dead = burial.of_record(refused, Origin::default());
                records.push_with(|buffer| dead.encode_into(buffer));
                report.reject((*refused.rejection).clone());
                continue;
            }
        };
        let origin = origin_of(draft);
        match admit(draft, about, origin.clone(), Uuid::now_v7) {
            Ok((event, _)) if !ids.insert(event.event_id) => report.repeat(event.event_id),
            Ok((event, warnings)) => {
                records.push_with(|buffer| event.encode_into(buffer));
                report.accept(event.event_id, warnings);
            }
            Err(rejection) => {
                let dead = burial.of_draft(draft, &rejection, origin);
                records.push_with(|buffer| dead.encode_into(buffer));
                report.reject(rejection);
            }
        }
    }
    Admitted { report, records }
}

fn raw_of(event: &Result<Draft<'_>, suanpan_wire::Refused<'_>>) -> usize {
    match event {
        Ok(draft) => draft.raw.len(),
        Err(refused) => refused.raw.len(),
    }
}
