//! What a Compose file asks of the host. Every key of the specification has a class in `rights.yaml`: what reaches the host
//! needs the consent of the person who runs the drill, and what is not in the table is refused.

use super::bundle::hex;
use super::findings::is_external;
use super::model::{ResolvedModel, scalar, unescape};
use crate::source::outside;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

/// One thing that a Compose file asks of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// The service, unless it is about the file as a whole.
    pub service: Option<String>,
    /// The key in the Compose file: `cap_add`, `build.network`, `volumes.data`.
    pub key: String,
    /// What `--allow-host` calls it; `None` for what no drill may have.
    pub right: Option<String>,
    /// What is asked for and what that means, in one line.
    pub what: String,
}

/// What a key can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    Free,
    Consent(String),
    Refused(String),
    Rule(Rule),
    One(String),
    Each(String),
}

/// A decision by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Build,
    Caches,
    Context,
    Contexts,
    Dockerfile,
    External,
    Files,
    Labels,
    Logging,
    Mount,
    Namespace,
    Propagation,
    Security,
    Sysctls,
    Volume,
    VolumesFrom,
}

type Table = BTreeMap<String, Class>;

static TABLES: LazyLock<BTreeMap<String, Table>> = LazyLock::new(|| {
    let text = include_str!("rights.yaml");
    // A test reads it: of one that cannot be read everything is refused.
    let read: BTreeMap<String, BTreeMap<String, String>> = serde_yaml::from_str(text).unwrap_or_default();
    let class = |text: &String| Class::parse(text).unwrap_or_else(|| Class::Refused(String::new()));
    read.iter()
        .map(|(name, keys)| (name.clone(), keys.iter().map(|(key, text)| (key.clone(), class(text))).collect()))
        .collect()
});

impl Class {
    fn parse(text: &str) -> Option<Class> {
        let (word, rest) = text.split_once(' ').map_or((text, ""), |(word, rest)| (word, rest.trim()));
        let of = rest.to_string();
        match word {
            "free" if rest.is_empty() => Some(Class::Free),
            "consent" if !rest.is_empty() => Some(Class::Consent(of)),
            "refused" if !rest.is_empty() => Some(Class::Refused(of)),
            "one" if !rest.is_empty() => Some(Class::One(of)),
            "each" if !rest.is_empty() => Some(Class::Each(of)),
            "rule" => Rule::named(rest).map(Class::Rule),
            _ => None,
        }
    }
}

impl Rule {
    fn named(name: &str) -> Option<Rule> {
        Some(match name {
            "build" => Rule::Build,
            "caches" => Rule::Caches,
            "context" => Rule::Context,
            "contexts" => Rule::Contexts,
            "dockerfile" => Rule::Dockerfile,
            "external" => Rule::External,
            "files" => Rule::Files,
            "labels" => Rule::Labels,
            "logging" => Rule::Logging,
            "mount" => Rule::Mount,
            "namespace" => Rule::Namespace,
            "propagation" => Rule::Propagation,
            "security" => Rule::Security,
            "sysctls" => Rule::Sysctls,
            "volume" => Rule::Volume,
            "volumes_from" => Rule::VolumesFrom,
            _ => return None,
        })
    }
}

/// What is wrong with a value: whether consent is enough, and why.
enum Wrong {
    Consent(String),
    Refused(String),
}

fn consent(why: impl Into<String>) -> Option<Wrong> {
    Some(Wrong::Consent(why.into()))
}

fn refused(why: impl Into<String>) -> Option<Wrong> {
    Some(Wrong::Refused(why.into()))
}

/// Everything that a resolved model asks of the host; `root` is the project's directory.
pub fn asked(model: &ResolvedModel, root: &Path) -> Asked {
    let mut walk = Walk { root, base: &model.directory, asks: Vec::new() };
    walk.table("model", &model.json, None, &mut Vec::new());
    walk.asks.sort();
    walk.asks.dedup();
    Asked { digest: digest(&walk.asks, root), asks: walk.asks }
}

/// Whether a key of a service reaches nothing outside of the drill, whatever its value.
pub fn is_free(key: &str) -> bool {
    TABLES.get("service").and_then(|table| table.get(key)) == Some(&Class::Free)
}

