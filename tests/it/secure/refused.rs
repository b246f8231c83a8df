//! A server on another host that offers no TLS hears neither user nor password.
//!
//! The host is this one, by an address that does not look like it: an IPv4 address written as an
//! IPv6 one.

use contact_courier::address::{Address, Tls};
use contact_courier::outbox::{Access, MySqlOutbox, OutboxError, PostgresOutbox};

use super::database::{distrusts, doctor};
use super::listener::{Listener, Speech};

/// Refuses TLS, then asks for the password in clear.
const POSTGRES: Speech = Speech {
    greeting: b"",
    answers: &[b"N", b"R\0\0\0\x08\0\0\0\x03"],
};

/// Greets as MySQL does, without the bit that offers TLS.
const MYSQL: Speech = Speech {
    greeting: b"\x4a\0\0\0\x0a8.0.36\0\x01\0\0\0AAAAAAAA\0\x08\x82\xff\x02\0\x08\0\x15\
        \0\0\0\0\0\0\0\0\0\0BBBBBBBBBBBB\0mysql_native_password\0",
    answers: &[],
};

/// Speaks another protocol on this port.
const HTTP: Speech = Speech {
    greeting: b"",
    answers: &[b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"],
};

/// Returns an address of the server that does not look like this host.
fn elsewhere(scheme: &str, server: &Listener) -> String {
    let port = server.port();
    format!("{scheme}://courier:geheim@[::ffff:127.0.0.1]:{port}/shop")
}

async fn connect(scheme: &str, server: &Listener, tls: Option<Tls>) -> OutboxError {
    let address = Address {
        tls,
        ..Address::from(elsewhere(scheme, server).as_str())
    };
    let connected = match scheme {
        "postgres" => PostgresOutbox::connect_to(&address, 2, Access::Write)
            .await
            .map(drop),
        _ => MySqlOutbox::connect_to(&address, 2, Access::Write)
            .await
            .map(drop),
    };
    connected.unwrap_err()
}

#[tokio::test]
async fn a_postgresql_without_tls_is_not_told_the_password() {
    let server = Listener::new(POSTGRES);
    for tls in [None, Some(Tls::Verify), Some(Tls::Require)] {
        let error = connect("postgres", &server, tls).await;
        assert!(matches!(error, OutboxError::Untrusted(_)), "{error:?}");
        assert!(error.to_string().contains("offers no TLS"), "{error}");
    }
    let told = doctor(&elsewhere("postgres", &server), None, "").await;
    distrusts(&told, "offers no TLS");
    assert!(!server.was_told("geheim") && !server.was_told("courier"));
    // With `prefer`, the server asks for the password, and gets it.
    connect("postgres", &server, Some(Tls::Prefer)).await;
    assert!(server.was_told("geheim"));
}

#[tokio::test]
async fn a_mysql_without_tls_is_not_told_who_wants_to_come_in() {
    let server = Listener::new(MYSQL);
    for tls in [None, Some(Tls::Verify), Some(Tls::Require)] {
        let error = connect("mysql", &server, tls).await;
        assert!(matches!(error, OutboxError::Untrusted(_)), "{error:?}");
    }
    let told = doctor(&elsewhere("mysql", &server), None, "").await;
    distrusts(&told, "offers no TLS");
    assert!(!server.was_told("courier"));
    connect("mysql", &server, Some(Tls::Off)).await;
    assert!(server.was_told("courier"));
}

#[tokio::test]
async fn doctor_names_a_server_that_is_no_database() {
    for scheme in ["postgres", "mysql"] {
        let server = Listener::new(HTTP);
        let told = doctor(&elsewhere(scheme, &server), None, "").await;
        let found = told
            .lines()
            .find(|line| line.starts_with("FAILED   database"));
        assert!(found.is_some_and(|line| line.contains(scheme)), "{told}");
        assert!(!server.was_told("geheim"));
    }
}
