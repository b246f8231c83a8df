//! The real program at its command line: its output, and how it ends.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program in an empty directory, with none of our variables in its environment.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contact-courier"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line on standard error of a run that ended with `code`.
fn error(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("error: "), "{text}");
    text
}

fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

#[test]
fn help_names_every_command_and_each_command_explains_itself() {
    let help = stdout(&run(&["--help"]));
    for fact in [
        "config",
        "migrate",
        "enqueue",
        "--set",
        "Exit codes: 0 done",
    ] {
        assert!(help.contains(fact), "{fact}: {help}");
    }
    for (command, facts) in [
        ("config", ["--json", "COURIER__SECTION__KEY"]),
        ("migrate", ["--json", "database.auto_migrate"]),
        ("enqueue", ["--dry-run", "contact_outbox"]),
    ] {
        let output = run(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        for fact in facts {
            assert!(stdout(&output).contains(fact), "{command}: {fact}");
        }
    }
    let version = stdout(&run(&["-V"]));
    assert_eq!(
        version,
        format!("contact-courier {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["config", "--frobnicate"],
        &["enqueue"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_unknown_setting_ends_with_2_wherever_it_stands() {
    let (_directory, path) = file("courier.toml", "[delivery]\nlingre = \"1s\"\n");
    let path = path.to_str().unwrap();
    let said = error(&run(&["config", "--config", path]), 2);
    let whole = format!(
        "error: unknown setting delivery.lingre (file {path}): did you mean delivery.linger?\n"
    );
    assert_eq!(said, whole);

    let output = program(&["config"])
        .env("COURIER__PLATFORM__TOCKEN", "x")
        .output()
        .unwrap();
    let said = error(&output, 2);
    assert!(
        said.contains("environment variable COURIER__PLATFORM__TOCKEN"),
        "{said}"
    );
    assert!(said.contains("did you mean platform.token?"), "{said}");

    let said = error(&run(&["config", "--set", "retry.jiter=1"]), 2);
    assert!(
        said.contains("unknown setting retry.jiter (--set)"),
        "{said}"
    );
}

#[test]
fn ill_typed_and_out_of_range_values_end_with_2_and_are_named() {
    let said = error(&run(&["config", "--set", "platform.timeout=soon"]), 2);
    assert!(said.starts_with("error: platform.timeout = \"soon\" (--set): write a duration"));
    let said = error(&run(&["config", "--set", "delivery.batch_size=101"]), 2);
    assert!(said.starts_with("error: delivery.batch_size = 101 (--set): must be 1 to 100"));
    let said = error(&run(&["config", "--config", "/no/such/file.toml"]), 2);
    assert!(said.contains("/no/such/file.toml"), "{said}");
}

#[test]
fn several_faults_are_a_line_each() {
    let output = run(&[
        "config",
        "--set",
        "retry.jitter=2",
        "--set",
        "rate_limit.burst=0",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("error: "))
            .count(),
        2,
        "{text}"
    );
}

#[test]
fn settings_flags_count_before_and_behind_the_command() {
    let output = run(&[
        "--set",
        "retry.jitter=0.25",
        "config",
        "--set",
        "rate_limit.burst=7",
    ]);
    let text = stdout(&output);
    assert!(
        text.contains("jitter = 0.25") && text.contains("burst = 7"),
        "{text}"
    );
}

#[test]
fn config_shows_the_settings_in_force_but_no_secret() {
    for format in [&["config"][..], &["config", "--json"]] {
        let output = program(format)
            .env("COURIER__PLATFORM__TOKEN", "12345")
            .env("COURIER__DATABASE__URL", "postgres://me:hunter2@db/shop")
            .env("COURIER__DELIVERY__LINGER", "250ms")
            .env("COURIER_TEST_POSTGRES", "not ours")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = stdout(&output);
        assert!(
            !text.contains("hunter2") && !text.contains("12345"),
            "{text}"
        );
        assert!(
            text.contains("postgres://me:***@db/shop") && text.contains("250ms"),
            "{text}"
        );
    }
}

#[test]
fn what_config_prints_is_a_settings_file() {
    let text = stdout(&run(&["config", "--set", "delivery.linger=7s"]));
    let (_directory, path) = file("courier.toml", &text);
    assert_eq!(
        stdout(&run(&["config", "--config", path.to_str().unwrap()])),
        text
    );
}

/// A header on line 1 and contacts on the lines behind it.
fn contacts(lines: u32, broken: &[u32]) -> String {
    (2..=lines).fold("phone,user_id,task_id,sex\r\n".to_owned(), |text, line| {
        let sex = if broken.contains(&line) { "x" } else { "1" };
        text + &format!("130{line:08},u,task{},{sex}\r\n", line % 3)
    })
}

#[test]
fn enqueue_names_file_line_and_column_of_what_is_wrong_and_ends_with_1() {
    let (_directory, path) = file("contacts.csv", &contacts(40, &[37]));
    let path = path.to_str().unwrap();
    let output = run(&["enqueue", path, "--dry-run"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "{path} line 37, column sex: \"x\" is not 0, 1 or 2\n\
             error: {path} has 1 problem; nothing was enqueued\n"
        )
    );
}

#[test]
fn enqueue_lists_the_first_twenty_problems() {
    let broken: Vec<u32> = (2..=31).collect();
    let (_directory, path) = file("contacts.csv", &contacts(40, &broken));
    let output = run(&["enqueue", path.to_str().unwrap(), "--dry-run"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 21, "{text}");
    assert!(
        text.contains("has 30 problems (the first 20 are listed)"),
        "{text}"
    );
}

#[test]
fn enqueue_checks_a_good_file_without_a_database() {
    let (_directory, path) = file("contacts.csv", &contacts(1235, &[]));
    let path = path.to_str().unwrap();
    let output = run(&["enqueue", path, "--dry-run"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stdout(&output),
        "1,234 contacts in 3 lanes checked; nothing was enqueued (--dry-run)\n"
    );
    let json = stdout(&run(&["enqueue", path, "--dry-run", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rows"], 1234);
    assert_eq!(json["enqueued"], 0);
}

#[test]
fn enqueue_reads_standard_input_and_needs_to_know_its_format() {
    let said = error(&run(&["enqueue", "-"]), 2);
    assert!(
        said.contains("give --format csv or --format jsonl"),
        "{said}"
    );

    let flags = [
        "enqueue",
        "-",
        "--format",
        "jsonl",
        "--user-id",
        "u",
        "--task-id",
        "t",
    ];
    let mut child = program(&[&flags[..], &["--dry-run"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let rows = "{\"phone\":\"13012121211\",\"custom_vars\":[{\"name\":\"a\",\"text\":1}]}\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(rows.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).starts_with("1 contact in 1 lane checked"));
}

#[test]
fn a_file_that_is_not_there_is_a_failure_at_run_time() {
    let said = error(&run(&["enqueue", "/no/such.csv", "--dry-run"]), 1);
    assert!(
        said.starts_with("error: cannot read /no/such.csv: "),
        "{said}"
    );
}
