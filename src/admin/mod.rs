//! Where operators ask how the courier is: metrics, health checks and the status page.
//!
//! Neighbours: the courier's pulse, the telemetry's metrics, and the outbox, which a task of this
//! module asks now and then. It guarantees that every answer comes at once, also while the platform
//! or the database is away: no request waits for either. It serves reading alone, shows numbers
//! masked and secrets never, and bounds what a client can take of the process.

mod health;
mod host;
mod readiness;
mod routes;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use self::readiness::Readiness;
use self::server::Limits;
use crate::courier::lifecycle::Lifecycle;
use crate::courier::pulse::Pulse;
use crate::outbox::Outbox;
use crate::telemetry::event::AdminListening;

/// Nothing can listen on the address.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on admin.listen = {address}: {source}; choose another address, or leave it \
     empty to do without"
)]
pub struct CannotListen {
    address: SocketAddr,
    source: io::Error,
}

/// What the answers are about.
pub struct Subject {
    /// Whether the loops are turning.
    pub pulse: Arc<Pulse>,
    /// Whether the courier is about to end.
    pub life: Lifecycle,
    /// Whether the database answers.
    pub outbox: Arc<dyn Outbox>,
}

/// The admin server: listening, and not answering yet.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Listens. Port 0 takes any free one.
    pub async fn bind(address: SocketAddr) -> Result<Self, CannotListen> {
        let cannot = |source| CannotListen { address, source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { listener, address })
    }

    /// Answers until it is dropped.
    pub async fn serve(self, subject: Subject) {
        let Self { listener, address } = self;
        AdminListening { address }.emit();
        let readiness = Readiness::default();
        let keeping = readiness.keep(&*subject.outbox);
        let app = routes::router(address, subject.pulse, subject.life, readiness.clone());
        tokio::select! {
            () = server::serve(listener, app, Limits::default()) => {}
            () = keeping => {}
        }
    }
}
