use reqwest::Url;
use uuid::Uuid;

use crate::runtime;

/// Names the ClickHouse to test on.
const URL_VARIABLE: &str = "SUANPAN_TEST_CLICKHOUSE_URL";
/// A test server may hold rights on these databases alone.
const KNOWN_DATABASES: u32 = 40;

/// A database of its own on the ClickHouse that the tests were given; it goes when dropped.
pub(crate) struct External {
    url: Url,
    database: String,
    http: reqwest::Client,
}

impl External {
    /// A new database, if the tests were given a ClickHouse.
    pub async fn claim() -> Option<Self> {
        let url = std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty())?;
        let url: Url = url.parse().expect("the test server's address is a URL");
        let mut external = Self { url, database: String::new(), http: reqwest::Client::new() };
        let unique = format!("suanpan_journey_{}", Uuid::new_v4().simple());
        let first = rand::random_range(0..KNOWN_DATABASES);
        let known =
            (0..KNOWN_DATABASES).map(|n| format!("suanpan_test_{:02}", (first + n) % KNOWN_DATABASES + 1));
        let mut refusal = String::new();
        for database in std::iter::once(unique).chain(known) {
            match external.query(&format!("CREATE DATABASE {database}")).await {
                Ok(_made) => {
                    external.database = database;
                    return Some(external);
                }
                Err(answer) => refusal = answer,
            }
        }
        panic!("the test server lets us make no database: {refusal}");
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// Host and port.
    pub fn address(&self) -> String {
        let host = self.url.host_str().expect("the address names a host");
        format!("{host}:{}", self.url.port_or_known_default().unwrap_or(8123))
    }

    /// The settings that make a server use it, by way of this local address.
    pub fn settings(&self, by_way_of: &str) -> Vec<String> {
        let mut url = self.url.clone();
        let (host, port) = by_way_of.split_once(':').expect("host:port");
        url.set_host(Some(host)).expect("a host can be replaced");
        url.set_port(port.parse().ok()).expect("a port can be replaced");
        let mut settings =
            vec![format!("warehouse.url={url}"), format!("warehouse.database={}", self.database)];
        for (name, value) in self.url.query_pairs() {
            settings.push(format!("warehouse.{name}={value}"));
        }
        settings
    }

    /// Runs a statement as the user of the address.
    pub async fn query(&self, sql: &str) -> Result<String, String> {
        let mut bare = self.url.clone();
        bare.set_query(None);
        let said = async {
            let response = self.http.post(bare).body(sql.to_owned()).send().await?;
            let succeeded = response.status().is_success();
            Ok::<_, reqwest::Error>((succeeded, response.text().await?))
        };
        match said.await {
            Ok((true, answer)) => Ok(answer),
            Ok((false, problem)) => Err(problem),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for External {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} SYNC", self.database);
        let (url, http) = (self.url.clone(), self.http.clone());
        let dropping = runtime().spawn(async move { http.post(url).body(sql).send().await });
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !dropping.is_finished() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
