//! Files on the volumes of a service, damaged and seen on a real engine: while its container runs and while it is stopped.

use super::rig::{Project, docker, with_stack};
use firedrill::stack::{
    BytePosition, ContainerOp, Cut, Damage, FileAnswer, FileAsk, FileDeed, Harm, Stack, StackError, platform,
};

/// A service without a shell's worth of anything that Firedrill could use, and one that does not run any more.
const STACK: &str = r#"
services:
  db:
    image: debian:bookworm-slim
    init: true
    command: ["bash", "-c", "mkdir -p /data/base && echo 15 > /data/PG_VERSION && echo rows > /data/base/1 && exec sleep 1000"]
    volumes: ["data:/data", "./conf:/conf:ro"]
    tmpfs: ["/fast"]
    healthcheck: { test: ["CMD", "test", "-f", "/data/base/1"], interval: 200ms }
  backup:
    image: debian:bookworm-slim
    command: ["bash", "-c", "printf 'Grace Hopper\nAda Lovelace\n' > /backup/base.tar; printf 0123456789 > /backup/wal"]
    volumes: ["backup:/backup"]
volumes: { data: {}, backup: {} }
"#;

async fn measure(stack: &impl Stack, service: &str, path: &str, harm: Harm) -> Result<Damage, StackError> {
    let ask = FileAsk { path: path.into(), what: FileDeed::Measure(harm) };
    match stack.files(service, &ask).await? {
        FileAnswer::Would(damage) => Ok(damage),
        other => panic!("{other:?}"),
    }
}

async fn seen(stack: &impl Stack, service: &str, path: &str, damage: &Damage) -> Result<String, String> {
    let ask = FileAsk { path: path.into(), what: FileDeed::Look(damage.clone()) };
    match stack.files(service, &ask).await.unwrap() {
        FileAnswer::InPlace(evidence) => Ok(evidence),
        FileAnswer::Gone(evidence) => Err(evidence),
        other => panic!("{other:?}"),
    }
}

/// Measures and does it, and sees it in place.
async fn damage(stack: &impl Stack, service: &str, path: &str, harm: Harm) -> Damage {
    let damage = measure(stack, service, path, harm).await.unwrap();
    assert!(seen(stack, service, path, &damage).await.is_err(), "{damage:?} before it was done");
    let ask = FileAsk { path: path.into(), what: FileDeed::Damage(damage.clone()) };
    assert!(matches!(stack.files(service, &ask).await.unwrap(), FileAnswer::Done(_)));
    seen(stack, service, path, &damage).await.unwrap();
    damage
}

async fn refused(stack: &impl Stack, service: &str, path: &str) -> String {
    measure(stack, service, path, Harm::Remove).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_on_volumes_are_damaged_whether_their_service_runs_or_not() {
    let project = Project::new("files", STACK);
    project.file("conf/a.conf", "x\n");
    let stack = project.stack().await;
    let run = project.run.id.clone();
    with_stack(&stack, &run, async |stack, _| {
        // The backup's container has ended; its volume is there.
        let tar = "/backup/base.tar";
        let flip = damage(stack, "backup", tar, Harm::Flip { at: BytePosition::Text("Ada".into()) }).await;
        assert_eq!(flip, Damage::Flipped { offset: 13, original: b'A' });
        assert_eq!(stack.read_file("backup", tar).await.unwrap(), b"Grace Hopper\n\xbeda Lovelace\n");
        // Another process repairs it from what the ledger has, as it does after a kill.
        let repair = FileAsk { path: tar.into(), what: FileDeed::Repair(flip.clone()) };
        for _ in 0..2 {
            let repaired = platform().reopen(&run).await.unwrap().files("backup", &repair).await.unwrap();
            assert!(matches!(repaired, FileAnswer::Done(_)), "{repaired:?}");
        }
        assert_eq!(stack.read_file("backup", tar).await.unwrap(), b"Grace Hopper\nAda Lovelace\n");
        assert_eq!(seen(stack, "backup", tar, &flip).await.unwrap_err(), "/backup/base.tar has 0x41 at 13");

        let cut = damage(stack, "backup", "/backup/wal", Harm::Truncate { to: Cut::Share(0.3) }).await;
        assert_eq!(seen(stack, "backup", "/backup/wal", &cut).await.unwrap(), "/backup/wal has 3 of its 10 bytes");
        assert_eq!(stack.read_file("backup", "/backup/wal").await.unwrap(), b"012");

        // The database runs, then it is stopped; the second time somebody has brought something back.
        let gone = damage(stack, "db", "/data", Harm::Remove).await;
        assert_eq!(gone, Damage::Removed { directory: true, files: 2, bytes: 8 });
        let db = stack.containers("db").await.unwrap().remove(0);
        assert_eq!(docker(&["exec", &db.id, "ls", "-A", "/data"]), "");
        docker(&["exec", &db.id, "bash", "-c", "echo restored > /data/PG_VERSION"]);
        assert_eq!(seen(stack, "db", "/data", &gone).await.unwrap_err(), "/data has 1 files with 9 bytes");
        stack.operate(&db.id, &ContainerOp::Kill { signal: "SIGKILL".into() }).await.unwrap();
        damage(stack, "db", "/data/PG_VERSION", Harm::Remove).await;

        let cases = [
            ("/data/nothing", "/data/nothing is not there"),
            (
                "/etc/passwd",
                "it is on no volume of the drill's own that can be written to: of the container's mounts that is /data",
            ),
            (
                "/conf/a.conf",
                "it is on no volume of the drill's own that can be written to: of the container's mounts that is /data",
            ),
        ];
        for (path, why) in cases {
            let told = refused(stack, "db", path).await;
            assert!(told.ends_with(why), "{told}");
            assert!(told.starts_with(&format!("looking at `{path}` of `db`: ")), "{told}");
        }
        assert!(refused(stack, "fast", "/fast/x").await.ends_with("it has no container"));
        // A container for each of them was there for a moment, and none is left.
        let ours = [
            "ps",
            "-aq",
            "--filter",
            &format!("label=dev.firedrill.run={run}"),
            "--filter",
            "label=dev.firedrill.role=files",
        ];
        assert_eq!(docker(&ours), "");
    })
    .await;
}
