//! The simulator's end of TCP: connections that can be reset.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};

/// Accepts connections that send small answers at once.
#[derive(Debug)]
pub(super) struct Entrance(pub(super) TcpListener);

impl Listener for Entrance {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        // axum's own `accept`, which goes on after an error.
        let (connection, address) = Listener::accept(&mut self.0).await;
        // If this fails, answers are only slower.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "the simulator cannot send small answers at once");
        }
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A second handle to a connection's socket; none if the system had none to give.
#[derive(Clone, Debug)]
pub(super) struct Wire(Option<Arc<OwnedFd>>);

impl Wire {
    /// Makes the connection end with a reset (RST) instead of a FIN.
    pub(super) fn reset_at_end(&self) -> io::Result<()> {
        let Some(socket) = &self.0 else {
            return Ok(());
        };
        let stream = StdStream::from(socket.try_clone()?);
        TcpStream::from_std(stream)?.set_zero_linger()
    }
}

impl Connected<IncomingStream<'_, Entrance>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Self {
        Self(stream.io().as_fd().try_clone_to_owned().ok().map(Arc::new))
    }
}
