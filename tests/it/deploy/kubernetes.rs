//! The manifests for Kubernetes: every file is used, each reference leads to something that is
//! there, and the program accepts the settings. (If kubectl can be had, `make check` puts them
//! together and checks them against the schemas.)

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use url::Url;

use super::containers::user_of_the_image;
use super::monitoring::{folder, read};
use super::yaml::{document, pairs, texts};

const BASE: &str = "kubernetes/base";
const OVERLAYS: [&str; 2] = ["kubernetes/overlays/postgres", "kubernetes/overlays/mysql"];

/// The files and the folders that a kustomization names.
fn named(place: &str) -> (BTreeSet<String>, Vec<PathBuf>) {
    let kustomization = document(&format!("{place}/kustomization.yaml"));
    let generated = kustomization["configMapGenerator"].as_array();
    let files = generated.into_iter().flatten().map(|map| &map["files"]);
    let lists = [&kustomization["resources"], &kustomization["components"]];
    let all = lists.into_iter().chain(files).flat_map(texts);
    let (folders, files): (Vec<&str>, Vec<&str>) = all.partition(|name| name.starts_with(".."));
    let folders = folders
        .into_iter()
        .map(|name| folder().join(place).join(name));
    (
        files.into_iter().map(str::to_owned).collect(),
        folders.collect(),
    )
}

#[test]
fn every_kustomization_uses_all_files_of_its_folder_and_finds_all_that_it_names() {
    let components = ["monitoring", "autoscaling", "admin-tls"]
        .map(|name| format!("kubernetes/components/{name}"));
    let places = OVERLAYS.map(str::to_owned).into_iter().chain(components);
    for place in places.chain([BASE.to_owned(), "grafana".to_owned()]) {
        let (files, folders) = named(&place);
        let entries = std::fs::read_dir(folder().join(&place)).unwrap();
        let there = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // Values of another program's chart.
        let others = ["kustomization.yaml", "prometheus-adapter-values.yaml"];
        let there: BTreeSet<String> = there
            .filter(|name| !others.contains(&name.as_str()))
            .collect();
        assert_eq!(there, files, "{place}");
        for folder in folders {
            assert!(
                folder.join("kustomization.yaml").is_file(),
                "{place}: {}",
                folder.display()
            );
        }
    }
    // The resources that a comment of the overlays tells users to add.
    for overlay in OVERLAYS {
        let text = read(&format!("{overlay}/kustomization.yaml"));
        let offered = text.lines().filter_map(|line| line.strip_prefix("#   - "));
        let offered: Vec<&str> = offered.filter_map(|rest| rest.split(' ').next()).collect();
        assert_eq!(offered.len(), 3, "{overlay}");
        for name in offered {
            let component = document(&format!("{overlay}/{name}/kustomization.yaml"));
            assert_eq!(component["kind"], "Component", "{name}");
        }
    }
}

/// The template of the couriers' pods, and of the Job's.
fn pods() -> [Value; 2] {
    ["deployment", "migrate"].map(|name| {
        let manifest = document(&format!("{BASE}/{name}.yaml"));
        manifest["spec"]["template"].clone()
    })
}

#[test]
fn a_pod_has_no_rights_and_no_secret_in_its_environment() {
    for pod in pods() {
        let spec = &pod["spec"];
        let [container] = spec["containers"].as_array().unwrap().as_slice() else {
            panic!("one container: {spec}");
        };
        assert_eq!(spec["automountServiceAccountToken"], false);
        let user = spec["securityContext"]["runAsUser"].as_u64().unwrap();
        assert_eq!(user_of_the_image(), format!("{user}:{user}"));
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(
            container["securityContext"]["allowPrivilegeEscalation"],
            false
        );
        assert_eq!(
            container["securityContext"]["capabilities"]["drop"][0],
            "ALL"
        );
        assert!(container["env"].is_null() && container["envFrom"].is_null());
        for volume in spec["volumes"].as_array().unwrap() {
            // Only the user and the group of the pod may read it.
            let mode = volume["secret"].get("defaultMode");
            assert!(mode.is_none_or(|mode| mode == 0o440), "{volume}");
        }
    }
}

