//! TLS and passwords of the admin port, for clients on other hosts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contact_courier::simulator::Faults;
use futures_util::future::join_all;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::acting::{ANNA, write_users};
use super::asking::{Answer, Courier, ask};
use super::prometheus::Prometheus;
use crate::secure::authority::Authority;
use crate::support::Db;
use crate::world::{World, until};

/// The names for which a certificate is valid here.
const HERE: &str = "DNS:localhost,IP:127.0.0.1";

/// Makes the courier show the certificate of a folder.
fn show(world: &mut World<'_>, folder: &std::path::Path) {
    for (key, file) in [
        ("admin.cert_file", "server.pem"),
        ("admin.key_file", "server.key"),
    ] {
        world.set(key, folder.join(file).to_str().unwrap());
    }
}

/// Starts a courier whose port is secured. Returns the authority that its clients trust, and the
/// folder of its certificate.
async fn start_secured(world: &mut World<'_>) -> (Courier, Authority, PathBuf) {
    let (authority, folder) = (Authority::new(), world.dir.path().join("tls"));
    authority.sign(HERE, &folder);
    show(world, &folder);
    (Courier::start(world).await, authority, folder)
}

/// Writes the file of the viewers and makes the courier use it. The password is that of [`ANNA`].
fn write_viewers(world: &mut World<'_>, name: &str) -> PathBuf {
    let [new, file] = ["new-viewers", "viewers"].map(|name| world.dir.path().join(name));
    fs::write(&new, ANNA.replace("anna", name)).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&new, &file).unwrap();
    world.set("admin.viewers_file", file.to_str().unwrap());
    file
}

