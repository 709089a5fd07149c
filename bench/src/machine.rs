use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The binary under test.
pub fn binary() -> Result<PathBuf> {
    let path = std::env::var_os("SUANPAN_BIN").context("SUANPAN_BIN is not set; run 'make bench'")?;
    Ok(PathBuf::from(path))
}

/// Its size.
pub fn binary_bytes() -> Result<u64> {
    Ok(std::fs::metadata(binary()?)?.len())
}

/// Resident memory of a process, in bytes.
pub fn memory_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("the process has no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("VmRSS has no value")?.parse()?;
    Ok(kib * 1024)
}

/// The children of a process.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let mut all: Vec<u32> = text.split_whitespace().filter_map(|p| p.parse().ok()).collect();
    // A child belongs to the thread that made it.
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|p| p.parse::<u32>().ok()));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Bytes of all files under a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => folder_bytes(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |m| m.len()),
        _ => 0,
    };
    entries.flatten().map(size).sum()
}

/// Bytes as text.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

/// What the figures were measured on.
pub fn describe() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: f64 = memory.split_whitespace().nth(1).and_then(|v| v.parse().ok()).unwrap_or(0.0);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    format!(
        "{}, {cores} cores, {:.0} GB memory, load {load} at the end",
        model.trim_matches([':', ' ', '\t']),
        kib / 1e6
    )
}
