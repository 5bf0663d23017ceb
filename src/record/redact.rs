//! Secrets never reach a record: their values, and the same in base64, URL, JSON and shell spelling, become `***`.

mod find;
mod spell;

pub use find::{concealed, looks_secret, script_secrets, secrets_in_text, sql_secrets, url_password};

use super::Event;
use crate::locked;
use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";
/// Shortest value of a declared secret, in characters: to hide a shorter one everywhere would leave nothing of a record.
pub const SHORTEST_DECLARED: usize = 4;
/// Shortest value that is hidden because of its name or its place, in characters: shorter ones stand in too many words that are none.
pub const SHORTEST_GUESSED: usize = 6;

/// A value that must never be shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// Somebody said that it is one: it is hidden from [`SHORTEST_DECLARED`] characters on.
    Declared(String),
    /// Its name or its place says so: it is hidden from [`SHORTEST_GUESSED`] characters on.
    Guessed(String),
}

impl Secret {
    /// The value.
    pub fn value(&self) -> &str {
        let (Secret::Declared(value) | Secret::Guessed(value)) = self;
        value
    }

    /// Whether it is long enough to be hidden wherever it stands.
    pub fn is_hidden(&self) -> bool {
        self.value().chars().count() >= self.shortest()
    }

    /// Fewest characters of it that are hidden.
    fn shortest(&self) -> usize {
        match self {
            Secret::Declared(_) => SHORTEST_DECLARED,
            Secret::Guessed(_) => SHORTEST_GUESSED,
        }
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Secret::Guessed(value)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Replaces the secrets that it knows by `***`. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    inner: Option<Arc<Patterns>>,
}

#[derive(Debug)]
struct Patterns {
    find: AhoCorasick,
    patterns: BTreeSet<String>,
    /// Length of the longest pattern in bytes.
    longest: usize,
}

impl Redactor {
    /// A redactor for these values; a text is a value that was guessed to be a secret.
    pub fn new(secrets: impl IntoIterator<Item = impl Into<Secret>>) -> Self {
        Redactor::default().with(secrets)
    }

    /// This redactor with more secrets.
    pub fn with(&self, secrets: impl IntoIterator<Item = impl Into<Secret>>) -> Self {
        let mut patterns = self.inner.as_ref().map(|inner| inner.patterns.clone()).unwrap_or_default();
        patterns.extend(secrets.into_iter().flat_map(|secret| spell::spellings(&secret.into())));
        if patterns.is_empty() {
            return Redactor::default();
        }
        // Of a secret and a longer one that begins with it, the longer one is hidden as a whole.
        let find = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns);
        let longest = patterns.iter().map(String::len).max().unwrap_or(0);
        // Building fails beyond 2^31 states: some hundred megabytes of secrets.
        Redactor { inner: find.ok().map(|find| Arc::new(Patterns { find, longest, patterns })) }
    }

    /// Whether it knows no secret at all.
    pub fn is_empty(&self) -> bool {
        self.inner.is_none()
    }

    /// The text with every secret replaced.
    pub fn text(&self, text: &str) -> String {
        StreamRedactor { held: text.to_owned(), ..self.stream() }.finish()
    }

    /// The event with every secret replaced in every text of it.
    pub fn event(&self, event: Event) -> Event {
        let Some(inner) = &self.inner else { return event };
        // The spelling of a secret in JSON is among the patterns, so the line as a whole tells whether there is any.
        let Ok(line) = serde_json::to_string(&event) else { return event };
        if !inner.find.is_match(&line) {
            return event;
        }
        // A secret that is spelt like a word of ours (`passed`) would leave no event: then those words stay.
        let clean = |keep_words| {
            let mut value = serde_json::from_str::<Value>(&line)?;
            self.value(&mut value, keep_words);
            serde_json::from_value(value)
        };
        let mut clean =
            clean(false).or_else(|_| clean(true)).unwrap_or_else(|_| Event::Note { text: self.text(&line) });
        // By its id and its name a run is found again, and its directory and the scenario's file are named like them.
        if let (Event::Announced(clean), Event::Announced(own)) = (&mut clean, event) {
            (clean.run, clean.scenario) = (own.run, own.scenario);
        }
        clean
    }

