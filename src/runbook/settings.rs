//! What an annotation of the runbook, or the scenario by step id, says about how commands are run and judged. Nothing
//! in here is needed: a runbook without any of it is followed by the rules of its phases.

use regex::Regex;
use std::time::Duration;

/// How the commands of a block are run and judged. `None` means: as usual.
#[derive(Debug, Clone, Default)]
pub struct Settings {
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

impl Settings {
    /// These settings, and what they leave open as `below` says it: the block's over its heading's, the scenario's
    /// over both.
    pub fn over(&self, below: &Settings) -> Settings {
        Settings {
            place: self.place.clone().or_else(|| below.place.clone()),
            timeout: self.timeout.or(below.timeout),
            retry: self.retry.or(below.retry),
            expect: self.expect.clone().or_else(|| below.expect.clone()),
            expect_exit: self.expect_exit.or(below.expect_exit),
            background: self.background.or(below.background),
            capture: self.capture.clone().or_else(|| below.capture.clone()),
            skip: self.skip.clone().or_else(|| below.skip.clone()),
            choose: self.choose.or(below.choose),
        }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        let Settings { place, timeout, retry, expect, expect_exit, background, capture, skip, choose } = self;
        place.is_none()
            && timeout.is_none()
            && retry.is_none()
            && expect.is_none()
            && expect_exit.is_none()
            && background.is_none()
            && capture.is_none()
            && skip.is_none()
            && choose.is_none()
    }
}
