//! The user's Compose file as `docker compose config` resolves it: every feature of Compose works as its users know
//! it, because Compose itself has read the file. Here it is only looked at; `transform` changes it.

use super::command::{succeeded, told};
use super::endpoint::Endpoint;
use super::errors::{environment, hinted};
use super::findings::place_asks;
use super::reads;
use crate::process;
use crate::stack::{ResolveError, StackRequest, StackResult};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The names under which Compose finds a file by itself, in its order.
const FOUND: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// The directory in which Compose finds the first of these files by itself, if it does.
pub(super) fn found_in(files: &[PathBuf]) -> Option<&Path> {
    files.first().filter(|file| FOUND.iter().any(|name| file.ends_with(name)))?.parent()
}

/// The files of which Compose merges the first that is there over the first of these, where it finds that by itself.
pub(super) fn merged_names(files: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let names = ["compose", "docker-compose"].map(|name| ["yml", "yaml"].map(|end| format!("{name}.override.{end}")));
    found_in(files).into_iter().flat_map(move |dir| names.clone().into_iter().flatten().map(move |name| dir.join(name)))
}

/// A Compose model with everything resolved: `extends`, profiles, env files, interpolation, relative paths.
#[derive(Debug, Clone, Default)]
pub struct ResolvedModel {
    /// The model as Compose printed it; `$` stands as `$$` in every text.
    pub json: Map<String, Value>,
    /// Directory from which Compose resolves relative paths and finds `.env`.
    pub directory: PathBuf,
    /// What Compose said about it on the way: unset variables, deprecated keys.
    pub remarks: Vec<String>,
    /// The variables of the environment, and of the files that stand for it, that secrets and configs are made of.
    pub given: BTreeMap<String, String>,
}

/// What a project is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ProjectFiles {
    /// Its Compose files, in the order of their `--file` options.
    pub files: Vec<PathBuf>,
    /// Where its relative paths begin.
    pub directory: PathBuf,
    /// Its env files, unless it has the one that Compose finds itself.
    pub env_files: Vec<PathBuf>,
}

/// The files of a request, and the directory of the first one.
pub(super) fn files_of(spec: &StackRequest) -> ProjectFiles {
    let files: Vec<PathBuf> = std::iter::once(&spec.file).chain(&spec.merged).map(|file| absolute(file)).collect();
    let directory = files.first().and_then(|file| file.parent()).unwrap_or(Path::new("/")).to_path_buf();
    ProjectFiles { files, directory, env_files: spec.env_files.clone() }
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf())
}

/// Lets `docker compose config` resolve the stack's file. Needs the docker command, but no engine.
///
/// # Errors
/// `Invalid` when Compose does not accept the file.
pub async fn resolve(spec: &StackRequest, endpoint: &Endpoint) -> Result<ResolvedModel, ResolveError> {
    let ProjectFiles { files, directory, .. } = files_of(spec);
    let invalid = |message: String| ResolveError::Invalid { file: spec.file.clone(), message };
    if let Some(missing) = files.iter().find(|file| !file.is_file()) {
        return Err(invalid(format!("there is no file {}", missing.display())));
    }
    let mut findings = Vec::new();
    place_asks(&reads::asked(&files, &directory, &spec.root).map_err(&invalid)?, spec, &mut findings);
    if findings.iter().any(|finding| finding.error) {
        return Err(ResolveError::Refused { file: spec.file.clone(), findings });
    }
    let mut command = reading(endpoint, spec);
    command.args(file_options(spec)).args(["config", "--format", "json"]);
    // Some paths of nested files Compose takes as relative to where it was started.
    command.current_dir(&directory);
    let output = told("docker compose config", command, process::TELLS_WITHIN).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        if said.contains("is not a docker command") || said.contains("unknown command: docker compose") {
            let hint = "install the Compose plugin, version 2.20 or newer; `firedrill doctor` says how";
            return Err(hinted("docker compose config", "Docker Compose v2 is missing", hint).into());
        }
        let needs = format!("Compose needs more than {} GiB of memory to read it", process::MOST_MEMORY >> 30);
        let has_no_more = said.contains("fatal error: ") && said.contains("memory");
        return Err(invalid(if has_no_more { needs } else { remarks(&said).join("; ") }));
    }
    let json = serde_json::from_slice(&output.stdout);
    let mut json = json.map_err(|error| invalid(format!("`docker compose config` printed no mapping: {error}")))?;
    name_hosts(&mut json, &spec.hosts);
    let given = given(&json, spec, &directory, endpoint).await?;
    let mut remarks = remarks(&said);
    if let Some(file) = merged_names(&files).find(|file| file.is_file()).filter(|file| !files.contains(file)) {
        let file = file.display();
        remarks.push(format!(
            "without `-f` Compose merges `{file}`, and this stack is without it: name both if it belongs to it"
        ));
    }
    Ok(ResolvedModel { json, directory, remarks, given })
}

