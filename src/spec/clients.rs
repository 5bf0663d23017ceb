//! `clients:` of a scenario: what runs the blocks of a language that is no shell, and where.

use super::BlockClient;
use super::services::{Among, mention};
use crate::runbook::{RunbookPhase, is_shell, parse_place};
use crate::source::{At, Diagnostics, Node, Source, TextForm, beside, shape, shorten};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Tags that a client covers beside its own, unless they are named themselves.
const ALIASES: &[(&str, &[&str])] =
    &[("psql", &["pgsql", "postgresql"]), ("sql", &["psql", "pgsql", "postgresql", "mysql"])];

/// Reads `clients`: a map of tags of code blocks, in lower case afterwards.
pub fn read(at: &mut At<'_>) -> BTreeMap<String, BlockClient> {
    const EXAMPLE: &str = "write them like `sql: { service: db, command: psql -U shop }`";
    let mut clients: BTreeMap<String, BlockClient> = BTreeMap::new();
    at.entries_if_any("a map of languages", EXAMPLE, |at| {
        let tag = at.key.to_lowercase();
        let shown = shorten(at.key);
        let fits = |c: char| !c.is_whitespace() && !matches!(c, ',' | '{' | '}' | ':');
        if tag.is_empty() || !tag.chars().all(fits) {
            at.error_at_key(format!("`{shown}` cannot be the tag of a code block"));
        } else if is_shell(&tag) {
            at.error_at_key(format!("blocks tagged `{shown}` are run by the shell, not by a client"))
                .help("`respond.service` and `in` say where the shell runs");
        }
        let client = read_client(at);
        if clients.contains_key(&tag) {
            at.error_at_key(format!("the client `{shown}` is given twice"));
        }
        clients.insert(tag, client?);
        Some(())
    });
    at.must_not_be_empty("`clients` is empty", EXAMPLE);
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

/// What a scenario says about how its runbook is followed, as far as the decisions about it depend on that.
#[derive(Debug, Clone, Default)]
pub struct FollowedRunbook {
    /// The runbook.
    pub runbook: PathBuf,
    /// The languages to which it gives a client.
    pub clients: BTreeSet<String>,
    /// The phases that it selects.
    pub phases: BTreeSet<RunbookPhase>,
}

/// The same of a scenario file, whatever else is wrong with it.
pub fn followed_by(scenario: &Path) -> Option<FollowedRunbook> {
    let source = Source::read(scenario).ok()?;
    let mut diags = Diagnostics::default();
    let root = crate::source::parse(&source, &mut diags)?;
    let phases = root.get(&["respond", "phases"]).map_or(&[][..], Node::items);
    let clients = root.get(&["clients"]).map(|node| read(&mut At::root(node, &source, &mut diags)));
    Some(FollowedRunbook {
        runbook: beside(&source.path, root.get(&["runbook"])?.text()?),
        clients: clients.unwrap_or_default().into_keys().collect(),
        phases: phases.iter().filter_map(|phase| RunbookPhase::from_name(phase.text()?)).collect(),
    })
}

fn read_client(at: &mut At<'_>) -> Option<BlockClient> {
    let name = shorten(at.key);
    let mut map = at.map(format!("client `{name}`"))?.of_section("clients");
    let service = map.optional_by("service", |at| place(at, format!("the client `{name}`")));
    let command = map.require_by("command", |at| {
        at.diags.describe(shape::filled);
        let text = at.node.text().map(str::trim).filter(|text| !text.is_empty() && !text.contains(['\n', '\0']));
        if text.is_none() {
            at.error(format!("`command`: expected one command, found {}", at.node.describe()))
                .help("write it like `psql -U shop -v ON_ERROR_STOP=1`; the block is its input");
        }
        text.map(str::to_string)
    });
    map.finish()?;
    Some(BlockClient { service, command: command? })
}

/// Reads the service in which a shell or a client runs; `by` is what names it.
pub(super) fn place(at: &mut At<'_>, by: String) -> Option<String> {
    let place = at.parse(TextForm::new("the name of a service", shape::scalar), parse_place)?;
    mention(at, by, &place, Among::Services);
    Some(place)
}
