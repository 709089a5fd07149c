use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tracing::{info, warn};

use super::EngineConfig;
use crate::error::{Result, WarehouseError};

/// The pinned version of the embedded engine; `make engine` fetches it.
pub const LIBRARY_VERSION: &str = "26.7.3-stable.1";
/// The oldest ClickHouse whose settings and syntax the schema can rely on.
const OLDEST: (u32, u32) = (24, 8);
const VERSION_TIMEOUT_S: u64 = 10;

/// Which engine to run ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OwnEngine {
    Binary(PathBuf),
    Library(PathBuf),
}

/// A `clickhouse` binary on PATH that is new enough, else the library. A folder that the library
/// already filled stays with it, so that installing a binary does not make the data vanish.
pub(super) async fn choose_own(config: &EngineConfig, library_data: &Path) -> Result<OwnEngine> {
    let library = library_path(config);
    let belongs_to_library = library_data.exists() && library.exists();
    if config.use_path_binary
        && !belongs_to_library
        && let Some(binary) = usable_binary(env::var_os("PATH").as_deref()).await
    {
        return Ok(OwnEngine::Binary(binary));
    }
    if library.is_file() {
        return Ok(OwnEngine::Library(library));
    }
    Err(WarehouseError::EngineMissing { looked_for: library })
}

fn library_path(config: &EngineConfig) -> PathBuf {
    if let Some(library) = &config.library {
        return library.clone();
    }
    let cache = config.cache_dir.clone().or_else(|| env::var_os("SUANPAN_CACHE").map(PathBuf::from));
    let cache = cache.unwrap_or_else(|| {
        PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/".into())).join(".cache/suanpan")
    });
    cache.join("engine").join(LIBRARY_VERSION).join("libchdb.so")
}

async fn usable_binary(path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    let binary =
        env::split_paths(path?).map(|folder| folder.join("clickhouse")).find(|file| file.is_file())?;
    let asked = Command::new(&binary).arg("--version").kill_on_drop(true).output();
    let said = match tokio::time::timeout(Duration::from_secs(VERSION_TIMEOUT_S), asked).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => "no answer".to_owned(),
    };
    match parse_version(&said) {
        Some(version) if version >= OLDEST => {
            info!(binary = %binary.display(), version = said.trim(), "using the clickhouse binary on PATH");
            Some(binary)
        }
        Some((major, minor)) => {
            warn!(
                "{} is version {major}.{minor}, older than 24.8: using the embedded engine instead",
                binary.display()
            );
            None
        }
        None => {
            let said: String = said.trim().chars().take(200).collect();
            warn!(
                "{} does not tell its version ({said:?}): using the embedded engine instead",
                binary.display()
            );
            None
        }
    }
}

/// Major and minor of the first thing in a text that looks like a version.
pub(crate) fn parse_version(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut parts = word.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        Some((major, minor))
    })
}

/// Refuses a server that is too old.
pub(crate) fn require_version(found: &str) -> Result<()> {
    match parse_version(found) {
        Some(version) if version >= OLDEST => Ok(()),
        _ => Err(WarehouseError::VersionTooOld { found: found.trim().to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_new_enough_binary_is_used() {
        use std::os::unix::fs::PermissionsExt;
        let check = async |script: &str, usable: bool| {
            let folder = tempfile::tempdir().unwrap();
            let binary = folder.path().join("clickhouse");
            std::fs::write(&binary, script).unwrap();
            std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o700)).unwrap();
            let found = usable_binary(Some(folder.path().as_os_str())).await;
            assert_eq!(found, usable.then_some(binary), "{script}");
        };
        check("#!/bin/sh\necho 'ClickHouse client version 18.16.1.'", false).await;
        check("#!/bin/sh\necho 'ClickHouse client version 25.3.2.39 (official build).'", true).await;
        check("#!/bin/sh\nexit 1", false).await;
        check("no program", false).await;
        assert_eq!(usable_binary(Some("/nonexistent".as_ref())).await, None);
    }

    #[test]
    fn versions_are_found_where_clickhouse_prints_them() {
        let check = |text: &str, expected| assert_eq!(parse_version(text), expected, "{text}");
        check("ClickHouse client version 18.16.1.", Some((18, 16)));
        check("ClickHouse local version 24.8.4.13 (official build).", Some((24, 8)));
        check("26.7.2.1", Some((26, 7)));
        check("command not found", None);
        check("", None);
        assert!(require_version("24.8.1.1").is_ok());
        assert!(require_version("24.7.9.1").is_err());
        assert!(require_version("25.1").is_ok());
    }
}