/// Values by the names of variables.
type GivenValues = StackResult<BTreeMap<String, String>>;

/// The values of the variables that secrets and configs are made of, as Compose reads them: it does so only when it starts them.
async fn given(json: &Map<String, Value>, spec: &StackRequest, directory: &Path, endpoint: &Endpoint) -> GivenValues {
    let sections = ["secrets", "configs"].into_iter().filter_map(|section| json.get(section)?.as_object());
    let names = sections.flat_map(Map::values).filter_map(|entry| entry.get("environment")?.as_str());
    let asked: Map<String, Value> = names.map(|name| (name.to_string(), format!("${{{name}-}}").into())).collect();
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let asking = "asking Compose for variables";
    let model = json!({ "name": "firedrill", "services": { "x": { "image": "x", "environment": asked } } });
    let model = model_file(&model).map_err(|error| environment(asking, error))?;
    let mut command = reading(endpoint, spec);
    command.arg("--project-directory").arg(directory).args(env_options(spec));
    command.args(["--file", "-", "config", "--format", "json"]).stdin(model).current_dir(directory);
    let answer = succeeded(asking, command, process::TELLS_WITHIN).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| environment(asking, error))?;
    let values = &answer["services"]["x"]["environment"];
    values.as_object().ok_or_else(|| environment(asking, "its answer has no variables"))?;
    let mut values = scalars(values);
    values.retain(|_, value| !value.is_empty());
    Ok(values)
}

/// What a variable is called in Compose's own environment, whatever it decides there under its own name.
pub(super) fn given_as(name: &str) -> String {
    format!("FIREDRILL_GIVEN_{name}")
}

/// Gives services the names that a scenario has for them, as if the file had them as aliases: so links, the load and
/// whatever else goes by the names of a service follow.
fn name_hosts(json: &mut Map<String, Value>, hosts: &BTreeMap<String, String>) {
    for (host, service) in hosts {
        let service = json.get_mut("services").and_then(|services| services.get_mut(service));
        if let Some(service) = service.filter(|service| has_own_networks(service.get("network_mode"))) {
            places_mut(service).for_each(|network| add_alias(network, escape(host)));
        }
    }
}

/// Gives a service one more name, escaped, in one of its networks.
pub(super) fn add_alias(network: &mut Value, name: String) {
    match &mut network["aliases"] {
        Value::Array(aliases) => aliases.push(name.into()),
        none => *none = json!([name]),
    }
}

/// Compose for reading the team's files; it fetches others only where whoever runs the drill allows that. Variables of a `.env` that are
/// made of others could fill any memory.
pub(super) fn reading(endpoint: &Endpoint, spec: &StackRequest) -> Command {
    let mut command = endpoint.command();
    process::limit_memory(&mut command, process::MOST_MEMORY);
    if !["include", "extends"].iter().any(|right| spec.allowed.rights.contains(*right)) {
        command.envs(reads::NO_REMOTES);
    }
    command.arg("compose");
    command
}

/// The options that make Compose read the user's files in the user's place.
pub(super) fn file_options(spec: &StackRequest) -> Vec<String> {
    let files = files_of(spec).files.into_iter().flat_map(|file| ["--file".to_string(), file.display().to_string()]);
    let profiles = spec.profiles.iter().flat_map(|profile| ["--profile".to_string(), profile.clone()]);
    files.chain(env_options(spec)).chain(profiles).collect()
}

/// The options with which Compose reads a resolved model on its standard input, and nothing else: it takes the variables of a `.env` into
/// its own process, where they would decide which builder, which credential helpers and which libraries it uses.
pub(super) const RESOLVED: [&str; 4] = ["--env-file", "/dev/null", "--file", "-"];

/// `--env-file`s. Compose reads `.env` by itself only as long as none is named, as its users know it.
pub(super) fn env_options(spec: &StackRequest) -> Vec<String> {
    let files = spec.env_files.iter().map(|file| absolute(file));
    files.flat_map(|file| ["--env-file".to_string(), file.display().to_string()]).collect()
}

/// Compose's remarks without its log format: `time="…" level=warning msg="The \"FOO\" variable is not set."`.
fn remarks(said: &str) -> Vec<String> {
    let clean = |line: &str| match line.split_once("msg=") {
        // Quoted as in JSON, where it has spaces.
        Some((_, message)) => serde_json::from_str(message.trim()).unwrap_or_else(|_| message.trim().to_string()),
        None => line.trim().to_string(),
    };
    said.lines().map(clean).filter(|line| !line.is_empty()).collect()
}

