//! What a Compose file asks of the host. Every key of the specification has a class in `rights.yaml`: what reaches the host
//! needs the consent of the person who runs the drill, and what is not in the table is refused.

use super::findings::is_external;
use super::model::{ResolvedModel, scalar, texts, texts_in, unescape};
use super::reads::RIGHTS;
use crate::source::{clean, outside};
use crate::stack::{HostRequest, HostRequests, Right};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::path::Path;
use std::sync::LazyLock;

/// What builders split texts at that Compose hands on to them.
const BUILDER_SYNTAX: [&str; 6] = [",", "\"", "\n", "\r", "${", "%{"];
/// Said of a text that has some of that.
const AMBIGUOUS: &str = "commas, quotes, line ends, `${` and `%{` in it mean something to the builder";
/// Said of what is not in the table.
const UNKNOWN: &str = "Firedrill does not know this key";
/// Said of a value that has another form than Compose prints.
const STRANGE: &str = "not what Compose makes of it";

// A test reads it: of one that cannot be read everything is refused.
static TABLES: LazyLock<BTreeMap<String, BTreeMap<String, String>>> =
    LazyLock::new(|| serde_yaml::from_str(include_str!("rights.yaml")).unwrap_or_default());

/// The class of a key, and what follows it there; both empty for a key that a table does not have.
fn class(table: &str, key: &str) -> (&'static str, &'static str) {
    let text = TABLES.get(table).and_then(|table| table.get(key)).map_or("", String::as_str);
    text.split_once(' ').map_or((text, ""), |(class, rest)| (class, rest.trim()))
}

/// What is wrong with a value: why, and whether consent is not enough.
struct Wrong {
    is_refused: bool,
    why: String,
}

fn consent(why: impl Into<String>) -> Option<Wrong> {
    Some(Wrong { is_refused: false, why: why.into() })
}

fn refused(why: impl Into<String>) -> Option<Wrong> {
    Some(Wrong { is_refused: true, why: why.into() })
}

/// What is wrong with any of several values: all of it, and what is refused alone if something is.
fn together(wrongs: impl Iterator<Item = Wrong>) -> Option<Wrong> {
    let (refusals, consents): (Vec<Wrong>, Vec<Wrong>) = wrongs.partition(|wrong| wrong.is_refused);
    let is_refused = !refusals.is_empty();
    let whys: Vec<String> = if is_refused { refusals } else { consents }.into_iter().map(|wrong| wrong.why).collect();
    (!whys.is_empty()).then(|| Wrong { is_refused, why: whys.join("; ") })
}

/// Everything that a resolved model asks of the host; `root` is the project's directory.
pub fn asked(model: &ResolvedModel, root: &Path) -> HostRequests {
    let services = model.section("services");
    let mut walk = Walk { root, base: &model.directory, services, asks: Vec::new(), given: BTreeSet::new() };
    walk.table("model", &model.json, None, &mut Vec::new());
    walk.asks.sort();
    walk.asks.dedup();
    let services = given(services, walk.given);
    // The messages of what is asked say as well where links lead.
    let digest = json!([root.as_os_str().as_encoded_bytes(), walk.asks, services]).to_string();
    HostRequests { digest: hex::encode(Sha256::digest(digest)), asks: walk.asks, services }
}

/// The services that are given something of the host: those that ask for it, those that use a volume, secret or config that does,
/// and those that name one of them, whose namespaces or volumes they may share.
fn given(services: &Map<String, Value>, mut names: BTreeSet<String>) -> Map<String, Value> {
    // A name stands alone or as a part: `db`, `service:db`, `db:ro`.
    let mut named_by = BTreeMap::<&str, Vec<&String>>::new();
    for (name, service) in services {
        for part in texts_in(service).into_iter().flat_map(|text| once(text).chain(text.split(':'))) {
            named_by.entry(part).or_default().push(name);
        }
    }
    let mut todo: Vec<String> = names.iter().cloned().collect();
    while let Some(next) = todo.pop() {
        let new = named_by.remove(next.as_str()).into_iter().flatten().filter(|name| names.insert((*name).clone()));
        todo.extend(new.cloned());
    }
    let given = services.iter().filter(|(name, _)| names.contains(*name));
    given.map(|(name, service)| (name.clone(), service.clone())).collect()
}

/// Whether a key of a service reaches nothing outside of the drill, whatever its value.
pub fn is_free(key: &str) -> bool {
    class("service", key) == ("free", "")
}

