use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ask::AskLimits;
use crate::client::{Client, Credentials, Statement};
use crate::engine::{EngineConfig, require_version};
use crate::error::{Result, WarehouseError};
use crate::external;
use crate::nodes::{Nodes, Roll, in_time};
use crate::schema::{Layout, PlannedStep, Planner};

const PING_TIMEOUT_S: u64 = 2;

/// The tables in one ClickHouse, or in a cluster of them. Cheap to clone; all methods may be called from many tasks.
#[derive(Debug, Clone)]
pub struct Warehouse {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    /// Speak as the owner of the tables.
    nodes: Nodes,
    /// Speaks as the user that asks, to any node.
    asker: Client,
    ask_user_is_made: bool,
    ask_limits_max: AskLimits,
    /// Whether a question may send limits of its own; a foreign asking user may be fixed to its own.
    ask_limits_settable: AtomicBool,
    /// For each partition of the log that this process claimed: at which turn of each shard the replica in use
    /// had every row. At most as many as the log has partitions.
    caught_up: Mutex<HashMap<u32, Vec<usize>>>,
}

/// Whence the asking user comes.
pub(crate) enum AskAccess {
    /// It exists: in the `users.xml` of an engine of our own, or made by somebody.
    Given(Credentials),
    /// It is made by SQL, with a password that every process of the installation can derive.
    Made,
}

impl Warehouse {
    pub(crate) fn new(nodes: Nodes, ask: AskAccess, config: &EngineConfig) -> Result<Self> {
        let writer = nodes.any();
        let ask_user_is_made = matches!(ask, AskAccess::Made);
        let credentials = match ask {
            AskAccess::Given(credentials) => credentials,
            AskAccess::Made => external::derived_asker(writer, &config.database),
        };
        // The database is the default one for questions, which say plain `events`.
        let asker = writer.with_credentials(credentials).with_database(config.database.clone());
        let inner = Inner {
            layout: Layout { database: config.database.clone(), cluster: config.cluster.clone() },
            nodes,
            asker,
            ask_user_is_made,
            ask_limits_max: config.ask_limits_max,
            ask_limits_settable: AtomicBool::new(true),
            caught_up: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes what is missing on every node that answers: the database, its tables, the user that asks; then
    /// proves that this user is walled in. Run it at start; running it again, also by several processes, is
    /// harmless.
    ///
    /// # Errors
    /// [`WarehouseError::VersionTooOld`]; [`WarehouseError::SchemaTooNew`]; [`WarehouseError::Misplaced`];
    /// [`WarehouseError::AccessRefused`] when a configured server does not let us, or its asking user could see
    /// too much.
    pub async fn migrate(&self) -> Result<()> {
        self.look().await?.run().await?;
        if self.inner.ask_user_is_made {
            let mut roll = Roll::of(self);
            for (shard, node) in self.every_node() {
                let made = external::make_asker(&node, self.asker(), self.layout(), self.ask_limits_max());
                roll.note((shard, &node), in_time(&node, made).await)?;
            }
            roll.end(self)?;
        }
        let settable = external::prove_walls(self.asker(), self.database()).await?;
        self.inner.ask_limits_settable.store(settable, Ordering::Relaxed);
        Ok(())
    }

    /// What [`Self::migrate`] will do to tables, in this order; nothing is changed. Empty when all is as it
    /// should be.
    ///
    /// # Errors
    /// As of [`Self::migrate`].
    pub async fn migration_plan(&self) -> Result<Vec<PlannedStep>> {
        self.look().await?.plan().await
    }

    async fn look(&self) -> Result<Planner<'_>> {
        let mut roll = Roll::of(self);
        for (shard, node) in self.every_node() {
            if let Some(version) = roll.note((shard, &node), in_time(&node, version_of(&node)).await)? {
                require_version(&version)?;
            }
        }
        roll.end(self)?;
        Planner::look(self.layout(), self.shards()).await
    }

    /// Whether ClickHouse answers, within 2 s.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        let answer = tokio::time::timeout(Duration::from_secs(PING_TIMEOUT_S), self.writer().run("SELECT 1"));
        answer.await.unwrap_or_else(|_elapsed| Err(WarehouseError::unavailable("no answer to a ping")))
    }

    /// ClickHouse's version, for example `26.7.2.1`; of a cluster, that of the node which is asked just now.
    ///
    /// # Errors
    /// ClickHouse does not answer, or refuses the user.
    pub async fn version(&self) -> Result<String> {
        version_of(self.writer()).await
    }

    /// The database's name. Questions need not name it: it is their default.
    pub fn database(&self) -> &str {
        &self.inner.layout.database
    }

    /// The most any question may take.
    pub fn ask_limits_max(&self) -> &AskLimits {
        &self.inner.ask_limits_max
    }

    pub(crate) fn ask_limits_settable(&self) -> bool {
        self.inner.ask_limits_settable.load(Ordering::Relaxed)
    }

    /// Speaks as the owner of the tables, to any node.
    pub(crate) fn writer(&self) -> &Client {
        self.inner.nodes.any()
    }

    pub(crate) fn nodes(&self) -> &Nodes {
        &self.inner.nodes
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    pub(crate) fn caught_up(&self) -> MutexGuard<'_, HashMap<u32, Vec<usize>>> {
        self.inner.caught_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn asker(&self) -> &Client {
        &self.inner.asker
    }
}

async fn version_of(node: &Client) -> Result<String> {
    let statement = Statement { sql: "SELECT version()", ..Statement::default() };
    node.text(statement).await.map(|text| text.trim().to_owned()).map_err(|error| match error {
        // AUTHENTICATION_FAILED, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD
        WarehouseError::Query { code: 516 | 192..=194, .. } => WarehouseError::AccessRefused {
            message: format!(
                "ClickHouse refuses the user {} or its password: check the configured URL, user and password",
                node.user()
            ),
        },
        other => other,
    })
}