/// The names that `--allow-host` knows.
pub fn rights() -> Vec<String> {
    let key_of =
        |(key, class): (&String, &Class)| (!matches!(class, Class::Free | Class::Refused(_))).then(|| key.clone());
    let of = |name: &str| TABLES.get(name).into_iter().flatten().filter_map(key_of).collect::<Vec<_>>();
    let mut all: Vec<String> = [of("service"), of("model")].concat();
    all.retain(|key| !matches!(key.as_str(), "services" | "networks"));
    all.extend(super::reads::RIGHTS.iter().map(|right| right.to_string()));
    all.sort();
    all.dedup();
    all
}

/// Everything that a stack asks of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Each thing.
    pub asks: Vec<Ask>,
    /// Digest of all of them and of the project's directory: what was allowed is asked for again when it changes.
    pub digest: String,
}

fn digest(asks: &[Ask], root: &Path) -> String {
    let texts = asks.iter().flat_map(|ask| [ask.service.as_deref().unwrap_or_default(), &ask.key, &ask.what]);
    let mut sha = Sha256::new();
    for bytes in std::iter::once(root.as_os_str().as_encoded_bytes()).chain(texts.map(str::as_bytes)) {
        // Each with its length, so that no two lists make the same bytes.
        sha.update(bytes.len().to_le_bytes());
        sha.update(bytes);
    }
    hex(&sha.finalize())
}

struct Walk<'a> {
    root: &'a Path,
    base: &'a Path,
    asks: Vec<Ask>,
}

