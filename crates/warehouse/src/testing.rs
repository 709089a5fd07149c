//! A real engine for tests, in one line: `testing::run(async |warehouse| { … })`.
//!
//! All such tests of a process share one engine with migrated tables: give each an app, or a log
//! epoch, of its own. Tests that break engines start their own [`TestEngine`].
//!
//! By default an engine is an embedded one in a temporary folder, about 1.5 s to start and 60 MB of
//! memory. Its child is this crate's example `engine`, built on demand with the `cargo` that
//! runs the tests; it removes the folder when it ends, and it ends with the tests, however they do.
//!
//! With `SUANPAN_TEST_CLICKHOUSE_URL` (`http://user:password@host:port/`) the tests run on that
//! server, each engine in a database `suanpan_test_01` to `_40` of its own, which is taken again after
//! an hour. If
//! the server cannot make users by SQL, name the asking user:
//! `…/?ask_user=suanpan_ask&ask_password=…`. [`serve_for_tests`] starts such a server.
//!
//! Everything here panics with a sentence when the surroundings are not as they must be.

mod cluster;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use reqwest::Url;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::client::Statement;
use crate::engine::{ChildCommand, Engine, EngineConfig, OwnSetup, Secret};
use crate::schema;
use crate::warehouse::Warehouse;

pub use cluster::TestCluster;

/// Names the server to test on.
pub const URL_VARIABLE: &str = "SUANPAN_TEST_CLICKHOUSE_URL";
const DATABASES: u32 = 40;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime can be made"));
static SHARED: OnceCell<TestEngine> = OnceCell::const_new();

/// Runs a test on the engine that all tests of this process share. It makes its own runtime: use
/// it in a plain `#[test]`.
///
/// # Panics
/// There is no engine; run `make engine`.
pub fn run<T>(test: impl AsyncFnOnce(Warehouse) -> T) -> T {
    RUNTIME.block_on(async {
        let engine = SHARED.get_or_init(TestEngine::start).await;
        test(engine.warehouse()).await
    })
}

/// Runs a statement as the owner of the tables; returns its answer as text.
///
/// # Panics
/// ClickHouse refuses it.
pub async fn sql(warehouse: &Warehouse, sql: &str) -> String {
    let answer = warehouse.writer().text(Statement { sql, ..Statement::default() }).await;
    answer.expect("the statement runs")
}

/// An engine with migrated tables. It ends, and its data go, when it is dropped.
#[derive(Debug)]
pub struct TestEngine {
    engine: Engine,
}

impl TestEngine {
    /// Starts or connects, and migrates.
    ///
    /// # Panics
    /// There is no engine; run `make engine`.
    pub async fn start() -> Self {
        Self::start_with(EngineConfig::default()).await
    }

    /// [`Self::start`] with other limits. Folder, database, address and child are set here.
    ///
    /// # Panics
    /// There is no engine; run `make engine`.
    pub async fn start_with(config: EngineConfig) -> Self {
        let engine = match std::env::var(URL_VARIABLE) {
            Ok(url) => connect(&url, config).await,
            Err(_unset) => start_own(config).await,
        };
        engine.warehouse().migrate().await.expect("the tables can be made");
        Self { engine }
    }