    fn value(&self, value: &mut Value, keep_words: bool) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value, keep_words)),
            Value::Object(fields) => {
                for (key, mut value) in std::mem::take(fields) {
                    let word = keep_words && WORDS.contains(&key.as_str()) && value.as_str().is_some_and(is_word);
                    if !word {
                        self.value(&mut value, keep_words);
                    }
                    // Names of services, loads and inputs are keys.
                    let key = if keep_words && is_word(&key) { key } else { self.text(&key) };
                    fields.insert(key, value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Bytes of every secret in a text. Secrets that overlap, or of which one begins where another ends, are one span.
    fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        let Some(inner) = &self.inner else { return spans };
        let mut from = 0;
        while let Some(found) = inner.find.find(aho_corasick::Input::new(text).range(from..)) {
            match spans.last_mut() {
                Some(last) if found.start() < last.1 => last.1 = last.1.max(found.end()),
                _ => spans.push((found.start(), found.end())),
            }
            // One that begins inside of this one counts as well.
            from = found.start() + text.get(found.start()..).and_then(|t| t.chars().next()).map_or(1, char::len_utf8);
        }
        spans
    }

    /// Where the text ends with what could be the beginning of a secret; its length when it does not.
    fn undecided(&self, text: &str) -> usize {
        let Some(inner) = &self.inner else { return text.len() };
        let earliest = text.len().saturating_sub(inner.longest.saturating_sub(1));
        let beginnings = text.char_indices().map(|(at, _)| at);
        let could_begin = |at: &usize| {
            let rest = text.get(*at..).unwrap_or_default();
            // The first pattern that is longer than the rest and sorts after it begins with it, if any does.
            let after = (std::ops::Bound::Excluded(rest), std::ops::Bound::Unbounded);
            inner.patterns.range::<str, _>(after).next().is_some_and(|pattern| pattern.starts_with(rest))
        };
        beginnings.skip_while(|at| *at < earliest).find(could_begin).unwrap_or(text.len())
    }

    /// A redactor for text that comes in pieces.
    pub fn stream(&self) -> StreamRedactor {
        StreamRedactor { redactor: self.clone(), held: String::new(), hidden: 0 }
    }
}

/// Replaces secrets in a stream. Text is held back only while its end could be the beginning of a secret.
#[derive(Debug, Clone)]
pub struct StreamRedactor {
    redactor: Redactor,
    held: String,
    /// Bytes at the beginning of `held` that belong to a secret for which `***` went out already.
    hidden: usize,
}

impl StreamRedactor {
    /// Takes the next piece; returns what can go out by now.
    pub fn push(&mut self, piece: &str) -> String {
        if self.redactor.is_empty() {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        let from = self.redactor.undecided(&self.held);
        self.release(from)
    }

    /// The end of the stream: what was held back. The next piece begins a new one.
    pub fn finish(&mut self) -> String {
        self.release(self.held.len())
    }

    /// Lets everything before `until` go; no secret that begins there lacks its end.
    fn release(&mut self, until: usize) -> String {
        let text = std::mem::take(&mut self.held);
        let mut out = String::new();
        let mut done = self.hidden;
        for (start, end) in self.redactor.spans(&text).into_iter().take_while(|(start, _)| *start < until) {
            // One that begins inside of what is hidden already only makes that longer.
            if start >= done {
                out.push_str(text.get(done..start).unwrap_or_default());
                out.push_str(HIDDEN);
            }
            done = done.max(end);
        }
        out.push_str(text.get(done..until).unwrap_or_default());
        self.hidden = done.saturating_sub(until);
        self.held = text.get(until..).unwrap_or_default().to_owned();
        out
    }
}

/// The secrets of a run that are known by now: a runbook finds out more while it is followed, and everybody who writes has to
/// hide those as well. Cheap to clone; what one clone learns, all of them know.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    known: Arc<Mutex<Redactor>>,
}

impl Secrets {
    /// The secrets that a redactor hides.
    pub fn new(redactor: Redactor) -> Secrets {
        Secrets { known: Arc::new(Mutex::new(redactor)) }
    }

    /// What hides those that are known now.
    pub fn redactor(&self) -> Redactor {
        locked(&self.known).clone()
    }

    /// From now on these values are hidden as well.
    pub fn hide(&self, secrets: impl IntoIterator<Item = impl Into<Secret>>) {
        let mut known = locked(&self.known);
        *known = known.with(secrets);
    }
}

/// Fields of events whose values are words of our own.
const WORDS: [&str; 9] = ["type", "check", "outcome", "phase", "what", "stream", "status", "verdict", "expect"];

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
#[path = "redact/tests.rs"]
mod tests;
