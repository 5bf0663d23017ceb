//! Undoing what the ledger of a dead runner has open, for whoever comes after it: the reaper, and `sweep`. What agents held
//! they have lifted by themselves when their channels ended.

use crate::engine::ledger::{self, Entry};
use crate::faults::{SCRIPT_WITHIN, Undo, ended, script};
use crate::record::{RunDir, open_plain};
use crate::stack::docker::{Endpoint, Operated, exec_in, files_in, operate_in, remove_service_in};
use crate::stack::{ContainerOp, Executed, FileAnswer, FileAsk, FileDeed, StackError};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::time::Duration;

/// How long undoing one container may take.
const WITHIN: Duration = Duration::from_secs(5);

/// What undoing came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undone {
    /// What was done, one line each.
    pub done: Vec<String>,
    /// What is still in place, and why.
    pub left: Vec<String>,
}

/// Undoes every fault that a run's ledger has open, last first, and notes in the ledger what is gone, so that the next
/// one to look does not start what somebody has stopped since.
pub async fn undo(endpoint: &Endpoint, run_dir: &RunDir) -> io::Result<Undone> {
    let found = ledger::read(&run_dir.ledger_path())?;
    let Some(run) = found.run else { return Ok(Undone::default()) };
    if run != run_dir.id() {
        let why = format!("{} is the ledger of another run: nothing of it is undone", run_dir.ledger_path().display());
        return Ok(Undone { done: Vec::new(), left: vec![why] });
    }
    let operate = async |container: &str, op: &ContainerOp| operate_in(endpoint, &run, container, op).await;
    let mut all = Undone::default();
    for (fault, undo) in &found.outstanding {
        let Undone { done, left } = match undo {
            Undo::Command { service, script: text, .. } => {
                by_command(fault, service, exec_in(endpoint, &run, service, &script(text), SCRIPT_WITHIN).await)
            }
            Undo::File { service, path, damage } => {
                let ask = FileAsk { path: path.clone(), what: FileDeed::Repair(damage.clone()) };
                by_repair(fault, files_in(endpoint, &run, service, &ask).await)
            }
            Undo::Process { name } => by_removing(fault, remove_service_in(endpoint, &run, name).await),
            _ => one(fault, undo, operate).await,
        };
        if left.is_empty() {
            note(run_dir, fault)?;
        }
        all.done.extend(done);
        all.left.extend(left);
    }
    Ok(all)
}

/// What an undo by a command in a service came to. Without a container to run it in, nobody can say that it is undone.
fn by_command(fault: &str, service: &str, executed: Result<Option<Executed>, StackError>) -> Undone {
    let mut undone = Undone::default();
    match executed {
        Ok(Some(executed)) if executed.code == 0 => {
            undone.done.push(format!("undid {fault} in {}", executed.container));
        }
        Ok(Some(executed)) => undone.left.push(format!("fault {fault}: its undo: {}", ended(&executed))),
        Ok(None) => undone.left.push(format!("fault {fault}: `{service}` has no running container to undo it in")),
        Err(error) => undone.left.push(format!("fault {fault}: {error}")),
    }
    undone
}

/// What repairing a file came to.
fn by_repair(fault: &str, repaired: Result<FileAnswer, StackError>) -> Undone {
    let mut undone = Undone::default();
    match repaired {
        Ok(FileAnswer::Done(how)) => undone.done.push(format!("undid {fault}: {how}")),
        Ok(other) => undone.left.push(format!("fault {fault}: nobody can say what became of the file: {other:?}")),
        Err(error) => undone.left.push(format!("fault {fault}: {error}")),
    }
    undone
}

/// What removing the containers of a process came to.
fn by_removing(fault: &str, removed: Result<Vec<String>, StackError>) -> Undone {
    match removed {
        Ok(names) => Undone { done: names.iter().map(|name| format!("removed {name}")).collect(), left: Vec::new() },
        Err(error) => Undone { done: Vec::new(), left: vec![format!("fault {fault}: {error}")] },
    }
}

/// Undoes one fault. A container that is gone has nothing left to be undone.
async fn one(
    fault: &str,
    undo: &Undo,
    operate: impl AsyncFn(&str, &ContainerOp) -> Result<Operated, StackError>,
) -> Undone {
    let mut undone = Undone::default();
    let (containers, op) = match undo {
        Undo::Containers { containers, op, .. } => (containers, op),
        // Commands, files and processes are seen to by themselves, see above.
        Undo::Agent { .. } | Undo::Command { .. } | Undo::File { .. } | Undo::Process { .. } => return undone,
        Undo::Nothing { reason, .. } => {
            undone.done.push(format!("fault {fault}: left as it is, irreversible: {reason}"));
            return undone;
        }
        Undo::Release { service, .. } => {
            let why = "the release may still be in place: only the drill knew how the service was planned";
            undone.left.push(format!("fault {fault}: `{service}`: {why}"));
            return undone;
        }
    };
    for container in containers {
        match tokio::time::timeout(WITHIN, operate(container, op)).await {
            Ok(Ok(Operated::Done { name })) => undone.done.push(format!("{} {name}", past(op))),
            Ok(Ok(Operated::AlreadySo | Operated::Gone)) => {}
            Ok(Err(error)) => undone.left.push(format!("fault {fault}: {error}")),
            Err(_) => {
                let id = container.get(..12).unwrap_or(container);
                let seconds = WITHIN.as_secs();
                undone.left.push(format!("fault {fault}: container {id} was not {} within {seconds} s", past(op)));
            }
        }
    }
    undone
}

