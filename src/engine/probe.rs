//! One look: a script of the scenario in the first running container of a service. A service that is not there and a script
//! that does not end are answers; Docker that does not do as it is told is none, and neither is a command that cannot be run. And what
//! scripts wrote → what it means: facts, numbers, contents, and how people read them, as pure functions.

use super::context::{CommonContext, seconds};
use super::stop::Stop;
use crate::assurance::services::show;
use crate::faults::{CANNOT_RUN, script};
use crate::programs;
use crate::record::{DrillTime, EventSink, Location, Numbers, looks_secret, sha256_hex};
use crate::source::cut;
use crate::spec::{Expectation, ServiceScript};
use crate::stack::{ContainerState, FullOutput, Stack};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long Docker may take for its own part in a look.
const ENGINE_WITHIN: Duration = Duration::from_secs(10);
/// How often a look is tried while the service runs: its container may be replaced between the question where it is and the
/// command in it.
const TRIES: u32 = 2;

/// The longest time that a look can take.
pub(super) fn longest(probe: &ServiceScript) -> Duration {
    (probe.within + ENGINE_WITHIN * 3) * TRIES
}

/// Runs a script and tells what it did.
pub(super) async fn ask_probe(cx: &CommonContext<'_>, probe: &ServiceScript) -> Result<ProbeAnswer, Stop> {
    look(&*cx.stack, &cx.sink, cx.in_scenario(probe.line), probe).await
}

/// Runs a script and tells what it did; `at` is its place in the user's files.
pub(super) async fn look(
    stack: &dyn Stack,
    sink: &EventSink,
    at: Location,
    probe: &ServiceScript,
) -> Result<ProbeAnswer, Stop> {
    let cannot_run = |whole: &FullOutput| whole.code.is_some_and(|code| CANNOT_RUN.contains(&code));
    let mut tries = 0;
    loop {
        let absent = absent(stack, &probe.service).await?;
        let asked = sink.now();
        if let Some(why) = absent {
            return Ok(ProbeAnswer { asked, answer: Err(why) });
        }
        let command = script(&probe.run);
        let run = stack.exec_full(&probe.service, &command, true, probe.within);
        tries += 1;
        match tokio::time::timeout(probe.within + ENGINE_WITHIN, run).await {
            Ok(Ok(FullOutput { code: None, .. })) => {
                let why = format!("it had not ended after {}", seconds(probe.within));
                return Ok(ProbeAnswer { asked, answer: Err(why) });
            }
            // Also what a container answers that was just about to end.
            Ok(Ok(whole)) if cannot_run(&whole) && tries < TRIES => {}
            Ok(Ok(whole)) if cannot_run(&whole) => {
                return Err(Stop::harness(format!("a probe cannot be run: {}", ended(&whole))).at(at));
            }
            Ok(Ok(whole)) => return Ok(ProbeAnswer { asked, answer: told(&probe.run, whole) }),
            Ok(Err(error)) if tries >= TRIES => return Err(Stop::from(error)),
            Ok(Err(_)) => {}
            Err(_) => return Err(late("running a command", &probe.service)),
        }
    }
}

/// Why nothing can run in a service, if nothing can.
async fn absent(stack: &dyn Stack, service: &str) -> Result<Option<String>, Stop> {
    let found = tokio::time::timeout(ENGINE_WITHIN, stack.containers(service)).await;
    let found = found.map_err(|_| late("looking for the containers", service))??;
    if found.iter().any(|container| container.status == "running") {
        return Ok(None);
    }
    Ok(Some(format!("`{service}` has no running container: {}", states(&found))))
}

/// The status of each container of a service of which none runs.
pub(super) fn states(found: &[ContainerState]) -> String {
    let states = found.iter().map(|container| format!("{} is {}", container.name, container.status));
    if found.is_empty() { "it has no container".into() } else { states.collect::<Vec<_>>().join(", ") }
}

/// What a script did; not what a program of it was refused, though the exit code is 0: that says nothing about what was asked.
fn told(script: &str, whole: FullOutput) -> Result<FullOutput, String> {
    if whole.code != Some(0) {
        return Ok(whole);
    }
    let answer = programs::answered(script, &String::from_utf8_lossy(&whole.stdout), &whole.stderr);
    answer.map_or(Ok(whole), |answer| Err(format!("it cannot be told: {answer}")))
}

fn late(what: &str, service: &str) -> Stop {
    Stop::harness(format!("{what} in `{service}`: Docker did not answer within {}", seconds(ENGINE_WITHIN)))
}