/// Text of a resolved model as it is meant: Compose prints `$` as `$$`.
pub fn unescape(text: &str) -> String {
    text.replace("$$", "$")
}

/// Text as it must stand in a model that Compose reads again.
pub fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

impl ResolvedModel {
    /// Names of the services, in order.
    pub fn services(&self) -> Vec<String> {
        self.section("services").keys().cloned().collect()
    }

    /// A service; null when there is none of that name.
    pub fn service(&self, name: &str) -> &Value {
        self.section("services").get(name).unwrap_or(&Value::Null)
    }

    /// How a service is built, if it is.
    pub fn build_of(&self, service: &str) -> Option<&Map<String, Value>> {
        self.service(service)["build"].as_object()
    }

    /// The image that the file names for a service, unescaped.
    pub fn image_of(&self, service: &str) -> Option<String> {
        self.service(service)["image"].as_str().map(unescape)
    }

    /// A top-level section: `services`, `networks`, `volumes`, `secrets`, `configs`; empty when it is not there.
    pub fn section(&self, name: &str) -> &Map<String, Value> {
        static EMPTY: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
        self.json.get(name).and_then(Value::as_object).unwrap_or_else(|| EMPTY.get_or_init(Map::new))
    }

    /// The stack's name, for names of images: Compose's project name.
    pub fn name(&self) -> &str {
        self.json.get("name").and_then(Value::as_str).unwrap_or("stack")
    }

    /// Environment of a service, unescaped. Variables that are only passed on and not set are left out.
    pub fn environment(&self, service: &str) -> BTreeMap<String, String> {
        scalars(&self.service(service)["environment"])
    }

    /// Keys of the networks that a service is on; none when it has a `network_mode` of its own.
    pub fn networks_of(&self, service: &str) -> Vec<String> {
        let service = self.service(service);
        match service["networks"].as_object() {
            _ if service.is_null() || !has_own_networks(service.get("network_mode")) => Vec::new(),
            Some(networks) if !networks.is_empty() => networks.keys().cloned().collect(),
            _ => vec!["default".into()],
        }
    }

    /// Every name by which clients inside the stack may call a service: its own, its container's, its aliases'.
    pub fn names_of(&self, service: &str) -> Vec<String> {
        let json = self.service(service);
        let networks = json["networks"].as_object().into_iter().flat_map(Map::values);
        let aliases = networks.flat_map(|network| texts(&network["aliases"]));
        let names = aliases.chain(texts(&json["container_name"])).chain([service.to_string()]);
        names.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// Every name by which clients inside the stack may call any of the services.
    pub fn hosts(&self) -> Vec<String> {
        self.services().iter().flat_map(|service| self.names_of(service)).collect()
    }

    /// Services that others wait for with `service_completed_successfully`: jobs that must have ended with 0.
    pub fn jobs(&self) -> BTreeSet<String> {
        let dependencies = self.section("services").values().filter_map(|s| s.get("depends_on")?.as_object()).flatten();
        let job = |(name, how): (&String, &Value)| {
            let condition = how.get("condition").and_then(Value::as_str);
            (condition == Some("service_completed_successfully")).then(|| name.clone())
        };
        dependencies.filter_map(job).collect()
    }
}

/// Whether a service with this `network_mode` is on networks of the project, rather than on the host's, another container's or none.
pub(super) fn has_own_networks(mode: Option<&Value>) -> bool {
    // The engine's shared bridge has no names and other people's containers; the drill's default network stands in.
    matches!(mode.and_then(Value::as_str), None | Some("" | "bridge" | "default"))
}

/// The places of a service in its networks, to be changed.
pub(super) fn places_mut(service: &mut Value) -> impl Iterator<Item = &mut Value> {
    if service["networks"].is_null() {
        service["networks"] = json!({ "default": null });
    }
    let places = service["networks"].as_object_mut().into_iter().flat_map(Map::values_mut);
    places.filter(|place| place.is_object() || place.is_null())
}

/// A service of a model, to be changed.
pub(super) fn service_mut<'m>(model: &'m mut Value, name: &str) -> Option<&'m mut Value> {
    model.get_mut("services")?.get_mut(name)
}

/// A scalar as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A scalar, or the scalars of a list, unescaped.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(scalar).map(|text| unescape(&text)).collect()
}

/// Names and scalars of a map, unescaped. What is no scalar is left out.
pub(super) fn scalars(map: &Value) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), unescape(&scalar(value)?)))).collect()
}

/// Every text in a value, however deep; keys are none.
pub(super) fn texts_in(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(items) => items.iter().flat_map(texts_in).collect(),
        Value::Object(entries) => entries.values().flat_map(texts_in).collect(),
        _ => Vec::new(),
    }
}

