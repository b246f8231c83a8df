//! The unit: systemd's judgement of it, and the program's messages to systemd.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const UNIT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/deploy/systemd/contact-courier.service"
);
const PROGRAM: &str = env!("CARGO_BIN_EXE_contact-courier");

/// Longer than any step takes here.
const DEADLINE: Duration = Duration::from_mins(1);

/// Returns the complaints of `systemd-analyze` about a unit; `None` if it is not installed.
#[expect(clippy::print_stderr, reason = "a test that is not run says so")]
fn analyze(arguments: &[&str], unit: &Path) -> Option<String> {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output();
    let Ok(output) = output else {
        eprintln!("NOT RUN: there is no systemd-analyze here (Debian: systemd)");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    Some(errors.into_owned())
}

#[test]
fn systemd_rates_the_sandbox_two_or_better() {
    // In tenths.
    let rating = ["security", "--offline=true", "--threshold=20"];
    analyze(&rating, Path::new(UNIT));
}

#[test]
fn no_memory_of_the_courier_gets_onto_a_disk() {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    for line in ["LimitCORE=0", "MemorySwapMax=0", "MemoryMax=512M"] {
        assert!(unit.lines().any(|known| known == line), "{line}");
    }
}

#[test]
fn systemd_understands_every_line_of_the_unit() {
    let folder = TempDir::new().unwrap();
    let unit = folder.path().join("contact-courier.service");
    // The paths are those of an installed package.
    let text = std::fs::read_to_string(UNIT).unwrap();
    let text = text.replace("/usr/bin/contact-courier", PROGRAM);
    let text = text.replace("Documentation=man:contact-courier(1)\n", "");
    std::fs::write(&unit, text).unwrap();
    let said = analyze(&["verify"], &unit).unwrap_or_default();
    let about_it: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("contact-courier"))
        .collect();
    assert_eq!(about_it, [""; 0]);
}

/// The program beside a systemd that listens.
struct Unit {
    program: Child,
    systemd: UnixDatagram,
    _folder: TempDir,
}

impl Unit {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&socket).unwrap();
        systemd.set_read_timeout(Some(DEADLINE)).unwrap();
        let program = Command::new(PROGRAM)
            .arg("run")
            .env_clear()
            .current_dir(folder.path())
            .env("COURIER__PLATFORM__BASE_URL", "http://127.0.0.1:9")
            .env("COURIER__PLATFORM__TOKEN", "none")
            .env("COURIER__ADMIN__LISTEN", "")
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "100000")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            program,
            systemd,
            _folder: folder,
        }
    }

    /// The next message.
    fn hears(&self) -> String {
        let mut message = [0; 200];
        let length = self.systemd.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec())
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// The next message that is more than a sign of life.
    fn hears_news(&self) -> String {
        loop {
            let said = self.hears();
            if said != "WATCHDOG=1" {
                return said;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.program.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

#[test]
fn systemd_hears_when_the_courier_works_lives_and_ends() {
    let mut unit = Unit::start();
    assert_eq!(unit.hears(), "READY=1");
    for _ in 0..3 {
        assert_eq!(unit.hears(), "WATCHDOG=1");
    }
    unit.signal("TERM");
    assert_eq!(unit.hears_news(), "STOPPING=1");
    assert_eq!(unit.program.wait().unwrap().code(), Some(0));
}

#[test]
fn systemd_hears_when_the_settings_are_read_again() {
    let unit = Unit::start();
    assert_eq!(unit.hears(), "READY=1");
    for _ in 0..2 {
        unit.signal("HUP");
        let said = unit.hears_news();
        let since = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(
            since.is_some_and(|usec| usec.parse::<u64>().is_ok()),
            "{said}"
        );
        assert_eq!(unit.hears_news(), "READY=1");
    }
}
