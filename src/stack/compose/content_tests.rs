//! Tests of names by content.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::fs;

fn section(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn context() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("Dockerfile"), "FROM debian:bookworm-slim\nCOPY . /\nEXPOSE 80 443/tcp 53/udp\n")
        .unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/a"), "a").unwrap();
    dir
}

fn tag(dir: &Path, args: Value, base: &str) -> String {
    let build = section(json!({ "context": dir, "dockerfile": "Dockerfile", "args": args }));
    Content::of(&build).unwrap().unwrap().tag(&[Some(base.into())])
}

#[test]
fn a_device_is_no_dockerfile_and_names_nothing_to_ignore() {
    let dir = context();
    let build = section(json!({ "context": dir.path(), "dockerfile": "/dev/zero" }));
    assert_eq!(dockerfile(&build, dir.path()).unwrap_err().to_string(), "it is not a file");
    std::os::unix::fs::symlink("/dev/zero", dir.path().join(".dockerignore")).unwrap();
    assert_eq!(plain_ignores(dir.path()), Vec::<PathBuf>::new());
    let larger = whole_file(&dir.path().join("src/a"), 0).unwrap_err();
    assert_eq!(larger.to_string(), "it is larger than 0 bytes");
}

#[test]
fn the_same_content_has_the_same_name_and_any_change_another() {
    let dir = context();
    let first = tag(dir.path(), json!({}), "sha256:1");
    assert_eq!(first, tag(dir.path(), json!({}), "sha256:1"));
    assert_ne!(first, tag(dir.path(), json!({ "X": "2" }), "sha256:1"), "an argument");
    assert_ne!(first, tag(dir.path(), json!({}), "sha256:2"), "the base image");
    fs::write(dir.path().join("src/a"), "b").unwrap();
    let second = tag(dir.path(), json!({}), "sha256:1");
    assert_ne!(first, second, "a file's content");
    fs::rename(dir.path().join("src/a"), dir.path().join("src/b")).unwrap();
    assert_ne!(second, tag(dir.path(), json!({}), "sha256:1"), "a file's name");
}

#[test]
fn plainly_ignored_paths_do_not_count_and_patterns_do_no_harm() {
    let dir = context();
    fs::write(dir.path().join(".dockerignore"), "./logs/\n*.tmp\n").unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    let before = tag(dir.path(), json!({}), "1");
    fs::write(dir.path().join("logs/x"), "x").unwrap();
    assert_eq!(before, tag(dir.path(), json!({}), "1"));
    fs::write(dir.path().join("x.tmp"), "x").unwrap();
    assert_ne!(before, tag(dir.path(), json!({}), "1"));
    fs::write(dir.path().join(".dockerignore"), "logs\n!logs/keep\n").unwrap();
    let excepted = tag(dir.path(), json!({}), "1");
    fs::write(dir.path().join("logs/keep"), "x").unwrap();
    assert_ne!(excepted, tag(dir.path(), json!({}), "1"));
}

#[test]
fn a_list_that_names_itself_counts_all_the_same() {
    let dir = context();
    fs::write(dir.path().join(".dockerignore"), ".dockerignore\n*.tmp\n").unwrap();
    let before = tag(dir.path(), json!({}), "1");
    fs::write(dir.path().join(".dockerignore"), ".dockerignore\n*.a\n").unwrap();
    assert_ne!(before, tag(dir.path(), json!({}), "1"));
}

#[test]
fn the_list_of_a_dockerfile_stands_for_that_of_the_context() {
    let (dir, beside) = (context(), context());
    fs::write(dir.path().join(".dockerignore"), "src\n").unwrap();
    let of = |file: &Path| {
        let build = section(json!({ "context": dir.path(), "dockerfile": file.join("Dockerfile") }));
        Content::of(&build).unwrap().unwrap()
    };
    for file in [dir.path(), beside.path()] {
        let own = file.join("Dockerfile.dockerignore");
        fs::write(&own, "logs\n").unwrap();
        let before = of(file);
        fs::write(dir.path().join("src/a"), "b").unwrap();
        let changed = of(file);
        assert_ne!(before, changed, "{}: `src` is in the image", file.display());
        fs::write(&own, "src\n").unwrap();
        assert_ne!(changed, of(file), "{}: another list", file.display());
        fs::write(dir.path().join("src/a"), "a").unwrap();
    }
}

#[test]
fn a_drill_of_a_project_that_is_its_own_context_makes_no_new_image() {
    let dir = context();
    let before = tag(dir.path(), json!({}), "1");
    fs::create_dir_all(dir.path().join(".firedrill/runs")).unwrap();
    fs::write(dir.path().join(".firedrill/runs/x"), "x").unwrap();
    assert_eq!(before, tag(dir.path(), json!({}), "1"));
    fs::write(dir.path().join(".firedrill/seed.sql"), "x").unwrap();
    assert_ne!(before, tag(dir.path(), json!({}), "1"), "no drill writes that");
    fs::write(dir.path().join("Dockerfile"), "FROM nginx\nCOPY .firedrill/runs /srv\n").unwrap();
    let named = tag(dir.path(), json!({}), "1");
    fs::write(dir.path().join(".firedrill/runs/x"), "y").unwrap();
    assert_ne!(named, tag(dir.path(), json!({}), "1"));
}

#[test]
fn what_cannot_be_known_is_built_every_time() {
    let (dir, many) = (context(), (0..=MOST_BASES).map(|n| format!("FROM a{n}\n")).collect::<String>());
    for build in [
        json!({ "context": dir.path(), "dockerfile_inline": many }),
        json!({ "context": "https://github.com/a/b.git" }),
        json!({ "context": dir.path(), "no_cache": true }),
        json!({ "context": dir.path(), "pull": true }),
        json!({ "context": dir.path(), "additional_contexts": { "x": "docker-image://alpine" } }),
        json!({ "context": dir.path().join("nowhere") }),
    ] {
        assert_eq!(Content::of(&section(build.clone())).unwrap(), None, "{build}");
    }
}

#[test]
fn bases_and_ports_are_read_from_the_dockerfile() {
    let text = "ARG BASE=debian\nARG TAG=\"slim\"\nFROM --platform=linux/amd64 ${BASE}:$TAG AS build\nFROM build\n\
                COPY --from=busybox:1 /bin/sh /\nCOPY --from=build /x /\nFROM scratch\nEXPOSE 8080 \\\n 9000-9001/tcp\n";
    let (bases, ports) = read_dockerfile(text, BTreeMap::from([("TAG".into(), "bookworm".into())]));
    assert_eq!(bases, ["debian:bookworm", "busybox:1"]);
    assert_eq!(ports, [8080, 9000, 9001].into());
    // One of half a million characters, which a few lines could have a thousand times.
    let long = format!("ARG A={}\nFROM {}\nEXPOSE 80 80\n", "a".repeat(1000), "$A".repeat(500));
    assert_eq!(read_dockerfile(&long, BTreeMap::new()), (Vec::new(), [80].into()));
}

proptest! {
    #[test]
    fn no_dockerfile_makes_it_panic(text in "(FROM|ARG|EXPOSE|COPY|\\$|\\{|\\}|:-|=|[a-zA-Zé0-9 \n-]){0,60}") {
        let _ = read_dockerfile(&text, BTreeMap::from([("A".into(), "é}".into())]));
    }
}
