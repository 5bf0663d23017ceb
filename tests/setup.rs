//! `scripts/setup.sh --tests` on a machine that has everything but a browser, xmllint or Rust: what it installs and how, and what it says
//! where it may not. The machine is a directory of programs that pretend.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What the script itself needs of the real machine.
const REAL: [&str; 13] =
    ["bash", "env", "rm", "tail", "chmod", "cat", "true", "mktemp", "sed", "mkdir", "sh", "sha256sum", "cut"];
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
        for name in ["cargo", "cc", "xmllint", "prometheus"] {
            machine.program(name, "exit 0");
        }
        machine.program("docker", r#"case "$1" in compose) echo 2.26.1 ;; *) echo 25.0 ;; esac"#);
        machine.program("id", "echo 1000");
        machine.program("apt-get", r#"echo "apt-get $*" >>"$LOG"; for got in chromium xmllint prometheus; do case " $* " in *" $got "* | *" libxml2-utils "*) >"$BIN/$got"; chmod +x "$BIN/$got" ;; esac; done"#);
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
        self.set_up_with(&chromium.map(|name| ("CHROMIUM", name)).into_iter().collect::<Vec<_>>())
    }

    /// The same with other variables in the environment.
    fn set_up_with(&self, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let log = self.path("").join("log");
        fs::write(&log, "").unwrap();
        let mut command = Command::new("/bin/bash");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup.sh")).arg("--tests").env_clear();
        command.env("PATH", self.path("bin")).env("BIN", self.path("bin")).env("LOG", &log).env("HOME", self.0.path());
        command.env("OS_RELEASE", self.path("").join("os-release"));
        command.envs(variables.iter().copied()).stdin(std::process::Stdio::null());
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
fn a_prometheus_is_installed_too_or_named() {
    let machine = Machine::new("debian");
    fs::remove_file(machine.path("bin").join("prometheus")).unwrap();
    machine.program("chromium", "exit 0");
    let (code, said, done) = machine.set_up(None);
    assert_eq!((code, done.as_str()), (Some(3), ""), "{said}");
    assert!(said.contains("no prometheus") && said.contains("sudo apt-get install prometheus"), "{said}");
    machine.program("sudo", ASKS_NOBODY);
    let (code, said, done) = machine.set_up(None);
    assert_eq!(code, Some(0), "{said}");
    assert!(done.contains(" prometheus"), "{done}");
}

#[test]
fn a_browser_that_is_named_must_be_there() {
    let machine = Machine::new("debian");
    let (code, said, _) = machine.set_up(Some("/no/such/chrome"));
    assert_eq!(code, Some(3));
    assert!(said.contains("CHROMIUM=/no/such/chrome is no program"), "{said}");
}

/// A `curl` that brings an installer, and what this installer does.
const CURL: &str = r#"echo "curl $*" >>"$LOG"; while [ "$1" != --output ]; do shift; done
cat >"$2" <<'END'
echo "rustup-init $*" >>"$LOG"; mkdir -p "$HOME/.cargo/bin"; echo '#!/bin/sh' >"$HOME/.cargo/bin/cargo"; chmod +x "$HOME/.cargo/bin/cargo"
END"#;

/// One without Rust that has all the rest.
fn without_rust(curl: &str) -> Machine {
    let machine = Machine::new("debian");
    fs::remove_file(machine.path("bin").join("cargo")).unwrap();
    machine.program("chromium", "exit 0").program("curl", curl);
    machine
}

#[test]
fn rust_is_installed_by_rustup_in_ci() {
    let machine = without_rust(CURL);
    let (code, said, done) = machine.set_up_with(&[("CI", "true")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(done.contains("https://sh.rustup.rs") && done.contains("rustup-init -y --no-modify-path"), "{done}");
    // Once: the next time it is found in the home directory.
    let (code, said, done) = machine.set_up_with(&[("CI", "true")]);
    assert_eq!((code, said.as_str(), done.as_str()), (Some(0), "", ""));
}

#[test]
fn without_a_terminal_nobody_agreed_to_rustup() {
    let machine = without_rust(CURL);
    let (code, said, done) = machine.set_up(None);
    assert_eq!((code, done.as_str()), (Some(3), ""), "{said}");
    for part in ["cargo is not installed", "https://rustup.rs", "CI=true"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn at_a_terminal_the_user_is_asked_for_rustup() {
    for (answer, installed) in [("y", true), ("", true), ("n", false)] {
        let machine = without_rust(CURL);
        let log = machine.path("").join("log");
        fs::write(&log, "").unwrap();
        let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup.sh");
        // `script` gives it a terminal. What is typed before it is asked for waits there.
        let mut script = Command::new("/usr/bin/script");
        script.args(["-qec", &format!("/bin/bash {setup} --tests"), "/dev/null"]).env_clear();
        script
            .env("PATH", machine.path("bin"))
            .env("BIN", machine.path("bin"))
            .env("LOG", &log)
            .env("SHELL", "/bin/sh");
        script.env("HOME", machine.0.path()).env("OS_RELEASE", machine.path("").join("os-release"));
        script.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut script = script.spawn().unwrap();
        std::io::Write::write_all(script.stdin.as_mut().unwrap(), format!("{answer}\n").as_bytes()).unwrap();
        let output = script.wait_with_output().unwrap();
        let (said, done) = (String::from_utf8_lossy(&output.stdout), fs::read_to_string(&log).unwrap());
        assert!(said.contains("install Rust by rustup"), "{said}");
        assert_eq!(output.status.code(), Some(if installed { 0 } else { 3 }), "{said}");
        assert_eq!(done.contains("rustup-init"), installed, "{done}");
    }
}

#[test]
fn where_rustup_cannot_be_reached_it_says_what_to_do() {
    let machine = without_rust(r#"echo "curl: (6) Could not resolve host" >&2; exit 6"#);
    let (code, said, _) = machine.set_up_with(&[("CI", "true")]);
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(said.matches("error:").count(), 1, "{said}");
    for part in
        ["Could not resolve host", "could not be fetched from https://sh.rustup.rs", "distribution", "another machine"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}
