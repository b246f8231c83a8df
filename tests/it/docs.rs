//! The documentation, checked against the program: names, settings, columns, links, and the
//! snippets that can be run here.

mod grants;
mod languages;
mod results;
mod steps;
mod translation;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use contact_courier::outbox::{FailKind, Outbox, SqliteOutbox};
use contact_courier::platform::verdict::WaitReason;
use contact_courier::settings::{Layers, Settings};
use contact_courier::simulator::Faults;
use contact_courier::telemetry;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The cells of each line of a table; code marks stay on.
fn table_rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter_map(|line| {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(str::trim).collect())
    })
}

/// Returns the text within single backticks, if the cell has nothing else.
fn code(cell: &str) -> Option<&str> {
    let inner = cell.strip_prefix('`')?.strip_suffix('`')?;
    (!inner.contains('`')).then_some(inner)
}

/// The fenced blocks that begin with exactly this line.
fn blocks(text: &str, opening: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while lines.any(|line| line == opening) {
        let block = lines.by_ref().take_while(|line| *line != "```");
        found.push(block.fold(String::new(), |text, line| text + line + "\n"));
    }
    found
}

fn in_brackets(text: &str) -> impl Iterator<Item = String> {
    text.split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']'))
        .map(|(name, _)| name.to_owned())
}

/// The lines of `docs/answers.md` that a test names, as in `// [token], [forbidden]`.
fn named(tests: &str) -> impl Iterator<Item = String> {
    tests
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("// ["))
        .flat_map(|rest| in_brackets(&format!("[{rest}")).collect::<Vec<_>>())
}

/// The tests of a file, each with its body.
fn tests_of(path: &str) -> Vec<String> {
    let text = read(path);
    text.split("#[test]").skip(1).map(str::to_owned).collect()
}

#[test]
fn every_line_of_the_answers_page_has_a_test_and_every_test_a_line() {
    let verdicts = tests_of("src/platform/verdict/tests.rs");
    let fits = tests_of("src/mask/fit.rs");
    for test in verdicts.iter().chain(&fits) {
        let name = test.split('(').next().unwrap().trim();
        assert!(named(test).count() > 0, "{name} names no line of the page");
    }
    let tested: BTreeSet<String> = verdicts
        .iter()
        .chain(&fits)
        .flat_map(|test| named(test).collect::<Vec<_>>())
        .collect();
    let page = read("docs/answers.md");
    let told: Vec<String> = table_rows(&page)
        .filter_map(|cells| code(cells[0])?.strip_prefix('[')?.strip_suffix(']'))
        .map(str::to_owned)
        .collect();
    let told_once: BTreeSet<String> = told.iter().cloned().collect();
    assert!(tested.len() > 20, "{tested:?}");
    assert_eq!(told.len(), told_once.len(), "a line is there twice");
    assert_eq!(tested, told_once);
}

#[test]
fn the_readme_lists_every_setting_with_its_default() {
    for page in ["README.md", "README.zh-CN.md"] {
        lists_every_setting_with_its_default(page);
    }
}

