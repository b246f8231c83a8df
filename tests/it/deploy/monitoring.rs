//! The alert rules, their runbook and the dashboard.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use contact_courier::simulator::Faults;
use serde_json::Value;

use crate::admin::asking::Courier;
use crate::support::Db;
use crate::world::World;

const RULES: &str = "prometheus/rules.yml";
const DASHBOARD: &str = "grafana/contact-courier.json";

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(folder().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub(super) fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(folder().join("prometheus"))
        .output()
        .expect("promtool is installed (scripts/test-databases.sh sees to it)");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
}

#[test]
fn the_alerts_fire_when_they_should_and_only_then() {
    promtool(&["check", "rules", "rules.yml"]);
    promtool(&["test", "rules", "rules_test.yml"]);
}

/// Returns the texts behind `key` in the lines that begin with it.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix(key))
        .collect()
}

#[test]
fn every_alert_is_tried_and_has_its_chapter_in_the_runbook() {
    let rules = read(RULES);
    let alerts = values(&rules, "- alert: ");
    assert!(alerts.len() > 10, "{alerts:?}");
    let runbook = read("prometheus/runbook.md");
    assert_eq!(values(&runbook, "## "), alerts);
    let links: Vec<String> = alerts
        .iter()
        .map(|alert| format!("runbook.md#{}", alert.to_lowercase()))
        .collect();
    assert_eq!(values(&rules, "runbook: "), links);
    for chapter in runbook.split("\n## ").skip(1) {
        for part in ["**Means** ", "**Look at** ", "**Do** "] {
            assert!(chapter.contains(part), "{part}: {chapter}");
        }
    }
    let tests = read("prometheus/rules_test.yml");
    for alert in alerts {
        let name = format!("alertname: {alert}\n");
        let cases = tests.split(&name).skip(1);
        let fired = cases.filter(|rest| rest.trim_start().starts_with("exp_alerts:\n"));
        assert!(fired.count() > 0, "{alert} never fires in rules_test.yml");
    }
}

/// A series in an expression.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    name: &'a str,
    /// The labels that must have exactly this value, except the ones that Prometheus adds.
    labels: Vec<String>,
}

/// Returns our series in a text with expressions.
fn asked(text: &str) -> Vec<Asked<'_>> {
    let starts = text.match_indices("courier_").map(|(start, _)| start);
    let whole = starts.filter(|&start| {
        let before = text[..start].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    whole
        .map(|start| {
            let rest = &text[start..];
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
            let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let labels = labels.map_or("", |(labels, _)| labels).split(", ");
            let added = |label: &&str| label.starts_with("job=") || label.starts_with("instance");
            let labels = labels.filter(|label| label.contains("=\"") && !added(label));
            Asked {
                name,
                labels: labels.map(str::to_owned).collect(),
            }
        })
        .collect()
}

/// Collects every text of a dashboard's panels and variables that may be a query to Prometheus.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "expr" || key == "query" => {
                        found.push(text.clone());
                    }
                    value => expressions(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// Returns the metrics that a courier serves from its start.
async fn served() -> String {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    courier.get("/metrics").await.body
}

fn is_served(asked: &Asked, served: &str) -> bool {
    served.lines().any(|line| {
        let rest = line.strip_prefix(asked.name);
        rest.is_some_and(|rest| {
            rest.starts_with([' ', '{']) && asked.labels.iter().all(|label| rest.contains(label))
        })
    })
}

#[tokio::test]
async fn rules_and_dashboard_ask_for_what_a_courier_serves_and_the_dashboard_shows_all_of_it() {
    let served = served().await;
    let rules = read(RULES);
    let code: String = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n");
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut shown = Vec::new();
    expressions(&dashboard, &mut shown);
    let shown = shown.join("\n");
    for asked in asked(&code).iter().chain(&asked(&shown)) {
        assert!(is_served(asked, &served), "no courier serves {asked:?}");
    }
    let families: BTreeSet<&str> = served
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(families.len() > 10, "{families:?}");
    for family in families {
        let parts = ["", "_bucket", "_sum", "_count"].map(|part| format!("{family}{part}"));
        let on_it = asked(&shown)
            .iter()
            .any(|asked| parts.contains(&asked.name.to_owned()));
        assert!(on_it, "{family} is not on the dashboard");
    }
}

#[test]
fn what_an_expression_asks_for_is_read_with_its_labels() {
    let text = r#"max by (job) (courier_lanes{job="$job", state="held"}) / courier_x_total[5m]"#;
    let expected = [
        Asked {
            name: "courier_lanes",
            labels: vec!["state=\"held\"".to_owned()],
        },
        Asked {
            name: "courier_x_total",
            labels: Vec::new(),
        },
    ];
    assert_eq!(asked(text), expected);
}
