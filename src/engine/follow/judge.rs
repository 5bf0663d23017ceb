//! Whether a command did what it should, by its phase and by what its block says of it.

use super::block::{RanCommand, shortened};
use crate::bash::{Statement, StatementKind, read};
use crate::engine::context::seconds;
use crate::engine::stop::Stop;
use crate::programs::{self, ExitUse, PipeStage};
use crate::record::{Location, Verdict};
use crate::runbook::{BlockSettings, Errors, RunbookPhase};
use crate::source::TextPattern;
use std::time::Duration;

/// How a phase of the runbook takes a command that fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// It fails the step and ends the runbook.
    Fails,
    /// It is a warning, unless it evidently changes something: `grep` and `curl -f` are honest there.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommandFailure {
    /// What it did, as it follows on the command: `exited with 1`.
    pub told: String,
    /// It fails the step in every phase: a stated expectation is no warning.
    pub is_fatal: bool,
    /// Another attempt may come out otherwise.
    pub may_pass: bool,
    /// It ran out of its time, which is a measurement.
    pub timed_out: bool,
}

impl CommandFailure {
    /// It exited with 0, and its loop has ended without what it waits for.
    pub(super) fn never_came() -> CommandFailure {
        let told = "ended with exit code 0, but its loop ended without what it waits for: ask for that once more behind the loop, or leave \
                    it with `exit 1`";
        CommandFailure { told: told.into(), is_fatal: true, may_pass: true, timed_out: false }
    }

    /// The reason to stop that it is.
    pub(super) fn stop(&self, reason: String, at: Location) -> Stop {
        Stop { measured: self.timed_out, ..Stop::new(Verdict::StepFailed, reason).at(at) }
    }
}

/// Why a command did not do what it should, if so; `text` is what bash was given, `own` says that it is what the runbook says and not
/// a client's command line, and `functions` are those that were defined before.
pub(super) fn judge_text(
    ran: &RanCommand,
    (text, own, timeout): (&str, bool, Duration),
    settings: &BlockSettings,
    functions: &str,
) -> Option<CommandFailure> {
    let (wanted, exit, timed_out) = (settings.expect_exit, ran.result.exit, ran.result.timed_out);
    let failure = |told: String, is_fatal, may_pass| Some(CommandFailure { told, is_fatal, may_pass, timed_out });
    if let Some(lacks) = &ran.result.lacks {
        // What is stated of its exit code is not met by that.
        return failure(format!("was not run: {lacks}"), wanted.is_some(), true);
    }
    match exit {
        _ if timed_out => failure(format!("did not end within {} and was killed", seconds(timeout)), true, true),
        126 | 127 if wanted == Some(exit) => None,
        126 => failure("cannot be executed (exit 126)".into(), true, false),
        127 => {
            let told = "was not found (exit 127): a slip, or nothing that the image has where the step runs; the scenario's `steps` can \
                        put another command there, its `stack.toolbox` another image";
            failure(told.into(), true, false)
        }
        2 if wanted != Some(2) && own && crate::bash::has_syntax_error(text) => {
            failure("is not valid bash (exit 2)".into(), true, false)
        }
        _ => match (part_not_found(ran, text), wanted) {
            (Some(told), _) => failure(told, true, false),
            (None, None | Some(0)) if exit == 0 && settings.errors != Some(Errors::Allowed) => {
                let answer = programs::answered(&format!("{functions}{text}"), &ran.stdout, &ran.stderr)?;
                let advice = answer.advice.map_or(String::new(), |advice| format!("{advice}; "));
                let said = format!("{} answered \"{}\"", answer.program, shortened(&answer.line));
                let allowed = "`errors=allowed` says that it is meant so";
                failure(format!("ended with exit code 0, but {said} ({advice}{allowed})"), false, true)
            }
            (None, Some(wanted)) if exit != wanted => {
                failure(format!("exited with {exit} where {wanted} was expected"), true, true)
            }
            (None, None) if exit != 0 => failure(format!("exited with {exit}"), false, true),
            _ => None,
        },
    }
}

