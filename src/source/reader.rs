//! Reading a map key by key: what is missing, unknown or of the wrong kind is noted, and reading goes on, so that all
//! mistakes of a file come out at once.
//!
//! ```text
//! let mut map = MapReader::new(node, "`postgres_lock`", source, diags)?;
//! let service: Option<String> = map.require("service");
//! let sessions: Option<u32> = map.optional("sessions");
//! map.finish()?;                                    // unknown keys; None when anything was wrong
//! Some(Lock { service: service?, sessions: sessions.unwrap_or(1) })
//! ```

use super::shape::Asked;
use super::values::{FromYaml, Mistake, shorten};
use super::{Diagnostic, Diagnostics, Entry, Form, Node, Source, Span, Value};
use std::sync::Arc;

/// The shape of a value that has a reader of its own.
const UNKNOWN: Option<fn() -> Option<serde_json::Value>> = None;

/// Reads one map.
pub struct MapReader<'a> {
    /// The file, for mistakes that only the caller can see.
    pub source: &'a Arc<Source>,
    /// Where mistakes go; see [`MapReader::error`].
    pub diags: &'a mut Diagnostics,
    what: String,
    span: Span,
    entries: &'a [Entry],
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
    failed: bool,
    /// Which of the noted readers this is.
    number: usize,
}

impl<'a> MapReader<'a> {
    /// A reader of `node`; `what` says what the map describes, as it should stand in a message (`the scenario`,
    /// `` `steady` ``). `None`, with a diagnostic, when it is not a map. A value that was left out is an empty map, so that
    /// its required keys are asked for.
    pub fn new(
        node: &'a Node,
        what: impl Into<String>,
        source: &'a Arc<Source>,
        diags: &'a mut Diagnostics,
    ) -> Option<Self> {
        let what = what.into();
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                diags.error(source, node.span, format!("{what} must be a map, found {}", node.describe()));
                return None;
            }
        };
        let number = diags.asked.as_ref().map_or(0, Vec::len);
        if let Some(asked) = &mut diags.asked {
            asked.push(Vec::new());
        }
        Some(MapReader {
            source,
            diags,
            number,
            what,
            span: node.span,
            entries,
            known: Vec::new(),
            missing: Vec::new(),
            failed: false,
        })
    }

    /// Where the whole map stands.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Where the value of a key stands, else the whole map.
    pub fn span_of(&self, key: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.span, |entry| entry.value.span)
    }

    /// Where the map begins: its first line, for a mistake about all of it.
    pub fn head(&self) -> Span {
        Span::new(self.span.start, self.first_line_end())
    }

    /// Whether a key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The entry of a key, if it is there; from then on the key counts as known.
    pub fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.note(key, false, UNKNOWN);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key, if it is there.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key that must be there; `finish` tells when it is not.
    pub fn require_node(&mut self, key: &'static str) -> Option<&'a Node> {
        let node = self.node(key);
        self.note(key, true, UNKNOWN);
        if node.is_none() {
            self.failed = true;
            self.missing.push(key);
        }
        node
    }

    /// Reads a key that may be left out; `None` when it was left out or is wrong.
    pub fn optional<T: FromYaml>(&mut self, key: &'static str) -> Option<T> {
        self.note(key, false, Some(T::shape));
        let node = self.node(key)?;
        self.take(key, T::from_yaml(node))
    }

    /// Reads a key that must be there; `None` when it is missing or wrong.
    pub fn require<T: FromYaml>(&mut self, key: &'static str) -> Option<T> {
        self.note(key, true, Some(T::shape));
        let node = self.require_node(key)?;
        self.take(key, T::from_yaml(node))
    }

    /// Reads a key that may be left out, by a parser of texts; `form` says what it is (`a percentage like `90%``), and
    /// how it is written.
    pub fn optional_with<T>(
        &mut self,
        key: &'static str,
        form: impl Into<Form>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let form: Form = form.into();
        let shape = form.shape;
        self.note(key, false, Some(|| shape.map(|shape| shape())));
        let node = self.node(key)?;
        self.take(key, node.parse_text(form.expected, parse))
    }

    /// Reads a key that must be there, by a parser of texts.
    pub fn require_with<T>(
        &mut self,
        key: &'static str,
        form: impl Into<Form>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let form: Form = form.into();
        let shape = form.shape;
        self.note(key, true, Some(|| shape.map(|shape| shape())));
        let node = self.require_node(key)?;
        self.take(key, node.parse_text(form.expected, parse))
    }

    /// Notes a mistake that only the caller can see; `finish` will then be `None`.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.failed = true;
        self.diags.error(self.source, span, message)
    }

    /// Notes missing and unknown keys; `None` when anything of this map was wrong. A key that is missing because it was
    /// misspelt is told once, where it stands.
    pub fn finish(mut self) -> Option<()> {
        let known = std::mem::take(&mut self.known);
        let mut missing = std::mem::take(&mut self.missing);
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("{} has no key `{}`", self.what, shorten(&entry.key));
            let near =
                nearest(&entry.key, missing.iter().copied()).or_else(|| nearest(&entry.key, known.iter().copied()));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => did_you_mean(&entry.key, known.iter().copied()),
            };
            missing.retain(|key| Some(*key) != near);
            self.error(entry.key_span, message).label("unknown").help(help);
        }
        for key in missing {
            // The caret shows where the map begins, not all of it.
            let span = self.head();
            let message = format!("{} has no `{key}`", self.what);
            self.error(span, message);
        }
        (!self.failed).then_some(())
    }

    /// Notes that a key is asked for, if somebody wants to know.
    fn note(&mut self, key: &'static str, required: bool, shape: Option<impl FnOnce() -> Option<serde_json::Value>>) {
        let Some(keys) = self.diags.asked.as_mut().and_then(|asked| asked.get_mut(self.number)) else { return };
        let shape = shape.and_then(|shape| shape());
        match keys.iter_mut().find(|known| known.key == key) {
            Some(known) => {
                known.required |= required;
                known.shape = known.shape.take().or(shape);
            }
            None => keys.push(Asked { key, required, shape }),
        }
    }

    fn take<T>(&mut self, key: &str, read: Result<T, Vec<Mistake>>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(mistakes) => {
                for mistake in mistakes {
                    self.error(mistake.span, format!("`{key}`: {}", mistake.message));
                }
                None
            }
        }
    }

    fn first_line_end(&self) -> usize {
        let text = self.source.text.get(self.span.start..self.span.end).unwrap_or_default();
        self.span.start + text.lines().next().unwrap_or_default().trim_end().len()
    }
}

