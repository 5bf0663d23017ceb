//! `oncall.yaml`: who has which role in an incident, what makes one severe, and who is behind each receiver of Alertmanager.
//! This is its one reader.

use super::find::text_at;
use crate::record::SeverityLevel;
use crate::slis::Ratio;
use crate::source::{At, MAX_DURATION, Source, TextForm, describe, is_name, parse, shape, shorten};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const A_SHARE: TextForm = TextForm::new("a percentage like `50%`", Ratio::shape);
const A_NAME: TextForm = TextForm::new("a name, or `open`", shape::filled);
/// How a role is written that nobody has yet.
const OPEN: &str = "open";

/// The file, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct OnCall {
    /// The file.
    pub source: Arc<Source>,
    /// The roles of an incident, and who has which; `None`: it is open.
    pub roles: Vec<(String, Option<String>)>,
    /// What makes an incident how severe, the most severe first; the defaults where the file says nothing.
    pub severities: Vec<SeverityLevel>,
    /// The receivers, in the order of the file.
    pub receivers: Vec<OnCallReceiver>,
}

/// The roles of an incident by their keys: who leads the response, who leads the technical work, who speaks to those outside.
const ROLES: [(&str, &str); 3] =
    [("incident_commander", "Incident Commander"), ("tech_lead", "Tech Lead"), ("comms_lead", "Comms Lead")];

/// A receiver of Alertmanager, and who is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnCallReceiver {
    /// Its name in Alertmanager's configuration.
    pub name: String,
    /// Who is on call; empty: a page that is delivered here reaches nobody.
    pub on_call: Vec<String>,
    /// A page must be acknowledged this long after its delivery; then it goes to `then`.
    pub acknowledge_within: Option<Duration>,
    /// Name of the receiver of the second line.
    pub then: Option<String>,
    /// Line in the file, from 1.
    pub line: usize,
}

impl OnCall {
    /// The receiver of that name.
    pub fn receiver(&self, name: &str) -> Option<&OnCallReceiver> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }
}

/// The JSON Schema of the file, draft 2020-12, with what the readers and the documentation do not agree on.
pub fn on_call_schema() -> (Value, Vec<String>) {
    let page = ("docs/incidents.md", include_str!("../../docs/incidents.md"));
    describe("On call, for Firedrill", page, read_on_call)
}

/// Reads `oncall:` of a scenario: the path of the file, and the file.
pub(super) fn read_named(at: &mut At<'_>) -> Option<OnCall> {
    let source = text_at(at, "the file of who is on call")?;
    let root = parse(&source, at.diags)?;
    read_on_call(&mut At::root(&root, &source, at.diags))
}

/// Reads the file. `None` when there were mistakes.
pub fn read_on_call(at: &mut At<'_>) -> Option<OnCall> {
    let source = at.source.clone();
    let mut map = at.map("the file of who is on call")?.of_section("oncall.yaml");
    let roles = map.default_by("roles", ROLES.map(|(_, role)| (role.to_string(), None)).to_vec(), read_roles);
    let severities = map.default_by("severities", SeverityLevel::defaults(), read_severities);
    let receivers = map.default_by("receivers", Vec::new(), read_receivers);
    map.finish_with(|| Some(OnCall { source, roles: roles?, severities: severities?, receivers: receivers? }))
}

fn read_roles(at: &mut At<'_>) -> Option<Vec<(String, Option<String>)>> {
    let mut map = at.map("`roles`")?;
    let roles =
        ROLES.map(|(key, role)| (role.to_string(), map.optional_with(key, A_NAME, person).filter(|name| name != OPEN)));
    map.finish().map(|()| roles.to_vec())
}

/// A name of somebody.
fn person(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err(format!("it is empty: name somebody, or write `{OPEN}`")),
        name if name.contains('\0') => Err("a name cannot hold NUL".into()),
        name => Ok(name.to_string()),
    }
}

fn read_severities(at: &mut At<'_>) -> Option<Vec<SeverityLevel>> {
    const EXAMPLE: &str = "write `SEV1: { users_hurt: 50%, data_lost: true }` below it";
    let mut levels: Vec<SeverityLevel> = Vec::new();
    at.entries("a map with at least one severity", EXAMPLE, |at| {
        let level = read_severity(at)?;
        let least = levels.iter().rev().find_map(|above| Some((above.name.clone(), above.users_hurt?)));
        if let Some((above, _)) = least.filter(|(_, least)| level.users_hurt.is_some_and(|share| share >= *least)) {
            at.error_at_key(format!("`{}` begins with no smaller share than `{above}` above it", level.name))
                .help("the most severe one stands first; each one below begins with a smaller share of users hurt");
        }
        levels.push(level);
        Some(())
    });
    at.must_not_be_empty("`severities` is empty", EXAMPLE);
    Some(levels)
}