/// TCP ports of `8080`, `8080/tcp` or `7100-7102`; none for another protocol or for text that is no port.
pub(super) fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (protocol == "tcp" && 0 < first && first <= last).then_some(first..=last)
}

/// The ports of all of these ranges. A short file can name all there are again and again: each is looked at once.
pub(super) fn ports_in(ranges: impl Iterator<Item = RangeInclusive<u16>>) -> BTreeSet<u16> {
    let mut ranges: Vec<(u16, u16)> = ranges.map(RangeInclusive::into_inner).collect();
    ranges.sort_unstable();
    let (mut ports, mut next) = (BTreeSet::new(), 1);
    for (first, last) in ranges {
        ports.extend(first.max(next)..=last);
        next = next.max(last.saturating_add(1));
    }
    ports
}

/// A model as Compose reads it, in a file without a name.
///
/// # Errors
/// When it cannot be made.
pub(super) fn model_file(model: &Value) -> io::Result<File> {
    process::nameless(as_compose_reads_it(model).as_bytes())
}

/// A model as text. Compose reads JSON as YAML, to which NEL (U+0085), LS and PS are line breaks (YAML 1.1, 4.2), so that in a string they
/// become blanks or swallow some: then another path is mounted than was judged. They are escaped, and so is all that is not printed.
fn as_compose_reads_it(model: &Value) -> String {
    let escaped = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    };
    model.to_string().chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_handed_to_compose_has_no_line_break_of_yaml() {
        let model = json!({ "source": "./a\u{85}b \u{2028} c\u{2029}\u{feff}\u{7f}/run", "é": "ü 😀\n" });
        let text = as_compose_reads_it(&model);
        assert!(text.contains(r"./a\u0085b \u2028 c\u2029\ufeff\u007f/run"), "{text}");
        assert!(text.contains("ü 😀"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), model);
    }

    #[test]
    fn ports_are_read_in_every_spelling() {
        assert_eq!(port_range("8080"), Some(8080..=8080));
        assert_eq!(port_range("8080/tcp"), Some(8080..=8080));
        assert_eq!(port_range("7100-7102"), Some(7100..=7102));
        for none in ["53/udp", "0", "70000", "9-8", "", "x"] {
            assert_eq!(port_range(none), None, "{none}");
        }
        let ports = |texts: &[&str]| ports_in(texts.iter().filter_map(|text| port_range(text)));
        assert_eq!(ports(&["79-81", "2", "80", "1-3", "81-82"]), [1, 2, 3, 79, 80, 81, 82].into());
        assert_eq!(ports(&["65535", "65534-65535", "65535"]), [65534, 65535].into());
        assert_eq!(ports_in(std::iter::repeat_n(1..=u16::MAX, 20_000)).len(), 65535);
    }

    #[test]
    fn remarks_lose_the_log_format() {
        let said =
            "time=\"2026-01-01T00:00:00Z\" level=warning msg=\"The \\\"FOO\\\" variable is not set.\"\n\nplain\n";
        assert_eq!(remarks(said), ["The \"FOO\" variable is not set.", "plain"]);
    }

    #[test]
    fn hosts_are_names_of_their_services_on_all_networks() {
        let json = serde_json::json!({ "services": {
            "db": { "networks": { "a": null, "b": { "aliases": ["pg"] } } },
            "web": {},
            "side": { "network_mode": "service:web" },
        } });
        let Value::Object(mut json) = json else { panic!("a literal mapping") };
        let hosts = [("db.prod.internal", "db"), ("api.example.com", "web"), ("x.y", "side"), ("z", "none")];
        name_hosts(&mut json, &hosts.map(|(host, service)| (host.to_string(), service.to_string())).into());
        let model = ResolvedModel { json, ..ResolvedModel::default() };
        assert_eq!(model.names_of("db"), ["db", "db.prod.internal", "pg"]);
        assert_eq!(model.names_of("web"), ["api.example.com", "web"]);
        assert_eq!(model.names_of("side"), ["side"]);
        let on = |network: &str| model.service("db")["networks"][network]["aliases"].clone();
        assert_eq!(
            (on("a"), on("b")),
            (serde_json::json!(["db.prod.internal"]), serde_json::json!(["pg", "db.prod.internal"]))
        );
    }

    proptest! {
        #[test]
        fn escaping_is_undone_by_unescaping(text in ".*") {
            prop_assert_eq!(unescape(&escape(&text)), text);
        }

        #[test]
        fn a_port_range_never_panics(text in ".{0,20}") {
            let _ = port_range(&text);
        }
    }
}
