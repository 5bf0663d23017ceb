//! Whether a command did what it should, by its phase and by what its block says of it.

use crate::engine::drill::seconds;
use crate::runbook::RunbookPhase;
use crate::shell::CommandResult;
use std::time::Duration;

/// How a phase of the runbook takes a command that fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// It fails the step and ends the runbook.
    Fails,
    /// It is a warning: `grep` and `curl -f` are honest there.
    Warns,
    /// The step is tried again until it passes or the time to recover is over.
    TriedAgain,
}

pub(super) fn failing(phase: RunbookPhase) -> Failing {
    match phase {
        RunbookPhase::Detect | RunbookPhase::Diagnose => Failing::Warns,
        RunbookPhase::Verify => Failing::TriedAgain,
        _ => Failing::Fails,
    }
}

/// Why a command did not do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Exit(i32),
    /// Another exit code than the one that was expected.
    Unexpected {
        exit: i32,
        wanted: i32,
    },
    TimedOut,
    Syntax(i32),
    NotFound(i32),
}

impl Fault {
    pub(super) fn told(&self, timeout: Duration) -> String {
        match self {
            Fault::Exit(code) => format!("exited with {code}"),
            Fault::Unexpected { exit, wanted } => format!("exited with {exit} where {wanted} was expected"),
            Fault::TimedOut => format!("did not end within {} and was killed", seconds(timeout)),
            Fault::Syntax(code) => format!("is not valid bash (exit {code})"),
            Fault::NotFound(126) => "cannot be executed (exit 126)".to_string(),
            Fault::NotFound(code) => format!(
                "was not found (exit {code}): a slip, or nothing that the image has where the step runs; the scenario's \
                 `steps` can put another command there, its `stack.toolbox` another image"
            ),
        }
    }

    /// Whether it fails the step in every phase: a stated expectation is no warning.
    pub(super) fn is_fatal(&self) -> bool {
        !matches!(self, Fault::Exit(_))
    }

    /// Whether another attempt may come out otherwise.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Fault::Exit(_) | Fault::Unexpected { .. } | Fault::TimedOut)
    }
}

/// `text` is what bash was given, unless the command is for another client.
pub(super) fn judge(result: &CommandResult, text: Option<&str>, wanted: Option<i32>) -> Option<Fault> {
    match result.exit {
        _ if result.timed_out => Some(Fault::TimedOut),
        code if code == wanted.unwrap_or(0) => None,
        code @ (126 | 127) => Some(Fault::NotFound(code)),
        2 if text.is_some_and(crate::runbook::has_syntax_error) => Some(Fault::Syntax(2)),
        exit => Some(wanted.map_or(Fault::Exit(exit), |wanted| Fault::Unexpected { exit, wanted })),
    }
}

/// The first line of a command, for a message.
pub(super) fn first_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if lines.next().is_some() { format!("{first} …") } else { first.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit: i32, timed_out: bool) -> CommandResult {
        CommandResult { exit, took: Duration::ZERO, timed_out, omitted: 0 }
    }

    #[test]
    fn an_exit_code_is_judged_by_what_is_expected_of_it() {
        for (exit, wanted, fault) in [
            (0, None, None),
            (1, None, Some(Fault::Exit(1))),
            (1, Some(1), None),
            (0, Some(1), Some(Fault::Unexpected { exit: 0, wanted: 1 })),
            (127, None, Some(Fault::NotFound(127))),
            (127, Some(1), Some(Fault::NotFound(127))),
            (127, Some(127), None),
            (126, Some(126), None),
            (2, None, Some(Fault::Exit(2))),
        ] {
            assert_eq!(judge(&ended(exit, false), Some("true"), wanted), fault, "{exit} {wanted:?}");
        }
        assert_eq!(judge(&ended(143, true), Some("true"), Some(143)), Some(Fault::TimedOut));
        assert_eq!(judge(&ended(2, false), Some("say \"x"), None), Some(Fault::Syntax(2)));
        assert_eq!(judge(&ended(2, false), Some("say \"x"), Some(2)), None);
        assert_eq!(judge(&ended(2, false), None, None), Some(Fault::Exit(2)), "what is no bash has no such error");
    }
}
