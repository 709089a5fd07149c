use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::runtime;

/// Stands between a server and a ClickHouse that is not ours to stop, so that it can be away.
pub(crate) struct Relay {
    address: String,
    open: Arc<watch::Sender<bool>>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Passes on connections to `target`.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        let open = Arc::new(watch::Sender::new(true));
        let state = Arc::clone(&open);
        let accepting = runtime().spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                if *state.borrow() {
                    tokio::spawn(pass_on(inner, target.clone(), state.subscribe()));
                }
            }
        });
        Self { address, open, accepting }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Opens the way, or closes it and breaks what is under way.
    pub fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set_open(false);
    }
}

async fn pass_on(mut inner: TcpStream, target: String, mut open: watch::Receiver<bool>) {
    let Ok(mut outer) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
        _closed = open.wait_for(|open| !open) => {}
    }
}