/// What `--allow-host` knows.
pub fn rights() -> Vec<Right> {
    let of = |name: &'static str| TABLES.get(name).into_iter().flat_map(BTreeMap::keys).map(move |key| (name, key));
    let asked = of("service").chain(of("model")).filter(|(name, key)| {
        !matches!(class(name, key).0, "free" | "refused") && !matches!(key.as_str(), "services" | "networks")
    });
    let all: BTreeSet<&str> = asked.map(|(_, key)| key.as_str()).chain(RIGHTS.iter().copied()).collect();
    let right = |name: &str| Right { is_asked: !RIGHTS.contains(&name), name: name.to_string() };
    all.into_iter().map(right).collect()
}

/// Keys that say what a service runs.
const RUNS: &[&str] = &["image", "build", "entrypoint", "command", "post_start", "pre_stop"];

impl HostRequests {
    /// What a service runs that is given something of the host.
    pub fn runs(&self, service: &str) -> Map<String, Value> {
        let keys = self.services.get(service).and_then(Value::as_object).into_iter().flatten();
        let runs = keys.filter(|(key, value)| RUNS.contains(&key.as_str()) && !value.is_null());
        runs.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

struct Walk<'a> {
    root: &'a Path,
    base: &'a Path,
    services: &'a Map<String, Value>,
    asks: Vec<HostRequest>,
    /// Names of the services, volumes, secrets and configs that ask for something.
    given: BTreeSet<String>,
}

impl Walk<'_> {
    fn table(&mut self, name: &str, object: &Map<String, Value>, service: Option<&str>, path: &mut Vec<String>) {
        if let ("rule", rule) = class(name, "") {
            let whole = Value::Object(object.clone());
            self.note(self.decide(rule, &whole), &whole, service, path);
        }
        let empty = [json!(null), json!(false), json!(""), json!([]), json!({})];
        for (key, value) in object.iter().filter(|(key, value)| !key.starts_with("x-") && !empty.contains(value)) {
            let said = |why: &str| format!("{}: {why}", shown(value));
            path.push(key.clone());
            match class(name, key) {
                _ if key.is_empty() => self.note(refused(UNKNOWN), value, service, path),
                ("free", "") => {}
                ("consent", why) => self.note(consent(said(why)), value, service, path),
                ("refused", why) => self.note(refused(said(why)), value, service, path),
                ("rule", "build") => self.build(value, service, path),
                ("rule", rule) => self.note(self.decide(rule, value), value, service, path),
                ("one", of) => self.one(of, value, service, path),
                ("each", of) => self.each(of, value, service, path),
                _ => self.note(refused(UNKNOWN), value, service, path),
            }
            path.pop();
        }
    }

    fn one(&mut self, table: &str, value: &Value, service: Option<&str>, path: &mut Vec<String>) {
        match value {
            Value::Object(object) => self.table(table, object, service, path),
            Value::Null => {}
            // Compose prints the long form of everything that has one.
            other => self.note(refused(format!("{}: {STRANGE}", shown(other))), other, service, path),
        }
    }

