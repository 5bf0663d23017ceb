//! A process beside the team's services, in containers of its own: a bad client, a runaway job. It does not die with the
//! container of what it harms. Neutral to what runs the stack.

use std::time::Duration;

/// A process that a fault starts and removes. Steps find it as a service of this name, as soon as it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its name as a service, which no service of the stack has.
    pub name: String,
    /// The service whose image, user, environment, working directory, files and networks it has; `None` is the toolbox.
    pub service: Option<String>,
    /// The script, for `sh`.
    pub run: String,
    /// How many containers run it, each once.
    pub replicas: u16,
    /// How soon it is started again after it has ended by itself. A container that somebody stops stays stopped.
    pub returns: Option<Duration>,
}

/// How a container of a process came to its last end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Container name.
    pub container: String,
    /// Exit code.
    pub exit_code: i64,
    /// How long after its start.
    pub after: Duration,
    /// Nobody had stopped, killed or removed it.
    pub by_itself: bool,
}

/// Runs a script again and again: `$1` is the script, `$2` the pause in seconds. A shell that could not run what it was told
/// to will not be able to the next time either.
const AGAIN: &str = "while :; do sh -c \"$1\"; code=$?; case $code in 126|127) exit $code;; esac; \
                     echo \"ended with exit code $code, started again in $2 s\" >&2; sleep \"$2\"; done";

impl Process {
    /// Its command line.
    pub fn command(&self) -> Vec<String> {
        let script = |words: &[&str]| ["sh", "-c"].iter().chain(words).map(|word| (*word).to_string()).collect();
        match self.returns {
            None => script(&[&self.run]),
            Some(after) => script(&[AGAIN, &self.name, &self.run, &after.as_secs_f64().to_string()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn process(run: &str, returns: Option<Duration>) -> Process {
        Process { name: "worker".into(), service: None, run: run.into(), replicas: 1, returns }
    }

    #[test]
    fn one_that_ends_by_itself_is_started_again_and_one_that_cannot_run_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let run = |script: &str, returns| {
            let command = process(script, returns).command();
            Command::new(&command[0]).args(&command[1..]).current_dir(dir.path()).output().unwrap()
        };
        let thrice = "echo x >> count; test $(wc -l < count) -lt 3 || exit 127; exit 4";
        let output = run(thrice, Some(Duration::from_millis(50)));
        assert_eq!(std::fs::read_to_string(dir.path().join("count")).unwrap(), "x\nx\nx\n");
        assert_eq!(output.status.code(), Some(127));
        let line = "ended with exit code 4, started again in 0.05 s\n";
        assert_eq!(String::from_utf8_lossy(&output.stderr), line.repeat(2));
        assert_eq!(run("exit 4", None).status.code(), Some(4), "without `returns` once");
        assert_eq!(run("no-such-program-here", Some(Duration::from_secs(60))).status.code(), Some(127));
    }
}
