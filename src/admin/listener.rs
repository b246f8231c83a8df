//! The listener: it serves the operators' address and runs the tasks behind the answers.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::actions::Hands;
use super::history::History;
use super::login::{Door, UsersFile, UsersFileError, Viewers};
use super::picture::Pictures;
use super::readiness::Readiness;
use super::server::ClientLimits;
use super::status::{About, Sources};
use super::tls::Tls;
use super::{routes, server, waiting};
use crate::courier::lifecycle::Lifecycle;
use crate::courier::pulse::Pulse;
use crate::courier::tuning::Tuner;
use crate::host::Names;
use crate::operators::Safety;
use crate::outbox::{Operations, Outbox, WriteHealth};
use crate::settings::{AdminSettings, CertificateError};
use crate::telemetry::event::AdminListening;

/// The admin server cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nothing can listen on the address.
    #[error(
        "cannot listen on admin.listen = {address}: {why}; choose another address, or leave it \
         empty to do without"
    )]
    Listen {
        address: SocketAddr,
        /// This is not the error's source, because a source would be told a second time.
        why: io::Error,
    },
    /// The file of users or viewers cannot be used.
    #[error(transparent)]
    Users(#[from] UsersFileError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// The parts that the answers are about.
pub struct Subject {
    pub pulse: Arc<Pulse>,
    /// The settings that can change while it works.
    pub tuner: Tuner,
    /// The courier's life: whether it is about to end.
    pub life: Lifecycle,
    /// For asking whether the database answers.
    pub outbox: Arc<dyn Outbox>,
    /// How the courier's writes go.
    pub writes: WriteHealth,
    /// For reading the outbox.
    pub operations: Arc<dyn Operations>,
    /// The facts that do not change.
    pub about: About,
    /// How contacts would be sent if they were requeued.
    pub safety: Safety,
}

/// The admin server: it listens, and answers while one of its futures is polled.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    names: Names,
    /// The door where users log in; `None`: the page only shows.
    door: Option<Door>,
    /// The clients that may look; `None`: all may.
    viewers: Option<Viewers>,
    /// The security of connections; `None`: they are not secured.
    tls: Option<Tls>,
    is_announced: AtomicBool,
}

impl Admin {
    /// Listens on the address, as the settings say. Port 0 takes any free one.
    pub async fn bind(address: SocketAddr, settings: &AdminSettings) -> Result<Self, AdminError> {
        let open = |key, file: &Option<PathBuf>| {
            let file = file.as_deref();
            file.map(|file| UsersFile::open(key, file)).transpose()
        };
        let users = open("admin.users_file", &settings.users_file)?;
        let viewers = open("admin.viewers_file", &settings.viewers_file)?;
        let tls = settings.certificate().map(Tls::open).transpose()?;
        let cannot = |why| AdminError::Listen { address, why };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self {
            listener,
            address,
            names: Names::of_this_host_and(&settings.hosts),
            door: users.map(|users| Door::new(users, address.port(), tls.is_some())),
            viewers: viewers.map(Viewers::new),
            tls,
            is_announced: AtomicBool::new(false),
        })
    }

    /// Logs the address once.
    fn announce(&self) {
        if !self.is_announced.swap(true, Ordering::Relaxed) {
            let address = self.address;
            AdminListening { address }.emit();
        }
    }

    /// Answers, until it is dropped, that the courier waits for its database, and why. It begins
    /// when there is a reason, which takes seconds at most; earlier clients wait for their answer.
    pub async fn wait(&self, mut why: watch::Receiver<String>) {
        if why.changed().await.is_err() {
            return;
        }
        self.announce();
        let app = waiting::router(self.names.clone(), self.viewers.clone(), why);
        let tls = self.tls.as_ref();
        tokio::select! {
            () = server::serve(&self.listener, tls, app, ClientLimits::default()) => {}
            () = self.follow() => {}
        }
    }

    /// Follows the files of users, viewers and the certificate, where there are any. Does not end.
    async fn follow(&self) {
        let users = OptionFuture::from(self.door.as_ref().map(Door::follow));
        let viewers = OptionFuture::from(self.viewers.as_ref().map(Viewers::follow));
        let certificate = OptionFuture::from(self.tls.as_ref().map(Tls::follow));
        tokio::join!(users, viewers, certificate);
        std::future::pending::<()>().await;
    }

    /// Answers until it is dropped.
    pub async fn serve(self, subject: Subject) {
        self.announce();
        let sources = Sources {
            about: Arc::new(subject.about),
            started: Instant::now(),
            pulse: subject.pulse,
            tuner: subject.tuner,
            life: subject.life,
            readiness: Readiness::default(),
            pictures: Pictures::default(),
            history: Arc::new(History::default()),
            log_in: self.door.is_some(),
        };
        let operations = subject.operations;
        let hands = self.door.clone().map(|door| {
            let host = sources.about.host.clone();
            let hands = Hands::new(door.clone(), operations.clone(), subject.safety, host);
            (door, hands)
        });
        let app = routes::router(
            self.names.clone(),
            self.viewers.clone(),
            sources.clone(),
            hands,
        );
        tokio::select! {
            () = server::serve(&self.listener, self.tls.as_ref(), app, ClientLimits::default()) => {}
            () = sources.readiness.keep(&*subject.outbox, &subject.writes) => {}
            () = sources.pictures.keep(&*operations) => {}
            () = sources.history.keep(&sources.pictures) => {}
            () = self.follow() => {}
        }
    }
}
