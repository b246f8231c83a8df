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