/// Whether a text that exited with 0 ends with a loop that waits for something which never came, as far as what its shell ran tells:
/// `for i in $(seq 30); do curl -f URL && break; sleep 2; done`.
pub(super) fn never_came(ran: &RanCommand, text: &str) -> bool {
    /// What says nothing of what is waited for: tests, counters, clocks.
    const COUNTS: &[&str] =
        &["test", "[", "true", ":", "let", "expr", "date", "seq", "read", "echo", "printf", "sleep"];
    /// What leaves a loop, and the text with exit code 0.
    const LEAVES: &[&str] = &["break", "exit", "exit 0"];
    /// What nobody waits for: where it is not found, all is well.
    static OF_FAILURES: TextPattern =
        TextPattern::new(r"(?ix) grep .* (?: error | fail | exception | fatal | panic | refused | denied | timeout )");
    /// What has such a word in it and is waited for: `failover complete`, `"failed":0`.
    static OF_SUCCESS: TextPattern = TextPattern::new(
        r#"(?ix) fail (?:ed)? [\s_-]? (?:over|back) | \b no \s (?:error|failure) | (?:error|fail) [a-z"']* \s* [:=] \s* ["']? 0 \b"#,
    );
    let (script, Some(ran)) = (read(text), &ran.result.ran) else { return false };
    let Some((mut last, before)) = script.statements.split_last() else { return false };
    while let StatementKind::Redirected(inner, _) = &last.kind {
        last = inner;
    }
    let (condition, body, counts, until) = match &last.kind {
        StatementKind::Loop { condition, body, until } => (&condition[..], body, false, *until),
        // It counts by itself: a test in it asks for what is waited for.
        StatementKind::For { body, .. } => (&[][..], body, true, false),
        _ => return false,
    };
    let calls = |part: &Statement| programs::calls(part.span.of(text));
    let asks = |part: &&Statement| counts || calls(part).iter().any(|call| !COUNTS.contains(&call.program()));
    let is_wanted = |part: &&Statement| {
        let asked = part.span.of(text);
        !OF_FAILURES.is_match(asked) || OF_SUCCESS.is_match(asked)
    };
    let leaves = |part: &Statement| {
        Statement::all(std::slice::from_ref(part)).iter().any(|part| LEAVES.contains(&part.span.of(text)))
    };
    // What was asked right before the loop is left, and whether it is left where that holds.
    let mut left: Vec<(&Statement, bool)> = Vec::new();
    for part in Statement::all(body) {
        match &part.kind {
            StatementKind::AndOr(first, rest) => {
                left.extend(rest.iter().enumerate().filter_map(|(at, (or, right))| {
                    let before = std::iter::once(&**first).chain(rest[..at].iter().map(|(_, right)| right));
                    Some((before.rev().find(asks).filter(|_| leaves(right)).filter(is_wanted)?, !or))
                }))
            }
            StatementKind::If(branches, _) => {
                let leaving = branches.iter().filter(|(_, body)| body.iter().any(leaves));
                left.extend(
                    leaving.filter_map(|(condition, _)| Some((condition.last().filter(asks).filter(is_wanted)?, true))),
                );
            }
            StatementKind::Loop { .. } | StatementKind::For { .. } => return false,
            _ => {}
        }
    }
    let is_left = |where_it_holds: bool| {
        left.iter().any(|(asked, held)| (*held != matches!(asked.kind, StatementKind::Not(_))) == where_it_holds)
    };
    let waits = calls(last).iter().any(|call| call.program() == "sleep");
    // An empty one stands for more than was noted; a function may have left the loop, or only itself.
    if !waits || before.iter().any(leaves) || ran.iter().any(|ran| ran.is_empty() || ran.ends_with(" ()")) {
        return false;
    }
    // `until A || [ $((n++)) -ge 30 ]`, `while ! A && …`: the part that ran last has ended it.
    let gave_up = || {
        let [one] = condition else { return false };
        let StatementKind::AndOr(first, rest) = &one.kind else { return false };
        let parts = || std::iter::once(&**first).chain(rest.iter().map(|(_, part)| part));
        let packed = |text: &str| text.split_whitespace().collect::<String>();
        let ran_last =
            |part: &Statement| ran.last().is_some_and(|ran| packed(part.span.of(text)).contains(&packed(ran)));
        // A test beside one that counts may be what is waited for.
        let (asking, counting): (Vec<_>, Vec<_>) = parts().partition(asks);
        let [counting] = counting[..] else { return false };
        !asking.is_empty()
            && rest.iter().all(|(or, _)| *or == until)
            && asking.iter().all(|part| is_wanted(part) && !ran_last(part))
            && ran_last(counting)
    };
    let is_asked = condition.iter().any(|part| asks(&part));
    match ran.iter().any(|ran| LEAVES.contains(&ran.as_str())) {
        true => is_asked && !is_left(true),
        false => is_left(true) && !is_asked || is_asked && gave_up(),
    }
}