impl Walk<'_> {
    fn table(&mut self, name: &str, object: &Map<String, Value>, service: Option<&str>, path: &mut Vec<String>) {
        let empty = Table::new();
        let table = TABLES.get(name).unwrap_or(&empty);
        if let Some(Class::Rule(rule)) = table.get("") {
            let wrong = self.decide(*rule, &Value::Object(object.clone()));
            self.note(wrong, service, path);
        }
        for (key, value) in object.iter().filter(|(key, value)| !key.starts_with("x-") && !is_empty(value)) {
            path.push(key.clone());
            match table.get(key).filter(|_| !key.is_empty()) {
                None => self.note(refused("Firedrill does not know this key"), service, path),
                Some(Class::Free) => {}
                Some(Class::Consent(why)) => self.note(consent(format!("{}: {why}", shown(value))), service, path),
                Some(Class::Refused(why)) => self.note(refused(format!("{}: {why}", shown(value))), service, path),
                Some(Class::Rule(Rule::Build)) => self.build(value, service, path),
                Some(Class::Rule(rule)) => {
                    let wrong = self.decide(*rule, value);
                    self.note(wrong, service, path);
                }
                Some(Class::One(of)) => self.one(of, value, service, path),
                Some(Class::Each(of)) => self.each(of, value, service, path),
            }
            path.pop();
        }
    }

    fn one(&mut self, table: &str, value: &Value, service: Option<&str>, path: &mut Vec<String>) {
        match value {
            Value::Object(object) => self.table(table, object, service, path),
            Value::Null => {}
            // Compose prints the long form of everything that has one.
            other => self.note(refused(format!("{}: not what Compose makes of it", shown(other))), service, path),
        }
    }

    fn each(&mut self, table: &str, value: &Value, service: Option<&str>, path: &mut Vec<String>) {
        match value {
            Value::Object(entries) => {
                for (name, value) in entries {
                    if table == "service" {
                        let mut own = Vec::new();
                        self.one(table, value, Some(name), &mut own);
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

    fn note(&mut self, wrong: Option<Wrong>, service: Option<&str>, path: &[String]) {
        let Some(wrong) = wrong else { return };
        let key = path.join(".");
        let (right, why) = match wrong {
            Wrong::Consent(why) => (path.first().cloned(), why),
            Wrong::Refused(why) => (None, why),
        };
        let of = service.map_or_else(String::new, |service| format!("of `{service}` "));
        let verb = if right.is_some() { "reaches the host" } else { "cannot be in a drill" };
        let what = format!("`{key}` {of}{verb}: {why}");
        self.asks.push(Ask { service: service.map(str::to_string), key, right, what });
    }

    fn build(&mut self, value: &Value, service: Option<&str>, path: &mut Vec<String>) {
        let Value::Object(build) = value else {
            let wrong = self.decide(Rule::Context, value);
            return self.note(wrong, service, path);
        };
        self.table("build", build, service, path);
        // Relative to the context, which Compose prints as an absolute path.
        let (Some(context), Some(file)) = (text(build.get("context")), text(build.get("dockerfile"))) else { return };
        if !is_remote(&context) {
            let wrong = outside(self.root, &self.base.join(context).join(file)).and_then(consent);
            path.push("dockerfile".into());
            self.note(wrong, service, path);
            path.pop();
        }
    }

    fn decide(&self, rule: Rule, value: &Value) -> Option<Wrong> {
        let texts = texts(value);
        let first = |wrong: &dyn Fn(&str) -> Option<Wrong>| texts.iter().find_map(|text| wrong(text));
        match rule {
            Rule::Build | Rule::Dockerfile => None,
            Rule::Caches => first(&|text| {
                let local = text.contains("type=")
                    && !["type=inline", "type=registry"].iter().any(|known| text.contains(known));
                local.then(|| Wrong::Consent(format!("{text}: the build reads and writes outside of the drill")))
            }),
            Rule::Context => first(&|text| self.context(text)),
            Rule::Contexts => match value {
                Value::Object(contexts) => {
                    contexts.values().filter_map(scalar).find_map(|text| self.context(&unescape(&text)))
                }
                _ => first(&|text| self.context(text.split_once('=').map_or(text, |(_, context)| context))),
            },
            Rule::External => match value {
                Value::Bool(false) => None,
                _ => refused("it is not the stack's own"),
            },
            Rule::Files => match value {
                Value::Array(items) => items.iter().find_map(|item| self.decide(Rule::Files, item)),
                Value::Object(file) => file.get("path").and_then(|path| self.decide(Rule::Files, path)),
                _ => first(&|text| outside(self.root, &self.base.join(text)).and_then(consent)),
            },
            Rule::Labels => {
                let keys: Vec<String> = match value {
                    Value::Object(labels) => labels.keys().cloned().collect(),
                    _ => texts.clone(),
                };
                let reserved = ["dev.firedrill.", "com.docker.compose."];
                let forged = keys.iter().find(|key| reserved.iter().any(|begin| key.starts_with(begin)))?;
                refused(format!("{forged}: this label says whose a container is"))
            }
            Rule::Logging => match text(value.get("driver")).as_deref() {
                None | Some("json-file" | "local" | "none") => None,
                Some(driver) => consent(format!("the driver {driver} sends logs elsewhere")),
            },
            Rule::Mount => self.mount(value),
            Rule::Namespace => first(&|text| match text.split_once(':').map_or(text, |(kind, _)| kind) {
                "host" => consent("host: it is not kept from the host"),
                "container" => refused(format!("{text}: it joins a container that is not part of the stack")),
                _ => None,
            }),
            Rule::Propagation => first(&|text| {
                (!matches!(text, "private" | "rprivate" | "slave" | "rslave"))
                    .then(|| Wrong::Consent(format!("{text}: what it mounts appears on the host")))
            }),
            Rule::Security => first(&|text| {
                (!text.starts_with("no-new-privileges"))
                    .then(|| Wrong::Consent(format!("{text}: it is kept from the host by less")))
            }),
            Rule::Sysctls => {
                let names: Vec<String> = match value {
                    Value::Object(settings) => settings.keys().cloned().collect(),
                    _ => texts.clone(),
                };
                let own = ["net.", "kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue."];
                let other = names.into_iter().find(|name| !own.iter().any(|begin| name.starts_with(begin)))?;
                consent(format!("{other}: a setting of the host's kernel"))
            }
            Rule::Volume => volume(value),
            Rule::VolumesFrom => first(&|text| {
                text.starts_with("container:")
                    .then(|| Wrong::Refused(format!("{text}: a container that is not part of the stack")))
            }),
        }
    }

    /// A build context: a directory of the project, another service or an image.
    fn context(&self, text: &str) -> Option<Wrong> {
        if text.starts_with("service:") || text.starts_with("docker-image://") {
            return None;
        }
        let path = text.strip_prefix("oci-layout://").unwrap_or(text);
        match is_remote(path) {
            true => consent(format!("{text}: the build reads from elsewhere")),
            false => outside(self.root, &self.base.join(path)).and_then(consent),
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
        let read_only = mount.get("read_only").and_then(Value::as_bool).unwrap_or(false);
        if let Some(why) = outside(self.root, &path) {
            return consent(why);
        }
        match read_only {
            _ if !path.exists() => {
                consent(format!("{source}: there is no such file, and the engine would create a directory"))
            }
            true => special(&path).and_then(|kind| consent(format!("{source}: it is {kind}"))),
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

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(scalar).map(|text| unescape(&text))
}

/// A scalar, or the scalars of a list.
fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(scalar).map(|text| unescape(&text)).collect()
}

/// A value in a message.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(_) => texts(value).join(", "),
        other => scalar(other).map(|text| unescape(&text)).unwrap_or_default(),
    };
    let text = if text.is_empty() { value.to_string() } else { text };
    crate::source::shorten(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        let model =
            ResolvedModel { json, file: root.join("compose.yaml"), directory: root.clone(), remarks: Vec::new() };
        let line = |ask: &Ask| format!("{}: {}", ask.right.as_deref().unwrap_or("-"), ask.what);
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
            ("/services/web/logging", json!({ "driver": "json-file", "options": { "max-size": "1m" } })),
            ("/services/web/pid", json!("service:db")),
            ("/services/web/x-note", json!({ "privileged": true })),
            ("/volumes/d", json!({ "driver_opts": { "type": "tmpfs", "device": "tmpfs", "o": "size=64m,uid=1000" } })),
            ("/secrets", json!({ "s": { "name": "shop_s", "file": "ROOT/conf/web.conf" } })),
            ("/services/web/build/additional_contexts", json!({ "base": "service:db", "more": "ROOT/conf" })),
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
            ("volumes_from", json!(["container:other"])),
            ("of_next_year", json!("x")),
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
            ("cache_to", json!(["type=local,dest=/srv/x"])),
            ("additional_contexts", json!({ "etc": "/etc" })),
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
    fn what_was_allowed_is_another_thing_when_it_changes() {
        let root = Path::new("/p");
        let ask = |what: &str| Ask { service: None, key: "k".into(), right: None, what: what.into() };
        let one = digest(&[ask("a")], root);
        assert_eq!(one, digest(&[ask("a")], root));
        assert_ne!(one, digest(&[ask("b")], root));
        assert_ne!(one, digest(&[ask("a")], Path::new("/q")));
        assert_ne!(one, digest(&[ask("a"), ask("a")], root));
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
            let of = |fits: &dyn Fn(&Class) -> bool| {
                let keys: Vec<String> =
                    keys.iter().filter(|(_, class)| fits(class)).map(|(key, _)| shown(key)).collect();
                keys.join(", ")
            };
            rows.push(format!(
                "| {} | {} | {} | {} | {} |",
                name.replace('_', " "),
                of(&|class| matches!(class, Class::Free | Class::One(_) | Class::Each(_))),
                of(&|class| matches!(class, Class::Consent(_))),
                of(&|class| matches!(class, Class::Refused(_))),
                of(&|class| matches!(class, Class::Rule(_))),
            ));
        }
        let table = rows.join("\n").replace("|  |", "| |").replace("|  |", "| |");
        let page = include_str!("../../../docs/security.md");
        assert!(page.contains(&table), "docs/security.md has another table than this:\n{table}");
    }

    #[test]
    fn the_table_can_be_read() {
        let text = include_str!("rights.yaml");
        let read: BTreeMap<String, BTreeMap<String, String>> = serde_yaml::from_str(text).unwrap();
        for (table, keys) in &read {
            for (key, class) in keys {
                let class = Class::parse(class).unwrap_or_else(|| panic!("{table}.{key}: {class}"));
                if let Class::One(of) | Class::Each(of) = class {
                    assert!(read.contains_key(&of), "{table}.{key}: {of}");
                }
            }
        }
        assert!(is_free("image") && !is_free("volumes") && !is_free("of_next_year"));
    }
}