/// A content that is longer is kept as its checksum, in bytes.
const LONG: usize = 1024;
/// How much of a text stands in a line of evidence, in characters.
const EVIDENCE: usize = 200;
/// What md5sum, sha1sum, sha256sum and sha512sum say of nothing: what a pipe writes whose first command has failed.
const OF_NOTHING: [&str; 4] = [
    "d41d8cd98f00b204e9800998ecf8427e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
];
/// How many facts of a backup are kept.
const MOST_FACTS: usize = 64;

/// What a look came to.
#[derive(Debug)]
pub(super) struct ProbeAnswer {
    /// When the question was put.
    pub(super) asked: DrillTime,
    /// What the script did, or why it could not run.
    pub(super) answer: Result<FullOutput, String>,
}

impl ProbeAnswer {
    /// What the script did, where it exited with 0; otherwise why it is no answer.
    pub(super) fn success(&self) -> Result<&FullOutput, String> {
        let whole = self.answer.as_ref().map_err(String::clone)?;
        if whole.code == Some(0) { Ok(whole) } else { Err(ended(whole)) }
    }
}

/// Why a backup of this age, in microseconds, is too old; `None` when it is not. One that does not say when it was taken is no
/// recent one.
pub fn too_old(age_us: Option<u64>, most: Duration) -> Option<String> {
    match age_us.map(Duration::from_micros) {
        None => Some(
            "it does not say when it was taken (`taken=`, RFC 3339, not after now), and `max_age` asks for that".into(),
        ),
        Some(age) if age > most => Some(format!("it was taken {} ago, and `max_age` is {}", show(age), show(most))),
        Some(_) => None,
    }
}

/// The facts of a backup: lines `key=value`. Other lines are left out, as tools tell more than they are asked for, and so
/// are keys that name a secret.
pub(super) fn facts(stdout: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(stdout);
    let facts = text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        (!key.is_empty() && !looks_secret(key) && key.chars().all(is_name)).then(|| (short(key), short(value)))
    });
    facts.take(MOST_FACTS).collect()
}

/// Whether a content is kept as a checksum: it is long, or no text.
fn is_long(content: &[u8]) -> bool {
    let content = content.trim_ascii_end();
    content.len() > LONG || std::str::from_utf8(content).is_err()
}

/// A content as a record keeps it: as it is, white space at its end aside, or `sha256:…` of everything that was written.
pub(super) fn kept(stdout: &[u8]) -> String {
    let content = stdout.trim_ascii_end();
    match std::str::from_utf8(content) {
        Ok(text) if !is_long(content) => text.to_string(),
        _ => format!("sha256:{}", sha256_hex(stdout)),
    }
}

/// Whether what was written begins with the checksum of empty input.
pub(super) fn is_checksum_of_nothing(stdout: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stdout);
    text.split_whitespace().next().is_some_and(|word| OF_NOTHING.contains(&word.to_ascii_lowercase().as_str()))
}

/// Whether a probe held, and what was seen. `before` is what it wrote before the fault, where that is known. Of a number that
/// increases only whether it is one that is not below the one before: whether it grows shows a second look.
pub(super) fn judged(expected: &Expectation, before: Option<&[u8]>, looked: &ProbeAnswer) -> (bool, String) {
    let whole = match looked.success() {
        Ok(whole) => whole,
        Err(why) => return (false, why),
    };
    let written = || one_line(&kept(&whole.stdout));
    let same = |expected: &[u8]| whole.stdout.trim_ascii_end() == expected.trim_ascii_end();
    match (expected, before) {
        (Expectation::Success, _) => (true, ended(whole)),
        (Expectation::Output(output), _) if same(output.as_bytes()) => (true, format!("it wrote {}", written())),
        (Expectation::Output(output), _) => (false, difference(&whole.stdout, output.as_bytes())),
        (Expectation::AsBefore, None) => (true, format!("it wrote {}", written())),
        (Expectation::AsBefore, Some(before)) if same(before) => {
            (true, format!("it wrote {} as before the fault", written()))
        }
        (Expectation::AsBefore, Some(before)) => {
            (false, format!("not as before the fault: {}", difference(&whole.stdout, before)))
        }
        (Expectation::Number(op, value), _) => match number(&whole.stdout) {
            Ok(seen) => {
                let was = before.and_then(|before| number(before).ok());
                let was = was.map_or_else(String::new, |was| format!(", before the fault it was {was}"));
                (op.holds(seen, *value), format!("it is {seen} and must be {expected}{was}"))
            }
            Err(why) => (false, why),
        },
        (Expectation::Increases, _) => match (number(&whole.stdout), before.map(number)) {
            (Err(why), _) => (false, why),
            (Ok(seen), Some(Ok(was))) if seen < was => (false, format!("it is {seen} and was {was} before")),
            (Ok(seen), _) => (true, format!("it is {seen}")),
        },
    }
}