/// Makes a client that trusts this authority alone.
fn trusting(authority: &Authority) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(authority.ca()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Asks over TLS. Returns the answer and the server's certificate.
async fn securely(courier: &Courier, authority: &Authority, path: &str) -> (String, Vec<u8>) {
    let stream = TcpStream::connect(courier.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = trusting(authority);
    let mut stream = connector.connect(name, stream).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().unwrap()[0].to_vec();
    (answer, shown)
}

#[tokio::test]
async fn with_a_certificate_the_port_speaks_tls_alone_and_a_new_one_is_taken_over() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let (courier, authority, folder) = start_secured(&mut world).await;
    let (answer, shown) = securely(&courier, &authority, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut plain = TcpStream::connect(courier.address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    plain.write_all(request).await.unwrap();
    let mut said = Vec::new();
    plain.read_to_end(&mut said).await.ok();
    assert!(
        !String::from_utf8_lossy(&said).contains("HTTP/"),
        "{said:?}"
    );

    world.set("admin.listen", &courier.address.to_string());
    let alive = world.run(&["status", "--alive"]).await;
    assert_eq!(alive.code, Some(0), "{}", alive.tail());
    assert!(alive.out.contains("healthy"), "{}", alive.out);
    let told = world.run(&["doctor"]).await.out;
    assert!(
        told.contains("the admin port speaks TLS, with a certificate until 2"),
        "{told}"
    );

    fs::write(folder.join("server.key"), "no key").unwrap();
    courier.program.says("is not used").await;
    let (_, still) = securely(&courier, &authority, "/healthz").await;
    assert_eq!(still, shown);
    authority.sign(HERE, &folder);
    courier.program.says("of the admin port is in force").await;
    let (_, new) = securely(&courier, &authority, "/healthz").await;
    assert_ne!(new, shown);
    let key = fs::read_to_string(folder.join("server.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    assert!(!courier.program.log().contains(secret));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_at_the_start_and_by_doctor() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.set("admin.listen", "127.0.0.1:0");
    let (authority, folder) = (Authority::new(), world.dir.path().join("tls"));
    authority.sign(HERE, &folder);
    let (one, other) = (folder.join("server.pem"), world.dir.path().join("other"));
    authority.sign(HERE, &other);
    world.set("admin.cert_file", one.to_str().unwrap());
    let ended = world.run(&["run"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.err.contains("needs admin.key_file, too"),
        "{}",
        ended.err
    );
    for (key, words) in [
        (
            other.join("server.key"),
            "the key is that of another certificate",
        ),
        (one.clone(), "holds no private key"),
        (folder.join("none"), "cannot be read"),
    ] {
        world.set("admin.key_file", key.to_str().unwrap());
        let ended = world.run(&["run"]).await;
        let said = ended.error();
        assert!(
            said.contains(words) && said.trim().lines().count() == 1,
            "{said}"
        );
        let told = world.run(&["doctor"]).await.out;
        assert!(
            told.contains("FAILED   admin") && told.contains(words),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_told_and_stops_no_contact() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let (authority, folder) = (Authority::new(), world.dir.path().join("tls"));
    authority.sign_expired(HERE, &folder);
    show(&mut world, &folder);
    let courier = Courier::start(&mut world).await;
    courier.program.says("it has expired on 2020-01-02").await;
    world.set("admin.listen", &courier.address.to_string());
    let alive = world.run(&["status", "--alive"]).await;
    assert_eq!(alive.code, Some(0), "{}", alive.tail());
    let told = world.run(&["doctor"]).await.out;
    assert!(told.contains("warning  admin"), "{told}");
    assert!(told.contains("it has expired on 2020-01-02"), "{told}");
}

#[tokio::test]
async fn connections_that_agree_on_nothing_keep_nobody_from_asking() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let (courier, authority, _) = start_secured(&mut world).await;
    let mut silent = Vec::new();
    // The last clients begin the handshake and send nothing more.
    for nth in 0..160 {
        let mut stream = TcpStream::connect(courier.address).await.unwrap();
        if nth >= 80 {
            stream
                .write_all(&[0x16, 0x03, 0x01, 0x02, 0x00])
                .await
                .unwrap();
        }
        silent.push(stream);
    }
    let (answer, _) = securely(&courier, &authority, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // These connections end, although their clients never send anything.
    for mut stream in silent {
        stream.read_to_end(&mut Vec::new()).await.ok();
    }
}

#[tokio::test]
async fn one_host_that_knocks_without_end_costs_a_bounded_time_and_keeps_nobody_out() {
    const KNOCKS: u64 = 300;
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let (courier, authority, _) = start_secured(&mut world).await;
    let (connector, began) = (trusting(&authority), Instant::now());
    let knock = async || {
        let from = TcpSocket::new_v4().unwrap();
        from.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let stream = from.connect(courier.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        u64::from(connector.connect(name, stream).await.is_ok())
    };
    let mut admitted = 0;
    for _ in 0..KNOCKS {
        admitted += knock().await;
    }
    let seconds = began.elapsed().as_secs() + 2;
    assert!(
        (50..=50 * seconds).contains(&admitted),
        "{admitted} in {seconds} s"
    );
    for _ in 0..30 {
        knock().await;
    }
    let (answer, _) = securely(&courier, &authority, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

impl Courier {
    /// Asks with a name and a password, as `NAME:PASSWORD`.
    async fn get_as(&self, path: &str, given: Option<&str>) -> Answer {
        let given =
            given.map(|given| format!("Authorization: Basic {}\r\n", STANDARD.encode(given)));
        let given = given.unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{given}");
        ask(self.address, &request).await
    }
}

#[tokio::test]
async fn where_there_are_viewers_all_but_the_probes_asks_for_one() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, &ANNA.replace("anna", "carla"));
    write_viewers(&mut world, "anna");
    let courier = Courier::start(&mut world).await;
    until("it is ready", async || {
        courier.get("/readyz").await.code == 200
    })
    .await;
    assert_eq!(courier.get("/readyz").await.body, "{\"status\":\"ready\"}");
    assert_eq!(courier.get("/healthz").await.code, 200);
    for path in [
        "/metrics",
        "/api/status",
        "/api/session",
        "/none",
        "/healthz/",
    ] {
        let answer = courier.get_as(path, None).await;
        assert_eq!(answer.code, 401, "{path}");
        let asked = answer.header("www-authenticate").unwrap();
        assert!(asked.starts_with("Basic realm="), "{asked}");
        assert!(!answer.body.contains("courier_"), "{}", answer.body);
    }
    // A user who may act is no viewer.
    for given in ["anna:wrong", "carla:geheim", "anna", ""] {
        assert_eq!(courier.get_as("/", Some(given)).await.code, 401, "{given}");
    }
    for _ in 0..3 {
        assert_eq!(
            courier.get_as("/metrics", Some("anna:geheim")).await.code,
            200
        );
    }
    assert_eq!(courier.get_as("/none", Some("anna:geheim")).await.code, 404);
    let ready = courier.get_as("/readyz", Some("anna:geheim")).await;
    assert!(ready.json()["reason"].is_string(), "{}", ready.body);
    let log = courier.program.log();
    assert!(log.contains("\"viewer\":\"anna\"") && log.contains("\"viewer\":\"unknown\""));
    assert!(!log.contains("wrong") && !log.contains("geheim"), "{log}");

    write_viewers(&mut world, "ben");
    courier.program.says("admin.viewers_file is in force").await;
    assert_eq!(
        courier.get_as("/metrics", Some("anna:geheim")).await.code,
        401
    );
    assert_eq!(
        courier.get_as("/metrics", Some("ben:geheim")).await.code,
        200
    );
}

#[tokio::test]
async fn whoever_guesses_is_turned_away_and_keeps_no_known_viewer_out() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_users(&mut world, &ANNA.replace("anna", "carla"));
    write_viewers(&mut world, "anna");
    let courier = Courier::start(&mut world).await;
    assert_eq!(
        courier.get_as("/metrics", Some("anna:geheim")).await.code,
        200
    );
    let guesses = async {
        let guesses: Vec<_> = (0..20).map(|nth| format!("anna:{nth}")).collect();
        let asked = guesses.iter().map(|guess| courier.get_as("/", Some(guess)));
        join_all(asked).await
    };
    let viewer = async {
        courier.program.says("was refused").await;
        courier.get_as("/metrics", Some("anna:geheim")).await.code
    };
    let (guesses, viewer) = tokio::join!(guesses, viewer);
    assert_eq!(viewer, 200);
    let turned_away = guesses.iter().filter(|answer| answer.code == 429).count();
    assert!(turned_away > 10, "{turned_away}");
    assert!(
        guesses
            .iter()
            .all(|answer| [401, 429].contains(&answer.code))
    );
}

#[tokio::test]
async fn a_real_prometheus_scrapes_by_tls_with_a_password() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    write_viewers(&mut world, "prometheus");
    let (courier, authority, _) = start_secured(&mut world).await;
    let password = world.dir.path().join("password");
    fs::write(&password, "geheim").unwrap();
    let job = format!(
        "  scheme: https\n  tls_config: {{ca_file: '{}'}}\n  \
         basic_auth: {{username: prometheus, password_file: '{}'}}\n",
        authority.ca().display(),
        password.display()
    );
    let prometheus = Prometheus::start_so(courier.address, "", &job).await;
    prometheus
        .comes_to("up{job=\"contact-courier\"}", 1.0)
        .await;
    prometheus.comes_to("courier_outbox_pending", 0.0).await;
}
