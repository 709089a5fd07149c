use std::sync::{Arc, Mutex, PoisonError};

use suanpan_journey::{Calls, Server};
use tokio::sync::OnceCell;

static SHARED: OnceCell<Calls> = OnceCell::const_new();
static SERVER: Mutex<Option<Arc<Server>>> = Mutex::new(None);

/// The server with default settings that journeys share. Each has apps of its own.
pub async fn server() -> Calls {
    let start = async || {
        let server = Server::start().await;
        let calls = server.calls();
        *SERVER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(server));
        calls
    };
    SHARED.get_or_init(start).await.clone()
}

/// Waits until every acknowledged event can be asked about.
pub async fn settle() {
    let server = SERVER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    server.expect("the shared server runs").settle().await;
}

/// Ends it after the last journey.
pub fn stop() {
    drop(SERVER.lock().unwrap_or_else(PoisonError::into_inner).take());
}
