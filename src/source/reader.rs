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

use super::shape::{self, DescribedKey};
use super::values::{FromYaml, Show, shorten};
use super::{Diagnostic, Diagnostics, Entry, Node, Severity, Source, Span, TextForm, Value};
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A value that somebody wrote: its key, the file in which it stands, and where mistakes about it go. A reader that is run
/// to describe itself (see [`super::shape::describe`]) gets an empty map for every value, and leaves its shape behind.
pub struct At<'a> {
    /// Its key; an item of a list has that of the list.
    pub key: &'a str,
    /// Where the key stands; the item itself in a list.
    pub key_span: Span,
    /// The value.
    pub node: &'a Node,
    /// The file.
    pub source: &'a Arc<Source>,
    /// Where mistakes go.
    pub diags: &'a mut Diagnostics,
}

impl<'a> At<'a> {
    /// A whole document.
    pub fn root(node: &'a Node, source: &'a Arc<Source>, diags: &'a mut Diagnostics) -> Self {
        At { key: "", key_span: node.span, node, source, diags }
    }

    /// A value within this one.
    pub fn inner<'b>(&'b mut self, key: &'b str, key_span: Span, node: &'b Node) -> At<'b> {
        At { key, key_span, node, source: self.source, diags: self.diags }
    }

    /// Notes a mistake about the value.
    pub fn error(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        self.diags.error(self.source, self.node.span, message)
    }

    /// Notes a mistake about the key.
    pub fn error_at_key(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        self.diags.error(self.source, self.key_span, message)
    }

    /// Line of the key, from 1.
    pub fn line(&self) -> usize {
        self.source.pos(self.key_span.start).line
    }

    /// A reader of the value as a map; see [`MapReader::new`].
    pub fn map(&mut self, what: impl Into<String>) -> Option<MapReader<'_>> {
        MapReader::new(self.node, what, self.source, self.diags)
    }

    /// Notes that the value is wrong, by the name of its key.
    pub fn not<T>(&mut self, message: impl std::fmt::Display) -> Option<T> {
        self.fail(format!("`{}`: {message}", self.key))
    }

    /// Notes a mistake about the value, which is of no use then.
    pub fn fail<T>(&mut self, message: impl Into<String>) -> Option<T> {
        self.error(message);
        None
    }

    /// Notes that the value is not what it should be: `a whole number`.
    pub fn expected<T>(&mut self, expected: &str) -> Option<T> {
        self.not(format!("expected {expected}, found {}", self.node.describe()))
    }

    /// The same for what must be written without quotes.
    pub fn expected_plain<T>(&mut self, expected: &str) -> Option<T> {
        let quotes = if matches!(self.node.value, Value::Scalar { plain: false, .. }) { " in quotes" } else { "" };
        self.not(format!("expected {expected}, found {}{quotes}", self.node.describe()))
    }

    /// Reads a value of a type.
    pub fn value<T: FromYaml>(&mut self) -> Option<T> {
        T::from_yaml(self)
    }

    /// Reads a time-out, a deadline and the like: above 0 and at most `longest`.
    pub fn within(&mut self, longest: Duration) -> Option<Duration> {
        match self.value::<Duration>()? {
            zero if zero.is_zero() => self.fail(format!("`{}` must be above 0", self.key)),
            long if long > longest => {
                self.fail(format!("`{}` is {}, more than {}", self.key, Show(long), Show(longest)))
            }
            duration => Some(duration),
        }
    }

    /// Reads a text by a parser; `form` says what it is, and how it is written.
    pub fn parse<T>(&mut self, form: TextForm, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.diags.describe(form.shape);
        self.parse_text(form.expected, parse)
    }

    /// The same where the caller says how the text is written.
    pub fn parse_text<T>(&mut self, expected: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let Some(text) = self.node.text() else { return self.expected(expected) };
        parse(text).map_or_else(|message| self.not(message), Some)
    }

    /// The one of these that the value names; `wrong` says what another one is not: `is not a kind of drill`.
    pub fn one_of<T>(&mut self, all: impl IntoIterator<Item = (&'static str, T)>, wrong: &str) -> Option<T> {
        let (names, all): (Vec<&str>, Vec<T>) = all.into_iter().unzip();
        self.diags.describe(|| shape::one_of(names.iter().copied()));
        let text = self.node.text().unwrap_or_default();
        let known = names.iter().zip(all).find(|(name, _)| **name == text);
        if known.is_none() {
            let message = format!("{} {wrong}", self.node.describe());
            self.error(message).help(did_you_mean(text, names.iter().copied()));
        }
        known.map(|(_, one)| one)
    }

    /// Reads a name of something that there is; `wrong` stands before another one: `there is no SLI`.
    pub fn known(&mut self, known: &[&str], wrong: &str) -> Option<String> {
        self.diags.describe(shape::filled);
        let written = self.node.text().unwrap_or_default();
        if !known.contains(&written) {
            let message = format!("{wrong} {}", self.node.describe());
            self.error(message).help(did_you_mean(written, known.iter().copied()));
            return None;
        }
        Some(written.to_string())
    }

    /// Reads a whole number of this range, which may be written in quotes; `not` says what another text is not.
    pub fn number<T>(&mut self, range: RangeInclusive<T>, expected: &'static str, not: &str) -> Option<T>
    where
        T: FromStr + PartialOrd + Copy + Into<u64>,
    {
        self.diags.describe(|| shape::number((*range.start()).into(), (*range.end()).into()));
        self.parse_text(expected, |text| {
            let number = text.parse::<T>().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("`{text}` is not {not}"))
        })
    }

    /// Reads each item of a list, `kind` being what it is (`a list of phases`); `help` is how it is written, if that needs
    /// to be said.
    pub fn items<T>(&mut self, kind: &str, help: &str, mut read: impl FnMut(&mut At<'_>) -> Option<T>) -> Vec<T> {
        if self.diags.describing.is_some() {
            read(self);
            self.diags.reshape(|item| json!({ "type": "array", "items": item }));
            return Vec::new();
        }
        let node = self.node;
        let Value::List(items) = &node.value else { return self.must_be(kind, help).unwrap_or_default() };
        let key = self.key;
        items.iter().filter_map(|item| read(&mut self.inner(key, item.span, item))).collect()
    }

    /// Reads a list of which no two items have the same id; `taken` says of one that another one has it.
    pub fn items_apart<T, R>(&mut self, mut read: R, id: fn(&T) -> &str, taken: fn(&str) -> String) -> Vec<T>
    where
        R: FnMut(&mut At<'_>) -> Option<T>,
    {
        let mut ids: Vec<String> = Vec::new();
        self.items("a list", "", |at| {
            let item = read(at)?;
            if ids.iter().any(|other| other == id(&item)) {
                at.error(taken(&shorten(id(&item))));
            }
            ids.push(id(&item).to_string());
            Some(item)
        })
    }

    /// Reads each entry of a map of names, which may be left out, as [`At::entries`] does.
    pub fn entries_if_any<T>(&mut self, kind: &str, help: &str, read: impl FnMut(&mut At<'_>) -> Option<T>) -> Vec<T> {
        let read = if self.node.value == Value::Null { Vec::new() } else { self.entries(kind, help, read) };
        self.also(json!({ "type": ["object", "null"] }));
        read
    }

    /// Reads each entry of a map of names, as [`At::items`] does.
    pub fn entries<T>(&mut self, kind: &str, help: &str, mut read: impl FnMut(&mut At<'_>) -> Option<T>) -> Vec<T> {
        if self.diags.describing.is_some() {
            read(self);
            self.diags.reshape(|value| json!({ "type": "object", "additionalProperties": value }));
            return Vec::new();
        }
        let node = self.node;
        let Value::Map(entries) = &node.value else { return self.must_be(kind, help).unwrap_or_default() };
        entries.iter().filter_map(|entry| read(&mut self.inner(&entry.key, entry.key_span, &entry.value))).collect()
    }

    /// Reads a map of names to values, as [`At::entries`] does.
    pub fn named<T>(&mut self, kind: &str, help: &str, read: fn(&mut At<'_>) -> Option<T>) -> BTreeMap<String, T> {
        self.entries(kind, help, |at| Some((at.key.to_string(), read(at)?))).into_iter().collect()
    }

    /// Notes that the value is not of the kind that it must be.
    pub fn must_be<T>(&mut self, kind: &str, help: &str) -> Option<T> {
        let message = format!("`{}` must be {kind}, found {}", shorten(self.key), self.node.describe());
        self.error(message).help(help);
        None
    }

    /// Notes an empty list or map as a mistake, after it was read: what is of the wrong kind has been told by then.
    pub fn must_not_be_empty(&mut self, message: impl Into<String>, help: &str) {
        self.diags.reshape(|shape| {
            let of_map = || json!({ "type": "object", "minProperties": 1 });
            let least = if shape.get("items").is_some() { json!({ "minItems": 1 }) } else { of_map() };
            shape::with(shape, least)
        });
        let node = self.node;
        let empty = node.items().is_empty() && node.entries().is_empty() && node.text().is_none();
        let is_told = |diag: &Diagnostic| diag.level == Severity::Error && diag.span == self.node.span;
        if empty && !self.diags.all.iter().any(is_told) {
            self.error(message).help(help);
        }
    }

    /// Adds to what the schema says of the value that was read last.
    pub fn also(&mut self, more: serde_json::Value) {
        self.diags.reshape(|shape| shape::with(shape, more));
    }

    /// Reads a value that may be a text, of this shape, or something else.
    pub fn either<T>(
        &mut self,
        shape: impl FnOnce() -> serde_json::Value,
        of_text: impl FnOnce(&mut At<'_>) -> Option<T>,
        other: impl FnOnce(&mut At<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.node.text().is_some() {
            return of_text(self);
        }
        let read = other(self);
        self.diags.reshape(|other| json!({ "anyOf": [shape(), other] }));
        read
    }
}

/// Reads one map.
pub struct MapReader<'a> {
    /// The file, for mistakes that only the caller can see.
    pub source: &'a Arc<Source>,
    /// Where mistakes go; see [`MapReader::error`].
    pub diags: &'a mut Diagnostics,
    what: String,
    /// The section of the documentation that describes its keys.
    section: &'static str,
    span: Span,
    entries: &'a [Entry],
    /// The keys that were asked for.
    asked: Vec<DescribedKey<'a>>,
    failed: bool,
    /// What the schema says beyond the keys.
    also: serde_json::Value,
}

impl<'a> MapReader<'a> {
    /// A reader of `node`; `what` says what the map describes, as it should stand in a message (`the scenario`,
    /// `` `steady` ``). `None`, with a diagnostic, when it is not a map. A value that was left out is an empty map, so that
    /// its required keys are asked for.
    pub fn new<W>(node: &'a Node, what: W, source: &'a Arc<Source>, diags: &'a mut Diagnostics) -> Option<Self>
    where
        W: Into<String>,
    {
        let what = what.into();
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                diags.error(source, node.span, format!("{what} must be a map, found {}", node.describe()));
                return None;
            }
        };
        let (span, asked, failed) = (node.span, Vec::new(), false);
        Some(MapReader { source, diags, what, section: "", span, entries, asked, failed, also: json!({}) })
    }

    /// The same; the documentation has its keys in this section, where that is not what the map is called.
    pub fn of_section(mut self, section: &'static str) -> Self {
        self.section = section;
        self
    }

    /// Reads keys that the documentation has in this section, which several maps share.
    pub fn in_section<T>(&mut self, section: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let own = std::mem::replace(&mut self.section, section);
        let read = read(self);
        self.section = own;
        read
    }

    /// Adds to the schema of the map what its keys alone do not say.
    pub fn also(&mut self, more: serde_json::Value) {
        self.also = shape::with(self.also.take(), more);
    }

    /// Where the whole map stands.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Where the value of a key stands, else the whole map.
    pub fn span_of(&self, key: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.span, |entry| entry.value.span)
    }

    /// Where a key stands, else the whole map.
    pub fn key_span(&self, key: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.span, |entry| entry.key_span)
    }

    /// Where the map begins: its first line, for a mistake about all of it.
    pub fn head(&self) -> Span {
        let text = self.source.text.get(self.span.start..self.span.end).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default().trim_end();
        Span::new(self.span.start, self.span.start + first.len())
    }

    /// Whether a key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The entry of a key, if it is there; from then on the key counts as known.
    fn entry(&mut self, key: &'a str, required: bool) -> Option<&'a Entry> {
        match self.asked.iter_mut().find(|asked| asked.key == key) {
            Some(asked) => asked.required |= required,
            None => self.asked.push(DescribedKey { key, required, shape: None }),
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key, if it is there.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.entry(key, false).map(|entry| &entry.value)
    }

    /// Reads a key that may be left out by a reader of its own; `None` when it was left out or is wrong.
    pub fn optional_by<T>(&mut self, key: &'static str, read: impl FnOnce(&mut At<'_>) -> Option<T>) -> Option<T> {
        self.read(key, false, read)
    }

    /// Reads a key that must be there by a reader of its own; `None` when it is missing or wrong.
    pub fn require_by<T>(&mut self, key: &'static str, read: impl FnOnce(&mut At<'_>) -> Option<T>) -> Option<T> {
        self.read(key, true, read)
    }

    /// Reads a key that may be left out; `None` when it was left out or is wrong.
    pub fn optional<T: FromYaml>(&mut self, key: &'static str) -> Option<T> {
        self.read(key, false, |at| at.value())
    }

    /// Reads a key that must be there; `None` when it is missing or wrong.
    pub fn require<T: FromYaml>(&mut self, key: &'static str) -> Option<T> {
        self.read(key, true, |at| at.value())
    }

    /// Reads a key that may be left out, by a parser of texts; `form` says what it is (`a percentage like `90%``), and
    /// how it is written.
    pub fn optional_with<T, P>(&mut self, key: &'static str, form: TextForm, parse: P) -> Option<T>
    where
        P: FnOnce(&str) -> Result<T, String>,
    {
        self.read(key, false, |at| at.parse(form, parse))
    }

    /// Reads a key that must be there, by a parser of texts.
    pub fn require_with<T, P>(&mut self, key: &'static str, form: TextForm, parse: P) -> Option<T>
    where
        P: FnOnce(&str) -> Result<T, String>,
    {
        self.read(key, true, |at| at.parse(form, parse))
    }

    /// Reads a key whose mistakes say nothing about the rest of the map: they do not fail it.
    pub fn apart<T>(&mut self, key: &'static str, read: impl FnOnce(&mut At<'_>) -> Option<T>) -> Option<T> {
        let failed = self.failed;
        let read = self.read(key, false, read);
        self.failed = failed;
        read
    }

    /// Reads a key by a reader of its own that is `default` where it is left out; `None` when it is wrong.
    pub fn default_by<T, R>(&mut self, key: &'static str, default: T, read: R) -> Option<T>
    where
        R: FnOnce(&mut At<'_>) -> Option<T>,
    {
        let read = self.read(key, false, read);
        if self.has(key) { read } else { Some(default) }
    }

    /// Reads a key, which `must` be there or may be left out, by a reader of its own.
    pub fn read<T>(&mut self, key: &'a str, must: bool, read: impl FnOnce(&mut At<'_>) -> Option<T>) -> Option<T> {
        let entry = self.entry(key, must);
        if self.diags.describing.is_some() {
            let nothing = Node { value: Value::Map(Vec::new()), span: Span::default() };
            let (source, key_span) = (self.source, Span::default());
            read(&mut At { key, key_span, node: &nothing, source, diags: self.diags });
            let section = if self.section.is_empty() { self.what.trim_matches('`') } else { self.section };
            let shape = self.diags.described(section, key);
            if let Some(asked) = self.asked.iter_mut().find(|asked| asked.key == key) {
                asked.shape = shape.or(asked.shape.take());
            }
            return None;
        }
        let Entry { key, key_span, value } = entry?;
        let before = self.diags.all.len();
        let read = read(&mut At { key, key_span: *key_span, node: value, source: self.source, diags: self.diags });
        self.failed |= self.diags.has_errors_since(before);
        read
    }

    /// Notes a mistake that only the caller can see; `finish` will then be `None`.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.failed = true;
        self.diags.error(self.source, span, message)
    }

    /// Notes a mistake about the value of a key.
    pub fn wrong(&mut self, key: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.error(self.span_of(key), message)
    }

    /// Holds the map to having exactly one of these keys, also in its schema; `help` is how it is written.
    pub fn exactly_one(&mut self, keys: &[&str], help: &str) {
        let one_of: Vec<_> = keys.iter().map(|key| json!({ "required": [key] })).collect();
        self.also(json!({ "oneOf": one_of }));
        let found: Vec<&str> = keys.iter().copied().filter(|key| self.has(key)).collect();
        if found.len() != 1 && self.diags.describing.is_none() {
            let has = if found.is_empty() { "none".into() } else { list(&found) };
            let message = format!("{} needs exactly one of {}, and has {has}", self.what, list(keys));
            self.error(self.head(), message).help(help);
        }
    }

    /// The value of a map of which nothing was wrong; see [`MapReader::finish`].
    pub fn finish_with<T>(self, value: impl FnOnce() -> Option<T>) -> Option<T> {
        self.finish()?;
        value()
    }

    /// Notes missing and unknown keys; `None` when anything of this map was wrong. A key that is missing because it was
    /// misspelt is told once, where it stands.
    pub fn finish(mut self) -> Option<()> {
        if self.diags.describing.is_some() {
            self.diags.describe_map(self.asked, self.also);
            return None;
        }
        let known: Vec<&str> = self.asked.iter().map(|asked| asked.key).collect();
        let missing = self.asked.iter().filter(|asked| asked.required && !self.has(asked.key));
        let mut missing: Vec<&str> = missing.map(|asked| asked.key).collect();
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("{} has no key `{}`", self.what, shorten(&entry.key));
            let near = nearest(&entry.key, missing.iter().copied());
            let near = near.or_else(|| nearest(&entry.key, known.iter().copied()));
            let help = did_you_mean(&entry.key, near.map_or_else(|| known.clone(), |near| vec![near]));
            missing.retain(|key| Some(*key) != near);
            self.error(entry.key_span, message).label("unknown").help(help);
        }
        for key in missing {
            // The caret shows where the map begins, not all of it.
            self.error(self.head(), format!("{} has no `{key}`", self.what));
        }
        (!self.failed).then_some(())
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
            let rate = map.optional_with("rate", TextForm::new("a rate", shape::rate), parse_rate);
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
        insta::assert_snapshot!(crate::source::brief::brief(&read(text).expect_err("mistakes")));
        let texts = ["- a\n", "~\n", "{ service: ~, port: -1 }", "{ service: a, port: '80', all: 'true' }"];
        let told = texts.map(|text| read(text).expect_err("mistakes")).join("\n");
        insta::assert_snapshot!(crate::source::brief::brief(&told));
    }

    #[test]
    fn exactly_one_of_some_keys_is_there() {
        let told = |text: &str| {
            let (source, mut diags) = (Source::new("a.yaml", text), Diagnostics::default());
            let node = parse(&source, &mut diags).expect("YAML");
            let mut map = MapReader::new(&node, "`fault`", &source, &mut diags).expect("a map");
            let _: [Option<u16>; 3] = ["a", "b", "c"].map(|key| map.optional(key));
            map.exactly_one(&["a", "b", "c"], "write `a: 1`");
            let fits = map.finish().is_some();
            let told: Vec<_> = diags.all.iter().map(|diag| diag.message.clone()).collect();
            assert_eq!(fits, told.is_empty());
            told.join("\n")
        };
        assert_eq!(told("b: 1"), "");
        assert_eq!(told("{}"), "`fault` needs exactly one of `a`, `b` and `c`, and has none");
        assert_eq!(told("c: 1\na: 2"), "`fault` needs exactly one of `a`, `b` and `c`, and has `a` and `c`");
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