/// A program that was not found, or could not be executed, where another one's exit code is that of the command: in a pipe, in a loop.
fn part_not_found(ran: &RanCommand, text: &str) -> Option<String> {
    let calls = programs::calls(text);
    let program = programs::missing_among(&calls, &ran.stderr, &[ExitUse::Kept, ExitUse::Lost]);
    // `a | b || true`: of a pipe that is not waived all but the last are lost.
    let with = |code| calls.iter().any(|call| call.code == code);
    let waived = [ExitUse::AskedAgain, ExitUse::Waived].into_iter().any(with) && !with(ExitUse::Lost);
    let part = ran.result.pipe.iter().copied().find(|exit| matches!(exit, 126 | 127)).filter(|_| !waived);
    let part = part.or(program.as_ref().map(|_| 127))?;
    let what = program.map_or("a program in it".to_string(), |name| format!("`{name}` in it"));
    let why = if part == 126 { "cannot be executed" } else { "was not found" };
    Some(format!("ended with exit code {}, and {what} {why} (exit {part})", ran.result.exit))
}

/// What there is to say of a command that passed, though a program was not found whose failure it waives, or takes for an answer:
/// `typo restart || true`, `if ! typo status; then …`.
pub(super) fn waived_not_found(ran: &RanCommand, text: &str) -> Option<String> {
    const NOT_TOLD: &[ExitUse] = &[ExitUse::Waived, ExitUse::Replaced, ExitUse::Asked, ExitUse::AskedAgain];
    let program = programs::missing_among(&programs::calls(text), &ran.stderr, NOT_TOLD)?;
    Some(format!("`{program}` was not found, which is no failure of this command"))
}

/// Those whose exit code 1 is an answer: nothing was found, or it differs.
const ASKED: &[&str] = &["grep", "egrep", "fgrep", "zgrep", "pgrep", "diff", "cmp", "test", "["];

/// What there is to say of a verification that passed because it ends with words about its failure: `curl -f URL || echo "not yet"`,
/// `if curl -f URL; then echo up; else echo down; fi`.
pub(super) fn hidden_by_words(ran: &RanCommand, text: &str) -> Option<String> {
    const SAYS: &[&str] = &["echo", "printf"];
    /// No answer, whatever was asked: `grep -q ok FILE && echo OK || echo FAIL`.
    static BAD_NEWS: TextPattern =
        TextPattern::new(r"(?i)^\W*(?:error|fail(?:ed|ure)?)(?:\s*[:!.]|$)|_fail(?:ed)?$|[❌✗]");
    let script = read(text);
    let (parts, said): (Vec<&Statement>, _) = match &script.statements.last()?.kind {
        StatementKind::AndOr(first, rest) => {
            let Some(((true, said), before)) = rest.split_last() else { return None };
            (std::iter::once(&**first).chain(before.iter().map(|(_, part)| part)).collect(), said)
        }
        StatementKind::If(branches, otherwise) => {
            let conditions: Vec<_> = branches.iter().filter_map(|(condition, _)| condition.last()).collect();
            // `if ! curl -f URL`: what is said otherwise is good news.
            if conditions.iter().any(|condition| matches!(condition.kind, StatementKind::Not(_))) {
                return None;
            }
            (conditions, otherwise.last()?)
        }
        _ => return None,
    };
    let said = programs::calls(said.span.of(text)).into_iter().next().filter(|call| SAYS.contains(&call.program()))?;
    let words = said.arguments().join(" ");
    let words = words.trim_end_matches("\\n");
    let asked: Vec<_> = parts.into_iter().flat_map(|part| programs::calls(part.span.of(text))).collect();
    let asked = asked.iter().rfind(|call| !SAYS.contains(&call.program())).map_or("test", programs::Call::program);
    let is_told = [&ran.stdout, &ran.stderr].iter().any(|output| output.trim_end().ends_with(words));
    let is_hidden = (!ASKED.contains(&asked) || BAD_NEWS.is_match(words)) && !words.is_empty() && is_told;
    is_hidden
        .then(|| format!("`{asked}` failed, and `{} {words}` hides it: end with `exit 1` behind it", said.program()))
}

