//! The checks of `make package-test` that need no package: what they expect of the program is what
//! it says.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

#[test]
fn the_package_test_expects_what_the_program_says() {
    let tree = tempfile::tempdir().unwrap();
    let programs = tree.path().join("usr/bin");
    std::fs::create_dir_all(&programs).unwrap();
    symlink(
        env!("CARGO_BIN_EXE_contact-courier"),
        programs.join("contact-courier"),
    )
    .unwrap();
    let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test-package/contents.sh");
    let script = "fail() { echo \"$*\" >&2; exit 1; }; . \"$1\"; program_runs \"$2\"";
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script, "bash"])
        .args([&checks, tree.path()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The function that lets a command see what the service sees, without its indentation.
fn function_in(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().skip_while(|line| line.trim() != "courier() {");
    let (mut function, mut indent) = (String::new(), 0);
    for line in lines {
        if function.is_empty() {
            indent = line.len() - line.trim_start().len();
        }
        function += &line[indent..];
        function.push('\n');
        if line.trim() == "}" {
            return function;
        }
    }
    panic!("{page} has no such function");
}

#[test]
fn the_function_of_the_package_tells_who_runs_a_command_and_hides_its_arguments() {
    let pages = ["deploy/README.md", "deploy/debian/README.Debian"];
    let [function, other] = pages.map(function_in);
    assert_eq!(function, other, "{pages:?}");
    let tested = function_in("scripts/test-package/installed.sh");
    assert_eq!(function.replace("sudo systemd-run", "systemd-run"), tested);
    let script = format!(
        "sudo() {{ \"$@\"; }}\nsystemd-run() {{ printf '%s\\n' \"$@\"; }}\nid() {{ echo anna; }}\n\
         {function}courier erase --phone 13012121211"
    );
    for (become_root_by, who) in [("", "anna"), ("berta", "berta")] {
        let output = Command::new("bash")
            .args(["-euc", &script])
            .env("SUDO_USER", become_root_by)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        for argument in [
            "--description=contact-courier",
            &format!("--setenv=SUDO_USER={who}"),
        ] {
            assert!(
                said.lines().any(|line| line == argument),
                "{argument}: {said}"
            );
        }
    }
}
