//! One way to speak to both databases. What one of them needs otherwise stands here and in
//! [`crate::tables`].

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Any, AnyPool, Describe, Either, Execute, Executor, SqlStr};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{CatalogError, Result, file, tables};

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    /// Begins a transaction that sees one moment.
    fn begin_reading(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// Begins a transaction that is the only one that changes anything, in all processes. The number names
    /// the lock among those of the database: the letters `suanpan`. Each later statement sees what was
    /// committed before the lock was given.
    fn begin_changing(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN; SELECT 1 FROM pg_advisory_xact_lock(32498683646861678)",
        }
    }

    /// What each connection is told first. A change that was reported as done survives a power failure,
    /// which matters most for slot maps: a lost version would be given out again, and rows written under it
    /// be misread. Of a process that stopped inside of a change, PostgreSQL gives up the lock.
    fn greeting(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"
            }
            Self::Postgres => {
                "SET lock_timeout = '10s'; SET statement_timeout = '15s';
                 SET idle_in_transaction_session_timeout = '15s';
                 SELECT set_config('synchronous_commit', 'on', false)
                 WHERE current_setting('synchronous_commit') = 'off'"
            }
        }
    }

    /// How long one statement takes at most: then the connection is given up. Above the limits of the
    /// greeting, which say better what was the matter.
    fn statement_max(self) -> Duration {
        match self {
            Self::Sqlite => Duration::from_secs(60),
            Self::Postgres => Duration::from_secs(20),
        }
    }

    fn pool(self) -> AnyPoolOptions {
        let (connections_max, acquire_max) = match self {
            // One for the change whose turn it is, the others for listings and the refresher.
            Self::Sqlite => (4, Duration::from_secs(30)),
            Self::Postgres => (8, Duration::from_secs(5)),
        };
        AnyPoolOptions::new().max_connections(connections_max).acquire_timeout(acquire_max).after_connect(
            move |connection, _| {
                Box::pin(async move { sqlx::raw_sql(self.greeting()).execute(connection).await.map(drop) })
            },
        )
    }
}

/// A database that holds a catalog.
pub(crate) struct Database {
    pool: AnyPool,
    kind: Kind,
}

impl Database {
    /// The file is there and a SQLite database, or empty.
    pub async fn file(path: &Path) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions = file::url(path)?.parse()?;
        let pool = Kind::Sqlite.pool().connect_with(options).await?;
        Ok(Self { pool, kind: Kind::Sqlite })
    }

    pub async fn server(address: &ServerAddress) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let connected = Kind::Postgres.pool().connect_with(address.options.clone()).await;
        let pool =
            connected.map_err(|source| CatalogError::Connect { server: address.to_string(), source })?;
        Ok(Self { pool, kind: Kind::Postgres })
    }

    /// A connection whose statements stand each alone.
    pub async fn connect(&self) -> Result<Db> {
        Ok(Db { connection: self.pool.acquire().await?, kind: self.kind, is_open: false, is_waiting: false })
    }

    /// Sees one moment.
    pub async fn begin_reading(&self) -> Result<Db> {
        self.begin(self.kind.begin_reading()).await
    }

    /// Changes, alone. Dropped before [`Db::commit`], it leaves no trace.
    pub async fn begin_changing(&self) -> Result<Db> {
        self.begin(self.kind.begin_changing()).await
    }

    async fn begin(&self, statement: &'static str) -> Result<Db> {
        let mut db = self.connect().await?;
        db.is_open = true;
        sqlx::raw_sql(statement).execute(&mut db).await?;
        Ok(db)
    }

    /// Brings the tables up to date, when nobody else changes anything.
    pub async fn bring_up_to_date(&self) -> Result<()> {
        let mut work = self.pool.begin_with(self.kind.begin_changing()).await?;
        let steps = tables::steps(self.kind);
        // `run` with a borrowed connection makes a future that can't move between threads.
        timeout(tables::STEPS_MAX, steps.run_direct(None, &mut *work, false)).await.map_err(too_slow)??;
        Ok(work.commit().await?)
    }
}

/// A connection. Each statement has a limit, so that nobody waits for a server that has gone without a word.
pub(crate) struct Db {
    connection: PoolConnection<Any>,
    kind: Kind,
    /// A transaction is.
    is_open: bool,
    /// A statement was sent and not answered to its end: nobody can use the connection again.
    is_waiting: bool,
}

