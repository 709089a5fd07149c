use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ask::AskLimits;
use crate::client::{Client, Credentials, Statement};
use crate::engine::{EngineConfig, require_version};
use crate::error::{Result, WarehouseError};
use crate::{external, schema};

const PING_TIMEOUT_S: u64 = 2;

/// The tables in one ClickHouse. Cheap to clone; all methods may be called from many tasks.
#[derive(Debug, Clone)]
pub struct Warehouse {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: String,
    /// Speaks as the owner of the tables.
    writer: Client,
    /// Speaks as the user that asks.
    asker: Client,
    ask_user_is_made: bool,
    ask_limits_max: AskLimits,
    /// Whether a question may send limits of its own; a foreign asking user may be fixed to its own.
    ask_limits_settable: AtomicBool,
}

/// Whence the asking user comes.
pub(crate) enum AskAccess {
    /// It exists: in the `users.xml` of an engine of our own, or made by somebody.
    Given(Credentials),
    /// It is made by SQL, with a password that every process of the installation can derive.
    Made,
}

impl Warehouse {
    pub(crate) fn new(writer: Client, ask: AskAccess, config: &EngineConfig) -> Result<Self> {
        let ask_user_is_made = matches!(ask, AskAccess::Made);
        let credentials = match ask {
            AskAccess::Given(credentials) => credentials,
            AskAccess::Made => external::derived_asker(&writer, &config.database),
        };
        // The database is the default one for questions, which say plain `events`.
        let asker = writer.with_credentials(credentials).with_database(config.database.clone());
        let inner = Inner {
            database: config.database.clone(),
            writer,
            asker,
            ask_user_is_made,
            ask_limits_max: config.ask_limits_max,
            ask_limits_settable: AtomicBool::new(true),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes what is missing: the database, its tables, the user that asks; then proves that this
    /// user is walled in. Run it once at start; running it again, also by several processes, is
    /// harmless.
    ///
    /// # Errors
    /// [`WarehouseError::VersionTooOld`]; [`WarehouseError::SchemaTooNew`]; [`WarehouseError::AccessRefused`] when a configured server
    /// does not let us, or its asking user could see too much.
    pub async fn migrate(&self) -> Result<()> {
        require_version(&self.version().await?)?;
        schema::migrate(self.writer(), self.database()).await?;
        if self.inner.ask_user_is_made {
            external::make_asker(self.writer(), self.asker(), self.database(), self.ask_limits_max()).await?;
        }
        let settable = external::prove_walls(self.asker(), self.database()).await?;
        self.inner.ask_limits_settable.store(settable, Ordering::Relaxed);
        Ok(())
    }

    /// Whether ClickHouse answers, within 2 s.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        let answer = tokio::time::timeout(Duration::from_secs(PING_TIMEOUT_S), self.writer().run("SELECT 1"));
        answer.await.unwrap_or_else(|_elapsed| Err(WarehouseError::unavailable("no answer to a ping")))
    }

    /// ClickHouse's version, for example `26.7.2.1`.
    ///
    /// # Errors
    /// ClickHouse does not answer, or refuses the user.
    pub async fn version(&self) -> Result<String> {
        let statement = Statement { sql: "SELECT version()", ..Statement::default() };
        self.writer().text(statement).await.map(|text| text.trim().to_owned()).map_err(|error| match error {
            // AUTHENTICATION_FAILED, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD
            WarehouseError::Query { code: 516 | 192..=194, .. } => WarehouseError::AccessRefused {
                message: format!(
                    "ClickHouse refuses the user {} or its password: check the configured URL, user and \
                     password",
                    self.writer().user()
                ),
            },
            other => other,
        })
    }

    /// The database's name. Questions need not name it: it is their default.
    pub fn database(&self) -> &str {
        &self.inner.database
    }

    /// The most any question may take.
    pub fn ask_limits_max(&self) -> &AskLimits {
        &self.inner.ask_limits_max
    }

    pub(crate) fn ask_limits_settable(&self) -> bool {
        self.inner.ask_limits_settable.load(Ordering::Relaxed)
    }

    pub(crate) fn writer(&self) -> &Client {
        &self.inner.writer
    }

    pub(crate) fn asker(&self) -> &Client {
        &self.inner.asker
    }
}
