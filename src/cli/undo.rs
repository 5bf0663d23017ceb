//! Undoing what the ledger of a dead runner has open, for whoever comes after it: the reaper, and `sweep`. What agents held
//! they have lifted by themselves when their channels ended.

use crate::engine::ledger::{self, LedgerEntry};
use crate::faults::{FaultContext, Undo};
use crate::record::{RunDir, open_plain, write_line};
use crate::stack::Stack;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::time::Duration;

/// How long one fault may take beyond its own time, so that what it says about that is heard.
const MARGIN: Duration = Duration::from_secs(5);
/// How long the repair of a file may take with everything around it.
const LONGEST_REPAIR: Duration = Duration::from_secs(120);

/// What undoing the faults of a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UndoReport {
    /// What was done, one line each.
    pub done: Vec<String>,
    /// What is still in place, and why.
    pub left: Vec<String>,
}

/// Undoes every fault that a run's ledger has open, last first, and notes in the ledger what is gone, so that the next
/// one to look does not start what somebody has stopped since. `stack` is what the run has left.
pub async fn undo(stack: &dyn Stack, run_dir: &RunDir) -> io::Result<UndoReport> {
    let found = ledger::read(&run_dir.ledger_path())?;
    let Some(run) = found.run else { return Ok(UndoReport::default()) };
    if run != run_dir.id() {
        let why = format!("{} is the ledger of another run: nothing of it is undone", run_dir.ledger_path().display());
        return Ok(UndoReport { done: Vec::new(), left: vec![why] });
    }
    let mut all = UndoReport::default();
    for (fault, undo) in &found.outstanding {
        match undo_one(fault, undo, stack).await {
            Ok(done) => {
                note(run_dir, fault)?;
                all.done.extend(done);
            }
            Err(why) => all.left.push(format!("fault {fault}: {why}")),
        }
    }
    Ok(all)
}

/// Undoes one fault: what was done, one line each, or why it may still be in place.
async fn undo_one(fault: &str, undo: &Undo, stack: &dyn Stack) -> Result<Vec<String>, String> {
    if let Some(reason) = undo.irreversible() {
        return Ok(vec![format!("fault {fault}: left as it is, irreversible: {reason}")]);
    }
    let context = FaultContext { id: fault, stack, agents: None, seed: 0, strength: 1.0 };
    // A repair is never given up: the container in which it is made has a deadline of its own, and is removed after it.
    let within = if let Undo::File { .. } = undo { LONGEST_REPAIR } else { undo.within() + MARGIN };
    match tokio::time::timeout(within, undo.execute(&context)).await {
        Ok(Ok(undone)) => Ok(undone.what),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it could not be undone within {} s", within.as_secs())),
    }
}