    /// The tables.
    pub fn warehouse(&self) -> Warehouse {
        self.engine.warehouse()
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Ends the engine, and waits until it has.
    pub async fn stop(self) {
        self.engine.stop().await;
    }
}

async fn start_own(config: EngineConfig) -> Engine {
    let mut command = child_command();
    command.args.push("--remove-folder-after".into());
    let config = EngineConfig {
        data_dir: std::env::temp_dir().join(format!("suanpan-test-{}", uuid::Uuid::new_v4())),
        child_command: Some(command),
        use_path_binary: false,
        ..config
    };
    Engine::start(config).await.expect("an engine starts; `make engine` fetches it")
}

async fn connect(url: &str, config: EngineConfig) -> Engine {
    let parsed = Url::parse(url).expect("the test server's address is a URL");
    let given =
        |name: &str| parsed.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let config = EngineConfig {
        clickhouse_url: Some(url.to_owned()),
        ask_user: given("ask_user"),
        ask_password: given("ask_password").map(Secret::new),
        ..config
    };
    let first = rand::random_range(0..DATABASES);
    for n in 0..DATABASES {
        let database = test_database((first + n) % DATABASES);
        let engine = Engine::start(EngineConfig { database, ..config.clone() })
            .await
            .expect("the test server answers");
        if claim(&engine.warehouse()).await {
            return engine;
        }
    }
    panic!("all {DATABASES} test databases are in use: wait an hour, or drop them");
}

/// Makes the database ours: by making it, or by taking one that has been there for an hour.
async fn claim(warehouse: &Warehouse) -> bool {
    let (writer, database) = (warehouse.writer(), warehouse.database());
    let sql = format!("SELECT min(applied_time) < now() - INTERVAL 1 HOUR FROM {database}.schema_versions");
    let old = writer.text(Statement { sql: &sql, ..Statement::default() }).await;
    if old.is_ok_and(|answer| answer.trim() == "1") {
        writer
            .run(&format!("DROP DATABASE IF EXISTS {database} SYNC"))
            .await
            .expect("a test database can be dropped");
    }
    writer.run(&format!("CREATE DATABASE {database}")).await.is_ok()
}

/// A server that tests of other processes can use: an embedded engine in `folder`, with rights on
/// all the test databases. Returns it with the value for [`URL_VARIABLE`].
///
/// # Panics
/// There is no engine; run `make engine`.
pub async fn serve_for_tests(folder: &Path) -> (Engine, String) {
    let config = EngineConfig {
        data_dir: folder.to_owned(),
        child_command: Some(child_command()),
        use_path_binary: false,
        ..EngineConfig::default()
    };
    let databases: Vec<String> = (0..DATABASES).map(test_database).collect();
    let engine = Engine::start_own(&config, OwnSetup { databases: &databases, shard: None })
        .await
        .expect("an engine starts");
    let mut url = Url::parse(&engine.http_url()).expect("an engine's address is a URL");
    let warehouse = engine.warehouse();
    let _ = url.set_username(engine.user());
    let _ = url.set_password(Some(warehouse.writer().password().expose()));
    url.query_pairs_mut()
        .append_pair("ask_user", warehouse.asker().user())
        .append_pair("ask_password", warehouse.asker().password().expose());
    (engine, url.into())
}

/// The statements that make a cluster's tables from nothing, by `ON CLUSTER`: for servers that are too old for
/// them as they are.
///
/// # Panics
/// No cluster is configured.
pub fn statements_on_cluster(config: &EngineConfig) -> Vec<String> {
    let cluster = config.cluster.clone();
    assert!(cluster.is_some(), "a cluster is configured");
    schema::statements_on_cluster(&schema::Layout { database: config.database.clone(), cluster })
}

fn test_database(n: u32) -> String {
    format!("suanpan_test_{:02}", n + 1)
}

/// The command of the example `engine`, built if it is missing or older than its source.
///
/// # Panics
/// It cannot be built.
pub fn child_command() -> ChildCommand {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| built_before().unwrap_or_else(build));
    ChildCommand { program: PROGRAM.clone(), args: Vec::new() }
}

/// Test binaries are in `deps`, examples beside that folder.
fn built_before() -> Option<PathBuf> {
    let test_binary = std::env::current_exe().ok()?;
    let program = test_binary.parent()?.parent()?.join("examples/engine");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/child.rs");
    let changed = |file: &Path| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    (changed(&program)? >= changed(&source)?).then_some(program)
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--example", "engine", "--message-format=json", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs the tests, so it can be run");
    let messages = String::from_utf8_lossy(&output.stdout);
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "engine")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.unwrap_or_else(|| {
        panic!("the example engine cannot be built: {}", String::from_utf8_lossy(&output.stderr))
    })
}

/// Runs a statement as the owner of the tables and gives its answer: for tests that look into tables, or do to
/// them what nobody should.
///
/// # Panics
/// ClickHouse refuses it.
pub async fn run_sql(warehouse: &Warehouse, sql: &str) -> String {
    warehouse.writer().text(Statement { sql, ..Statement::default() }).await.expect("the statement is right")
}
/// exp
pub async fn try_sql(warehouse: &Warehouse, sql: &str) -> Result<String, crate::WarehouseError> {
    warehouse.writer().text(Statement { sql, ..Statement::default() }).await
}
