use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process, told apart from a later one with the same id by the time it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    id: u32,
    parent: u32,
    started_ticks: u64,
}

impl Process {
    /// The process with this id, if there is one that has not ended.
    pub fn of(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // "id (name) state parent … start-time …": the name may hold spaces and brackets.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let (state, parent, started) = (fields.first()?, fields.get(1)?, fields.get(19)?);
        if matches!(*state, "Z" | "X") {
            return None;
        }
        Some(Self { id, parent: parent.parse().ok()?, started_ticks: started.parse().ok()? })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        Self::of(self.id).is_some_and(|now| now.started_ticks == self.started_ticks)
    }

    /// Its children, their children, and so on; parents first.
    pub fn descendants(&self) -> Vec<Self> {
        let all: Vec<Self> = fs::read_dir("/proc")
            .expect("there is /proc")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Self::of)
            .collect();
        let mut found = vec![self.clone()];
        let mut at = 0;
        while at < found.len() {
            let parent = found[at].id;
            found.extend(all.iter().filter(|process| process.parent == parent).cloned());
            at += 1;
        }
        found.split_off(1)
    }

    /// Sends it a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        if self.runs() {
            let id = i32::try_from(self.id).expect("process ids are small");
            // It may end between the question and the signal.
            let _gone = kill(Pid::from_raw(id), signal);
        }
    }
}
