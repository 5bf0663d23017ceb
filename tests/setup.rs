//! `scripts/setup.sh --tests` on a machine that has everything but a browser, or xmllint: what it installs and how, and what it says
//! where it may not. The machine is a directory of programs that pretend.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What the script itself needs of the real machine.
const REAL: [&str; 7] = ["bash", "env", "rm", "tail", "chmod", "cat", "true"];
const NEEDS_A_PASSWORD: &str = "echo 'sudo: a password is required' >&2; exit 1";
const ASKS_NOBODY: &str = r#"[ "$1" = -n ] || exit 9; shift; echo "sudo $*" >>"$LOG"; exec "$@""#;

struct Machine(TempDir);

impl Machine {
    /// One of a user without rights, on this distribution.
    fn new(distribution: &str) -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        for name in REAL {
            let real = ["/bin", "/usr/bin"].map(|dir| Path::new(dir).join(name)).into_iter().find(|path| path.exists());
            symlink(real.unwrap(), machine.path("bin").join(name)).unwrap();
        }
        for name in ["cargo", "cc", "xmllint"] {
            machine.program(name, "exit 0");
        }
        machine.program("docker", r#"case "$1" in compose) echo 2.26.1 ;; *) echo 25.0 ;; esac"#);
        machine.program("id", "echo 1000");
        machine.program("apt-get", r#"echo "apt-get $*" >>"$LOG"; for got in chromium xmllint; do case " $* " in *" $got "* | *" libxml2-utils "*) >"$BIN/$got"; chmod +x "$BIN/$got" ;; esac; done"#);
        fs::write(machine.path("").join("os-release"), format!("ID={distribution}\nVERSION_CODENAME=x\n")).unwrap();
        machine
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn program(&self, name: &str, script: &str) -> &Machine {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Exit code, what it says, and what was done as root or by apt.
    fn set_up(&self, chromium: Option<&str>) -> (Option<i32>, String, String) {
        let log = self.path("").join("log");
        fs::write(&log, "").unwrap();
        let mut command = Command::new("/bin/bash");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup.sh")).arg("--tests").env_clear();
        command.env("PATH", self.path("bin")).env("BIN", self.path("bin")).env("LOG", &log).env("HOME", self.0.path());
        command.env("OS_RELEASE", self.path("").join("os-release"));
        command.envs(chromium.map(|name| ("CHROMIUM", name)));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said, fs::read_to_string(log).unwrap())
    }
}

#[test]
fn a_browser_is_installed_by_sudo_where_that_asks_for_no_password() {
    let machine = Machine::new("debian");
    machine.program("sudo", ASKS_NOBODY);
    let (code, said, done) = machine.set_up(None);
    assert_eq!(code, Some(0), "{said}");
    assert!(done.contains("sudo env DEBIAN_FRONTEND=noninteractive apt-get install"), "{done}");
    assert!(done.contains(" chromium"), "{done}");
    // And nothing is done when it is there.
    let (code, said, done) = machine.set_up(None);
    assert_eq!((code, said.as_str(), done.as_str()), (Some(0), "", ""));
}

#[test]
fn without_rights_one_message_says_what_to_install_and_how() {
    for (distribution, how) in [
        ("debian", "sudo apt-get install chromium"),
        ("ubuntu", "sudo snap install chromium"),
        ("elsewhere", "install Chromium or Google Chrome"),
    ] {
        for sudo in [None, Some(NEEDS_A_PASSWORD)] {
            let machine = Machine::new(distribution);
            if let Some(sudo) = sudo {
                machine.program("sudo", sudo);
            }
            let (code, said, done) = machine.set_up(None);
            assert_eq!((code, done.as_str()), (Some(3), ""), "{said}");
            assert_eq!(said.matches("error:").count(), 1, "{said}");
            for part in ["no Chromium", how, "CHROMIUM=/path/to/chrome make test", "not binary(html)"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
}

#[test]
fn the_validator_of_junit_is_installed_too_or_named() {
    let machine = Machine::new("debian");
    fs::remove_file(machine.path("bin").join("xmllint")).unwrap();
    machine.program("chromium", "exit 0");
    let (code, said, done) = machine.set_up(None);
    assert_eq!((code, done.as_str()), (Some(3), ""), "{said}");
    assert!(said.contains("no xmllint") && said.contains("sudo apt-get install libxml2-utils"), "{said}");
    machine.program("sudo", ASKS_NOBODY);
    let (code, said, done) = machine.set_up(None);
    assert_eq!(code, Some(0), "{said}");
    assert!(done.contains(" libxml2-utils"), "{done}");
}

#[test]
fn a_browser_that_is_named_must_be_there() {
    let machine = Machine::new("debian");
    let (code, said, _) = machine.set_up(Some("/no/such/chrome"));
    assert_eq!(code, Some(3));
    assert!(said.contains("CHROMIUM=/no/such/chrome is no program"), "{said}");
}
