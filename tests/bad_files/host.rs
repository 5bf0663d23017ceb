//! Hostile projects: what a Compose file, a scenario or a runbook asks of the host is refused before anything is started or read.

use super::{COMPOSE, Project, RUNBOOK, SCENARIO, changed};
use std::os::unix::fs::symlink;

/// What the command says, with the project's directory named alike in every run.
fn told(project: &Project, args: &[&str]) -> (i32, String) {
    let (code, out, err) = project.run(args);
    let dir = project.dir.path().canonicalize().unwrap();
    (code, (out + &err).replace(&dir.display().to_string(), "PROJECT"))
}

/// A Compose file whose services and other sections are given.
fn stack(services: &str, rest: &str) -> Project {
    let services: String = services.lines().map(|line| format!("    {line}\n")).collect();
    Project::new()
        .scenario(SCENARIO)
        .file(
            "stacks/shop/compose.yaml",
            format!("services:\n  db: {{ image: db }}\n  checkout:\n    image: shop\n{services}{rest}"),
        )
        .file("stacks/shop/conf/web.conf", "x")
}

#[test]
fn what_a_compose_file_asks_of_the_host_is_an_error() {
    let project = stack(
        "\
volumes:
  - /:/host:ro
  - /var/run:/r:ro
  - ./run:/linked:ro
  - ./conf:/writable
  - ./conf:/fine:ro
  - disk:/disk
devices: [/dev/kmsg]
device_cgroup_rules: ['a *:* rwm']
cgroup_parent: /elsewhere
cap_add: [SYS_ADMIN]
security_opt: ['apparmor:unconfined']
privileged: true
pid: host
ipc: host
uts: host
userns_mode: host
network_mode: host
secrets: [shadow]
configs: [above]
build: { context: /etc, network: host, privileged: true, cache_to: ['type=local,dest=/srv/x'] }
",
        "\
volumes:
  disk: { driver_opts: { type: overlay, device: tmpfs, o: 'lowerdir=/etc,upperdir=/tmp/u,workdir=/tmp/w' } }
secrets: { shadow: { file: /etc/shadow } }
configs: { above: { file: ../../../above.conf } }
",
    );
    symlink("/var/run", project.dir.path().join("stacks/shop/run")).unwrap();
    let (code, text) = told(&project, &["check"]);
    assert_eq!(code, 2, "{text}");
    insta::assert_snapshot!(crate::brief::brief(&text));
    // The same keys allowed by the person are warnings; a scenario or another file cannot say so.
    let allow = "build,cap_add,cgroup_parent,configs,device_cgroup_rules,devices,ipc,network_mode,pid,privileged,secrets,security_opt,userns_mode,uts,volumes";
    let (code, text) = told(&project, &["check", "--allow-host", allow]);
    assert_eq!((code, text.contains("error:")), (0, false), "{text}");
}

#[test]
fn what_compose_would_read_from_outside_is_found_before_it_does() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.env"), "HIDDEN_ELSEWHERE=hunter2\n").unwrap();
    let path = outside.path().canonicalize().unwrap();
    let project = stack(
        &format!("env_file: {}/secret.env", path.display()),
        &format!("include: ['{}/secret.env']\n", path.display()),
    );
    symlink(path.join("secret.env"), project.dir.path().join("stacks/shop/.env")).unwrap();
    let (code, text) = told(&project, &["check"]);
    let text = text.replace(&path.display().to_string(), "OUTSIDE");
    assert_eq!(code, 2, "{text}");
    assert!(!text.contains("HIDDEN_ELSEWHERE") && !text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(crate::brief::brief(&text));
}