/// The number that was written.
pub(super) fn number(stdout: &[u8]) -> Result<f64, String> {
    let text = String::from_utf8_lossy(stdout.trim_ascii());
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| {
        if text.is_empty() {
            "it wrote nothing".into()
        } else {
            format!("it wrote {}, which is no number", one_line(&text))
        }
    })
}

/// The first line in which two contents differ; of a content that is kept as a checksum its number alone, as its rows are
/// not for records.
fn difference(written: &[u8], expected: &[u8]) -> String {
    let checksum = [written, expected].into_iter().any(is_long);
    let [written, expected] = [written, expected].map(|text| String::from_utf8_lossy(text.trim_ascii_end()));
    if written.is_empty() {
        return "it wrote nothing".into();
    }
    let short = written.lines().count() <= 1 && expected.lines().count() <= 1;
    let same = written.lines().zip(expected.lines()).take_while(|(line, other)| line == other).count();
    let number = same + 1;
    match (written.lines().nth(same), expected.lines().nth(same)) {
        (Some(_), None) => format!("line {number} is one too many"),
        (None, Some(_)) => format!("line {number} is missing"),
        (Some(_), Some(_)) if checksum => format!("line {number} differs"),
        (Some(line), Some(other)) if short => format!("it wrote {} and not {}", one_line(line), one_line(other)),
        (Some(line), Some(other)) => format!("line {number} is {} and not {}", one_line(line), one_line(other)),
        // Ends of lines, or bytes that are no text.
        (None, None) => "its bytes differ".into(),
    }
}

/// `exit code 1 in shop-db-1: the line that says why`, on standard error where there is any: the last one that speaks of an
/// error, or else the last one with words. What `psql` writes last is a caret below the place in the statement.
fn ended(whole: &FullOutput) -> String {
    let FullOutput { container, code, stdout, stderr } = whole;
    let stdout = String::from_utf8_lossy(stdout);
    let last = |text: &str| {
        let lines = || text.lines().map(str::trim).filter(|line| line.contains(char::is_alphanumeric));
        let blames = |line: &&str| ["error:", "fatal:"].iter().any(|word| line.to_lowercase().contains(word));
        lines().rfind(blames).or_else(|| lines().next_back()).map(short)
    };
    let said = last(stderr).or_else(|| last(&stdout)).map_or_else(String::new, |line| format!(": {line}"));
    let code = code.map_or_else(|| "no exit code".to_string(), |code| format!("exit code {code}"));
    format!("{code} in {container}{said}")
}

/// The numbers that were written, one a line, and how often one came again; why not, for the first line that is none.
pub(super) fn numbers(stdout: &[u8]) -> Result<(Numbers, u64), String> {
    let text = String::from_utf8_lossy(stdout.trim_ascii_end());
    let (mut numbers, mut again) = (Numbers::default(), 0);
    for (at, line) in text.lines().enumerate() {
        let number = line.trim().parse().map_err(|_| format!("line {} is no number: {}", at + 1, one_line(line)))?;
        again += u64::from(!numbers.insert(number));
    }
    Ok((numbers, again))
}

/// A time and its objective, as exact as it takes to tell them apart.
pub(super) fn beside(measured: Duration, objective: Duration) -> (String, String) {
    let shown = |digits: usize, time: Duration| format!("{:.digits$} s", time.as_secs_f64());
    let digits = if measured > objective && shown(1, measured) == shown(1, objective) { 6 } else { 1 };
    let seconds = objective.as_secs();
    // Nobody reads 86400 s as a day. Where it was missed both are seconds, to be compared.
    let objective = match objective.subsec_nanos() == 0 && measured <= objective && seconds >= 600 {
        true if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        true if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => shown(digits, objective),
    };
    (shown(digits, measured), objective)
}

/// `` `…` `` with the first line of a text.
fn one_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = short(lines.next().unwrap_or_default().trim_end());
    let more = if lines.next().is_some() { " …" } else { "" };
    format!("`{first}`{more}")
}

