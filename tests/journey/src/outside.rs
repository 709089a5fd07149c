use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Relay, Store, command};

/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";

/// A ClickHouse beside the servers, which know it by its address alone, and the relay on their way to it.
pub struct Outside {
    store: Option<Store>,
    relay: Relay,
    folder: TempDir,
}

impl Outside {
    /// A new one, in memory where it can be (what is killed loses nothing of it) or else on disk.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(is_in_memory: bool) -> Self {
        let mut named = tempfile::Builder::new();
        named.prefix("suanpan-outside-");
        let in_memory = if is_in_memory { named.tempdir_in(MEMORY).ok() } else { None };
        let folder = in_memory.unwrap_or_else(|| named.tempdir().expect("a folder can be made"));
        let relay = Relay::to(String::new()).await;
        let mut outside = Self { store: None, relay, folder };
        outside.start_again().await;
        outside
    }

    /// Starts it again after it was killed.
    ///
    /// # Panics
    /// It does not start, or runs.
    pub async fn start_again(&mut self) {
        assert!(self.store.is_none(), "it runs already");
        let store = Store::open(command(), (self.folder.path(), self.folder.path()), &[], "suanpan").await;
        self.relay.move_to(&[store.url().trim_start_matches("http://").trim_end_matches('/')]);
        self.store = Some(store);
    }

    /// The settings of a server that uses it.
    ///
    /// # Panics
    /// It does not run.
    pub fn settings(&self) -> Vec<String> {
        let passwords = std::fs::read_to_string(self.folder.path().join("engine/passwords.json"));
        let passwords: Value = serde_json::from_str(&passwords.expect("its passwords")).expect("JSON");
        let password = |of: &str| passwords[of].as_str().expect("a password").to_owned();
        vec![
            format!("warehouse.url=http://{}", self.relay.address()),
            format!("warehouse.user={}", self.store().owner().0),
            format!("warehouse.password={}", password("write")),
            "warehouse.ask_user=suanpan_ask".to_owned(),
            format!("warehouse.ask_password={}", password("ask")),
        ]
    }

    /// What stands between it and the servers.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// It, asked without the relay.
    ///
    /// # Panics
    /// It does not run.
    pub fn store(&self) -> &Store {
        self.store.as_ref().expect("it runs")
    }

    /// Ends the engine by kill -9; it is started again by itself, and answers on return.
    ///
    /// # Panics
    /// It does not come back.
    pub async fn kill_engine(&self) {
        let engine = self.store().process().descendants();
        engine.iter().for_each(|process| process.signal(Signal::SIGKILL));
        self.store().answers().await;
    }

    /// Ends the engine and what keeps it running by kill -9, for [`Self::start_again`].
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self) {
        let store = self.store.take().expect("it runs");
        let all = store.process().descendants();
        store.process().signal(Signal::SIGKILL);
        all.iter().for_each(|process| process.signal(Signal::SIGKILL));
    }
}