/// The name that was likely meant, if one is near.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    const LONGEST: usize = 64;
    if wrong.len() > LONGEST {
        return None;
    }
    let simple = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let wrong = simple(wrong);
    names
        .into_iter()
        // One that is more than four times as long as the longest is not near, whatever it is.
        .filter(|name| name.len() <= 4 * LONGEST)
        .map(|name| (strsim::damerau_levenshtein(&wrong, &simple(name)), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `did you mean `x`?`, or the list of names when none is near.
pub fn did_you_mean<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match nearest(wrong, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "there are none".into(),
        None => format!("there is {}", list(&names)),
    }
}

/// `` `a`, `b` and `c` ``.
pub fn list<T: AsRef<str>>(names: &[T]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", shorten(name.as_ref()))).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{parse, parse_rate, render};
    use std::time::Duration;

    #[derive(Debug, PartialEq)]
    struct Fault {
        service: String,
        port: Option<u16>,
        returns: Option<Duration>,
        rate: Option<f64>,
        replicas: Vec<String>,
        all: bool,
    }

    fn read(text: &str) -> Result<Fault, String> {
        let source = Source::new("a.yaml", text);
        let mut diags = Diagnostics::default();
        let node = parse(&source, &mut diags).expect("YAML");
        let fault = (|| {
            let mut map = MapReader::new(&node, "`fault`", &source, &mut diags)?;
            let service = map.require("service");
            let port = map.optional("port");
            let returns = map.optional("returns");
            let rate = map.optional_with("rate", "a rate", parse_rate);
            let replicas = map.optional("replicas");
            let all = map.optional("all");
            map.finish()?;
            let replicas = replicas.unwrap_or_default();
            Some(Fault { service: service?, port, returns, rate, replicas, all: all.unwrap_or_default() })
        })();
        assert_eq!(fault.is_some(), !diags.has_errors());
        fault.ok_or_else(|| render(&diags, false))
    }

    #[test]
    fn a_map_is_read() {
        let fault = read("service: db\nport: 5432\nreturns: 2s\nrate: 60/m\nreplicas: [a, 2]\nall: true\n");
        let expected = Fault {
            service: "db".into(),
            port: Some(5432),
            returns: Some(Duration::from_secs(2)),
            rate: Some(1.0),
            replicas: vec!["a".into(), "2".into()],
            all: true,
        };
        assert_eq!(fault, Ok(expected));
        assert!(read("service: db").is_ok());
    }

    #[test]
    fn all_mistakes_come_out_at_once() {
        let text =
            "servce: db\nport: 99999\nreturns: [2s]\nrate: 5\nreplicas: [a, [b], { c: d }, ~]\nall: yes\nother: 1\n";
        insta::assert_snapshot!(read(text).expect_err("mistakes"));
        insta::assert_snapshot!(
            [
                read("- a\n"),
                read("~\n"),
                read("{ service: ~, port: -1 }"),
                read("{ service: a, port: '80', all: 'true' }")
            ]
            .map(|told| told.expect_err("mistakes"))
            .join("\n")
        );
    }

    #[test]
    fn names_that_are_near_are_found() {
        let names = ["postgres_lock", "container_kill", "db"];
        assert_eq!(nearest("postgres-lock", names), Some("postgres_lock"));
        assert_eq!(nearest("PostgresLock", names), Some("postgres_lock"));
        assert_eq!(nearest("bd", names), Some("db"));
        assert_eq!(nearest("redis", names), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), names), None);
        assert_eq!(did_you_mean("x", []), "there are none");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
