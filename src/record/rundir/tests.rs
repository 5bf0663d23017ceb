//! Run directories, also among runners that start at once.

use super::*;
use std::collections::BTreeSet;
use time::macros::datetime;

#[test]
fn an_id_has_time_name_and_a_random_part() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create_at(dir.path(), "DB pool", datetime!(2026-11-20 06:41:12.9 UTC)).unwrap();
    let (front, random) = run.id().split_at(run.id().len() - 4);
    assert_eq!(front, "20261120T064112Z-db-pool-");
    assert!(random.chars().all(|c| c.is_ascii_hexdigit()), "{random}");
    assert!(run.logs().is_dir() && run.files().is_dir());
}

#[test]
fn names_are_made_safe() {
    assert_eq!(slug("../../etc/passwd", NAME_LENGTH), "etc-passwd");
    assert_eq!(slug("Ähm, ja", NAME_LENGTH), "hm-ja");
    assert_eq!(slug("…", NAME_LENGTH), "drill");
    assert!(slug(&"x-".repeat(200), NAME_LENGTH).len() <= NAME_LENGTH);
}

#[test]
fn runners_that_start_in_the_same_instant_get_ids_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let now = datetime!(2026-11-20 06:41:12 UTC);
    let runs: Vec<RunDir> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let root = dir.path();
                scope.spawn(move || (0..8).map(|_| RunDir::create_at(root, "a", now).unwrap()).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let ids: BTreeSet<&str> = runs.iter().map(RunDir::id).collect();
    assert_eq!(ids.len(), 64);
    assert_eq!(RunDir::list(dir.path()).unwrap().len(), 64, "and `latest` is not one of them");
    let latest = fs::read_link(dir.path().join("latest")).unwrap();
    assert!(ids.contains(latest.to_str().unwrap()));
}

#[test]
fn runs_are_listed_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let late = RunDir::create_at(dir.path(), "a", datetime!(2026-11-20 06:41:13 UTC)).unwrap();
    let early = RunDir::create_at(dir.path(), "z", datetime!(2026-11-20 06:41:12 UTC)).unwrap();
    fs::create_dir(dir.path().join("notes")).unwrap();
    let ids: Vec<String> = RunDir::list(dir.path()).unwrap().into_iter().map(|r| r.id).collect();
    assert_eq!(ids, [early.id, late.id]);
    assert!(RunDir::list(&dir.path().join("nowhere")).unwrap().is_empty());
}

#[test]
fn a_run_lives_as_long_as_someone_holds_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path(), "a").unwrap();
    let seen = RunDir::open(run.path()).unwrap();
    assert!(seen.has_lock_file());
    let clone = run.clone();
    assert!(seen.is_alive().unwrap());
    drop(run);
    assert!(seen.is_alive().unwrap(), "the clone still holds it");
    drop(clone);
    assert!(!seen.is_alive().unwrap());
}

#[test]
fn a_directory_without_a_lock_lives_only_while_it_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("20261120T064112Z-a-0000");
    fs::create_dir(&path).unwrap();
    let run = RunDir::open(&path).unwrap();
    assert!(run.is_alive().unwrap());
    let old = SystemTime::now() - 2 * NEWBORN;
    File::open(&path).unwrap().set_modified(old).unwrap();
    assert!(!run.is_alive().unwrap());
}

#[test]
fn a_write_leaves_the_old_file_or_the_new_one_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path(), "a").unwrap();
    run.write("record.json", b"old").unwrap();
    run.write("record.json", b"new").unwrap();
    assert_eq!(fs::read(run.path().join("record.json")).unwrap(), b"new");
    let names: BTreeSet<String> =
        fs::read_dir(run.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["files", "lock", "logs", "record.json"].map(String::from)));
    fs::create_dir(run.path().join("junit.xml")).unwrap();
    assert!(run.write("junit.xml", b"x").is_err());
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 5, "the temporary file is gone");
}

#[test]
fn files_are_kept_as_they_were_with_secrets_taken_out() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path(), "a").unwrap();
    let clean = |text: &str| text.replace("hunter2", "***");
    let first = run.keep_file("stacks/a/compose.yaml", b"abc", clean).unwrap();
    let second = run.keep_file("stacks/b/compose.yaml", b"password: hunter2", clean).unwrap();
    assert_eq!(first.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(second.path, "stacks/b/compose.yaml");
    assert_eq!(fs::read(run.files().join("compose.yaml")).unwrap(), b"abc");
    assert_eq!(fs::read(run.files().join("2-compose.yaml")).unwrap(), b"password: ***");
}

