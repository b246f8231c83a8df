//! Starting and stopping the simulator in this process.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::faults::{Faults, FaultsError};
use super::platform::Platform;
use super::routes;
use super::state::{State, Totals};
use super::tcp::{Entrance, Wire};
use crate::host::Names;

/// How long [`Running::stop`] waits for requests under way.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The configuration of a simulator.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// The one token that it accepts.
    pub token: String,
    /// The seed of the faults: with the same seed the n-th request meets the same luck.
    pub seed: u64,
    /// The faults.
    pub faults: Faults,
    /// The names to which its own paths answer, beside `localhost` and this host's.
    pub hosts: Vec<String>,
}

impl Default for Config {
    /// Any free port of the loopback address, `demo-token`, seed 1, no faults, no more names.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: "demo-token".into(),
            seed: 1,
            faults: Faults::default(),
            hosts: Vec::new(),
        }
    }
}

/// The platform as a local server.
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Listens and serves, at first empty, until [`Running::stop`]. Impossible faults are
    /// [`io::ErrorKind::InvalidInput`].
    pub async fn start(config: Config) -> io::Result<Running> {
        let platform = Platform::new(config.token, config.seed, config.faults)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let platform = Arc::new(platform);
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let names = Names::of_this_host_and(&config.hosts);
        let app = routes::router(Arc::clone(&platform), names, stop.clone());
        let app = app.into_make_service_with_connect_info::<Wire>();
        let server = axum::serve(Entrance(listener), app)
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        Ok(Running {
            address,
            platform,
            server: tokio::spawn(async move { server.await }),
            stop: stop.drop_guard(),
        })
    }
}

/// A simulator that is serving. Dropping it stops the simulator without waiting.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    platform: Arc<Platform>,
    server: JoinHandle<io::Result<()>>,
    stop: DropGuard,
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for a client on this machine, without a slash at its end.
    pub fn base_url(&self) -> String {
        let mut address = self.address;
        // A server can listen on "any address", but no client can call it.
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        format!("http://{address}")
    }

    /// Returns a copy of everything that the simulator holds, which may be large.
    pub fn state(&self) -> State {
        self.platform.state()
    }

    /// Returns the counts alone: cheap at any size.
    pub fn totals(&self) -> Totals {
        self.platform.totals()
    }

    pub fn faults(&self) -> Faults {
        Faults::clone(&self.platform.faults())
    }

    /// Changes the faults from the next request on. Tasks that were running stop.
    pub fn set_faults(&self, faults: Faults) -> Result<(), FaultsError> {
        self.platform.set_faults(faults)
    }

    /// Takes no more requests, answers those under way for up to five seconds, cuts the others off,
    /// and ends.
    pub async fn stop(self) {
        drop(self.stop);
        match tokio::time::timeout(STOP_WITHIN, self.server).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the simulator ended with an error"),
            Ok(Err(error)) => tracing::warn!(%error, "the simulator's server task failed"),
            Err(_) => tracing::warn!("the simulator stopped with requests still under way"),
        }
    }
}