    fn each(&mut self, table: &str, value: &Value, service: Option<&str>, path: &mut Vec<String>) {
        match value {
            Value::Object(entries) => {
                for (name, value) in entries {
                    if table == "service" {
                        self.one(table, value, Some(name), &mut Vec::new());
                    } else {
                        path.push(name.clone());
                        self.one(table, value, service, path);
                        path.pop();
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|value| self.one(table, value, service, path)),
            other => self.one(table, other, service, path),
        }
    }

    fn note(&mut self, wrong: Option<Wrong>, value: &Value, service: Option<&str>, path: &[String]) {
        let Some(wrong) = wrong else { return };
        let key = path.join(".");
        let (right, why) = (path.first().filter(|_| !wrong.is_refused).cloned(), wrong.why);
        let of = service.map_or_else(String::new, |service| format!("of `{service}` "));
        let verb = if right.is_some() { "reaches the host" } else { "cannot be in a drill" };
        let what = format!("`{key}` {of}{verb}: {why}");
        self.given.extend(service.or(path.get(1).map(String::as_str)).map(str::to_string));
        let (service, value) = (service.map(str::to_string), value.to_string());
        self.asks.push(HostRequest { service, key, right, what, value });
    }

    fn build(&mut self, value: &Value, service: Option<&str>, path: &mut Vec<String>) {
        let Value::Object(build) = value else {
            return self.note(self.decide("context", value), value, service, path);
        };
        self.table("build", build, service, path);
        let expression = |(key, value): &(&String, &Value)| match (key.as_str(), value) {
            ("secrets", _) => false,
            // Compose escapes `${` in these two alone, and not in the names of arguments.
            ("args", Value::Object(args)) => args.keys().any(|name| name.contains("${")) || holds(value, &["%{"]),
            ("args" | "dockerfile_inline", _) => holds(value, &["%{"]),
            (key, _) => !key.starts_with("x-") && holds(value, &["${", "%{"]),
        };
        for (key, value) in build.iter().filter(expression) {
            let wrong = refused(format!("{}: the builder takes it for an expression", shown(value)));
            self.note(wrong, value, service, &[&path[..], std::slice::from_ref(key)].concat());
        }
        // Relative to the context, which Compose prints as an absolute path.
        let (Some(context), Some(file)) = (text(build.get("context")), text(build.get("dockerfile"))) else { return };
        let refused = self.context(&context, false).is_some_and(|wrong| wrong.is_refused);
        if !is_remote(&context) && !refused {
            let wrong = outside(self.root, &self.base.join(context).join(file)).and_then(consent);
            let value = build.get("dockerfile").unwrap_or(value);
            self.note(wrong, value, service, &[&path[..], &["dockerfile".into()]].concat());
        }
    }

    /// What is wrong with a value by a rule of the table: its name, and for `joins` what may be joined.
    fn decide(&self, rule: &str, value: &Value) -> Option<Wrong> {
        // Of some maps the keys count, of contexts what they stand for.
        let (texts, count): (Vec<String>, usize) = match (rule, value) {
            ("labels" | "sysctls" | "ulimits", Value::Object(map)) => (map.keys().cloned().collect(), map.len()),
            ("contexts", Value::Object(map)) => (map.values().filter_map(|of| text(Some(of))).collect(), map.len()),
            _ => (texts(value), value.as_array().map_or(1, Vec::len)),
        };
        let each = |wrong: &dyn Fn(&str) -> Option<Wrong>| match texts.len() == count {
            true => together(texts.iter().filter_map(|text| wrong(text))),
            false => refused(format!("{}: {STRANGE}", shown(value))),
        };
        let only = |is_refused: bool, why: &str, fits: &dyn Fn(&str) -> bool| {
            each(&|text| (!fits(text)).then(|| Wrong { is_refused, why: format!("{text}: {why}") }))
        };
        let begins = |text: &str, with: &[&str]| with.iter().any(|begin| text.starts_with(begin));
        match rule.split_once(' ').map_or(rule, |(rule, _)| rule) {
            // `build` decides it, by the context.
            "dockerfile" => None,
            "context" => each(&|text| self.context(text, false)),
            "contexts" if value.is_object() => each(&|text| self.context(text, true)),
            "contexts" => each(&|text| self.context(text.split_once('=').map_or(text, |(_, context)| context), true)),
            "external" => refused("it is not the stack's own"),
            "files" => match value {
                Value::Array(items) => together(items.iter().filter_map(|item| self.decide("files", item))),
                Value::Object(file) => file.get("path").and_then(|path| self.decide("files", path)),
                _ => each(&|text| {
                    let path = self.base.join(text);
                    let special = || {
                        special(&path).or_else(|| special(&clean(&path))).map(|kind| format!("{text}: it is {kind}"))
                    };
                    outside(self.root, &path).or_else(special).and_then(consent)
                }),
            },
            "secret_file" => {
                let path = text(Some(value)).unwrap_or_default();
                // A pull request names its folders as it likes.
                let own = path.strip_prefix(&*self.root.to_string_lossy()).unwrap_or(&path);
                match BUILDER_SYNTAX.iter().any(|part| own.contains(part)) {
                    true => refused(format!("{path}: {AMBIGUOUS}")),
                    false => self.decide("files", value),
                }
            }
            "plain" if holds(value, &BUILDER_SYNTAX) => refused(format!("{}: {AMBIGUOUS}", shown(value))),
            "plain" => None,
            "variable" => only(true, "it is no name of a variable, and the builder may take it for more", &|name| {
                name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            }),
            "labels" => only(true, "this label says whose a container is", &|key| {
                !begins(key, &["dev.firedrill.", "com.docker.compose."])
            }),
            "mount" => self.mount(value),
            "joins" => each(&|text| self.joins(text, &rule.split_whitespace().skip(1).collect::<Vec<_>>())),
            "propagation" => only(false, "what it mounts appears on the host", &|text| {
                matches!(text, "private" | "rprivate" | "slave" | "rslave")
            }),
            "security" => {
                only(false, "it is kept from the host by less", &|text| text.starts_with("no-new-privileges"))
            }
            "sysctls" => only(false, "a setting of the host's kernel", &|text| {
                begins(text.trim_start(), &["net.", "kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue."])
            }),
            "ulimits" => only(false, "it can take a processor for itself", &|name| !matches!(name, "rtprio" | "nice")),
            "volume" => volume(value),
            "volumes_from" => only(true, "a container that is not part of the stack", &|text| {
                let service = text.split(':').next().unwrap_or_default();
                service != "container" && self.services.contains_key(service)
            }),
            _ => refused(UNKNOWN),
        }
    }

    /// A build context: a directory of the project. An `additional` one may be another service or an image, too; as the first one the builder
    /// takes these for paths.
    fn context(&self, text: &str, additional: bool) -> Option<Wrong> {
        let image = text.strip_prefix("docker-image://");
        if let Some(name) = text.strip_prefix("service:").or(image) {
            let known = if image.is_some() { !name.contains("..") } else { self.services.contains_key(name) };
            return match additional && known {
                true => None,
                false => refused(format!("{text}: it is no directory, and no service or image of additional contexts")),
            };
        }
        let path = text.strip_prefix("oci-layout://").unwrap_or(text);
        match is_remote(path) {
            true => consent(format!("{text}: the build reads from elsewhere")),
            false => outside(self.root, &self.base.join(path)).and_then(consent),
        }
    }

    /// A namespace or network that is joined: one of the drill's `own` (`service:*` stands for each of its services), the host's, or
    /// somebody else's.
    fn joins(&self, text: &str, own: &[&str]) -> Option<Wrong> {
        match text.split_once(':') {
            None if own.contains(&text) => None,
            None if text == "host" => consent("host: it is not kept from the host"),
            Some(("service", name)) if own.contains(&"service:*") && self.services.contains_key(name) => None,
            Some(("container", _)) => refused(format!("{text}: it joins a container that is not part of the stack")),
            _ => refused(format!("{text}: it joins what is not part of the stack")),
        }
    }

    fn mount(&self, mount: &Value) -> Option<Wrong> {
        match text(mount.get("type")).as_deref() {
            Some("volume" | "tmpfs" | "image") => return None,
            Some("bind") => {}
            other => return refused(format!("Firedrill does not know mounts of the type {}", other.unwrap_or("?"))),
        }
        let source = text(mount.get("source")).unwrap_or_default();
        let path = self.base.join(&source);
        // As the engine opens it.
        let mounted = clean(&path);
        let read_only = mount.get("read_only").and_then(Value::as_bool).unwrap_or(false);
        if let Some(why) = outside(self.root, &path) {
            return consent(if read_only { why } else { format!("{why}, and it can be written to") });
        }
        match read_only {
            _ if !mounted.exists() => {
                consent(format!("{source}: there is no such file, and the engine would create a directory"))
            }
            true => special(&mounted).and_then(|kind| consent(format!("{source}: it is {kind}"))),
            false => consent(format!(
                "{source}: it can be written to, and is not the drill's own (`:ro` mounts it read-only)"
            )),
        }
    }
}

/// A named volume: the drill gets one of its own, unless its driver keeps it somewhere else.
fn volume(volume: &Value) -> Option<Wrong> {
    if is_external(volume) {
        return refused("it is external, and a drill would work on data that is not its own");
    }
    if let Some(driver) = text(volume.get("driver")).filter(|driver| driver != "local") {
        return consent(format!("the driver {driver} keeps it elsewhere"));
    }
    let options = volume.get("driver_opts").and_then(Value::as_object).filter(|options| !options.is_empty())?;
    let option = |name: &str| text(options.get(name)).unwrap_or_default();
    let harmless = |option: &str| {
        let name = option.split('=').next().unwrap_or_default();
        matches!(name, "" | "size" | "nr_inodes" | "mode" | "uid" | "gid" | "nosuid" | "nodev" | "noexec")
    };
    // Memory alone: every other type of file system can be made of directories and devices of the host.
    let memory = option("type") == "tmpfs" && matches!(option("device").as_str(), "tmpfs" | "none");
    let known = options.keys().all(|key| matches!(key.as_str(), "type" | "device" | "o"));
    if memory && known && option("o").split(',').all(|option| harmless(option.trim())) {
        return None;
    }
    let all: Vec<String> = options.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
    consent(format!("{}: it is kept where the host mounts it", all.join(", ")))
}

/// What a path is that is neither a file nor a directory.
fn special(path: &Path) -> Option<&'static str> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    (!kind.is_file() && !kind.is_dir()).then_some("a socket, a pipe or a device")
}

fn is_remote(context: &str) -> bool {
    context.contains("://") || context.starts_with("git@") || context.starts_with("github.com/")
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(scalar).map(|text| unescape(&text))
}

/// Whether a text in a value holds one of these.
fn holds(value: &Value, parts: &[&str]) -> bool {
    match value {
        Value::String(text) => parts.iter().any(|part| text.contains(part)),
        Value::Array(items) => items.iter().any(|item| holds(item, parts)),
        Value::Object(entries) => {
            entries.iter().any(|(key, value)| parts.iter().any(|part| key.contains(part)) || holds(value, parts))
        }
        _ => false,
    }
}

/// A value in a message.
fn shown(value: &Value) -> String {
    let text = texts(value).join(", ");
    let text = if text.is_empty() { value.to_string() } else { text };
    crate::source::shorten(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a model asks for, with the project in a directory of its own.
    fn asked(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for file in ["conf/web.conf", "web/Dockerfile"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("/var/run", root.join("run")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let mut model = json!({ "name": "shop", "services": { "web": {
            "build": { "context": root.join("web"), "dockerfile": "Dockerfile" },
            "volumes": [{ "type": "bind", "source": root.join("conf"), "target": "/c", "read_only": true, "bind": { "create_host_path": true } }],
        } }, "volumes": { "d": null } });
        change(&mut model);
        let text = serde_json::to_string(&model).unwrap().replace("ROOT", &root.display().to_string());
        let Value::Object(json) = serde_json::from_str(&text).unwrap() else { unreachable!("a mapping") };
        let model = ResolvedModel { json, directory: root.clone(), ..ResolvedModel::default() };
        let line = |ask: &HostRequest| format!("{}: {}", ask.right.as_deref().unwrap_or("-"), ask.what);
        super::asked(&model, &root)
            .asks
            .iter()
            .map(line)
            .map(|line| line.replace(&root.display().to_string(), "ROOT"))
            .collect()
    }

    fn with(pointer: &str, value: Value) -> Vec<String> {
        asked(|model| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let parent = model.pointer_mut(parent).unwrap();
            parent.as_object_mut().unwrap().insert(key.to_string(), value);
        })
    }

    fn mount(source: &str, read_only: bool) -> Value {
        json!([{ "type": "bind", "source": source, "target": "/x", "read_only": read_only }])
    }

    #[test]
    fn what_stays_in_the_project_asks_for_nothing() {
        assert_eq!(asked(|_| ()), Vec::<String>::new());
        for (pointer, value) in [
            ("/services/web/volumes", mount("ROOT/conf/web.conf", true)),
            ("/services/web/privileged", json!(false)),
            ("/services/web/cap_add", json!([])),
            ("/services/web/security_opt", json!(["no-new-privileges:true"])),
            ("/services/web/sysctls", json!({ "net.core.somaxconn": "1024" })),
            ("/services/web/logging", json!({ "driver": "syslog", "options": { "syslog-address": "udp://a" } })),
            ("/services/web/build/cache_from", json!(["type=local,src=/x"])),
            ("/services/web/build/cache_to", json!(["type=local,dest=/srv/x"])),
            ("/services/web/pid", json!("service:web")),
            ("/services/web/x-note", json!({ "privileged": true })),
            ("/volumes/d", json!({ "driver_opts": { "type": "tmpfs", "device": "tmpfs", "o": "size=64m,uid=1000" } })),
            ("/secrets", json!({ "s": { "name": "shop_s", "file": "ROOT/conf/web.conf" } })),
            (
                "/services/web/build/additional_contexts",
                json!({ "base": "service:web", "more": "ROOT/conf", "os": "docker-image://debian:12" }),
            ),
        ] {
            assert_eq!(with(pointer, value), Vec::<String>::new(), "{pointer}");
        }
    }

    #[test]
    fn what_reaches_the_host_needs_consent_or_is_refused() {
        let web = |key: &str, value: Value| with(&format!("/services/web/{key}"), value).join("\n");
        let mut told = Vec::new();
        for (key, value) in [
            ("volumes", mount("/", true)),
            ("volumes", mount("/var/run", true)),
            ("volumes", mount("ROOT/run/docker.sock", true)),
            ("volumes", mount("ROOT/socket", true)),
            ("volumes", mount("ROOT/conf", false)),
            ("volumes", mount("ROOT/not/there", true)),
            ("volumes", mount("ROOT/conf/../../etc", true)),
            ("volumes", json!([{ "type": "npipe", "source": "x", "target": "/x" }])),
            ("devices", json!([{ "source": "/dev/kmsg", "target": "/dev/kmsg" }])),
            ("device_cgroup_rules", json!(["a *:* rwm"])),
            ("cgroup_parent", json!("/x")),
            ("cap_add", json!(["SYS_ADMIN"])),
            ("security_opt", json!(["seccomp:unconfined"])),
            ("use_api_socket", json!(true)),
            ("post_start", json!([{ "command": ["x"], "privileged": true }])),
            ("pid", json!("host")),
            ("ipc", json!("host")),
            ("uts", json!("host")),
            ("userns_mode", json!("host")),
            ("network_mode", json!("host")),
            ("network_mode", json!("container:other")),
            ("privileged", json!(true)),
            ("sysctls", json!({ "kernel.core_pattern": "|/x" })),
            ("provider", json!({ "type": "x" })),
            ("labels", json!({ "dev.firedrill.run": "x" })),
            ("volumes_from", json!(["container:other", "web:ro", "fd-agent"])),
            ("of_next_year", json!("x")),
            ("ulimits", json!({ "nofile": 1024, "rtprio": 99 })),
            ("deploy", json!({ "resources": { "reservations": { "devices": [{ "capabilities": ["gpu"] }] } } })),
        ] {
            told.push(web(key, value));
        }
        for (key, value) in [
            ("context", json!("/etc")),
            ("context", json!("https://example.com/x.git")),
            ("dockerfile", json!("../../../etc/passwd")),
            ("privileged", json!(true)),
            ("network", json!("host")),
            ("ssh", json!(["default"])),
            ("entitlements", json!(["security.insecure"])),
            ("additional_contexts", json!({ "etc": "/etc" })),
            ("additional_contexts", json!({ "other": "service:x/../../etc", "image": "docker-image://x/../../etc" })),
            ("context", json!("service:x/../../../etc")),
            ("context", json!("docker-image://x/../../etc")),
            ("secrets", json!([{ "source": "s", "target": "x,src=/etc/shadow" }])),
            ("target", json!("$${upper(\"x\")}")),
            ("dockerfile_inline", json!("FROM x\n#%{ for a in range(9) }x%{ endfor }")),
            ("args", json!({ "A": "%{ for a in range(9) }x%{ endfor }" })),
            ("args", json!({ "$${upper(\"x\")}": "1" })),
        ] {
            told.push(web(&format!("build/{key}"), value));
        }
        let overlay =
            json!({ "type": "overlay", "device": "tmpfs", "o": "lowerdir=/etc,upperdir=/tmp/u,workdir=/tmp/w" });
        for (pointer, value) in [
            ("/volumes/d", json!({ "driver_opts": overlay })),
            ("/volumes/d", json!({ "driver_opts": { "type": "tmpfs", "device": "tmpfs", "o": "size=1m,bind" } })),
            ("/volumes/d", json!({ "driver_opts": { "type": "none", "device": "/srv/x", "o": "bind" } })),
            ("/volumes/d", json!({ "external": true })),
            ("/volumes/d", json!({ "driver": "sshfs" })),
            ("/secrets", json!({ "s": { "file": "/etc/shadow" } })),
            ("/secrets", json!({ "s": { "file": "ROOT/x,src=/etc/shadow" } })),
            ("/secrets", json!({ "s": { "file": "ROOT/.%{if true}.%{endif}/etc/shadow" } })),
            ("/secrets", json!({ "s": { "environment": "A:-,type=file,env=,src=/etc/shadow" } })),
            ("/secrets", json!({ "s": { "file": "ROOT/socket" } })),
            ("/configs", json!({ "c": { "file": "ROOT/../x" } })),
            ("/configs", json!({ "c": { "external": true } })),
            ("/models", json!({ "m": { "model": "x" } })),
            ("/of_next_year", json!({ "x": "y" })),
        ] {
            told.push(with(pointer, value).join("\n"));
        }
        assert!(told.iter().all(|told| !told.is_empty()), "{told:#?}");
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn the_name_of_a_folder_of_the_project_is_no_syntax_of_the_builder() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let directory = root.join("a,src=b");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("s"), "").unwrap();
        let json = json!({ "name": "shop", "services": {}, "secrets": { "s": { "file": directory.join("s") } } });
        let Value::Object(json) = json else { unreachable!("a mapping") };
        let asked = super::asked(&ResolvedModel { json, directory, ..ResolvedModel::default() }, &root);
        assert!(asked.asks.iter().any(|ask| ask.right.is_none()), "{:?}", asked.asks);
    }

    /// The digest of what a model of two services asks for, of which `db` has something of the host.
    fn digest_of(changes: &[(&str, Value)]) -> String {
        let long = "x".repeat(70);
        let mut json = json!({ "name": "shop", "services": {
            "db": {
                "image": "db:1",
                "build": { "context": "/p/db", "args": { "A": "1" },
                           "additional_contexts": { "a": "/a", "b": "/b" } },
                "command": ["run"],
                "entrypoint": null,
                "annotations": { "long": long },
                "env_file": [{ "path": "/a.env" }, { "path": "/b.env" }],
                "security_opt": ["seccomp:unconfined", "apparmor:unconfined"],
                "sysctls": { "kernel.a": "1", "kernel.b": "1" },
                "volumes": [{ "type": "bind", "source": "/srv/x", "target": "/x", "read_only": true }],
            },
            "web": { "image": "web:1", "volumes": [{ "type": "volume", "source": "disk", "target": "/d" }] },
            "side": { "image": "side:1", "pid": "service:web" },
            "other": { "image": "other:1" },
        }, "volumes": { "disk": { "driver_opts": { "type": "none", "device": "/srv/disk", "o": "bind" } } } });
        for (pointer, value) in changes {
            *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
        }
        let Value::Object(json) = json else { unreachable!("a mapping") };
        let model = ResolvedModel { json, directory: "/p".into(), ..ResolvedModel::default() };
        super::asked(&model, Path::new("/p")).digest
    }

    #[test]
    fn what_was_allowed_is_another_thing_when_it_changes() {
        let before = digest_of(&[]);
        assert_eq!(before, digest_of(&[]));
        // Asks for nothing, and is given nothing.
        assert_eq!(before, digest_of(&[("/services/other/image", json!("other:2"))]));
        let db = "/services/db";
        for (pointer, value) in [
            ("annotations/long", json!(format!("{}y", "x".repeat(69)))),
            ("security_opt/1", json!("label:disable")),
            ("sysctls/kernel.b", json!("2")),
            ("sysctls", json!({ "kernel.a": "1", "kernel.c": "1" })),
            ("env_file/1/path", json!("/c.env")),
            ("build/additional_contexts/b", json!("/c")),
            ("build/args/A", json!("2")),
            ("volumes/0/read_only", json!(false)),
            ("image", json!("elsewhere:1")),
            ("command/0", json!("other")),
            ("entrypoint", json!(["other"])),
        ] {
            assert_ne!(before, digest_of(&[(&format!("{db}/{pointer}"), value)]), "{pointer}");
        }
        // They use what the file asks for, or join who does.
        for service in ["web", "side"] {
            assert_ne!(
                before,
                digest_of(&[(&format!("/services/{service}/image"), json!("elsewhere:1"))]),
                "{service}"
            );
        }
    }

    #[test]
    fn where_a_link_leads_belongs_to_what_was_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let link = root.join("link");
        let mut digests = Vec::new();
        for to in ["/usr", "/etc"] {
            std::os::unix::fs::symlink(to, &link).unwrap();
            let json = json!({ "services": { "db": { "volumes": [
                { "type": "bind", "source": link, "target": "/x", "read_only": true } ] } } });
            let Value::Object(json) = json else { unreachable!("a mapping") };
            let model = ResolvedModel { json, directory: root.clone(), ..ResolvedModel::default() };
            digests.push(super::asked(&model, &root).digest);
            std::fs::remove_file(&link).unwrap();
        }
        assert_ne!(digests[0], digests[1]);
    }

    #[test]
    fn a_network_is_the_drills_own_or_somebody_elses() {
        for (pointer, key, text, told) in [
            ("/services/web", "network_mode", "bridge", ""),
            ("/services/web", "network_mode", "default", ""),
            ("/services/web", "network_mode", "none", ""),
            ("/services/web", "network_mode", "service:web", ""),
            ("/services/web", "network_mode", "host", "network_mode: "),
            ("/services/web", "network_mode", "other_default", "-: "),
            ("/services/web", "network_mode", "service:nobody", "-: "),
            ("/services/web", "network_mode", "container:x", "-: "),
            ("/services/web", "network_mode", "Host", "-: "),
            ("/services/web", "ipc", "shareable", ""),
            ("/services/web", "pid", "container:x", "-: "),
            ("/services/web", "userns_mode", "elsewhere", "-: "),
            ("/services/web/build", "network", "default", ""),
            ("/services/web/build", "network", "none", ""),
            ("/services/web/build", "network", "host", "build: "),
            ("/services/web/build", "network", "other_default", "-: "),
            ("/services/web/build", "network", "service:web", "-: "),
        ] {
            let asks = with(&format!("{pointer}/{key}"), json!(text));
            assert_eq!(asks.is_empty(), told.is_empty(), "{key}: {text}: {asks:?}");
            assert!(asks.iter().all(|ask| ask.starts_with(told)), "{key}: {text}: {asks:?}");
        }
    }

    /// The keys of every object that the specification names are those of the table.
    #[test]
    fn the_table_has_every_key_of_the_specification_and_no_other() {
        let schema: Value = serde_json::from_str(include_str!("../../../tests/schemas/compose-spec.json")).unwrap();
        // The key's own schema, or the one form of it that is an object.
        let objects = |pointer: &str| -> Vec<String> {
            let node = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
            let forms = [Some(node), node.get("items")].into_iter().flatten();
            let forms = forms.flat_map(|form| {
                std::iter::once(form).chain(form.get("oneOf").and_then(Value::as_array).into_iter().flatten())
            });
            let forms = forms.flat_map(|form| {
                let each = form.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values);
                let each = each.flat_map(|each| {
                    std::iter::once(each).chain(each.get("oneOf").and_then(Value::as_array).into_iter().flatten())
                });
                std::iter::once(form).chain(each)
            });
            let keys = forms.filter_map(|form| form.get("properties")?.as_object()).flat_map(Map::keys);
            let mut keys: Vec<String> = keys.cloned().collect();
            keys.sort();
            keys.dedup();
            keys
        };
        for (table, pointer) in [
            ("model", ""),
            ("service", "/definitions/service"),
            ("build", "/definitions/service/properties/build"),
            ("deploy", "/definitions/deployment"),
            ("resources", "/definitions/deployment/properties/resources"),
            ("reservations", "/definitions/deployment/properties/resources/properties/reservations"),
            ("hook", "/definitions/service_hook"),
            ("network_use", "/definitions/service/properties/networks"),
            ("mount", "/definitions/service/properties/volumes"),
            ("bind", "/definitions/service/properties/volumes/items/oneOf/1/properties/bind"),
            ("volume_use", "/definitions/service/properties/volumes/items/oneOf/1/properties/volume"),
            ("network", "/definitions/network"),
            ("volume", "/definitions/volume"),
            ("secret", "/definitions/secret"),
            ("config", "/definitions/config"),
        ] {
            let keys: Vec<String> = TABLES[table].keys().filter(|key| !key.is_empty()).cloned().collect();
            // `no_cache_filter` is read by Compose and missing from the schema.
            let keys: Vec<String> = keys.into_iter().filter(|key| key != "no_cache_filter").collect();
            assert_eq!(keys, objects(pointer), "{table}");
        }
    }