impl Db {
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub async fn commit(mut self) -> Result<()> {
        sqlx::raw_sql("COMMIT").execute(&mut self).await?;
        self.is_open = false;
        Ok(())
    }

    /// Milliseconds since 1970-01-01 UTC by the clock that all who share the database have in common.
    pub async fn now_ms(&mut self) -> Result<i64> {
        match self.kind {
            Kind::Sqlite => Ok(crate::apps::now_ms()),
            Kind::Postgres => {
                let now = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";
                Ok(sqlx::query_scalar(now).fetch_one(self).await?)
            }
        }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        // Its end rolls back too, and takes 5 seconds at most; a roll-back takes as long as the server pleases.
        if self.is_open || self.is_waiting {
            self.connection.close_on_drop();
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("kind", &self.kind).finish_non_exhaustive()
    }
}

type Step = Either<AnyQueryResult, AnyRow>;

/// The rest of an answer, and whether something of it is still to come.
type Rest<'e> = (BoxStream<'e, sqlx::Result<Step>>, &'e mut bool);

impl<'c> Executor<'c> for &'c mut Db {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let deadline = Instant::now() + self.kind.statement_max();
        let Db { connection, is_waiting, .. } = self;
        *is_waiting = true;
        let rest: Rest<'e> = ((&mut **connection).fetch_many(query), is_waiting);
        unfold(Some(rest), move |rest| async move { step(rest?, deadline).await }).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<AnyRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(async move {
            self.is_waiting = true;
            let row = (&mut *self.connection).fetch_optional(query);
            let row = timeout(self.kind.statement_max(), row).await.map_err(too_slow)?;
            self.is_waiting = row.as_ref().is_err_and(|error| !was_answered(error));
            row
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        types: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<AnyStatement>>
    where
        'c: 'e,
    {
        (&mut *self.connection).prepare_with(sql, types)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Any>>>
    where
        'c: 'e,
    {
        (&mut *self.connection).describe(sql)
    }
}

async fn step(
    (mut steps, is_waiting): Rest<'_>,
    deadline: Instant,
) -> Option<(sqlx::Result<Step>, Option<Rest<'_>>)> {
    let step = match timeout_at(deadline, steps.next()).await {
        Ok(Some(step)) => step,
        Ok(None) => {
            *is_waiting = false;
            return None;
        }
        Err(slow) => return Some((Err(too_slow(slow)), None)),
    };
    if let Err(error) = &step {
        *is_waiting = !was_answered(error);
    }
    Some((step, Some((steps, is_waiting))))
}

/// The database itself said no, so that the connection is as good as before.
fn was_answered(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_))
}

fn too_slow(_: tokio::time::error::Elapsed) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time"))
}

/// What a URL may say after its `?`. The driver would log others, and what looks like a password with them.
const PARAMETERS: [&str; 7] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
    "statement-cache-capacity",
];

/// Where a PostgreSQL is. Prints without the password.
#[derive(Clone)]
pub(crate) struct ServerAddress {
    options: AnyConnectOptions,
    shown: String,
}

impl ServerAddress {
    /// Nothing of the URL is part of an error, since a password may be anywhere in one that is wrong.
    pub fn parse(url: &str) -> Result<Self> {
        let invalid = |message: String| CatalogError::invalid("url", message);
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(invalid("expected postgres://user:password@host:port/database?sslmode=…".into()));
        }
        let unreadable = |_| invalid("not a URL: percent-encode what is special in the password".into());
        let options: AnyConnectOptions = url.parse().map_err(unreadable)?;
        if options.database_url.query_pairs().any(|(key, _)| !PARAMETERS.contains(&&*key)) {
            return Err(invalid(format!("after the ? there may only be {}", PARAMETERS.join(", "))));
        }
        let wrong = |_| invalid("a parameter after the ? has a value that it can't have".into());
        let read: PgConnectOptions = url.parse().map_err(wrong)?;
        let database = read.get_database().unwrap_or_else(|| read.get_username());
        let shown =
            format!("postgres://{}@{}:{}/{database}", read.get_username(), read.get_host(), read.get_port());
        Ok(Self { options, shown })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