fn short(text: &str) -> String {
    cut(text, EVIDENCE, "…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::grouped;
    use crate::slis::Comparison;
    use proptest::prelude::*;

    fn check(output: Option<&str>) -> Expectation {
        output.map_or(Expectation::AsBefore, |output| Expectation::Output(output.to_string()))
    }

    fn wrote(code: i64, stdout: &str, stderr: &str) -> ProbeAnswer {
        let whole =
            FullOutput { container: "db-1".into(), code: Some(code), stdout: stdout.into(), stderr: stderr.into() };
        ProbeAnswer { asked: DrillTime(0), answer: Ok(whole) }
    }

    #[test]
    fn a_backup_is_judged_by_its_own_time() {
        let day = Duration::from_secs(86400);
        assert_eq!(too_old(Some(86_400_000_000), day), None);
        let told = too_old(Some(2 * 86_400_000_000), day);
        assert_eq!(told.as_deref(), Some("it was taken 2d ago, and `max_age` is 1d"));
        assert!(too_old(None, day).is_some(), "a time that nobody knows is no recent one");
    }

    #[test]
    fn a_check_holds_by_its_exit_code_and_by_what_it_wrote() {
        let all = [
            judged(&Expectation::Success, None, &wrote(0, "ok\n", "")),
            judged(&check(None), None, &wrote(3, "ok\n", "a warning\n\nno such file\n")),
            judged(&check(None), None, &wrote(127, "", "sh: psql: not found\n")),
            judged(
                &check(None),
                None,
                &wrote(1, "", "ERROR:  relation a does not exist\nLINE 1: TABLE a\n              ^\n"),
            ),
            judged(&check(None), None, &wrote(1, "", "cannot go on\n----\n")),
            judged(&check(Some("12")), None, &wrote(0, "12 \n\n", "a warning\n")),
            judged(&check(Some("12")), None, &wrote(0, "11\n", "")),
            judged(&check(Some("12")), None, &wrote(1, "12\n", "")),
            judged(&check(None), Some(b"a 1\nb 2\n"), &wrote(0, "a 1\nb 2", "")),
            judged(&check(None), Some(b"a 1\nb 2\n"), &wrote(0, "a 1\nb 3\n", "")),
            judged(&check(Some("x")), None, &wrote(0, "", "")),
            judged(&check(None), Some(b"a 1\nb 2\n"), &wrote(0, "a 1\nb 2\nc\n", "")),
            judged(&check(None), None, &ProbeAnswer { asked: DrillTime(0), answer: Err("`db` is not there".into()) }),
        ];
        let held = all.each_ref().map(|(held, _)| *held);
        assert_eq!(held, [true, false, false, false, false, true, false, false, true, false, false, false, false]);
        let lines: Vec<String> = all.into_iter().map(|(held, evidence)| format!("{held}: {evidence}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        true: exit code 0 in db-1: ok
        false: exit code 3 in db-1: no such file
        false: exit code 127 in db-1: sh: psql: not found
        false: exit code 1 in db-1: ERROR:  relation a does not exist
        false: exit code 1 in db-1: cannot go on
        true: it wrote `12`
        false: it wrote `11` and not `12`
        false: exit code 1 in db-1: 12
        true: it wrote `a 1` … as before the fault
        false: not as before the fault: line 2 is `b 3` and not `b 2`
        false: it wrote nothing
        false: not as before the fault: line 3 is one too many
        false: `db` is not there
        ");
    }

    #[test]
    fn numbers_are_compared_and_never_guessed() {
        let least = Expectation::Number(Comparison::GreaterOrEqual, 100.0);
        let seen = |expected: &Expectation, before: Option<&str>, stdout: &str| {
            let (held, evidence) = judged(expected, before.map(str::as_bytes), &wrote(0, stdout, ""));
            format!("{held}: {evidence}")
        };
        let lines = [
            seen(&least, None, "100\n"),
            seen(&least, Some("4021"), "3\n"),
            seen(&least, Some("4021"), "(integer) 4021\n"),
            seen(&least, None, "\n"),
            seen(&Expectation::Increases, Some("12"), "12\n"),
            seen(&Expectation::Increases, Some("12"), "11\n"),
            seen(&Expectation::Increases, None, "many\n"),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        true: it is 100 and must be >= 100
        false: it is 3 and must be >= 100, before the fault it was 4021
        false: it wrote `(integer) 4021`, which is no number
        false: it wrote nothing
        true: it is 12
        false: it is 11 and was 12 before
        false: it wrote `many`, which is no number
        ");
    }

    #[test]
    fn a_long_content_is_kept_as_the_checksum_of_all_of_it() {
        assert_eq!(kept(b"4021\n"), "4021");
        let long = "x".repeat(LONG + 1);
        insta::assert_snapshot!(kept(long.as_bytes()), @"sha256:c6d8e9905300876046729949cc95c2385221270d389176f7234fe7ac00c4e430");
        assert_ne!(kept(format!("{long}\n").as_bytes()), kept(long.as_bytes()), "as `sha256sum` would say");
        assert!(kept(b"\xff").starts_with("sha256:"), "what is no text is not changed into one");
    }

    #[test]
    fn the_checksum_of_nothing_is_known() {
        assert_eq!(sha256_hex(b""), OF_NOTHING[2]);
        for sum in OF_NOTHING {
            assert!(is_checksum_of_nothing(format!("{sum}  -\n").as_bytes()), "{sum}");
        }
        assert!(!is_checksum_of_nothing(b"12\n") && !is_checksum_of_nothing(b""));
    }

    #[test]
    fn rows_of_a_long_content_are_not_told() {
        let rows: String = (0..200).map(|row| format!("{row} Ada Lovelace\n")).collect();
        let told = |written: &str| {
            let (_, told) = judged(&check(None), Some(rows.as_bytes()), &wrote(0, written, ""));
            assert!(!told.contains("Ada") && !told.contains("Grace"), "{told}");
            told.replace("not as before the fault: ", "")
        };
        assert_eq!(told(&rows.replace("7 Ada", "7 Grace")), "line 8 differs");
        assert_eq!(told("0 Ada Lovelace\n"), "line 2 is missing");
        assert_eq!(told(&format!("{rows}200 Ada Lovelace\n")), "line 201 is one too many");
    }

    #[test]
    fn facts_are_lines_with_a_name_and_a_value() {
        let facts = facts(
            b"id=base-1\n\npg_basebackup: done\ntaken = 2026-11-20T06:00:00Z\nnot a name=x\n=3\nnote=a=b\npassword=x\n",
        );
        let facts: Vec<String> = facts.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
        assert_eq!(facts, ["id: base-1", "note: a=b", "taken: 2026-11-20T06:00:00Z"]);
    }

    #[test]
    fn survivors_are_numbers_and_nothing_else() {
        let read = |text: &str| numbers(text.as_bytes()).map(|(numbers, again)| (numbers.to_string(), again));
        assert_eq!(read(""), Ok((String::new(), 0)));
        assert_eq!(read("3\n1\r\n 2 \n3\n3\n\n"), Ok(("1-3".into(), 2)));
        insta::assert_snapshot!(read("1\n(2 rows)\n").unwrap_err(), @"line 2 is no number: `(2 rows)`");
        assert!(read("1\n\n2\n").is_err(), "an empty line is a row without a number");
        assert!(read("-1\n").is_err());
    }

    #[test]
    fn times_that_differ_are_shown_differently() {
        let ms = Duration::from_millis;
        assert_eq!(beside(ms(6_020), ms(86_400_000)), ("6.0 s".into(), "24 h".into()));
        assert_eq!(beside(ms(6_020), ms(900_000)), ("6.0 s".into(), "15 min".into()));
        assert_eq!(beside(ms(900_700), ms(900_000)), ("900.7 s".into(), "900.0 s".into()));
        assert_eq!(beside(ms(75_310), ms(60_000)), ("75.3 s".into(), "60.0 s".into()));
        assert_eq!(beside(ms(60_001), ms(60_000)), ("60.001000 s".into(), "60.000000 s".into()));
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_can_break_it(text in any::<Vec<u8>>()) {
            let looked = ProbeAnswer { asked: DrillTime(0), answer: Ok(FullOutput { stdout: text.clone(), ..FullOutput::default() }) };
            judged(&check(None), Some(&text), &looked);
            facts(&text);
            let _ = numbers(&text);
        }

        #[test]
        fn groups_are_of_three(number in any::<u64>()) {
            let shown = grouped(number);
            prop_assert_eq!(shown.replace(',', ""), number.to_string());
            prop_assert!(shown.split(',').skip(1).all(|group| group.len() == 3));
            prop_assert!(shown.split(',').next().is_some_and(|group| (1..=3).contains(&group.len())));
        }
    }
}
