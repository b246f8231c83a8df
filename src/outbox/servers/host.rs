//! One server of an address, and how the first one is found that will do.

use std::time::Duration;
use tokio::time::{Instant, timeout_at};

use crate::outbox::error::{CONNECT_TIMEOUT, OutboxError};
use crate::outbox::network;
use crate::outbox::server_kind::{Options, ServerKind};

/// Where there are other servers to be tried, none is waited for longer.
const LOOK_WITHIN: Duration = Duration::from_secs(3);

/// What whoever connects wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Write: only a server that takes writes will do.
    Write,
    /// Read: a server that takes writes if there is one, else any.
    Read,
}

/// A server of an address.
#[derive(Debug)]
pub(super) struct Host<D: ServerKind> {
    /// Where it is.
    pub(super) place: String,
    pub(super) options: Options<D>,
}

// A kind of server is never cloned itself, which is what the derived one would ask for.
impl<D: ServerKind> Clone for Host<D> {
    fn clone(&self) -> Self {
        Self {
            place: self.place.clone(),
            options: self.options.clone(),
        }
    }
}

/// The first server that will do, beginning with the one at `from`.
pub(super) async fn find<D: ServerKind>(
    hosts: &[Host<D>],
    from: usize,
    access: Access,
    context: &D::Context,
) -> Result<usize, OutboxError> {
    let mut errors = Vec::new();
    let mut readable = None;
    for at in (from..hosts.len()).chain(0..from) {
        let host = &hosts[at];
        match look(host, hosts.len() > 1, context).await {
            Ok(None) => return Ok(at),
            Ok(Some(why)) => {
                readable = readable.or(Some(at));
                errors.push(OutboxError::ReadOnly(format!("{} {why}", host.place)));
            }
            Err(error) => errors.push(error),
        }
    }
    match readable {
        Some(at) if access == Access::Read => Ok(at),
        _ => Err(all_of(hosts, from, errors)),
    }
}

/// Why none of the servers will do.
fn all_of<D: ServerKind>(
    hosts: &[Host<D>],
    from: usize,
    mut errors: Vec<OutboxError>,
) -> OutboxError {
    if errors.len() == 1 {
        return errors.remove(0);
    }
    let places = hosts.iter().cycle().skip(from).map(|host| &host.place);
    let why = places.zip(&errors).map(|(place, error)| match error {
        OutboxError::ReadOnly(why) => why.clone(),
        error => format!("{place}: {error}"),
    });
    let why = why.collect::<Vec<_>>().join("; ");
    let why = format!("none of its servers takes writes: {why}");
    if errors.iter().any(OutboxError::is_transient) {
        OutboxError::Lost(why)
    } else {
        OutboxError::Failed(why)
    }
}

/// Asks a server why it takes no writes; `None`: it does.
async fn look<D: ServerKind>(
    host: &Host<D>,
    is_one_of_several: bool,
    context: &D::Context,
) -> Result<Option<String>, OutboxError> {
    let within = if is_one_of_several {
        LOOK_WITHIN
    } else {
        CONNECT_TIMEOUT
    };
    let began = Instant::now();
    let mut session = network::connect::<D>(&host.options, within).await?;
    let asked = async {
        D::prepare(&mut session, context)
            .await
            .map_err(D::translate)?;
        let refusal = D::refuses_writes(&mut session).await;
        network::part(session).await;
        refusal.map_err(D::translate)
    };
    timeout_at(began + within, asked)
        .await
        .unwrap_or_else(|_| Err(network::too_slow(within)))
}
