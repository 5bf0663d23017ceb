//! What an annotation of the runbook, or the scenario by step id, says about how commands are run and judged. Nothing
//! in here is needed: a runbook without any of it is followed by the rules of its phases.

use crate::source::{parse_duration, shorten};
use regex::{Regex, RegexBuilder};
use std::time::Duration;

/// Longest time-out of a command and longest pause between attempts.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// Most attempts of a block.
const MOST_ATTEMPTS: u32 = 1000;
/// Bytes that most compiled patterns take at the most; `\w` takes ten thousand.
const USUAL_PATTERN: usize = 64 << 10;
/// Bytes that a compiled pattern may take.
const LARGEST_PATTERN: usize = 1 << 20;

/// How the commands of a block are run and judged. `None` means: as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockSettings {
    /// `in`: the service in whose container they run, instead of the toolbox or `respond.service`.
    pub place: Option<String>,
    /// `timeout`: deadline of each command, instead of `respond.timeout`.
    pub timeout: Option<Duration>,
    /// `retry`: the block is tried again from its first command until it succeeds and its expectations hold.
    pub retry: Option<Retry>,
    /// `expect`: what the standard output of the block must match.
    pub expect: Option<Expect>,
    /// `expect-exit`: the exit code that each command must have, instead of 0.
    pub expect_exit: Option<i32>,
    /// `background`: it is started and runs until the runbook ends.
    pub background: Option<bool>,
    /// `capture`: standard output of the block, without the newlines at its end, becomes this input of later commands.
    pub capture: Option<String>,
    /// `skip`: it is not run, and this is why.
    pub skip: Option<String>,
    /// `choose`: a conditional block is run; its condition holds in this scenario.
    pub choose: Option<bool>,
    /// `errors`: what its programs say does not fail it where their exit code is 0.
    pub errors: Option<Errors>,
}

named_enum! {
/// What becomes of an error that a program tells of with exit code 0.
pub enum Errors {
    /// It is meant so.
    Allowed = "allowed",
    /// It fails the command, as usual.
    Fail = "fail",
}
}

impl Errors {
    /// Reads `allowed` or `fail`.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub fn parse(text: &str) -> Result<Errors, String> {
        Errors::from_name(text).ok_or_else(|| format!("expected `allowed` or `fail`, found `{}`", shorten(text)))
    }
}

/// How often, and how long between: `10/2s` is up to ten attempts, two seconds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Pause between the end of one and the beginning of the next.
    pub pause: Duration,
}

/// A pattern that output must match.
#[derive(Debug, Clone)]
pub struct Expect {
    /// Searched anywhere in the text; `^` and `$` are the ends of a line.
    pub regex: Regex,
    /// As it was written, without the slashes.
    pub pattern: String,
}

impl PartialEq for Expect {
    fn eq(&self, other: &Expect) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Expect {}

impl BlockSettings {
    /// Whether nothing but the exit code of its last command says that it passed.
    pub fn rests_on_exit_code(&self) -> bool {
        self.expect.is_none() && self.capture.is_none() && self.errors != Some(Errors::Allowed)
    }

    /// These settings, and what they leave open as `below` says it: the block's over its heading's, the scenario's
    /// over both.
    pub fn over(&self, below: &BlockSettings) -> BlockSettings {
        BlockSettings {
            place: self.place.clone().or_else(|| below.place.clone()),
            timeout: self.timeout.or(below.timeout),
            retry: self.retry.or(below.retry),
            expect: self.expect.clone().or_else(|| below.expect.clone()),
            expect_exit: self.expect_exit.or(below.expect_exit),
            background: self.background.or(below.background),
            capture: self.capture.clone().or_else(|| below.capture.clone()),
            skip: self.skip.clone().or_else(|| below.skip.clone()),
            choose: self.choose.or(below.choose),
            errors: self.errors.or(below.errors),
        }
    }

    /// What cannot be had in the background, where it is asked for: nobody waits for the end there.
    pub fn contradiction(&self) -> Option<&'static str> {
        let with =
            [("expect", self.expect.is_some()), ("capture", self.capture.is_some()), ("retry", self.retry.is_some())];
        let set = with.into_iter().find(|(_, set)| *set).map(|(key, _)| key);
        set.filter(|_| self.background == Some(true))
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == BlockSettings::default()
    }
}

impl Retry {
    /// Reads `10/2s`.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub fn parse(text: &str) -> Result<Retry, String> {
        let what = "does not say how often and how long between: write it like `10/2s`";
        let wrong = || format!("`{}` {what}", shorten(text));
        let (attempts, pause) = text.trim().split_once('/').ok_or_else(wrong)?;
        let digits = attempts.bytes().all(|b| b.is_ascii_digit()) && !attempts.is_empty();
        let attempts: u32 = if digits { attempts.parse().unwrap_or(u32::MAX) } else { return Err(wrong()) };
        if !(1..=MOST_ATTEMPTS).contains(&attempts) {
            return Err(format!("`{}`: 1 to {MOST_ATTEMPTS} attempts can be made", shorten(text)));
        }
        let pause = parse_duration(pause)?;
        if pause > LONGEST_TIMEOUT {
            return Err(format!("`{}`: the pause is longer than 1h", shorten(text)));
        }
        Ok(Retry { attempts, pause })
    }
}