/// What there is to say of a command that passed, though a program before the last of its pipe failed: `cat FILE | psql`.
pub(super) fn hidden_in_pipe(ran: &RanCommand, text: &str) -> Option<String> {
    const SIGPIPE: i32 = 141;
    /// What it writes to has closed, as behind `grep -q`.
    const CURL_CUT_OFF: i32 = 23;
    let (_, before) = ran.result.pipe.split_last()?;
    let (calls, script) = (programs::calls(text), read(text));
    let of_one = |statement: &Statement| own_pipes(statement, ran.result.pipe.len());
    let pipes: Vec<usize> = match script.statements.last() {
        Some(last) if matches!(last.kind, StatementKind::Pipeline(_)) && !ran.result.left_shell => of_one(last),
        // Which of them ran last is not known here.
        _ => script.statements.iter().flat_map(of_one).collect(),
    };
    // The exit code of a stage is that of its last program.
    let ends_with = |stage: PipeStage, programs: &[&str]| {
        let last = calls.iter().rfind(|call| call.stage == Some(stage));
        last.is_some_and(|call| programs.contains(&call.program()))
    };
    let is_of = |at: usize, programs: &[&str]| {
        !pipes.is_empty() && pipes.iter().all(|pipe| ends_with(PipeStage { pipe: *pipe, at }, programs))
    };
    let fails = |at: usize, exit: i32| match exit {
        0 | SIGPIPE => false,
        1 => !is_of(at, ASKED),
        CURL_CUT_OFF => !is_of(at, &["curl"]),
        _ => true,
    };
    let (_, exit) = before.iter().enumerate().find(|(at, exit)| fails(*at, **exit))?;
    Some(format!("a program in its pipe ended with exit code {exit}, which the last one hides"))
}

/// Where the pipes of so many stages begin of which a shell that runs a statement may tell last (`PIPESTATUS`): not those in a subshell, a
/// function or behind `&`.
fn own_pipes(statement: &Statement, stages: usize) -> Vec<usize> {
    match &statement.kind {
        StatementKind::Pipeline(own) if own.len() == stages => {
            own.first().map(|(first, _)| first.span.start).into_iter().collect()
        }
        StatementKind::Pipeline(_) | StatementKind::Background(_) | StatementKind::Function { .. } => Vec::new(),
        StatementKind::Group { subshell: true, .. } => Vec::new(),
        _ => statement.parts().into_iter().flat_map(|part| own_pipes(part, stages)).collect(),
    }
}