fn lists_every_setting_with_its_default(page: &str) {
    let default = toml::to_string(&Settings::default()).unwrap();
    let mut listed = BTreeMap::new();
    for cells in table_rows(&read(page)) {
        let [key, value, meaning] = cells.as_slice() else {
            continue;
        };
        let Some((section, name)) = code(key).and_then(|key| key.split_once('.')) else {
            continue;
        };
        assert!(!meaning.is_empty(), "{key}");
        let value = code(value).unwrap_or_else(|| panic!("the default of {key} is not code"));
        let layers = Layers {
            file: Some((
                PathBuf::from(page),
                format!("[{section}]\n{name} = {value}"),
            )),
            ..Layers::default()
        };
        // Setting a key to its default changes nothing.
        let settings = Settings::from_layers(&layers).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(toml::to_string(&settings).unwrap(), default, "{key}");
        let twice = listed.insert(format!("{section}.{name}"), value.to_owned());
        assert_eq!(twice, None, "{key} is listed twice");
    }
    let all: BTreeSet<String> = toml::Table::try_from(Settings::default())
        .unwrap()
        .iter()
        .flat_map(|(section, keys)| {
            let keys = keys.as_table().unwrap().keys();
            keys.map(move |key| format!("{section}.{key}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(listed.into_keys().collect::<BTreeSet<_>>(), all);
}

/// Returns every key of the simulator's faults with its default, keys in tables with a dot.
fn faults() -> BTreeMap<String, toml::Value> {
    let mut all = BTreeMap::new();
    for (key, value) in toml::Table::try_from(Faults::default()).unwrap() {
        match value {
            toml::Value::Table(table) => {
                all.extend(
                    table
                        .into_iter()
                        .map(|(name, v)| (format!("{key}.{name}"), v)),
                );
            }
            value => drop(all.insert(key, value)),
        }
    }
    all
}

#[test]
fn the_sample_of_faults_names_every_key_with_its_default_and_explains_it() {
    let text = read("config/rehearsal.toml");
    let sample: Faults = toml::from_str(&text).unwrap();
    assert_eq!(sample, Faults::default());
    let named: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(named, toml::Table::try_from(Faults::default()).unwrap());
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ")) {
        assert!(pair[0].starts_with("# "), "nothing explains {}", pair[1]);
    }
}

#[test]
fn the_rehearsing_page_tells_every_fault_with_its_default_and_only_lines_of_the_answers_page() {
    let page = read("docs/rehearsing.md");
    let (outages, keys) = page.split_once("## All keys").unwrap();
    let told: BTreeMap<String, toml::Value> = table_rows(keys)
        .filter_map(|cells| Some((code(cells[0])?.to_owned(), code(cells[1])?.to_owned())))
        .map(|(key, default)| {
            let value: toml::Table = toml::from_str(&format!("value = {default}")).unwrap();
            (key, value["value"].clone())
        })
        .collect();
    assert_eq!(told, faults());
    let answers = read("docs/answers.md");
    let mut lines = 0;
    for cells in table_rows(outages).filter(|cells| cells[0].starts_with('[')) {
        assert!(answers.contains(&format!("`{}`", cells[0])), "{}", cells[0]);
        lines += 1;
    }
    assert!(lines > 15, "{lines}");
}

#[test]
fn the_monitoring_page_tells_every_metric_with_its_type_and_labels_and_no_others() {
    let served = telemetry::metrics::render();
    let mut families: BTreeMap<&str, (&str, BTreeSet<&str>)> = BTreeMap::new();
    for line in served.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
            families.insert(name, (kind, BTreeSet::new()));
        } else if let Some((series, rest)) = line.split_once('{') {
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .fold(series, |name, suffix| {
                    name.strip_suffix(suffix).unwrap_or(name)
                });
            let labels = rest
                .split("=\"")
                .map(|part| part.rsplit([',', '"', '{']).next().unwrap());
            let labels =
                labels.filter(|label| label.starts_with(char::is_alphabetic) && *label != "le");
            families.get_mut(family).unwrap().1.extend(labels);
        }
    }
    let page = read("docs/monitoring.md");
    let metrics = page.split_once("\n## Metrics\n").unwrap().1;
    let told: BTreeMap<&str, (&str, BTreeSet<&str>)> = table_rows(metrics)
        .filter(|cells| cells.len() == 4)
        .filter_map(|cells| {
            let labels = cells[2].split(", ").filter_map(code).collect();
            Some((code(cells[0])?, (cells[1], labels)))
        })
        .collect();
    assert!(told.len() > 10);
    assert_eq!(told, families);
}

#[test]
fn every_call_of_the_outbox_that_is_measured_is_there_from_the_start() {
    let served = telemetry::metrics::render();
    let calls = read("src/outbox/sql/outbox.rs");
    let operations: Vec<&str> = calls
        .split("self.call(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(operations.len() > 8, "{operations:?}");
    for operation in operations {
        let series = format!("courier_database_seconds_count{{operation=\"{operation}\"}} ");
        assert!(served.contains(&series), "{operation}");
    }
}

#[test]
fn the_monitoring_page_tells_every_reason_to_wait_and_every_part_of_the_log() {
    let page = read("docs/monitoring.md");
    for reason in WaitReason::OF_BATCHES {
        assert!(
            page.contains(&format!("`{}`", reason.as_str())),
            "{reason:?}"
        );
    }
    let events = read("src/telemetry/event/target.rs");
    let parts: Vec<&str> = events
        .split("&str = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(parts.len() >= 5, "{parts:?}");
    for part in parts {
        assert!(page.contains(&format!("| `{part}` |")), "{part}");
    }
}

#[test]
fn the_readme_tells_every_fail_kind() {
    let readme = read("README.md");
    let told: BTreeSet<&str> = table_rows(&readme)
        .filter_map(|cells| code(cells[0]))
        .collect();
    for kind in [
        FailKind::Invalid,
        FailKind::Rejected,
        FailKind::Duplicate,
        FailKind::Unconfirmed,
        FailKind::Expired,
        FailKind::Cancelled,
    ] {
        assert!(told.contains(kind.as_str()), "{kind}");
    }
    // Fails when the list above falls behind.
    assert_eq!(FailKind::ALL.len(), 6);
}

#[test]
fn the_readme_tells_every_command_and_no_others() {
    let help = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed = help.split_once("Commands:\n").unwrap().1;
    let listed = listed.split_once("\n\n").unwrap().0;
    let commands: BTreeSet<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    let readme = read("README.md");
    let section = readme.split_once("\n## Commands\n").unwrap().1;
    let section = section.split_once("\n## ").unwrap().0;
    let told: BTreeSet<&str> = table_rows(section)
        .filter_map(|cells| code(cells[0])?.split(' ').next())
        .collect();
    assert_eq!(told, commands);
}

#[test]
fn the_architecture_page_names_only_what_is_there() {
    let sources = sources(&root().join("src"));
    let page = read("ARCHITECTURE.md");
    let names = page.split('`').skip(1).step_by(2);
    let paths: Vec<&str> = names.filter(|name| name.contains("::")).collect();
    assert!(paths.len() > 5, "{paths:?}");
    for path in paths {
        let name = path.rsplit("::").next().unwrap();
        assert!(sources.contains(name), "{path}");
    }
}

/// Returns the source text of the whole program.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.fold(String::new(), |text, path| {
        text + &if path.is_dir() {
            sources(&path)
        } else {
            std::fs::read_to_string(&path).unwrap()
        }
    })
}

