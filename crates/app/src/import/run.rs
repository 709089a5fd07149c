use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};

use super::batch::Cutting;
use super::columns::Columns;
use super::draft::Drafter;
use super::file::{Identity, identify};
use super::progress::Progress;
use super::report::grouped;
use super::send::{Patience, sender};
use super::state::State;
use super::survey::columns_of;
use super::transfer::{Place, transfer};
use super::window::Position;
use super::{Format, ImportOptions, ImportReport, Target, preview};

/// Imports a file. Ctrl-C, or dropping this, stops it; the next run goes on.
///
/// # Errors
/// The file or its folder can't be used, the columns don't make events, the server refuses the
/// key, or is away for too long. Bad lines are no error.
pub async fn run(options: &ImportOptions, target: &Target) -> Result<ImportReport> {
    import(options, target, Patience::default()).await
}

/// [`run`] with another patience.
pub async fn import(options: &ImportOptions, target: &Target, patience: Patience) -> Result<ImportReport> {
    let started = Instant::now();
    let format = options.format()?;
    let studied = options.clone();
    let (identity, drafter) = tokio::task::spawn_blocking(move || study(&studied, format))
        .await
        .context("the reader of the file panicked")??;
    let mut report = if options.dry_run {
        let options = options.clone();
        tokio::task::spawn_blocking(move || preview::run(&options, format, drafter))
            .await
            .context("the reader of the file panicked")??
    } else {
        send(options, target, patience, (format, identity, drafter)).await?
    };
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Learns all that can be known before anything is sent. Blocks.
fn study(options: &ImportOptions, format: Format) -> Result<(Identity, Drafter)> {
    let identity = identify(&options.file)?;
    let columns = Columns::new(options)?;
    columns.check(&columns_of(options, format, &columns)?)?;
    let drafter = Drafter::new(columns, identity.content, options)
        .map_err(|bad| anyhow!("{}: {}", bad.field, bad.message))?;
    Ok((identity, drafter))
}

async fn send(
    options: &ImportOptions,
    target: &Target,
    patience: Patience,
    (format, identity, drafter): (Format, Identity, Drafter),
) -> Result<ImportReport> {
    let beginning = Position { line: 1, offset: 0 };
    let fresh = State::new(identity.content.hex(), options.fingerprint(format, target), beginning);
    let files = (options.state_file(), options.rejects_file());
    let (mut place, found) = Place::find(fresh, (&files.0, &files.1), options.resume)?;
    let before = place.state.counts.lines;
    let progress = Arc::new(Progress::new(identity.file_bytes, before, options.progress));
    if let Some(found) = found {
        progress.note(&found);
    }
    let sender = sender(target, options, patience, &progress)?;
    let from = (before > 0).then_some(place.state.next);
    let cutting = Cutting { options: options.clone(), format, identity, drafter, from };
    let sent = tokio::select! {
        sent = transfer(cutting, &mut place, &sender, &progress) => sent,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    if let Err(error) = sent {
        let lines = place.state.counts.lines;
        if lines == 0 {
            return Err(error);
        }
        bail!(
            "{error:#}\n{} lines are done; the same command goes on at line {}",
            grouped(lines),
            place.state.next.line
        );
    }
    place.file.remove()?;
    Ok(ImportReport {
        skipped_before_resume: before,
        rejects_file: place.rejects.file().map(ToOwned::to_owned),
        ..ImportReport::new(options.file.clone(), place.state.counts)
    })
}
