//! What the machine and its processes say about themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Clock ticks of a second in `/proc`; the same on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// The binary under test.
pub fn binary() -> Result<PathBuf> {
    let path = std::env::var_os("SUANPAN_BIN").context("SUANPAN_BIN is not set; run it by 'make'")?;
    Ok(PathBuf::from(path))
}

/// Its size.
pub fn binary_bytes() -> Result<u64> {
    Ok(fs::metadata(binary()?)?.len())
}

/// Resident memory of a process, in bytes.
pub fn memory_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("the process has no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("VmRSS has no value")?.parse()?;
    Ok(kib * 1024)
}

/// Processor time that a process took so far, threads that ended included, in seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&stat).map(|ticks| ticks as f64 / TICKS_PER_SECOND)
}

/// Processor time of a process's living threads by their names, in seconds; `-1` of `worker-1` is
/// not part of a name.
pub fn cpu_seconds_by_thread(pid: u32) -> Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while it is looked at.
        let Ok(stat) = fs::read_to_string(task?.path().join("stat")) else { continue };
        let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("?", |(n, _)| n);
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '_');
        *all.entry(name.to_owned()).or_default() += ticks(&stat)? as f64 / TICKS_PER_SECOND;
    }
    Ok(all)
}

/// Ticks in user and system mode, behind the name, which may hold blanks and parentheses.
fn ticks(stat: &str) -> Result<u64> {
    let (_name, rest) = stat.rsplit_once(')').context("a process's stat has a name")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || -> Result<u64> { Ok(fields.next().context("a process's stat is too short")?.parse()?) };
    Ok(next()? + next()?)
}

/// The children of a process.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let mut all: Vec<u32> = text.split_whitespace().filter_map(|p| p.parse().ok()).collect();
    // A child belongs to the thread that made it.
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|p| p.parse::<u32>().ok()));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Bytes of all files under a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.file_type() {
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
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: f64 = memory.split_whitespace().nth(1).and_then(|v| v.parse().ok()).unwrap_or(0.0);
    format!("{}, {cores} cores, {:.0} GB memory", model.trim_matches([':', ' ', '\t']), kib / 1e6)
}

/// Processes that ran or waited for the processor in the last minute, on average.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}
