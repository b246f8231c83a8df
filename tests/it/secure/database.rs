//! Real servers whose certificates an authority made for the test has signed.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use contact_courier::address::{Address, Tls};
use contact_courier::outbox::{
    Access, MySqlOutbox, Operations, OutboxError, PostgresOutbox, Security,
};
use tokio::process::Command;

use super::authority::Authority;
use crate::server::Server;
use crate::support::{Kind, admin_url};

/// The server's kind, and its address on loopback by the name in its certificate.
struct Secured {
    server: Server,
    kind: &'static str,
    port: u16,
}

impl Secured {
    async fn start(kind: &'static str, authority: &Authority) -> Self {
        let mut server = Server::on_loopback(kind).await;
        let dir = server.dir().to_owned();
        server.kill().await;
        let tls = dir.join("tls");
        authority.sign("DNS:localhost", &tls);
        give_to_the_server(&tls, &dir.join("data"));
        let mut port = None;
        if kind == "postgres" {
            port = Some(free_port());
            let (tls, port) = (tls.display(), port.unwrap());
            let more = format!(
                "ssl = on\nssl_cert_file = '{tls}/server.pem'\nssl_key_file = '{tls}/server.key'\n\
                 listen_addresses = '127.0.0.1'\nport = {port}\n"
            );
            std::fs::write(dir.join("more.conf"), more).unwrap();
        }
        server.url = server.start().await;
        let port = port.or_else(|| url::Url::parse(&server.url).unwrap().port());
        Self {
            server,
            kind,
            port: port.unwrap(),
        }
    }

    fn url(&self, host: &str) -> String {
        let port = self.port;
        match self.kind {
            "postgres" => format!("postgres://postgres@{host}:{port}/postgres"),
            _ => format!("mysql://root@{host}:{port}/mysql"),
        }
    }

    async fn connect(
        &self,
        host: &str,
        tls: Option<Tls>,
        authority: Option<&Authority>,
    ) -> Result<Security, OutboxError> {
        let address = Address {
            tls,
            ca_file: authority.map(Authority::ca),
            ..Address::from(&self.url(host))
        };
        let report = if self.kind == "postgres" {
            let outbox = PostgresOutbox::connect_to(&address, 2, Access::Write).await?;
            outbox.server().await
        } else {
            let outbox = MySqlOutbox::connect_to(&address, 2, Access::Write).await?;
            outbox.server().await
        };
        Ok(report?.security.expect("a server"))
    }
}

/// Sets the rights of the key: a server refuses a key that others could read, or that it may not
/// read.
fn give_to_the_server(tls: &Path, data: &Path) {
    let owner = std::fs::metadata(data).unwrap();
    let (user, group) = (owner.uid(), owner.gid());
    for file in [
        tls.to_owned(),
        tls.join("server.pem"),
        tls.join("server.key"),
    ] {
        chown(&file, Some(user), Some(group)).unwrap();
    }
    let key = tls.join("server.key");
    std::fs::set_permissions(key, PermissionsExt::from_mode(0o600)).unwrap();
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

async fn it_is_verified(tested: Kind, kind: &'static str) {
    if admin_url(tested).is_none() {
        return;
    }
    let (ours, other) = (Authority::new(), Authority::new());
    let server = Secured::start(kind, &ours).await;

    // On this host nothing is demanded; the server offers TLS, so the connection is encrypted.
    let security = server.connect("localhost", None, None).await.unwrap();
    assert_eq!(security.tls, Tls::Prefer);
    assert!(
        security.to_string().starts_with("encrypted (TLSv1."),
        "{security}"
    );
    assert!(security.to_string().ends_with("not verified"), "{security}");
    let off = server
        .connect("localhost", Some(Tls::Off), None)
        .await
        .unwrap();
    assert_eq!(off.to_string(), "not encrypted, on this host");

    // If an authority is named, the certificate is checked against it.
    for tls in [None, Some(Tls::Verify)] {
        let verified = server.connect("localhost", tls, Some(&ours)).await.unwrap();
        assert_eq!(verified.tls, Tls::Verify);
        assert!(verified.to_string().ends_with("is verified"), "{verified}");
    }
    for (host, authority, words) in [
        ("localhost", Some(&other), "database.ca_file"),
        ("localhost", None, "database.ca_file"),
        (
            "127.0.0.1",
            Some(&ours),
            "is for localhost, and not for 127.0.0.1",
        ),
    ] {
        let refused = server.connect(host, Some(Tls::Verify), authority).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, OutboxError::Untrusted(_)), "{error:?}");
        let said = error.to_string();
        assert!(said.contains(words) && !said.contains('\n'), "{said}");
    }
    doctor_says_so(&server, &ours, &other).await;
    doctor_says_that_it_has_expired(server, &ours).await;
}

