use std::net::SocketAddr;

/// Who is at the other end of the connection: an extension of each request, set by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// An extension of a response that must not be sent: the server closes the connection instead, for
/// clients that take any answer at all for success and would forget their data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseConnection;