/// Compose takes the link away with the `..` behind it. Whoever only follows the link sees a file of the project.
#[test]
fn a_way_up_behind_a_committed_link_is_refused_before_anything_is_started() {
    const BASE: &str = "services: { base: { image: base } }\n";
    for (key, line) in [
        ("volumes", "volumes: ['./link/../../../..:/up:ro']"),
        ("env_file", "env_file: link/../../../../x.env"),
        ("extends", "extends: { file: link/../../../../base.yaml, service: base }"),
    ] {
        let compose = format!("services:\n  db: {{ image: db }}\n  checkout:\n    image: shop\n    {line}\n");
        let project = Project::empty()
            .file("x.env", "HIDDEN_ELSEWHERE=hunter2\n")
            .file("base.yaml", BASE)
            .file("shop/scenarios/slow.yaml", SCENARIO)
            .file("shop/stacks/shop/compose.yaml", compose)
            .file("shop/stacks/shop/deep/x.env", "SEEN=1\n")
            .file("shop/stacks/shop/deep/base.yaml", BASE)
            .file("shop/stacks/shop/deep/1/2/3/4/x", "");
        symlink("deep/1/2/3/4", project.dir.path().join("shop/stacks/shop/link")).unwrap();
        for args in [&["check", "-C", "shop"][..], &["scenario", "slow", "-C", "shop"]] {
            let (code, said) = told(&project, args);
            assert_eq!((code, said.contains("hunter2")), (2, false), "{key}: {said}");
            for words in ["outside of the project PROJECT/shop", "stacks/shop/compose.yaml:5:5", &format!("`{key}`")] {
                assert!(said.contains(words), "{words}: {said}");
            }
        }
        assert!(!project.dir.path().join("shop/.firedrill").exists(), "{key}");
    }
}

