//! Whom a request is addressed to.
//!
//! A page from elsewhere can have its own name resolved to this machine, and its visitor's browser
//! would then read our answers for it. While the server listens on a loopback address, only a
//! request that is addressed to a loopback address gets an answer.

use std::net::{IpAddr, SocketAddr};

/// Whether a request with this `Host` may be answered by a server that listens on `address`.
pub(super) fn may_ask(address: SocketAddr, host: Option<&str>) -> bool {
    !address.ip().is_loopback() || host.is_none_or(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_name_gets_no_answer_from_a_loopback_address() {
        let local = SocketAddr::from(([127, 0, 0, 1], 9464));
        for host in [
            "127.0.0.1:9464",
            "localhost",
            "LOCALHOST:9464",
            "[::1]:9464",
        ] {
            assert!(may_ask(local, Some(host)), "{host}");
        }
        assert!(may_ask(local, None));
        for host in [
            "evil.example",
            "localhost.evil.example:9464",
            "10.0.0.1",
            "",
        ] {
            assert!(!may_ask(local, Some(host)), "{host}");
        }
    }

    #[test]
    fn a_server_for_others_is_asked_by_any_name() {
        let open = SocketAddr::from(([0, 0, 0, 0], 9464));
        assert!(may_ask(open, Some("courier.example:9464")));
    }
}
