use std::collections::HashMap;
use std::collections::hash_map::Entry;

use suanpan_event::{DeadEvent, Event, Origin, place_key};
use suanpan_log::PartitionedBatch;
use suanpan_wire::{Admission, Batch, Draft, Report, admit};
use uuid::Uuid;

use crate::dead::Burial;

/// What is to be appended, and what is to be answered once that is done.
pub(crate) struct Admitted {
    pub report: Report,
    pub records: PartitionedBatch,
}

/// Admits each event of a batch alone. Accepted and refused events become log records: what is
/// refused goes to the dead letter by the same way, as durably.
///
/// `origin_of` tells where a draft came from.
pub(crate) fn admit_all<'o>(
    batch: &Batch<'_>,
    burial: &Burial<'_>,
    mut records: PartitionedBatch,
    origin_of: impl Fn(&Draft<'_>) -> Origin<'o>,
) -> Admitted {
    let about: &Admission<'_> = burial.about;
    let mut report = Report::with_capacity(batch.events.len());
    let bytes: usize = batch.events.iter().map(|e| raw_of(e) + 160).sum();
    records.reserve(batch.events.len(), bytes);
    let mut places = HashMap::with_capacity(batch.events.len());
    for event in &batch.events {
        let draft = match event {
            Ok(draft) => draft,
            Err(refused) => {
                let dead = burial.of_record(refused, Origin::default());
                push_dead(&mut records, &dead);
                report.reject((*refused.rejection).clone());
                continue;
            }
        };
        let origin = origin_of(draft);
        match admit(draft, about, origin.clone(), Uuid::now_v7) {
            Ok((event, warnings)) => {
                // A repetition is appended as well, beside the first one whomever it names, so that it is
                // counted where all duplicates are.
                let place = match places.entry(event.event_id) {
                    Entry::Vacant(first) => {
                        report.accept(event.event_id, warnings);
                        *first.insert(place_key(&event.app_id, event.actor_id()))
                    }
                    Entry::Occupied(first) => {
                        report.repeat(event.event_id);
                        *first.get()
                    }
                };
                records.push_with(place, |buffer| event.encode_into(buffer));
            }
            Err(rejection) => {
                let dead = burial.of_draft(draft, &rejection, origin);
                push_dead(&mut records, &dead);
                report.reject(rejection);
            }
        }
    }
    Admitted { report, records }
}

/// Places an event with the others of its person.
pub(crate) fn push_event(records: &mut PartitionedBatch, event: &Event<'_>) {
    records.push_with(place_key(&event.app_id, event.actor_id()), |buffer| event.encode_into(buffer));
}

fn push_dead(records: &mut PartitionedBatch, dead: &DeadEvent<'_>) {
    let actor_id = if dead.user_id.is_empty() { &dead.device_id } else { &dead.user_id };
    records.push_with(place_key(&dead.app_id, actor_id), |buffer| dead.encode_into(buffer));
}

fn raw_of(event: &Result<Draft<'_>, suanpan_wire::Refused<'_>>) -> usize {
    match event {
        Ok(draft) => draft.raw.len(),
        Err(refused) => refused.raw.len(),
    }
}
