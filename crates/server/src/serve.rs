use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::ServerConfig;
use crate::connections::{Connections, Place};
use crate::open_files::room_for_connections;
use crate::request_service::RequestService;

/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server can't listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process has the port: stop it, or choose another.
    #[error("{address} is taken by another process: stop that one, or choose another address with --listen")]
    Taken {
        /// The address asked for.
        address: String,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address:?}: {source} (an address is written as 127.0.0.1:8765)")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Opens the listening socket.
///
/// # Errors
/// See [`ServeError`].
pub async fn bind(config: &ServerConfig) -> Result<TcpListener, ServeError> {
    TcpListener::bind(&config.listen).await.map_err(|source| {
        let address = config.listen.clone();
        match source.kind() {
            std::io::ErrorKind::AddrInUse => ServeError::Taken { address },
            _ => ServeError::Listen { address, source },
        }
    })
}

/// Serves until `stop` is ready, then lets running requests finish within `shutdown_timeout_ms`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &ServerConfig,
    stop: impl Future<Output = ()>,
) {
    let header_timeout = Duration::from_millis(config.header_timeout_ms);
    let connections = Connections::new(room_for_connections(config.connections_max), header_timeout);
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header_timeout);
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer, place) = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = &mut stop => break,
        };
        // Answers are small; waiting to fill a packet would only add delay.
        let _best_effort = stream.set_nodelay(true);
        let connection = Arc::clone(&place.connection);
        let service = RequestService { router: router.clone(), peer, connection };
        let serving = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            tokio::select! {
                ended = serving => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                () = place.connection.closed.notified() => {}
            }
        });
    }
    drop(listener);
    let limit = Duration::from_millis(config.shutdown_timeout_ms);
    if tokio::time::timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::warn!(limit_ms = config.shutdown_timeout_ms, "requests still running were cut off");
    }
}

/// Waits for a connection, then for a place for it.
async fn accept(listener: &TcpListener, connections: &Connections) -> (TcpStream, SocketAddr, Place) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, connections.place().await),
            Err(error) => {
                // Usually too many open files: silent connections hold some.
                tracing::warn!(%error, "can't accept a connection");
                connections.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
