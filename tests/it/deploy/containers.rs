//! Images and manifests: everything that they need of the program is there. (`make image-test`
//! tests that a container starts.)

use std::collections::BTreeSet;
use std::process::Command;

use contact_courier::simulator::Faults;
use serde_json::Value;

use super::monitoring::read;
use crate::admin::asking::Courier;
use crate::support::Db;
use crate::world::World;

const DOCKERFILE: &str = "docker/Dockerfile";
const DEPLOYMENT: &str = "kubernetes/base/deployment.yaml";

/// Runs the program, which has to succeed, and returns its output.
fn said(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    output.stdout
}

#[test]
fn every_setting_that_is_given_in_the_environment_is_one() {
    let settings: Value = serde_json::from_slice(&said(&["config", "--json"])).unwrap();
    let mut names = BTreeSet::new();
    for (section, keys) in settings.as_object().unwrap() {
        for key in keys.as_object().unwrap().keys() {
            names.insert(format!("COURIER__{section}__{key}").to_uppercase());
        }
    }
    let unit = "systemd/contact-courier.service";
    let compositions = [
        "docker/compose.yaml",
        "docker/postgres.yaml",
        "docker/mysql.yaml",
    ];
    for file in [DOCKERFILE, unit].into_iter().chain(compositions) {
        let text = read(file);
        let given = text.match_indices("COURIER__").map(|(start, _)| {
            let name = &text[start..];
            let end = name.find(|c: char| !c.is_ascii_uppercase() && c != '_');
            &name[..end.unwrap_or(name.len())]
        });
        let given: BTreeSet<&str> = given.collect();
        assert!(!given.is_empty(), "{file}");
        for name in given {
            assert!(names.contains(name), "{file}: {name} is no setting");
        }
    }
}

/// Returns the image's user as a number, as a cluster that refuses root needs it.
pub(super) fn user_of_the_image() -> String {
    let dockerfile = read(DOCKERFILE);
    let mut users = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("USER "));
    users.next_back().unwrap().to_owned()
}

#[test]
fn the_image_says_which_version_it_is() {
    let label = format!("image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(read(DOCKERFILE).contains(&label), "{label}");
}

#[test]
fn the_image_is_built_with_the_settings_of_every_build() {
    let kept =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.dockerignore")).unwrap();
    assert!(kept.lines().any(|line| line == "!.cargo"), "{kept}");
}

#[test]
fn the_image_starts_and_checks_what_the_program_has() {
    let dockerfile = read(DOCKERFILE);
    let lists = |key: &str| -> Vec<Vec<String>> {
        let lines = dockerfile.lines().map(str::trim_start);
        lines
            .filter_map(|line| line.strip_prefix(key))
            .map(|list| serde_json::from_str(list).unwrap())
            .collect()
    };
    let program = "/usr/bin/contact-courier";
    assert_eq!(lists("ENTRYPOINT "), [[program]]);
    let [check, start] = &lists("CMD ")[..] else {
        panic!("not one health check and one command: {dockerfile}");
    };
    assert_eq!(start, &["run"]);
    assert_eq!(check, &[program, "status", "--alive"]);
    for arguments in [&start[..], &check[1..]] {
        let arguments = arguments.iter().map(String::as_str).chain(["--help"]);
        said(&arguments.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_courier_answers_what_the_probes_ask() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let deployment = read(DEPLOYMENT);
    let probes = deployment.split("httpGet: { path: ").skip(1);
    let paths: Vec<&str> = probes.filter_map(|rest| rest.split(',').next()).collect();
    assert_eq!(paths, ["/healthz", "/healthz", "/readyz"]);
    for path in paths {
        crate::world::until(path, async || courier.get(path).await.code == 200).await;
    }
}
