use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::caretaker::Caretaker;
use crate::{Process, eventually};

/// A running `suanpan engine`: ClickHouse's own HTTP protocol on a server's data.
pub struct Store {
    child: Child,
    process: Process,
    _caretaker: Caretaker,
    http: reqwest::Client,
    url: String,
    user: String,
    password: String,
    database: String,
}

impl Store {
    /// Opens the data in a folder below `folder` (or `folder` itself), which goes when the tests are killed.
    pub(crate) async fn open(
        command: Command,
        (folder, data_dir): (&Path, &Path),
        settings: &[String],
        database: &str,
    ) -> Self {
        assert!(data_dir.starts_with(folder), "{data_dir:?} is not in {folder:?}");
        let (folder, data_dir) = (folder.to_owned(), data_dir.to_owned());
        let (settings, database) = (settings.to_vec(), database.to_owned());
        let opening = tokio::task::spawn_blocking(move || {
            Self::open_now(command, (&folder, &data_dir), &settings, database)
        });
        let opened = tokio::time::timeout(Duration::from_secs(60), opening).await;
        opened.expect("the engine says within a minute where it is").expect("the engine can be read")
    }

    fn open_now(
        mut command: Command,
        (folder, data_dir): (&Path, &Path),
        settings: &[String],
        database: String,
    ) -> Self {
        let mut child = command
            .args(["engine", "--data-dir"])
            .arg(data_dir)
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("suanpan can be run");
        let process = Process::of(child.id()).expect("a child that is not waited for is there");
        let _caretaker = Caretaker::of(child.id(), folder);
        let lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        let mut store = Self {
            child,
            process,
            _caretaker,
            // The engine ends only when its connections are closed.
            http: reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client can be made"),
            url: String::new(),
            user: String::new(),
            password: String::new(),
            database,
        };
        // Read to the line that ends what it prints; a store that is dropped early ends its engine.
        for line in lines.map_while(Result::ok) {
            match line.trim().split_once(' ').map(|(name, value)| (name, value.trim())) {
                Some(("URL", value)) => value.clone_into(&mut store.url),
                Some(("user", value)) => value.clone_into(&mut store.user),
                Some(("password", value)) => {
                    store.password = password(store.process.id(), value, settings);
                    return store;
                }
                _ => {}
            }
        }
        panic!("the engine ended before it said where its password stands");
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The owner's name and password.
    pub fn owner(&self) -> (&str, &str) {
        (&self.user, &self.password)
    }

    /// Its process, whose child is the engine.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits until it answers, which after a kill takes some seconds.
    ///
    /// # Panics
    /// It does not within a minute.
    pub async fn answers(&self) {
        eventually("ClickHouse answers", 60, async || {
            let asked = self.http.post(&self.url).timeout(Duration::from_secs(2)).body("SELECT 1").send();
            asked.await.ok().map(drop)
        })
        .await;
    }

    /// Runs a statement as the owner and gives its answer.
    ///
    /// # Panics
    /// ClickHouse refuses it.
    pub async fn query(&self, sql: &str) -> String {
        let answer = self.try_query_as(Some((&self.user, &self.password)), sql).await;
        answer.unwrap_or_else(|problem| panic!("{sql}: {problem}"))
    }

    /// Runs a statement as somebody, or as nobody in particular.
    ///
    /// # Errors
    /// What ClickHouse refuses it with.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn try_query_as(&self, who: Option<(&str, &str)>, sql: &str) -> Result<String, String> {
        let mut request =
            self.http.post(&self.url).query(&[("database", &self.database)]).body(sql.to_owned());
        if let Some((user, password)) = who {
            request = request.header("X-ClickHouse-User", user).header("X-ClickHouse-Key", password);
        }
        let response = request.send().await.expect("ClickHouse answers");
        let succeeded = response.status().is_success();
        let text = response.text().await.expect("the answer is complete").trim_end().to_owned();
        if succeeded { Ok(text) } else { Err(text) }
    }
}

/// The password that the command points to, as its process sees the place.
fn password(process: u32, place: &str, settings: &[String]) -> String {
    let Some(file) = place.strip_prefix("in ") else {
        let url = settings.iter().find_map(|s| s.strip_prefix("warehouse.url=")).expect("it was configured");
        let url: reqwest::Url = url.parse().expect("it was a URL before");
        return url.password().unwrap_or_default().to_owned();
    };
    let text = std::fs::read_to_string(format!("/proc/{process}/root{file}"))
        .expect("the password stands where the command says");
    let passwords: Value = serde_json::from_str(&text).expect("the passwords are JSON");
    passwords["write"].as_str().expect("the owner's password").to_owned()
}

impl Drop for Store {
    fn drop(&mut self) {
        let engine = self.process.descendants();
        self.process.signal(Signal::SIGTERM);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if std::time::Instant::now() > deadline {
                engine.iter().chain([&self.process]).for_each(|process| process.signal(Signal::SIGKILL));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