/// Returns the file of a volume that a path leads to, as the volume's name in the cluster and the
/// key.
fn mounted<'a>(pod: &'a Value, path: &'a str) -> (&'a str, &'a str) {
    let path = Path::new(path);
    let (at, key) = (path.parent().unwrap(), path.file_name().unwrap());
    let mounts = pod["spec"]["containers"][0]["volumeMounts"]
        .as_array()
        .unwrap();
    let mount = mounts
        .iter()
        .find(|mount| mount["mountPath"] == at.to_str().unwrap());
    let mount = mount.unwrap_or_else(|| panic!("nothing is mounted for {}", path.display()));
    assert!(mount.get("subPath").is_none(), "it would not change");
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let volume = volumes
        .iter()
        .find(|volume| volume["name"] == mount["name"])
        .unwrap();
    let (map, secret) = (
        &volume["configMap"]["name"],
        &volume["secret"]["secretName"],
    );
    (
        map.as_str().or(secret.as_str()).unwrap(),
        key.to_str().unwrap(),
    )
}

#[test]
fn with_tls_of_the_admin_port_the_probes_use_it_and_its_files_are_mounted() {
    let component = document("kubernetes/components/admin-tls/kustomization.yaml");
    let patch = component["patches"][0]["patch"].as_str().unwrap();
    let patch: Value = serde_saphyr::from_str(patch).unwrap();
    let pod = &patch["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    let [courier, _] = pods();
    assert_eq!(container["name"], courier["spec"]["containers"][0]["name"]);
    for (probe, _) in pairs(&courier["spec"]["containers"][0])
        .into_iter()
        .filter(|(name, _)| name.ends_with("Probe"))
    {
        assert_eq!(container[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    let variables = container["env"].as_array().unwrap();
    let files = variables
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), &one["value"]));
    let files: Vec<_> = files
        .map(|(name, path)| (name, mounted(pod, path.as_str().unwrap())))
        .collect();
    let secret = |key| ("contact-courier-admin-tls", key);
    let expected = [
        ("COURIER__ADMIN__CERT_FILE", secret("tls.crt")),
        ("COURIER__ADMIN__KEY_FILE", secret("tls.key")),
    ];
    assert_eq!(files, expected);
}

fn accepted(file: &Path) -> toml::Table {
    let output = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
        .args(["config", "--config", file.to_str().unwrap()])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

#[test]
fn the_program_accepts_the_settings_and_its_files_are_mounted() {
    let [courier, migrate] = pods();
    let readme = read("README.md");
    for (overlay, scheme) in OVERLAYS.into_iter().zip(["postgres", "mysql"]) {
        let place = folder().join(overlay);
        let settings = [
            accepted(&place.join("config.toml")),
            accepted(&place.join("migrate.toml")),
        ];
        let [url, owner] = settings
            .each_ref()
            .map(|settings| Url::parse(settings["database"]["url"].as_str().unwrap()).unwrap());
        assert_eq!((url.scheme(), url.password()), (scheme, None));
        assert_eq!(url.path(), owner.path());
        assert_eq!((url.host(), url.port()), (owner.host(), owner.port()));
        assert_ne!(url.username(), owner.username());
        assert_eq!(settings[0]["database"]["auto_migrate"], false.into());
        assert_eq!(settings[0]["rate_limit"]["scope"], "cluster".into());
        let kustomization = document(&format!("{overlay}/kustomization.yaml"));
        assert_eq!(
            kustomization["configMapGenerator"][0]["name"],
            "contact-courier"
        );
        assert_eq!(
            kustomization["images"][0]["newTag"],
            env!("CARGO_PKG_VERSION")
        );
        // The only port that the policy opens for it.
        let patch = kustomization["patches"][0]["patch"].as_str().unwrap();
        let port = format!("port: {} }}", url.port().unwrap());
        assert!(patch.contains(&port), "{patch}");

        let map = ("contact-courier", "config.toml");
        assert_eq!(mounted(&courier, "/etc/contact-courier/config.toml"), map);
        let args = texts(&migrate["spec"]["containers"][0]["args"]);
        let ["migrate", "--config", file] = args[..] else {
            panic!("{args:?}");
        };
        assert_eq!(mounted(&migrate, file), ("contact-courier", "migrate.toml"));
        let secrets = [
            (&courier, &settings[0]["platform"]["token_file"]),
            (&courier, &settings[0]["database"]["password_file"]),
            (&migrate, &settings[1]["database"]["password_file"]),
        ];
        for (pod, path) in secrets {
            let (secret, key) = mounted(pod, path.as_str().unwrap());
            let made = format!("create secret generic {secret} ");
            let (_, rest) = readme.split_once(&made).unwrap_or_else(|| panic!("{made}"));
            let command = rest
                .split("\n\n")
                .next()
                .unwrap()
                .split("kubectl")
                .next()
                .unwrap();
            assert!(
                command.contains(&format!("--from-file={key}=")),
                "{secret}: {key}"
            );
        }
    }
}

#[test]
fn every_selector_and_port_is_that_of_the_couriers_pods() {
    let [courier, migrate] = pods();
    let label = "app.kubernetes.io/name";
    let of = |pod: &Value| {
        pod["metadata"]["labels"][label]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_ne!(
        of(&courier),
        of(&migrate),
        "a Deployment would take the Job's pods for its own"
    );
    let deployment = document(&format!("{BASE}/deployment.yaml"));
    let disruption = document(&format!("{BASE}/disruption.yaml"));
    let monitor = document("kubernetes/components/monitoring/pod-monitor.yaml");
    for manifest in [&deployment, &disruption, &monitor] {
        let selector = pairs(&manifest["spec"]["selector"]["matchLabels"]);
        assert_eq!(selector, [(label, &Value::from(of(&courier)))]);
    }
    let policy = document(&format!("{BASE}/network.yaml"));
    let selected = &policy["spec"]["podSelector"]["matchExpressions"][0]["values"];
    assert_eq!(texts(selected), [of(&courier), of(&migrate)]);
    let [port] = courier["spec"]["containers"][0]["ports"]
        .as_array()
        .unwrap()
        .as_slice()
    else {
        panic!("one port");
    };
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
    let let_in = &policy["spec"]["ingress"][0]["ports"][0]["port"];
    assert_eq!((endpoint, let_in), (&port["name"], &port["name"]));
    let autoscaler = document("kubernetes/components/autoscaling/autoscaler.yaml");
    let target = &autoscaler["spec"]["scaleTargetRef"];
    for key in ["apiVersion", "kind"] {
        assert_eq!(target[key], deployment[key]);
    }
    assert_eq!(target["name"], deployment["metadata"]["name"]);
}

#[test]
fn the_network_and_the_namespace_let_pass_what_the_security_page_says() {
    let of_namespace = |name: &str| {
        let label = json!({ "kubernetes.io/metadata.name": name });
        json!([{ "namespaceSelector": { "matchLabels": label } }])
    };
    let spec = &document(&format!("{BASE}/network.yaml"))["spec"];
    assert_eq!(texts(&spec["policyTypes"]), ["Ingress", "Egress"]);
    let [from_outside] = spec["ingress"].as_array().unwrap().as_slice() else {
        panic!("one rule: {spec}");
    };
    assert_eq!(from_outside["from"], of_namespace("monitoring"));
    let [names, platform] = spec["egress"].as_array().unwrap().as_slice() else {
        panic!("two rules: {spec}");
    };
    assert_eq!(names["to"], of_namespace("kube-system"));
    let ports = |rule: &Value| -> Vec<u64> {
        let ports = rule["ports"].as_array().unwrap().iter();
        ports.map(|port| port["port"].as_u64().unwrap()).collect()
    };
    assert_eq!((ports(names), ports(platform)), (vec![53, 53], vec![443]));
    for (database, port) in [("postgres", 5432), ("mysql", 3306)] {
        let overlay = format!("kubernetes/overlays/{database}/kustomization.yaml");
        let patch = document(&overlay)["patches"][0]["patch"].clone();
        let added = format!("{{ protocol: TCP, port: {port} }}");
        assert!(patch.as_str().unwrap().contains(&added), "{overlay}");
    }
    let namespace = document(&format!("{BASE}/namespace.yaml"));
    let enforced = &namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    assert_eq!(enforced, "restricted");
    for pod in pods() {
        let profile = &pod["spec"]["securityContext"]["seccompProfile"]["type"];
        assert_eq!(profile, "RuntimeDefault");
        assert_eq!(
            pod["spec"]["containers"][0]["resources"]["limits"]["memory"],
            "256Mi"
        );
    }
}

#[test]
fn the_rules_for_the_prometheus_operator_are_those_of_prometheus() {
    let rules = document("kubernetes/components/monitoring/rules.yaml");
    let told = "make it anew as its first lines tell";
    assert_eq!(rules["spec"], document("prometheus/rules.yml"), "{told}");
    assert!(
        rules["spec"]["groups"][0]["rules"]
            .as_array()
            .unwrap()
            .len()
            > 10
    );
}