/// What there is to say where a command has failed because a directory is not there that a production machine has.
pub(super) fn missing_directory(stderr: &str) -> Option<String> {
    let of = |line: &str| {
        let line = line.strip_suffix(": No such file or directory")?;
        let path = ["cd: ", "pushd: "].iter().find_map(|program| Some(line.split_once(program)?.1.to_string()));
        path.filter(|_| line.contains("line "))
    };
    stderr.lines().find_map(of).map(|path| {
        format!(
            ": no directory `{path}` is in the toolbox; `stack: {{ file: …, directory: … }}` says where the project lies on a \
             production machine, and `steps` can put another command there"
        )
    })
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
    use crate::shell::CommandResult;

    fn ended(exit: i32, timed_out: bool) -> RanCommand {
        let result = CommandResult { exit, timed_out, ..CommandResult::default() };
        RanCommand { result, stdout: String::new(), stderr: String::new(), last_line: None }
    }

    fn judge(ran: &RanCommand, text: &str, own: bool, settings: &BlockSettings) -> Option<CommandFailure> {
        judge_text(ran, (text, own, Duration::ZERO), settings, "")
    }

    #[test]
    fn what_words_hide_is_told() {
        let hidden = |stdout: &str, text| {
            hidden_by_words(&RanCommand { stdout: stdout.into(), ..ended(0, false) }, text).is_some()
        };
        let polite = "curl -fsS http://web/ready && echo ready || echo 'not yet'";
        assert!(hidden("not yet\n", polite) && !hidden("ready\n", polite));
        assert!(hidden("gave up\n", "cd /srv\ntimeout 5 curl -f http://web/ready || echo gave up"));
        assert!(!hidden("none\n", "docker compose logs web | grep ERROR || echo none"), "that is an answer");
        assert!(!hidden("ready\n", "curl -f http://web/ready && echo ready"));
        let two_ways = "if curl -f http://web/ready; then echo up; else printf 'not up\\n'; fi";
        assert!(hidden("not up\n", two_ways) && !hidden("up\n", "if curl -f x; then echo up; else echo down; fi"));
        assert!(hidden("old still answers\n", "! curl -f http://web/old || echo old still answers"));
        assert!(!hidden("gone\n", "if ! curl -f http://web/old; then echo gone; else echo gone; fi"));
        assert!(!hidden("clean\n", "if grep -q ERROR log; then echo errors; else echo clean; fi"));
        assert!(hidden("FAIL\n", "curl -s http://web/ready | grep -q ok && echo OK || echo FAIL"));
        assert!(hidden("ERROR: it lags\n", "if [ $A -lt 5 ]; then echo OK; else echo 'ERROR: it lags'; fi"));
        assert!(!hidden("no error\n", "grep -q ERROR log || echo no error"));
        let typo = RanCommand { stderr: "bash: line 1: dokcer: command not found\n".into(), ..ended(0, false) };
        assert!(waived_not_found(&typo, "dokcer restart web || true").is_some());
        assert!(waived_not_found(&typo, "dokcer restart web || docker compose up -d").is_some());
        assert!(waived_not_found(&typo, "if ! dokcer version; then docker compose up -d; fi").is_some());
        let on_stderr = RanCommand { stderr: "not ready\n".into(), ..ended(0, false) };
        assert!(hidden_by_words(&on_stderr, "curl -fsS http://web/ready || echo 'not ready' >&2").is_some());
    }

    #[test]
    fn what_a_pipe_hides_is_told() {
        let piped = |codes: &[i32], text| {
            let mut ran = ended(0, false);
            ran.result.pipe = codes.to_vec();
            hidden_in_pipe(&ran, text)
        };
        for (codes, text) in [
            (&[1, 0][..], "cat dump.sql | psql shop"),
            (&[1, 0, 0], "cat dump.sql | grep -v idle | psql shop"),
            (&[1, 1, 0], "grep idle a | cat b | wc -l"),
            (&[1, 0], "grep idle a | wc -l; cat dump.sql | psql shop"),
            (&[1, 0], "if grep idle a | wc -l; then cat dump.sql | psql shop; fi"),
            (&[1, 0], "{ grep idle a; cat dump.sql; } | psql shop"),
        ] {
            assert!(piped(codes, text).is_some_and(|said| said.contains("exit code 1")), "{text}");
        }
        assert!(piped(&[2, 0], "grep idle dump.sql | wc -l").is_some(), "grep itself has failed");
        for (codes, text) in [
            (&[0, 0][..], "cat dump.sql | psql shop"),
            (&[141, 0], "yes | head -1"),
            (&[1, 0], "grep -v idle dump.sql | wc -l"),
            (&[23, 0], "curl -fsS http://web:9100/metrics | grep -q '^up 1'"),
            (&[1, 0], "grep x f | while read l; do echo $l | sort; done"),
            (&[0, 1, 0], "cat dump.sql | grep -v idle | psql shop"),
            (&[1, 0], "cat dump.sql | psql shop; grep idle a | wc -l"),
            (&[1, 0], "X=$(cat a | head -1); if grep idle a | wc -l; then (cat b | wc -l); fi"),
            (&[1], "false"),
            (&[], "true"),
        ] {
            assert_eq!(piped(codes, text), None, "{text}");
        }
    }

    fn told(failure: Option<CommandFailure>) -> Option<String> {
        failure.map(|failure| failure.told.split([':', ';']).next().unwrap_or_default().to_string())
    }

    fn wanted(expect_exit: Option<i32>) -> BlockSettings {
        BlockSettings { expect_exit, ..BlockSettings::default() }
    }

    #[test]
    fn an_exit_code_is_judged_by_what_is_expected_of_it() {
        for (exit, expected, fault) in [
            (0, None, None),
            (1, None, Some("exited with 1")),
            (1, Some(1), None),
            (0, Some(1), Some("exited with 0 where 1 was expected")),
            (127, None, Some("was not found (exit 127)")),
            (127, Some(1), Some("was not found (exit 127)")),
            (127, Some(127), None),
            (126, Some(126), None),
            (2, None, Some("exited with 2")),
        ] {
            let seen = told(judge(&ended(exit, false), "true", true, &wanted(expected)));
            assert_eq!(seen.as_deref(), fault, "{exit} {expected:?}");
        }
        assert!(judge(&ended(143, true), "true", true, &wanted(Some(143))).is_some_and(|failure| failure.timed_out));
        let syntax = told(judge(&ended(2, false), "say \"x", true, &wanted(None)));
        assert_eq!(syntax.as_deref(), Some("is not valid bash (exit 2)"));
        assert_eq!(judge(&ended(2, false), "say \"x", true, &wanted(Some(2))), None);
        let client = told(judge(&ended(2, false), "say \"x", false, &wanted(None)));
        assert_eq!(client.as_deref(), Some("exited with 2"), "what is no bash has no such error");
    }

    #[test]
    fn a_command_that_was_not_run_for_want_of_a_value_meets_no_expectation() {
        let mut ran = ended(78, false);
        assert_eq!(judge(&ran, "touch $C", true, &wanted(Some(78))), None, "it ended with 78 itself");
        ran.result.lacks = Some("`$C` is not set".to_string());
        for expected in [None, Some(78)] {
            let fault = judge(&ran, "touch $C", true, &wanted(expected)).expect("a fault");
            assert_eq!(fault.told, "was not run: `$C` is not set");
            assert_eq!((fault.may_pass, fault.is_fatal), (true, expected.is_some()));
        }
    }

    #[test]
    fn a_directory_of_a_production_machine_is_told() {
        let told = |stderr: &str| missing_directory(stderr).unwrap_or_default();
        let absolute = told("x\nbash: line 1: cd: /opt/production/app: No such file or directory\n");
        assert!(absolute.contains("no directory `/opt/production/app`"), "{absolute}");
        let relative = told("bash: line 2: pushd: deploy: No such file or directory");
        assert!(relative.contains("`deploy`"), "{relative}");
        for other in ["cat: /opt/x: No such file or directory", "bash: line 1: cd: /root: Permission denied", ""] {
            assert_eq!(missing_directory(other), None, "{other}");
        }
    }

    #[test]
    fn a_loop_that_ends_without_what_it_waits_for_is_told() {
        let polled = |text: &str, left: &str| {
            let mut ran = ended(0, false);
            ran.result.ran = Some([left, "sleep 2"].map(str::to_string).to_vec());
            never_came(&ran, text)
        };
        for (text, left, never) in [
            ("for i in $(seq 30); do curl -fsS http://web/ok && break; sleep 2; done", "break", false),
            ("for i in $(seq 30); do if curl -f http://web/ok; then echo up; break; fi; sleep 2; done", "break", false),
            (
                "for i in 1 2; do c=$(curl http://web); [ \"$c\" = ok ] && { echo up; exit 0; }; sleep 2; done",
                "exit 0",
                false,
            ),
            (
                "while [ $((n++)) -lt 30 ]; do curl -f http://web && echo up && break; sleep 2; done >/dev/null",
                "break",
                false,
            ),
            ("until curl -fsS http://web/ready; do n=$((n+1)); [ $n -ge 30 ] && break; sleep 2; done", "break", true),
            (
                "while ! curl -f http://web; do n=$((n+1)); if [ $n -ge 30 ]; then break; fi; sleep 2; done",
                "break",
                true,
            ),
            (
                "for i in 1 2; do docker compose logs db | grep -q 'failover complete' && break; sleep 2; done",
                "break",
                false,
            ),
            (
                "for i in 1 2; do curl -fs http://q/stats | grep -q '\"failed\":0' && break; sleep 3; done",
                "break",
                false,
            ),
        ] {
            assert_eq!((polled(text, left), polled(text, "true")), (never, !never), "{text}");
        }
        let ended_by = |text: &str, last: &str| {
            let mut ran = ended(0, false);
            ran.result.ran = Some(["sleep 2", last].map(str::to_string).to_vec());
            never_came(&ran, text)
        };
        for (text, asked, counted) in [
            (
                "until curl -sf http://web || [ $((n++)) -ge 30 ]; do sleep 2; done",
                "curl -sf http://web",
                "[ $((n++)) -ge 30 ]",
            ),
            (
                "while ! curl -sf http://web>/dev/null && (( n++<30 )); do sleep 2; done",
                "curl -sf http://web > /dev/null",
                "(( n++<30 ))",
            ),
            (
                "until [ \"$(curl -s http://web)\" = ok ] || [ $(date +%s) -ge $end ]; do sleep 2; done",
                "curl -s http://web",
                "date +%s",
            ),
        ] {
            assert_eq!((ended_by(text, asked), ended_by(text, counted)), (false, true), "{text}");
        }
        for text in [
            "until curl -sf http://web && [ $((n++)) -ge 3 ]; do sleep 2; done",
            "until docker compose logs web | grep -q ERROR || [ $((n++)) -ge 3 ]; do sleep 2; done",
            "until s=$(curl -s http://web); [ $s = ok ] || [ $((n++)) -ge 3 ]; do sleep 2; done",
            "until [ -f done ] || curl -sf http://web || [ $((n++)) -ge 3 ]; do sleep 2; done",
        ] {
            assert!(!ended_by(text, "[ $((n++)) -ge 3 ]"), "{text}");
        }
        let is_open = [
            "for i in 1 2; do curl -f http://web && break; done",
            "while true; do kubectl get pods --no-headers | grep -v Running || break; sleep 2; done",
            "while :; do if ! kubectl get pods | grep -q Pending; then break; fi; sleep 2; done",
            "for i in 1 2; do docker compose logs web 2>&1 | grep -q ERROR && break; sleep 3; done",
            "for i in 1 2; do grep -q ERROR log && exit 1; sleep 2; done",
            "for i in 1 2; do curl -f http://web && ok=1 && break; sleep 2; done; [ $ok = 1 ]",
            "while true; do curl -f http://web && break; [ $((n++)) -gt 9 ] && break; sleep 2; done",
        ];
        for text in is_open {
            assert!(!polled(text, "break") && (!polled(text, "true") || text.starts_with("while")), "{text}");
        }
        assert!(!never_came(&ended(0, false), "for i in 1 2; do curl -f x && break; sleep 2; done"), "nobody saw it");
    }

    #[test]
    fn an_answer_counts_where_the_exit_code_does_not_tell() {
        let said = |exit| RanCommand { stdout: "ERR unknown subcommand 'KIL'\n".into(), ..ended(exit, false) };
        let text = "docker compose exec cache redis-cli CLIENT KIL 7";
        let fault = judge(&said(0), text, true, &wanted(None)).expect("an answer");
        let said_so = &fault.told;
        let begins = "ended with exit code 0, but redis-cli answered \"ERR unknown subcommand 'KIL'\" (`-e`";
        assert!(said_so.starts_with(begins), "{said_so}");
        assert!(fault.may_pass && !fault.is_fatal, "it is judged as exit code 1");
        let allowed = BlockSettings { errors: Some(Errors::Allowed), ..BlockSettings::default() };
        assert_eq!(judge(&said(0), text, true, &allowed), None);
        assert!(judge(&said(0), text, true, &wanted(Some(0))).is_some());
        assert_eq!(judge(&said(1), text, true, &wanted(Some(1))), None);
        assert_eq!(told(judge(&said(1), text, true, &wanted(None))).as_deref(), Some("exited with 1"));
        assert_eq!(judge(&said(0), "redis-cli CLIENT KIL 7 | grep -c ERR", true, &wanted(None)), None);
        let by_function = judge_text(
            &said(0),
            ("kick 7", true, Duration::ZERO),
            &wanted(None),
            "kick() { redis-cli CLIENT KIL $1; }\n",
        );
        assert!(by_function.is_some_and(|failure| failure.told.contains("redis-cli answered")));
        for (text, fails) in [
            ("until redis-cli CLIENT KIL 7; do sleep 1; done", true),
            ("if redis-cli CLIENT KIL 7; then docker compose restart worker; fi", true),
            ("for i in 1 2; do redis-cli CLIENT KIL 7 && break; done", true),
            ("redis-cli CLIENT KIL 7 || true", false),
            ("if redis-cli CLIENT KIL 7 | grep -q OK; then true; fi", false),
            ("said=$(redis-cli CLIENT KIL 7); echo \"$said\"", true),
            ("said=$(cat log); redis-cli X; echo \"$said\"", false),
            ("echo \"$(redis-cli CLIENT KIL 7)\"", true),
            ("redis-cli CLIENT KIL 7 | head -n 3", true),
            ("redis-cli CLIENT KIL 7 | grep -v WARN", true),
            ("cat errors | sort; redis-cli X", false),
            ("bash <<EOF\nredis-cli CLIENT KIL 7\nEOF", true),
        ] {
            assert_eq!(judge(&said(0), text, true, &wanted(None)).is_some(), fails, "{text}");
        }
        let twice = |stdout: &str| RanCommand { stdout: stdout.into(), ..ended(0, false) };
        let both = "until redis-cli PING && redis-cli GET x | grep -q 1; do sleep 1; done";
        assert_eq!(judge(&twice("LOADING Redis is loading\nPONG\n"), both, true, &wanted(None)), None);
        assert!(judge(&twice("PONG\nLOADING Redis is loading\n"), both, true, &wanted(None)).is_some());
        let down = RanCommand { stderr: "Could not connect to Redis at cache:6379\n".into(), ..twice("PONG\n") };
        assert_eq!(
            judge(&down, "until redis-cli PING; do sleep 1; done", true, &wanted(None)),
            None,
            "it exits with 1"
        );
    }

    #[test]
    fn a_program_that_is_not_found_counts_wherever_it_stands_in_a_pipe() {
        let pipe = |exit, pipe: &[i32]| {
            let mut ran = ended(exit, false);
            ran.result.pipe = pipe.to_vec();
            ran
        };
        let not_found = told(judge(&pipe(0, &[127, 0]), "jqq . | head", true, &wanted(None))).unwrap_or_default();
        assert_eq!(not_found, "ended with exit code 0, and a program in it was not found (exit 127)");
        let not_run = told(judge(&pipe(0, &[0, 126, 0]), "a | ./b | c", true, &wanted(None))).unwrap_or_default();
        assert_eq!(not_run, "ended with exit code 0, and a program in it cannot be executed (exit 126)");
        assert_eq!(judge(&pipe(0, &[1, 0]), "grep x f | wc -l", true, &wanted(None)), None);
        assert_eq!(judge(&pipe(0, &[127, 0]), "jqq . | head || true", true, &wanted(None)), None);
        let mut ran = pipe(1, &[127, 1]);
        ran.stderr = "bash: line 1: jqq: command not found\n".into();
        let fault = judge(&ran, "jqq . | grep x", true, &wanted(Some(1))).expect("a fault");
        assert_eq!(fault.told, "ended with exit code 1, and `jqq` in it was not found (exit 127)");
        assert!(fault.is_fatal && !fault.may_pass);
        let ran = RanCommand { stderr: ran.stderr, ..ended(0, false) };
        assert!(judge(&ran, "jqq . | head && true", true, &wanted(None)).is_some(), "the pipe is not the last one");
    }
}