#[test]
fn the_default_root_is_ignored_by_git_and_another_one_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = RunDir::root(dir.path(), None, "runs").unwrap();
    assert_eq!(root, dir.path().join(".firedrill/runs"));
    assert_eq!(fs::read_to_string(dir.path().join(".firedrill/.gitignore")).unwrap(), "*\n");
    RunDir::root(dir.path(), None, "runs").unwrap();
    let out = RunDir::root(dir.path(), Some(&dir.path().join("out")), "runs").unwrap();
    assert!(out.is_dir() && !out.join(".gitignore").exists());
}

#[test]
fn kept_is_a_mark() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path(), "a").unwrap();
    assert!(!run.is_kept());
    run.write("kept", b"docker compose -p x down").unwrap();
    assert!(run.is_kept());
}

#[test]
fn events_are_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path(), "a").unwrap();
    run.create_events().unwrap();
    assert_eq!(run.create_events().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(run.journal().unwrap().record().next_seq, 0);
}

#[test]
fn a_run_is_inherited_once_its_runner_has_gone_and_by_one_heir_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDir::create(root.path(), "x").unwrap();
    assert!(RunDir::try_inherit(run.path()).unwrap().is_none(), "its runner lives");
    let path = run.path().to_path_buf();
    drop(run);
    let heir = RunDir::inherit(&path).unwrap();
    assert!(heir._lock.is_some() && heir.is_alive().unwrap());
    assert!(RunDir::try_inherit(&path).unwrap().is_none());
    drop(heir);
    assert!(RunDir::try_inherit(&path).unwrap().is_some_and(|heir| heir._lock.is_some()));
    // A run of which even the lock is lost has nobody else to undo it.
    std::fs::remove_file(path.join("lock")).unwrap();
    assert!(RunDir::inherit(&path).unwrap()._lock.is_some());
}

#[test]
fn an_id_tells_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path(), "DB pool").unwrap();
    assert!(run.is_named("DB pool") && run.is_named("db-pool"));
    assert!(!run.is_named("db") && !run.is_named("pool") && !run.is_named("db-pool-2"));
    assert!(RunDir::root(dir.path(), None, "gamedays").unwrap().ends_with(".firedrill/gamedays"));
}

#[test]
fn only_a_directory_in_which_nobody_else_has_a_hand_is_ones_own() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let root = RunDir::root(dir.path(), None, "runs").unwrap();
    let run = RunDir::create(&root, "a").unwrap();
    assert_eq!(fs::metadata(run.path()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(RunDir::open_own(run.path()).unwrap().id(), run.id());
    let why = |path: &Path| RunDir::open_own(path).unwrap_err().to_string();
    assert!(why(&root.join("latest")).ends_with("is a symbolic link"), "{}", why(&root.join("latest")));
    assert!(RunDir::open_own(&root.join("none")).is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
    let mode = |mode| fs::set_permissions(run.path(), fs::Permissions::from_mode(mode)).unwrap();
    for shared in [0o770, 0o702] {
        mode(shared);
        assert!(why(run.path()).ends_with("can be written to by other users"), "{shared:o}");
    }
    // As a repository is checked out.
    mode(0o755);
    RunDir::open_own(run.path()).unwrap();
    fs::write(dir.path().join("outside"), "old").unwrap();
    symlink(dir.path().join("outside"), run.events_path()).unwrap();
    assert!(why(run.path()).ends_with("has a symbolic link in it: events.jsonl"), "{}", why(run.path()));
    assert!(run.journal().is_err(), "and nobody who is faster writes through it");
    fs::remove_file(run.events_path()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(&root, elsewhere.path().join("runs")).unwrap();
    symlink(elsewhere.path().join("runs"), &root).unwrap();
    assert!(why(&root.join(run.id())).contains("is a symbolic link, and nothing is written through one"));
}

#[test]
fn what_a_lock_leads_to_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path(), "a").unwrap();
    let (path, outside) = (run.path().to_path_buf(), dir.path().join("outside"));
    drop(run);
    fs::remove_file(path.join("lock")).unwrap();
    std::os::unix::fs::symlink(&outside, path.join("lock")).unwrap();
    assert!(RunDir::try_inherit(&path).is_err() && RunDir::open(&path).unwrap().is_alive().is_err());
    assert!(!outside.exists());
}
