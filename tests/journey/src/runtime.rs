use std::sync::LazyLock;

use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // Fails only if a provider is there already, which would do as well.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made")
});

/// The one runtime of all journeys: connections of the shared server's client live on it.
pub fn runtime() -> &'static Runtime {
    &RUNTIME
}