    /// `docs/security.md` has every key with its class.
    #[test]
    fn the_documentation_has_the_table() {
        let mut rows =
            vec!["| in | harmless | needs consent | refused | by value |\n| --- | --- | --- | --- | --- |".to_string()];
        for (name, keys) in TABLES.iter() {
            let shown = |key: &String| if key.is_empty() { "the whole entry".into() } else { format!("`{key}`") };
            let of = |classes: &[&str]| {
                let keys = keys.keys().filter(|key| classes.contains(&class(name, key).0));
                keys.map(shown).collect::<Vec<_>>().join(", ")
            };
            rows.push(format!(
                "| {} | {} | {} | {} | {} |",
                name.replace('_', " "),
                of(&["free", "one", "each"]),
                of(&["consent"]),
                of(&["refused"]),
                of(&["rule"]),
            ));
        }
        let table = rows.join("\n").replace("|  |", "| |").replace("|  |", "| |");
        let page = include_str!("../../../docs/security.md");
        assert!(page.contains(&table), "docs/security.md has another table than this:\n{table}");
    }

    #[test]
    fn the_table_can_be_read() {
        let read: BTreeMap<String, BTreeMap<String, String>> =
            serde_yaml::from_str(include_str!("rights.yaml")).unwrap();
        let services = Map::new();
        let (root, base) = (Path::new("/p"), Path::new("/p"));
        let walk = Walk { root, base, services: &services, asks: Vec::new(), given: BTreeSet::new() };
        for (table, key) in read.iter().flat_map(|(table, keys)| keys.keys().map(move |key| (table, key))) {
            let is_known = match class(table, key) {
                ("free", rest) => rest.is_empty(),
                ("consent" | "refused", why) => !why.is_empty(),
                ("one" | "each", of) => read.contains_key(of),
                ("rule", "build") => true,
                ("rule", rule) => walk.decide(rule, &json!("x")).is_none_or(|wrong| wrong.why != UNKNOWN),
                _ => false,
            };
            assert!(is_known, "{table}.{key}: {:?}", read[table][key]);
        }
        assert!(is_free("image") && !is_free("volumes") && !is_free("of_next_year"));
    }
}