#[test]
fn a_compose_file_that_only_compose_can_read_is_an_error() {
    // UTF-16 with a byte order mark.
    let text = "services: { checkout: { image: shop }, db: { image: db, env_file: /etc/hostname } }\n";
    let wide: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let project = stack("", "").file("stacks/shop/compose.yaml", wide);
    let (code, said) = told(&project, &["check"]);
    assert_eq!((code, said.contains("not UTF-8")), (2, true), "{said}");
    let project = stack("", "include: [more.yaml]\n").file("stacks/shop/more.yaml", [0xff, 0xfe, b'x', 0]);
    let (code, said) = told(&project, &["check"]);
    assert_eq!((code, said.contains("more.yaml is not UTF-8")), (2, true), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn variables_that_are_made_of_one_another_have_an_end() {
    // Of 10 GB.
    let ten_times =
        |name: u8| format!("{}={}\n", char::from(name), format!("${{{}}}", char::from(name - 1)).repeat(10));
    let text = format!("A={}\n", "x".repeat(100)) + &(b'B'..=b'I').map(ten_times).collect::<String>();
    let project = stack("", "").file("stacks/shop/.env", text);
    let (code, said) = told(&project, &["check"]);
    assert_eq!((code, said.contains("needs more than 2 GiB of memory")), (2, true), "{said}");
}

#[test]
fn a_network_of_the_engine_cannot_be_joined_by_its_name() {
    let project = stack("network_mode: other_default\nbuild: { context: ., network: other_default }", "");
    for args in [&["check"][..], &["check", "--allow-host", "network_mode,build"]] {
        let (code, said) = told(&project, args);
        assert_eq!((code, said.matches("cannot be in a drill: other_default").count()), (2, 2), "{said}");
    }
}

#[test]
fn one_line_says_how_to_allow_everything() {
    let project = stack("cap_add: [SYS_PTRACE]\nprivileged: true\nvolumes: ['/srv:/srv:ro']", "");
    for args in [&["check"][..], &["scenario", "slow"]] {
        let (code, said) = told(&project, args);
        assert_eq!((code, said.matches("--allow-host").count()), (2, 1), "{said}");
        let line = said.lines().last().unwrap();
        assert!(line.starts_with("help: ") && line.contains("`--allow-host cap_add,privileged,volumes`"), "{said}");
        assert!(line.contains("at a terminal, `firedrill scenario` asks"), "{said}");
    }
}

/// Compose takes some paths of nested files from where it was started: where that is must not decide what is read.
#[test]
fn where_the_command_is_run_decides_nothing_about_nested_files() {
    let project = stack("", "include: [sub/s.yaml]\n")
        .file("stacks/shop/sub/s.yaml", "include: [{ path: n/i.yaml, env_file: ../y.env }]\n")
        .file("stacks/shop/sub/n/i.yaml", "services: { more: { image: 'more:${TAG:?not read}' } }\n")
        .file("stacks/shop/y.env", "TAG=ours\n")
        .file("y.env", "OTHER=1\n");
    // From the project's directory, Compose itself would look for `y.env` there.
    let (code, said) = told(&project, &["check"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn files_of_a_scenario_lie_in_the_project() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.md"), "hunter2\n").unwrap();
    let path = outside.path().canonicalize().unwrap();
    let text = changed(&[
        (
            "stack: ../stacks/shop/compose.yaml",
            "stack: { file: ../stacks/shop/compose.yaml, env_files: [../../../etc/hostname] }",
        ),
        ("recover:", "runbook: ../runbooks/linked.md\nrecover:"),
    ]);
    let project = Project::new().scenario(&text);
    symlink(path.join("secret.md"), project.dir.path().join("runbooks/linked.md")).unwrap();
    let (code, said) = told(&project, &["check"]);
    assert_eq!(code, 2, "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains("scenarios/slow.yaml:4:") && said.contains("runbooks/linked.md leads to"), "{said}");
    assert!(said.contains("is outside of the project PROJECT") && said.contains("--root DIR"), "{said}");
}

#[test]
fn a_runbook_beside_the_project_needs_a_root() {
    let text = changed(&[
        ("recover:", "runbook: ../../wiki/slow.md\nrespond: { vars: { DB_HOST: db } }\nrecover:"),
        ("stack: ../stacks/shop/", "stack: ../stacks/shop/"),
    ]);
    let project = Project::empty()
        .file("shop/scenarios/slow.yaml", text)
        .file("shop/stacks/shop/compose.yaml", COMPOSE)
        .file("wiki/slow.md", RUNBOOK);
    let (code, said) = told(&project, &["check", "-C", "shop"]);
    assert_eq!((code, said.contains("wiki/slow.md is outside of the project PROJECT/shop")), (2, true), "{said}");
    let (code, said) = told(&project, &["check", "-C", "shop", "--root", "."]);
    assert_eq!(code, 0, "{said}");
    // A Git work tree is a project.
    std::fs::create_dir(project.dir.path().join(".git")).unwrap();
    assert_eq!(told(&project, &["check", "-C", "shop"]).0, 0);
}

#[test]
fn a_scenario_cannot_give_consent() {
    let text = changed(&[(
        "stack: ../stacks/shop/compose.yaml",
        "stack: { file: ../stacks/shop/compose.yaml, allow_bind_writes: true }",
    )]);
    let (code, said) = told(&Project::new().scenario(text), &["check"]);
    assert_eq!((code, said.contains("allow_bind_writes")), (2, true), "{said}");
    let (code, said) = told(&Project::new(), &["check", "--allow-host", "everything"]);
    assert_eq!((code, said.contains("cap_add")), (2, true), "{said}");
}

#[test]
fn nothing_is_written_through_a_committed_link() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".bashrc"), "mine").unwrap();
    let project = stack("", "");
    let dir = project.dir.path();
    std::fs::create_dir(dir.join(".git")).unwrap();
    symlink(home.path().join(".bashrc"), dir.join("junit.xml")).unwrap();
    symlink(home.path(), dir.join(".firedrill")).unwrap();
    for args in [&["scenario", "slow", "--junit", "junit.xml"][..], &["scenario", "slow"]] {
        let (code, said) = told(&project, args);
        assert_ne!(code, 0, "{args:?}: {said}");
        assert!(said.contains("symbolic link"), "{args:?}: {said}");
    }
    assert_eq!(std::fs::read(home.path().join(".bashrc")).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}