fn read_severity(at: &mut At<'_>) -> Option<SeverityLevel> {
    let (name, head) = (at.key.to_string(), at.key_span);
    if !name.is_empty() && !is_name(&name) {
        at.error_at_key(format!("`{}` cannot be a severity", shorten(&name)))
            .help("letters, digits, `-`, `_` and `.`, at most 64");
    }
    let mut map = at.map(format!("severity `{}`", shorten(&name)))?.of_section("severities");
    let users_hurt = map.optional_with("users_hurt", A_SHARE, Ratio::parse).map(Ratio::get);
    let data_lost = map.optional::<bool>("data_lost").unwrap_or_default();
    if !map.has("users_hurt") && !map.has("data_lost") {
        map.error(head, format!("nothing says what makes an incident a `{}`", shorten(&name)))
            .help("write `{ users_hurt: 10% }`, or `{ data_lost: true }`");
    }
    map.finish().map(|()| SeverityLevel { name, users_hurt, data_lost })
}

fn read_receivers(at: &mut At<'_>) -> Option<Vec<OnCallReceiver>> {
    let names = at.node.keys();
    let example = "write `payments-oncall: { on_call: [ada] }` below it";
    Some(at.entries("a map of receivers", example, |at| read_receiver(at, &names)))
}

fn read_receiver(at: &mut At<'_>, names: &[&str]) -> Option<OnCallReceiver> {
    let (name, line) = (at.key.to_string(), at.line());
    let mut map = at.map(format!("receiver `{}`", shorten(&name)))?.of_section("receivers");
    let on_call = map.require_by("on_call", |at| {
        let names: Option<Vec<String>> = at.value();
        at.also(json!({ "items": shape::filled() }));
        if names.iter().flatten().any(|name| name.trim().is_empty()) {
            at.error("`on_call` has an empty name");
        }
        names
    });
    // A second line has a time at which it is called.
    let acknowledge_within = map.read("acknowledge_within", map.has("then"), |at| at.within(MAX_DURATION));
    // Nobody is their own second line.
    let others: Vec<&str> = names.iter().copied().filter(|other| *other != name).collect();
    let then = map.optional_by("then", |at| at.known(&others, "there is no other receiver"));
    map.finish_with(|| Some(OnCallReceiver { name, on_call: on_call?, acknowledge_within, then, line }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, render};

    fn read(text: &str) -> Result<OnCall, String> {
        let source = Source::new("oncall.yaml", text);
        let mut diags = Diagnostics::default();
        let read = parse(&source, &mut diags)
            .and_then(|root| read_on_call(&mut At::root(&root, &source, &mut diags)))
            .filter(|_| !diags.has_errors());
        read.ok_or_else(|| render(&diags, false))
    }

    #[test]
    fn readers_shapes_and_words_agree() {
        let (schema, gaps) = on_call_schema();
        assert_eq!(gaps, Vec::<String>::new());
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
    }

    #[test]
    fn a_file_is_read_and_takes_the_defaults_for_what_it_leaves_out() {
        let text = "roles: { incident_commander: Ada, tech_lead: open }\nreceivers:\n  first: { on_call: [ada], \
                    acknowledge_within: 5m, then: second }\n  second: { on_call: [] }\n";
        let read = read(text).expect("a file");
        let roles: Vec<_> = read.roles.iter().map(|(role, who)| (role.as_str(), who.as_deref())).collect();
        assert_eq!(roles, [("Incident Commander", Some("Ada")), ("Tech Lead", None), ("Comms Lead", None)]);
        assert_eq!(read.severities, SeverityLevel::defaults());
        let first = read.receiver("first").expect("the first line");
        assert_eq!((first.then.as_deref(), first.acknowledge_within), (Some("second"), Some(Duration::from_secs(300))));
        assert_eq!((first.line, read.receiver("second").map(|second| second.on_call.len())), (3, Some(0)));
        assert_eq!(read.receiver("third"), None);
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let text = "roles: { incident_commander: '', comms: Joan }\nseverities:\n  SEV1: { users_hurt: 10% }\n  SEV2: { \
                    users_hurt: 50% }\n  SEV 3: {}\n  SEV4: { users_hurt: half, data_lost: maybe }\nreceivers:\n  a: { \
                    on_call: [ada], then: b }\n  c: { on_call: ada, acknowledge_within: 0s, then: c }\n  d: {}\npager: x\n";
        insta::assert_snapshot!(crate::source::brief::brief(&read(text).expect_err("mistakes")));
        assert!(read("severities: {}\n").is_err());
        assert!(read("- a\n").is_err());
    }
}
