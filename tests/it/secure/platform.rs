//! The way to the platform: the trusted authorities, the requests that go through a proxy, and the
//! reports of what is wrong.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::authority::Authority;
use super::listener::{Listener, Speech};

/// A platform, or a proxy that answers for it, that takes the token.
const ANSWERS: Speech = Speech {
    greeting: b"",
    answers: &[
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 29\r\n\r\n\
        {\"code\":200,\"message\":\"good\"}",
    ],
};

const TOKEN: &str = "geheim";

/// Returns `doctor`'s lines about the platform at an address, with these variables.
fn doctor(base_url: &str, variables: &[(&str, &str)]) -> String {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_contact-courier"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        doctor
            .env_remove(name)
            .env_remove(name.to_ascii_uppercase());
    }
    doctor
        .arg("doctor")
        .env("COURIER__DATABASE__URL", "sqlite:///nowhere/x.db")
        .env("COURIER__PLATFORM__BASE_URL", base_url)
        .env("COURIER__PLATFORM__TOKEN", TOKEN)
        .envs(variables.iter().copied());
    let said = doctor.output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(!said.contains(TOKEN), "{said}");
    said
}

const TAKEN: &str = "ok       token       the platform accepts it";

fn ca(authority: &Authority) -> String {
    authority.ca().display().to_string()
}

fn signed(authority: &Authority) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    authority.sign("DNS:localhost", folder.path());
    folder
}

fn https(folder: &Path) -> (Listener, String) {
    let server = Listener::with_tls(folder, ANSWERS);
    let url = format!("https://localhost:{}", server.port());
    (server, url)
}

#[test]
fn an_authority_of_ones_own_is_trusted_beside_those_of_the_system() {
    let authority = Authority::new();
    let folder = signed(&authority);
    let (server, url) = https(folder.path());
    let refused = doctor(&url, &[]);
    let words = "no authority that this machine trusts has signed its certificate";
    assert!(
        refused.contains(words) && refused.contains("platform.ca_file"),
        "{refused}"
    );
    assert!(!server.was_told(TOKEN));

    let trusted = doctor(&url, &[("COURIER__PLATFORM__CA_FILE", &ca(&authority))]);
    assert!(
        trusted.contains(TAKEN) && trusted.contains("ca.pem"),
        "{trusted}"
    );
    assert!(server.was_told(TOKEN));
}

#[test]
fn a_certificate_that_is_not_the_platforms_is_told_with_the_remedy() {
    let authority = Authority::new();
    let folder = signed(&authority);
    let trusting = [("COURIER__PLATFORM__CA_FILE", &*ca(&authority))];
    let says = |words: &str| {
        let (server, url) = https(folder.path());
        let said = doctor(&url, &trusting);
        assert!(
            said.contains("FAILED   platform") && said.contains(words),
            "{said}"
        );
        assert!(!server.was_told(TOKEN));
    };
    authority.sign("DNS:other.example", folder.path());
    says("its certificate is for other.example, and not for localhost");
    authority.sign_expired("DNS:localhost", folder.path());
    says("its certificate has expired on 2020-01-02; renew it");
    authority.show_itself(folder.path());
    says("its certificate is that of an authority");
    let plain = Listener::new(ANSWERS);
    let said = doctor(&format!("https://localhost:{}", plain.port()), &[]);
    assert!(
        said.contains("speaks no TLS; check host and port"),
        "{said}"
    );
}

#[test]
fn a_machine_without_authorities_can_still_go_where_none_is_needed() {
    let none = [("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nowhere")];
    let said = doctor("https://localhost:1", &none);
    assert!(said.contains("FAILED   platform"), "{said}");
    assert!(said.contains("no certificates of authorities"), "{said}");
    assert!(said.contains("ca-certificates"), "{said}");
    let plain = Listener::new(ANSWERS);
    let said = doctor(&format!("http://localhost:{}", plain.port()), &none);
    assert!(said.contains(TAKEN), "{said}");
}

/// An address on another host that nobody has: no host ever has this name.
const FAR: &str = "http://nobody.invalid";

#[test]
fn a_proxy_of_the_environment_gets_nothing_unless_the_settings_say_so() {
    let (platform, proxy) = (Listener::new(ANSWERS), Listener::new(ANSWERS));
    let at = format!("http://127.0.0.1:{}", proxy.port());
    let environment = ("COURIER__PLATFORM__PROXY", "environment");
    let variables = [
        ("HTTP_PROXY", &*at),
        ("http_proxy", &*at),
        ("ALL_PROXY", &*at),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&variables[..], more].concat();

    assert!(doctor(FAR, &variables).contains("FAILED   platform"));
    for near in ["127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let near = format!("http://{near}:{}", platform.port());
        assert!(doctor(&near, &with(&[environment])).contains(TAKEN));
    }
    assert!(platform.was_told(TOKEN));
    let except = with(&[environment, ("NO_PROXY", "nobody.invalid")]);
    assert!(doctor(FAR, &except).contains("FAILED   platform"));
    assert!(!proxy.was_told("GET"));

    // Only the proxy is there.
    let said = doctor(FAR, &with(&[environment]));
    assert!(said.contains(TAKEN) && proxy.was_told(TOKEN), "{said}");
    assert!(
        said.contains(&format!("go through {at} (platform.proxy)")),
        "{said}"
    );
    // A user who relied on the environment's proxy is told what has changed.
    let said = doctor(FAR, &variables);
    assert!(
        said.contains("platform.proxy = \"environment\" uses it"),
        "{said}"
    );
}

#[test]
fn a_proxy_that_is_named_is_used_and_a_dead_one_is_told() {
    let proxy = Listener::new(ANSWERS);
    let at = format!("http://me:hush@127.0.0.1:{}", proxy.port());
    let said = doctor(FAR, &[("COURIER__PLATFORM__PROXY", &at)]);
    assert!(said.contains(TAKEN) && !said.contains("hush"), "{said}");
    assert!(proxy.was_told("Basic bWU6aHVzaA==") || proxy.was_told("basic bWU6aHVzaA=="));
    let dead = [("COURIER__PLATFORM__PROXY", "http://me:hush@127.0.0.1:1")];
    for url in ["http://far.example", "https://far.example"] {
        let said = doctor(url, &dead);
        assert!(said.contains("FAILED   platform"), "{said}");
        let words = "(through the proxy http://127.0.0.1:1; check platform.proxy)";
        assert!(said.contains(words) && !said.contains("hush"), "{said}");
    }
}

#[test]
fn a_collector_of_traces_is_told_about_likewise() {
    let said = doctor(
        "http://127.0.0.1:1",
        &[
            ("COURIER__TRACES__ENDPOINT", "https://far.example"),
            ("COURIER__TRACES__PROXY", "http://me:hush@127.0.0.1:1"),
        ],
    );
    let words = "ok       traces      they go to https://far.example/ through http://127.0.0.1:1";
    assert!(said.contains(words) && !said.contains("hush"), "{said}");
}