/// Appends to the ledger of a runner that is gone. Its last line may be torn: what follows begins a line of its own.
fn note(run_dir: &RunDir, fault: &str) -> io::Result<()> {
    let mut file = open_plain(&run_dir.ledger_path(), OpenOptions::new().append(true))?;
    file.write_all(b"\n")?;
    write_line(&mut file, &LedgerEntry::Done { fault: fault.to_string() })?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Ledger;
    use crate::stack::{
        CommandOutput, ContainerOp, ContainerState, Damage, FileAnswer, FileAsk, StackDown, StackError,
    };
    use async_trait::async_trait;

    fn killed(containers: &[&str]) -> Undo {
        let containers = containers.iter().map(|id| id.to_string()).collect();
        Undo::Containers { service: "db".into(), containers, op: ContainerOp::Start, started: Default::default() }
    }

    /// Containers of a run whose runner is gone; what is done to one goes by its id.
    struct Dead;

    #[async_trait]
    impl Stack for Dead {
        async fn containers(&self, _: &str) -> Result<Vec<ContainerState>, StackError> {
            let state = |(id, status): (&str, &str)| ContainerState {
                id: id.into(),
                name: format!("fd-x-{id}-1"),
                status: status.into(),
                exit_code: None,
                started_at: String::new(),
                ..Default::default()
            };
            Ok([("down", "exited"), ("up", "running"), ("hangs", "exited"), ("refused", "exited")].map(state).into())
        }
        async fn operate(&self, container: &str, _: &ContainerOp) -> Result<(), StackError> {
            match container {
                "down" => Ok(()),
                "hangs" => std::future::pending().await,
                _ => Err(StackError::Cancelled),
            }
        }
        async fn exec(&self, service: &str, command: &[String], _: Duration) -> Result<CommandOutput, StackError> {
            let code = command[2].parse().map_err(|_| StackError::Cancelled)?;
            Ok(CommandOutput { container: format!("fd-x-{service}-1"), code, output: "no such file\n".into() })
        }
        async fn files(&self, _: &str, ask: &FileAsk) -> Result<FileAnswer, StackError> {
            match ask.path.as_str() {
                "/b/x" => Ok(FileAnswer::Done("/b/x has 0x41 at 13 again".into())),
                "/b/y" => Ok(FileAnswer::Gone("x".into())),
                _ => Err(StackError::Cancelled),
            }
        }
        async fn remove_process(&self, name: &str) -> Result<Vec<String>, StackError> {
            Ok(vec![format!("fd-x-{name}-1")])
        }
        async fn down(&self) -> Result<StackDown, StackError> {
            Err(StackError::Cancelled)
        }
    }

    async fn outcome(undo: &Undo) -> Result<Vec<String>, String> {
        undo_one("kill", undo, &Dead).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_that_is_gone_is_undone_and_one_that_hangs_holds_nobody_up() {
        assert_eq!(outcome(&killed(&["gone", "up", "down"])).await, Ok(vec!["started fd-x-down-1".to_string()]));
        let left = outcome(&killed(&["gone", "hangs", "refused", "up", "down"])).await.unwrap_err();
        assert_eq!(
            left,
            "start of `db` (fd-x-hangs-1): it took more than 15 s; start of `db` (fd-x-refused-1): cancelled; \
             meanwhile: started fd-x-down-1"
        );
    }

    #[tokio::test]
    async fn what_another_process_can_undo_and_what_it_cannot() {
        let of_agent = Undo::Agent { agent: "fd-agent".into(), fault: "lock".into() };
        assert_eq!(outcome(&of_agent).await, Ok(Vec::new()));
        let nothing = Undo::Nothing { reason: "goes with the stack".into(), damage: None, container: None };
        let left = "fault kill: left as it is, irreversible: goes with the stack".to_string();
        assert_eq!(outcome(&nothing).await, Ok(vec![left]), "what nobody promised to undo is no failure");
        let removed = outcome(&Undo::Process { name: "worker".into() }).await;
        assert_eq!(removed, Ok(vec!["removed fd-x-worker-1".to_string()]));
        // Its marks are not on disk.
        let release = Undo::Release { service: "web".into(), marks: Default::default() };
        let left = outcome(&release).await.unwrap_err();
        assert!(left.starts_with("`web`: the release may still be in place"), "{left}");
    }

    #[tokio::test]
    async fn only_a_command_that_succeeded_has_undone_anything() {
        let command = |script: &str| Undo::Command { service: "front".into(), script: script.into(), container: None };
        assert_eq!(outcome(&command("0")).await, Ok(vec!["undid kill in fd-x-front-1".to_string()]));
        let failed = "`undo` in `front`: exit code 2 in fd-x-front-1: no such file";
        assert_eq!(outcome(&command("2")).await, Err(failed.to_string()));
        assert_eq!(outcome(&command("none runs")).await, Err("`undo` in `front`: cancelled".to_string()));
    }

    #[tokio::test]
    async fn only_a_file_that_was_repaired_is_undone() {
        let file = |path: &str| {
            let damage = Damage::Flipped { offset: 13, original: 0x41 };
            Undo::File { service: "ops".into(), path: path.into(), damage }
        };
        assert_eq!(outcome(&file("/b/x")).await, Ok(vec!["undid kill: /b/x has 0x41 at 13 again".to_string()]));
        assert_eq!(outcome(&file("/b/z")).await, Err("repair `/b/z` of `ops`: cancelled".to_string()));
        assert!(outcome(&file("/b/y")).await.is_err());
    }

    #[test]
    fn what_was_undone_is_noted_behind_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::create(dir.path(), "a").unwrap();
        let ledger = Ledger::create(&run_dir.ledger_path(), run_dir.id(), true).unwrap();
        ledger.open("a", &killed(&["1"])).unwrap();
        ledger.open("b", &killed(&["2"])).unwrap();
        let mut file = OpenOptions::new().append(true).open(run_dir.ledger_path()).unwrap();
        file.write_all(b"{\"entry\":\"open\",\"fau").unwrap();
        note(&run_dir, "b").unwrap();
        let outstanding = ledger::read(&run_dir.ledger_path()).unwrap().outstanding;
        assert_eq!(outstanding, [("a".to_string(), killed(&["1"]))]);
    }
}
