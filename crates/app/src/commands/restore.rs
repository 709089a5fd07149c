use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use suanpan_accounts::{Manifest, Restored};
use suanpan_warehouse::{Engine, EngineConfig};

use super::print;
use crate::config::Config;
use crate::folders;
use crate::serve::{catalog_file, engine_config};
use crate::table::number;

/// `suanpan restore`: makes a data folder, or the tables of a configured ClickHouse, of a backup.
pub async fn run(from: &Path, config: Config) -> Result<()> {
    super::serve::speak(&config);
    let from = from.canonicalize().with_context(|| format!("can't open {}", from.display()))?;
    let manifest = suanpan_accounts::read_manifest(&from)?;
    let data_dir = folders::data(&config.storage.data_dir)?;
    if let Some(entry) = fs::read_dir(&data_dir)?.next() {
        let there = entry?.path();
        bail!("{} is there already: restore into a new data folder", there.display());
    }
    print(&format!("checking {} files of {}\n", manifest.files.len(), from.display()));
    let (folder, sums) = (from.clone(), manifest.clone());
    tokio::task::spawn_blocking(move || suanpan_accounts::verify(&folder, &sums)).await??;

    // The engine may read backups in this folder alone.
    let engine = EngineConfig { backups_dir: Some(from.clone()), ..engine_config(&config, &data_dir)? };
    let engine = Engine::start(engine).await?;
    let restored = suanpan_accounts::restore(&engine.warehouse(), &from, &manifest).await;
    engine.stop().await;
    let restored = restored?;
    // Last, so that a folder with a catalog is one that was restored whole.
    if manifest.has_catalog && config.catalog_url.is_none() {
        copy_catalog(&from, &data_dir)?;
    }
    print(&told(&manifest, &restored, &config));
    Ok(())
}

fn copy_catalog(from: &Path, data_dir: &Path) -> Result<()> {
    let (source, target) = (from.join("catalog.sqlite"), catalog_file(data_dir));
    let new = target.with_extension("new");
    let copied = fs::copy(&source, &new)
        .and_then(|_bytes| fs::File::open(&new)?.sync_all())
        .and_then(|()| fs::rename(&new, &target));
    copied.with_context(|| format!("can't copy {} to {}", source.display(), target.display()))
}

fn told(manifest: &Manifest, restored: &Restored, config: &Config) -> String {
    let begun =
        jiff::Timestamp::from_millisecond(manifest.begun_ms).map(|at| at.to_string()).unwrap_or_default();
    let counted: u64 = restored.commits.iter().map(|commit| commit.next_offset).sum();
    let data_dir = config.storage.data_dir.display();
    let mut told = format!(
        "restored the backup {} of {begun}: {} records of the log are accounted for\n",
        manifest.name,
        number(counted as f64),
    );
    if restored.uncounted > 0 {
        told.push_str(&format!(
            "{} rows that were stored after its ledger was copied were removed again\n",
            number(restored.uncounted as f64)
        ));
    }
    told.push_str(
        "what was acknowledged after the backup is not there, nor are deletions that were made since\n",
    );
    if !manifest.has_catalog {
        told.push_str("the catalog is not in the backup: restore your PostgreSQL dump\n");
    }
    told.push_str(&format!(
        "next: suanpan serve --data-dir {data_dir}   (a new admin token is made; keys work as before)\n\
         then: suanpan audit --data-dir {data_dir} --from {} --no-log\n",
        begun.split('T').next().unwrap_or_default()
    ));
    told
}
