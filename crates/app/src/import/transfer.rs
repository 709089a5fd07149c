use std::path::Path;

use anyhow::{Context as _, Result};
use suanpan_sdk::{EventResult, Sender, Status};
use tokio::sync::mpsc;

use super::bad_line::{BadLine, Reject};
use super::batch::{Batch, Cutting};
use super::counts::Counts;
use super::progress::Progress;
use super::rejects::Rejects;
use super::state::{State, StateFile};

/// Batches that are cut in advance, while one is on its way.
const BATCHES_AHEAD: usize = 1;

/// Where an import stands, on disk.
pub struct Place {
    /// Its file.
    pub file: StateFile,
    /// What the file says.
    pub state: State,
    /// The bad lines.
    pub rejects: Rejects,
}

/// Cuts a file into batches and reports them one after the other: one is on its way while the
/// next is cut. Whenever this is dropped, the place on disk is that of the last acknowledged batch.
///
/// # Errors
/// The file can't be read, the server refuses, or the disk does not take the place or the rejects.
pub async fn transfer(
    cutting: Cutting,
    place: &mut Place,
    sender: &Sender,
    progress: &Progress,
) -> Result<()> {
    let (batches, mut cut) = mpsc::channel(BATCHES_AHEAD);
    let cutter = tokio::task::spawn_blocking(move || cutting.run(&batches));
    while let Some(batch) = cut.recv().await {
        let results = sender.send(&batch.json()).await?;
        progress_after(place, batch, results, progress)?;
    }
    cutter.await.context("the reader of the file panicked")?
}

/// Keeps what became of a batch: first the rejects, then the place, which says how many rejects
/// belong to it. A kill between them leaves rejects that the next run cuts off.
fn progress_after(
    place: &mut Place,
    batch: Batch,
    results: Vec<EventResult>,
    progress: &Progress,
) -> Result<()> {
    let (lines, file_bytes) = (batch.lines(), batch.file_bytes);
    if let Some(next) = batch.next {
        place.state.next = next;
    }
    let rejects = settle(batch, results, &mut place.state.counts);
    place.state.counts.lines += lines;
    place.rejects.append(&rejects)?;
    place.state.rejects_bytes = place.rejects.bytes();
    place.file.write(&place.state)?;
    progress.reached(file_bytes, &place.state.counts);
    Ok(())
}

/// Counts the results, and returns the rejects in the order of their lines.
fn settle(batch: Batch, results: Vec<EventResult>, counts: &mut Counts) -> Vec<Reject> {
    let mut rejects = batch.bad;
    for (event, result) in batch.events.into_iter().zip(results) {
        match result.status {
            Status::Ok => counts.accepted += 1,
            Status::Warning => {
                counts.accepted += 1;
                counts.warnings += 1;
            }
            Status::Duplicate => counts.duplicate += 1,
            Status::Retry => unreachable!("the sender repeats until there is an answer"),
            // A request that was refused for this event alone is a refusal of the event.
            Status::Rejected | Status::Refused => {
                let bad = BadLine { code: result.code, field: result.field, message: result.message };
                rejects.push(Reject::new(event.line, bad, event.text.as_bytes()));
            }
        }
        for note in result.notes {
            counts.odd(&note.code, event.line, format!("{}: {}", note.field, note.message));
        }
    }
    rejects.sort_by_key(|reject| reject.line);
    rejects.iter().for_each(|reject| counts.reject(reject));
    rejects
}

impl Place {
    /// Goes on with an interrupted import if there is one and `resume` allows it, else begins anew.
    /// Also says in a sentence what was found, if anything.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn find(fresh: State, files: (&Path, &Path), resume: bool) -> Result<(Self, Option<String>)> {
        let (state_file, rejects_file) = files;
        let file = StateFile::new(state_file.to_owned());
        file.check_writable()?;
        let mut found = None;
        match file.read() {
            Some(state) if resume && state.continues(&fresh) => {
                if let Some(rejects) = Rejects::resume(rejects_file.to_owned(), state.rejects_bytes) {
                    let said = format!(
                        "going on at line {} of an import that was interrupted (--restart begins anew)",
                        state.next.line
                    );
                    return Ok((Self { file, state, rejects }, Some(said)));
                }
                found = Some("the rejects of an interrupted import are gone; beginning anew".to_owned());
            }
            Some(_) if resume => {
                found = Some(
                    "an earlier import was interrupted, of another content or with other options; beginning anew"
                        .to_owned(),
                );
            }
            _ => {}
        }
        file.remove()?;
        Ok((Self { file, state: fresh, rejects: Rejects::fresh(rejects_file.to_owned())? }, found))
    }
}
