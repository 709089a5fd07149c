use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::dead_letter::time;
use super::print;
use crate::cli::BackupArgs;
use crate::client::{Client, segment};
use crate::table::{Table, number};

/// How often a backup is looked at.
const FOLLOW_PERIOD: Duration = Duration::from_millis(500);

/// `suanpan backup`
pub async fn run(args: BackupArgs) -> Result<ExitCode> {
    let client = Client::new(&args.remote)?;
    if args.list {
        let backups: Vec<Value> = client.get("/api/backups").await?;
        print(&listed(&backups));
        return Ok(ExitCode::SUCCESS);
    }
    let mut backup: Value = client.call(Method::POST, "/api/backups", &json!({ "name": args.name })).await?;
    let path = format!("/api/backups/{}", segment(&cell(&backup["name"])));
    while backup["state"] == "running" {
        tokio::time::sleep(FOLLOW_PERIOD).await;
        backup = client.get(&path).await?;
    }
    if backup["state"] != "finished" {
        bail!("the backup failed: {}", cell(&backup["problem"]));
    }
    let made = PathBuf::from(cell(&backup["folder"]));
    let folder = match &args.to {
        Some(to) => moved(&made, &to.join(cell(&backup["name"])))?,
        None => made,
    };
    print(&listed(std::slice::from_ref(&backup)));
    print(&format!("it stands in {}\n", folder.display()));
    if backup["has_catalog"] == false {
        print("the catalog is in PostgreSQL and is not in the backup: copy it with pg_dump now\n");
    }
    Ok(ExitCode::SUCCESS)
}

/// Moves a whole backup; onto another disk it is copied, checked, and then deleted.
fn moved(from: &Path, to: &Path) -> Result<PathBuf> {
    let shown = to.display();
    if to.exists() {
        bail!("{shown} is there already; the backup stays in {}", from.display());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(|| format!("can't make {}", parent.display()))?;
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            copy(from, to)?;
            suanpan_accounts::verify(to, &suanpan_accounts::read_manifest(to)?)?;
            fs::remove_dir_all(from).with_context(|| format!("can't delete {}", from.display()))?;
        }
        renamed => renamed.with_context(|| {
            format!("can't move the backup from {} to {shown}; is it on this machine?", from.display())
        })?,
    }
    Ok(to.to_owned())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    crate::folders::data(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("can't read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("can't write {}", target.display()))?;
        }
    }
    Ok(())
}

fn listed(backups: &[Value]) -> String {
    if backups.is_empty() {
        return "there are no backups\n".to_owned();
    }
    let mut table = Table::new(["backup", "state", "begun", "ended", "#events", "problem"]);
    for backup in backups {
        table.row([
            cell(&backup["name"]),
            cell(&backup["state"]),
            time(&backup["begun_ms"]),
            time(&backup["ended_ms"]),
            backup["events"].as_f64().map(number).unwrap_or_default(),
            cell(&backup["problem"]),
        ]);
    }
    table.render(0)
}
