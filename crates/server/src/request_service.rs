use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use suanpan_gateway::{CloseConnection, Peer};

use crate::connections::Connection;

/// Why a request got no answer. The connection ends by it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The answer was an order to close the connection.
    #[error("its answer is none")]
    Ordered,
    /// The connection made room for another one.
    #[error("the connection is being closed")]
    Closed,
}

/// The requests of one connection: tells handlers their peer, keeps track of what the connection
/// does, and carries out [`CloseConnection`].
#[derive(Clone)]
pub(crate) struct RequestService {
    pub router: Router,
    pub peer: SocketAddr,
    pub connection: Arc<Connection>,
}

impl Service<Request<Incoming>> for RequestService {
    type Response = Response<AnswerBody>;
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NoAnswer>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let Self { router, peer, connection } = self.clone();
        Box::pin(async move {
            if !connection.begin(!request.body().is_end_stream()) {
                return Err(NoAnswer::Closed);
            }
            // From here on the connection is busy, until the answer's body is gone.
            let busy = Busy(Arc::clone(&connection));
            request.extensions_mut().insert(Peer(peer));
            let request = request.map(|body| RequestBody { body, connection });
            let answered: Result<_, Infallible> = TowerToHyperService::new(router).call(request).await;
            let response = answered.unwrap_or_else(|never| match never {});
            busy.0.has_body();
            if response.extensions().get::<CloseConnection>().is_some() {
                return Err(NoAnswer::Ordered);
            }
            Ok(response.map(|body| AnswerBody { body, _busy: busy }))
        })
    }
}

/// Says when the request is over, however it ended.
struct Busy(Arc<Connection>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A request's body, which says when it is read.
struct RequestBody {
    body: Incoming,
    connection: Arc<Connection>,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.connection.has_body();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, which says when it is sent.
pub(crate) struct AnswerBody {
    body: Body,
    _busy: Busy,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