#[tokio::test]
async fn the_table_page_tells_every_column_and_constraint_and_no_others() {
    let (_folder, mut shop) = shop().await;
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info('contact_outbox')")
            .fetch_all(&mut shop)
            .await
            .unwrap();
    let page = read("docs/outbox-table.md");
    let told: BTreeSet<&str> = table_rows(&page)
        .filter(|cells| cells.len() == 3)
        .filter_map(|cells| code(cells[0]))
        .collect();
    assert_eq!(told, columns.iter().map(String::as_str).collect());
    for path in [
        "migrations/sqlite/0001_outbox.sql",
        "migrations/postgres/0001_outbox.sql",
        "migrations/mysql/0001_outbox.sql",
    ] {
        let schema = read(path);
        let outbox = schema.split_once(" delivery_lane (").unwrap().0;
        for rest in outbox.split("CONSTRAINT ").skip(1) {
            let name = rest.split_whitespace().next().unwrap();
            assert!(page.contains(&format!("`{name}`")), "{path}: {name}");
        }
    }
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let folder = page.parent().unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() {
                page.clone()
            } else {
                folder.join(path)
            };
            assert!(file.exists(), "{}: {target}", page.display());
            if !anchor.is_empty() {
                let there = std::fs::read_to_string(&file).unwrap();
                let headings: Vec<String> = there.lines().filter_map(heading).collect();
                let known = headings.iter().any(|heading| heading == anchor);
                assert!(known, "{}: {target}: {headings:?}", page.display());
            }
        }
    }
}

fn pages() -> Vec<PathBuf> {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|e| e == "md");
    let folders = [
        "",
        "docs",
        "docs/zh-CN",
        "benches",
        "deploy",
        "deploy/prometheus",
    ]
    .map(|folder| root().join(folder));
    let pages: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(is_page)
        .collect();
    assert!(pages.len() >= 6, "{pages:?}");
    pages
}

/// Returns the anchor of a heading, as web pages derive it from the text.
fn heading(line: &str) -> Option<String> {
    let text = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

/// A migrated database `shop.db` in a folder of its own.
async fn shop() -> (TempDir, SqliteConnection) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let outbox = SqliteOutbox::connect(&format!("sqlite://{}", file.display()), 2)
        .await
        .unwrap();
    outbox.migrate().await.unwrap();
    outbox.close().await;
    let shop = SqliteConnectOptions::new().filename(&file).connect().await;
    (folder, shop.unwrap())
}

/// Returns the one snippet of a page that begins like this.
fn snippet(page: &str, opening: &str) -> String {
    let found = blocks(&read(page), opening);
    let [snippet] = found.as_slice() else {
        panic!("{page}: {} blocks begin with {opening}", found.len());
    };
    snippet.clone()
}

/// The keys of the pending rows.
async fn pending(shop: &mut SqliteConnection) -> Vec<String> {
    sqlx::query_scalar("SELECT idempotency_key FROM contact_outbox WHERE status = 'pending'")
        .fetch_all(shop)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_sqlite_snippet_inserts_one_row_however_often_it_is_run() {
    let (_folder, mut shop) = shop().await;
    for _ in 0..2 {
        let sql = AssertSqlSafe(snippet("README.md", "```sql sqlite"));
        let answer = sqlx::raw_sql(sql).fetch_all(&mut shop).await.unwrap();
        assert_eq!(answer.len(), 1, "the row that was asked for at the end");
    }
    assert_eq!(pending(&mut shop).await, ["order-1001"]);
}
