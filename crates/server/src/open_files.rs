use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that others than connections need: the log, the catalog, the engine.
const RESERVED: u64 = 256;

/// How many connections the operating system lets us have open, at most as many as wanted. Asks
/// for as many open files as the process may have, of which it often begins with few.
pub(crate) fn room_for_connections(wanted: usize) -> usize {
    let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let needed = (wanted as u64).saturating_add(RESERVED);
    let granted = needed.min(most).max(now);
    if granted > now
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, granted, most)
    {
        tracing::warn!(%error, "can't raise the limit on open files");
        return connections_within(now, wanted);
    }
    if granted < needed {
        tracing::warn!(
            open_files_max = granted,
            "fewer connections than server.connections_max: raise the limit on open files (ulimit -Hn)"
        );
    }
    connections_within(granted, wanted)
}

fn connections_within(files: u64, wanted: usize) -> usize {
    let room = files.saturating_sub(RESERVED).max(files / 2).max(1);
    usize::try_from(room).unwrap_or(usize::MAX).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_others() {
        let check = |files, wanted, expected| assert_eq!(connections_within(files, wanted), expected);
        check(20_000, 10_000, 10_000);
        check(1024, 10_000, 768);
        check(100, 10_000, 50);
        check(1, 10, 1);
    }
}