impl Expect {
    /// Reads `/terminated \d+/`, in which `\/` is a slash, or the same without its slashes.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub fn parse(text: &str) -> Result<Expect, String> {
        Expect::parse_within(text, &mut (1, 1))
    }

    /// [`Expect::parse`] for one pattern of many: counts down how many there may still be, and how many large ones.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub(super) fn parse_within(text: &str, (all, large): &mut (usize, usize)) -> Result<Expect, String> {
        let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let pattern = inner.map_or_else(|| text.to_string(), |inner| inner.replace("\\/", "/"));
        if pattern.is_empty() {
            return Err("an empty pattern fits everything: leave it out, or write `/./` for any output".to_string());
        }
        let too_many = |what: &str| format!("`{}` is one {what} too many for one runbook", shorten(&pattern));
        *all = all.checked_sub(1).ok_or_else(|| too_many("pattern"))?;
        let build = |limit| RegexBuilder::new(&pattern).multi_line(true).size_limit(limit).build();
        let mut built = build(USUAL_PATTERN);
        if matches!(built, Err(regex::Error::CompiledTooBig(_))) {
            *large = large.checked_sub(1).ok_or_else(|| too_many("large pattern"))?;
            built = build(LARGEST_PATTERN);
        }
        let regex = built.map_err(|error| {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("`{}` is not a regular expression: {}", shorten(&pattern), shorten(why))
        })?;
        Ok(Expect { regex, pattern })
    }
}

/// Reads a time-out: above 0, at most an hour.
///
/// # Errors
/// What is wrong with it, for its author.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        time if time.is_zero() => Err(format!("`{}`: it must be above 0", shorten(text))),
        time if time > LONGEST_TIMEOUT => Err(format!("`{}` is more than 1h", shorten(text))),
        time => Ok(time),
    }
}

/// Reads an exit code, 0 to 255.
///
/// # Errors
/// What is wrong with it, for its author.
pub fn parse_exit(text: &str) -> Result<i32, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let code = if digits { text.parse::<u8>().ok() } else { None };
    code.map(i32::from).ok_or_else(|| format!("`{}` is not an exit code: they go from 0 to 255", shorten(text)))
}

/// Reads the name that captured output gets: one that a shell variable can have.
///
/// # Errors
/// What is wrong with it, for its author.
pub fn parse_capture(text: &str) -> Result<String, String> {
    let fits = text.len() <= 64 && crate::bash::is_name(text);
    let wrong = || format!("`{}` cannot be the name of a variable: write it like `POD_NAME`", shorten(text));
    fits.then(|| text.to_string()).ok_or_else(wrong)
}

/// Reads the name of a service.
///
/// # Errors
/// What is wrong with it, for its author.
pub fn parse_place(text: &str) -> Result<String, String> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    fits.then(|| text.to_string()).ok_or_else(|| format!("`{}` is not the name of a service", shorten(text)))
}

/// Reads a reason.
///
/// # Errors
/// What is wrong with it, for its author.
pub fn parse_reason(text: &str) -> Result<String, String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // `skip: true` is no reason.
    let none = matches!(text.as_str(), "" | "true" | "false" | "yes" | "no");
    if none { Err("say why it is skipped: the report shows it".to_string()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_and_patterns_are_read() {
        let retry = Retry::parse("10/2s").expect("a retry");
        assert_eq!((retry.attempts, retry.pause), (10, Duration::from_secs(2)));
        let expect = Expect::parse(r"/^a\/b$/").expect("a pattern");
        assert_eq!(expect.pattern, "^a/b$");
        assert!(expect.regex.is_match("x\na/b\ny"), "the ends of a line");
        assert_eq!(Expect::parse("terminated").expect("a pattern").pattern, "terminated");
        assert_eq!(Expect::parse("/").expect("a pattern").pattern, "/");
    }

    #[test]
    fn mistakes_are_told() {
        let mut told: Vec<String> = Vec::new();
        for text in ["10", "0/2s", "1001/2s", "-1/2s", "99999999999/2s", "10/2", "10/2h", ""] {
            told.push(Retry::parse(text).expect_err(text));
        }
        for text in ["/(/", "", "//", "/a{1000000000}/", "/(?:x{1000}){1000}/"] {
            told.push(Expect::parse(text).expect_err(text));
        }
        told.extend(["0s", "2h", "5"].map(|text| parse_timeout(text).expect_err(text)));
        told.extend(["-1", "256", "", "one"].map(|text| parse_exit(text).expect_err(text)));
        told.extend(["", "1A", "A-B", "é"].map(|text| parse_capture(text).expect_err(text)));
        told.extend(["", "-db", "a b"].map(|text| parse_place(text).expect_err(text)));
        told.extend(["", "ignored"].map(|text| Errors::parse(text).expect_err(text)));
        told.extend([" ", "true"].map(|text| parse_reason(text).expect_err(text)));
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn what_is_said_closer_wins() {
        let block = BlockSettings { place: Some("db".into()), choose: Some(false), ..BlockSettings::default() };
        let heading = BlockSettings { place: Some("shop".into()), expect_exit: Some(1), ..BlockSettings::default() };
        let both = block.over(&heading);
        assert_eq!((both.place.as_deref(), both.expect_exit, both.choose), (Some("db"), Some(1), Some(false)));
        assert!(!both.is_empty() && BlockSettings::default().is_empty());
    }
}