fn past(op: &ContainerOp) -> &'static str {
    match op {
        ContainerOp::Pause => "paused",
        ContainerOp::Unpause => "unpaused",
        ContainerOp::Kill { .. } => "killed",
        ContainerOp::Start => "started",
    }
}

/// Appends to the ledger of a runner that is gone. Its last line may be torn: what follows begins a line of its own.
fn note(run_dir: &RunDir, fault: &str) -> io::Result<()> {
    let mut line = b"\n".to_vec();
    serde_json::to_writer(&mut line, &Entry::Done { fault: fault.to_string() })?;
    line.push(b'\n');
    let mut file = open_plain(&run_dir.ledger_path(), OpenOptions::new().append(true))?;
    file.write_all(&line)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Ledger;

    fn killed(containers: &[&str]) -> Undo {
        let containers = containers.iter().map(|id| id.to_string()).collect();
        Undo::Containers { service: "db".into(), containers, op: ContainerOp::Start, started: Default::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_that_is_gone_is_undone_and_one_that_hangs_holds_nobody_up() {
        let operate = async |container: &str, _: &ContainerOp| match container {
            "down" => Ok(Operated::Done { name: "fd-x-db-1".into() }),
            "up" => Ok(Operated::AlreadySo),
            "gone" => Ok(Operated::Gone),
            "hangs" => std::future::pending().await,
            _ => Err(StackError::Cancelled),
        };
        let undone = one("kill", &killed(&["gone", "hangs", "refused", "up", "down"]), operate).await;
        assert_eq!(undone.done, ["started fd-x-db-1"]);
        assert_eq!(undone.left, ["fault kill: container hangs was not started within 5 s", "fault kill: cancelled"]);
        let of_agent = Undo::Agent { agent: "fd-agent".into(), fault: "lock".into() };
        assert_eq!(one("lock", &of_agent, operate).await, Undone::default());
        let nothing = one("sql", &Undo::nothing(), operate).await;
        assert_eq!(nothing.done, ["fault sql: left as it is, irreversible: goes with the stack"]);
        assert_eq!(nothing.left, Vec::<String>::new(), "what nobody promised to undo is no failure");
        let release = Undo::Release { service: "web".into(), marks: [("image".into(), "1".into())].into() };
        let undone = one("deploy", &release, operate).await;
        assert!(undone.left[0].starts_with("fault deploy: `web`: the release may still be in place"), "{undone:?}");
    }

    #[test]
    fn only_a_command_that_succeeded_has_undone_anything() {
        let executed = |code| Executed { container: "fd-x-front-1".into(), code, output: "no such file\n".into() };
        assert_eq!(by_command("command", "front", Ok(Some(executed(0)))).done, ["undid command in fd-x-front-1"]);
        let left = [Ok(Some(executed(2))), Ok(None), Err(StackError::Cancelled)]
            .map(|result| by_command("command", "front", result))
            .map(|undone| (undone.done.len(), undone.left.join("; ")));
        assert_eq!(
            left,
            [
                (0, "fault command: its undo: exit code 2 in fd-x-front-1: no such file".to_string()),
                (0, "fault command: `front` has no running container to undo it in".to_string()),
                (0, "fault command: cancelled".to_string()),
            ]
        );
    }

    #[test]
    fn only_a_file_that_was_repaired_is_undone() {
        let repaired = by_repair("files", Ok(FileAnswer::Done("/b/x has 0x41 at 13 again".into())));
        assert_eq!((repaired.done.join(""), repaired.left.len()), ("undid files: /b/x has 0x41 at 13 again".into(), 0));
        let left = by_repair("files", Err(StackError::Cancelled));
        assert_eq!((left.done.len(), left.left.join("")), (0, "fault files: cancelled".into()));
        assert_eq!(by_repair("files", Ok(FileAnswer::Gone("x".into()))).left.len(), 1);
    }

    #[test]
    fn what_was_undone_is_noted_behind_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::create(dir.path(), "a").unwrap();
        let mut ledger = Ledger::create(&run_dir.ledger_path(), run_dir.id(), true).unwrap();
        ledger.open("a", &killed(&["1"])).unwrap();
        ledger.open("b", &killed(&["2"])).unwrap();
        let mut file = OpenOptions::new().append(true).open(run_dir.ledger_path()).unwrap();
        file.write_all(b"{\"entry\":\"open\",\"fau").unwrap();
        note(&run_dir, "b").unwrap();
        let outstanding = ledger::read(&run_dir.ledger_path()).unwrap().outstanding;
        assert_eq!(outstanding, [("a".to_string(), killed(&["1"]))]);
    }
}