/// The same by `doctor`: the security of the connection, or why there is none.
async fn doctor_says_so(server: &Secured, ours: &Authority, other: &Authority) {
    let ca = ours.ca();
    let verified = doctor(&server.url("localhost"), Some(&ca), "").await;
    assert!(
        verified.contains("ok       encryption  encrypted (TLSv1."),
        "{verified}"
    );
    assert!(
        verified.contains("the server's certificate is verified"),
        "{verified}"
    );
    let nobody = "no authority that this machine trusts has signed its certificate";
    for (host, ca, words) in [
        (
            "127.0.0.1",
            Some(&ca),
            "is for localhost, and not for 127.0.0.1",
        ),
        ("localhost", Some(&other.ca()), nobody),
        ("localhost", None, nobody),
    ] {
        let refused = doctor(&server.url(host), ca.map(PathBuf::as_path), "verify").await;
        distrusts(&refused, words);
    }
    let weak = doctor(&server.url("localhost"), None, "require").await;
    assert!(weak.contains("ok       encryption  encrypted"), "{weak}");
    assert!(weak.contains("not verified"), "{weak}");
}

/// The server is started anew with a certificate whose time is over.
async fn doctor_says_that_it_has_expired(server: Secured, ours: &Authority) {
    let dir = server.server.dir().to_owned();
    server.server.kill().await;
    ours.sign_expired("DNS:localhost", &dir.join("tls"));
    give_to_the_server(&dir.join("tls"), &dir.join("data"));
    server.server.start().await;
    let over = doctor(&server.url("localhost"), Some(&ours.ca()), "").await;
    distrusts(
        &over,
        "its certificate has expired on 2020-01-02; renew it there",
    );
    drop(server.server);
}

/// Checks that `doctor` says why a database is not trusted, and where to read on.
pub(super) fn distrusts(said: &str, words: &str) {
    let found = said
        .lines()
        .find(|line| line.starts_with("FAILED   database"));
    let found = found.unwrap_or_else(|| panic!("{said}"));
    assert!(found.contains(words), "{said}");
    assert!(
        said.contains("docs/security.md tells how a way is secured"),
        "{said}"
    );
}

/// Runs `doctor` with `database.tls`, and returns its output.
pub(super) async fn doctor(url: &str, ca: Option<&Path>, tls: &str) -> String {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_contact-courier"));
    doctor
        .arg("doctor")
        .env("COURIER__DATABASE__URL", url)
        .env("COURIER__DATABASE__TLS", tls)
        .env("COURIER__PLATFORM__BASE_URL", "http://127.0.0.1:1")
        .stdin(Stdio::null());
    if let Some(ca) = ca {
        doctor.env("COURIER__DATABASE__CA_FILE", ca);
    }
    let said = doctor.output().await.unwrap();
    String::from_utf8(said.stdout).unwrap()
}

#[tokio::test]
async fn a_postgresql_is_verified_by_its_certificate() {
    it_is_verified(Kind::Postgres, "postgres").await;
}

#[tokio::test]
async fn a_mariadb_is_verified_by_its_certificate() {
    it_is_verified(Kind::MariaDb, "mariadb").await;
}

#[tokio::test]
async fn a_mysql_is_verified_by_its_certificate() {
    it_is_verified(Kind::MySql, "mysql").await;
}
