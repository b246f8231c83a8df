//! The tools of `make test` on machines that are not Debian: they are found where that distribution
//! installs them, and a missing one is named as the distribution calls it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// The tools that the scripts themselves run.
const TOOLS: [&str; 10] = [
    "awk", "bash", "cat", "head", "ls", "sed", "sort", "tr", "uname", "readlink",
];

/// A machine of another distribution: its root, with these programs.
fn machine(release: &str, programs: &[&str]) -> TempDir {
    let root = TempDir::new().unwrap();
    let tools = root.path().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    for tool in TOOLS {
        let found = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
        let found = found.iter().find(|path| path.exists());
        symlink(found.unwrap_or_else(|| panic!("{tool}")), tools.join(tool)).unwrap();
    }
    std::fs::create_dir_all(root.path().join("etc")).unwrap();
    std::fs::write(root.path().join("etc/os-release"), release).unwrap();
    for program in programs {
        let path = root.path().join(program);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}

/// Returns the output of a command of the scripts on that machine.
fn says(machine: &TempDir, command: &str) -> String {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let root = machine.path().display();
    let script = format!(
        ". {}/programs.sh; look_elsewhere; {command}",
        scripts.display()
    );
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env_clear()
        .env("COURIER_TEST_PREFIX", machine.path())
        .env("PATH", format!("{root}/tools:{root}/usr/bin"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const FEDORA: &str = "ID=fedora\n";
const ALPINE: &str = "ID=alpine\n";
const ROCKY: &str = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";

#[test]
fn what_is_missing_has_the_name_that_it_has_there() {
    let everything = [
        (
            FEDORA,
            "dnf install postgresql-server postgresql pgbouncer mariadb-server mariadb sqlite openssl \
                  chromium chromedriver golang-github-prometheus",
        ),
        (
            ROCKY,
            "dnf install postgresql-server postgresql pgbouncer mariadb-server mariadb sqlite openssl \
                 chromium chromedriver golang-github-prometheus",
        ),
        (
            ALPINE,
            "apk add postgresql17 postgresql17-client pgbouncer mariadb mariadb-client sqlite openssl \
                  chromium chromium-chromedriver prometheus",
        ),
        (
            "ID=debian\n",
            "apt-get install postgresql postgresql-client pgbouncer mariadb-server \
                         mariadb-client sqlite3 openssl chromium chromium-driver prometheus",
        ),
    ];
    let install = "missing=$(missing_packages); how_to_install \"${missing% }\"";
    for (release, told) in everything {
        assert_eq!(says(&machine(release, &[]), install), told);
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/development.md"));
    let page = page.unwrap();
    for (_, told) in everything {
        for package in told.split(' ').skip(2) {
            assert!(
                page.contains(&format!("`{package}`")),
                "docs/development.md: {package}"
            );
        }
    }
}

#[test]
fn all_is_found_where_it_is_installed_there() {
    let common = [
        "psql",
        "mariadb",
        "sqlite3",
        "openssl",
        "chromedriver",
        "prometheus",
        "promtool",
    ]
    .map(|name| format!("usr/bin/{name}"));
    let fedora = [
        "usr/bin/initdb",
        "usr/bin/pgbouncer",
        "usr/libexec/mariadbd",
        "usr/bin/chromium-browser",
    ];
    let alpine = [
        "usr/libexec/postgresql17/initdb",
        "usr/bin/pgbouncer",
        "usr/bin/mariadbd",
        "usr/bin/chromium",
    ];
    let homebrew = [
        "opt/homebrew/opt/postgresql@17/bin/initdb",
        "opt/homebrew/bin/pgbouncer",
        "opt/homebrew/bin/mariadbd",
        "Applications/Chromium.app/program",
    ];
    let debian = [
        "usr/lib/postgresql/17/bin/initdb",
        "usr/sbin/pgbouncer",
        "usr/sbin/mariadbd",
        "usr/bin/chromium",
    ];
    for own in [fedora, alpine, homebrew, debian] {
        let mut programs: Vec<&str> = common.iter().map(String::as_str).collect();
        programs.extend(own);
        assert_eq!(
            says(&machine(FEDORA, &programs), "missing_packages"),
            "",
            "{own:?}"
        );
        // Leaves out each tool in turn.
        for (nth, left_out) in own.iter().enumerate() {
            let mut programs = programs.clone();
            programs.remove(common.len() + nth);
            let missing = says(&machine(FEDORA, &programs), "missing_packages");
            assert!(!missing.is_empty(), "{left_out}");
        }
    }
}
