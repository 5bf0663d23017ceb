//! `clients:` of a scenario: what runs the blocks of a language that is no shell, and where.

use super::Client;
use crate::runbook::parse_place;
use crate::source::shape::scalar;
use crate::source::{Diagnostics, Form, FromYaml, MapReader, Node, Source, Value, beside, shorten};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tags that a client covers beside its own, unless they are named themselves.
const ALIASES: &[(&str, &[&str])] =
    &[("psql", &["pgsql", "postgresql"]), ("sql", &["psql", "pgsql", "postgresql", "mysql"])];
/// The name of a service.
pub const SERVICE: Form = Form::new("the name of a service", scalar);

/// Tags that bash runs.
const SHELLS: &[&str] = &[
    "bash", "sh", "shell", "zsh", "ksh", "console", "shell-session", "shellsession", "sh-session", "bash-session",
    "terminal", "shellscript", "shell-script",
];

/// Reads `clients`: a map of tags of code blocks, in lower case afterwards.
pub fn read(node: Option<&Node>, source: &Arc<Source>, diags: &mut Diagnostics) -> BTreeMap<String, Client> {
    const EXAMPLE: &str = "write them like `sql: { service: db, command: psql -U shop }`";
    let entries = match node.map(|node| (node, &node.value)) {
        None => return BTreeMap::new(),
        Some((_, Value::Map(entries))) if !entries.is_empty() => entries,
        Some((node, Value::Map(_) | Value::Null)) => {
            diags.error(source, node.span, "`clients` is empty").help(EXAMPLE);
            return BTreeMap::new();
        }
        Some((node, _)) => {
            let message = format!("`clients` must be a map of languages, found {}", node.describe());
            diags.error(source, node.span, message).help(EXAMPLE);
            return BTreeMap::new();
        }
    };
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    for entry in entries {
        let tag = entry.key.to_lowercase();
        let shown = shorten(&entry.key);
        let fits = |c: char| !c.is_whitespace() && !matches!(c, ',' | '{' | '}' | ':');
        if tag.is_empty() || !tag.chars().all(fits) {
            diags.error(source, entry.key_span, format!("`{shown}` cannot be the tag of a code block"));
        } else if SHELLS.contains(&tag.as_str()) {
            diags
                .error(source, entry.key_span, format!("blocks tagged `{shown}` are run by the shell, not by a client"))
                .help("`respond.service` and `in` say where the shell runs");
        }
        let client = read_client(&entry.value, &shown, source, diags);
        if clients.contains_key(&tag) {
            diags.error(source, entry.key_span, format!("the client `{shown}` is given twice"));
        }
        clients.extend(client.map(|client| (tag, client)));
    }
    // The closer name first: with `sql` and `psql`, `pgsql` is the client of `psql`.
    for (tag, others) in ALIASES {
        if let Some(client) = clients.get(*tag).cloned() {
            for other in *others {
                clients.entry(other.to_string()).or_insert_with(|| client.clone());
            }
        }
    }
    clients
}

/// The runbook of a scenario and the languages to which it gives a client, whatever else is wrong with it.
pub fn clients_of(scenario: &Path) -> Option<(PathBuf, BTreeSet<String>)> {
    let source = Source::read(scenario).ok()?;
    let mut diags = Diagnostics::default();
    let root = crate::source::parse(&source, &mut diags)?;
    let Value::Map(entries) = &root.value else { return None };
    let of = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
    let runbook = beside(&source.path, of("runbook")?.text()?);
    Some((runbook, read(of("clients"), &source, &mut diags).into_keys().collect()))
}

/// Reads one client.
pub fn read_client(node: &Node, shown: &str, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Client> {
    let mut map = MapReader::new(node, format!("client `{shown}`"), source, diags)?;
    let service = map.optional_with("service", SERVICE, parse_place);
    let command = map.require_node("command").and_then(|node| match String::from_yaml(node) {
        Ok(text) if !text.trim().is_empty() && !text.trim().contains('\n') => Some(text.trim().to_string()),
        _ => {
            let message = format!("`command`: expected one command, found {}", node.describe());
            map.error(node.span, message)
                .help("write it like `psql -U shop -v ON_ERROR_STOP=1`; the block is its input");
            None
        }
    });
    map.finish()?;
    Some(Client { service, command: command? })
}
