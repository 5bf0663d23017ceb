//! The team's manifests: read from a file, a folder, a kustomization or a chart, and what they say without a cluster.

use super::boundary::{TABLE, is_listed, unnameable};
use super::kubectl_request::is_kind;
use crate::process;
use crate::source::{TextPattern, in_other_case, outside, read_otherwise};
use crate::stack::{CHART, ClusterRequest, ResolveError, StackRequest};
use regex::Captures;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The most that manifests may take, in bytes.
const MOST: u64 = 8 * 1024 * 1024;

/// The annotation by which an object of a chart is not installed with the others, but at certain moments.
const HOOK: &str = "/metadata/annotations/helm.sh~1hook";

/// For programs that make manifests: they have no business in a network. Loopback addresses go around these proxies, so whatever looks like
/// an address is refused before, too.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
/// A port on which nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Keys of a kustomization under which there is only content, which may well have addresses in it, and no file is named.
const CONTENT: [&str; 6] = ["annotations", "commonAnnotations", "commonLabels", "labels", "literals", "patch"];
/// Lists of a kustomization that name files and folders.
const BASES: [&str; 8] =
    ["resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators"];
/// Those of them whose files are instructions themselves.
const INSTRUCTIONS: [&str; 3] = ["generators", "transformers", "validators"];

/// What the ends of quantities mean, as `k8s.io/apimachinery/pkg/api/resource` writes them.
const SUFFIXES: &[(f64, &[(&str, i32)])] = &[
    (1024.0, &[("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)]),
    (1000.0, &[("n", -3), ("u", -2), ("m", -1), ("k", 1), ("M", 2), ("G", 3), ("T", 4), ("P", 5), ("E", 6)]),
];

/// Kinds of which Pods are made and that drills know as services.
pub(super) const WORKLOADS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"];

/// The team's objects, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Manifests {
    /// Each as it is written, lists taken apart.
    pub objects: Vec<Value>,
}

fn invalid(path: &Path, why: impl ToString) -> ResolveError {
    ResolveError::Invalid { file: path.to_path_buf(), message: why.to_string() }
}

/// The namespace that the manifests write.
pub(super) fn written(request: &StackRequest) -> &str {
    request.cluster.as_ref().map_or("", |cluster| cluster.namespace.as_str())
}

/// The text at a pointer, or nothing.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a list at a pointer.
pub(super) fn items<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The elements of a list at a pointer, to be changed.
pub(super) fn items_mut<'v>(value: &'v mut Value, pointer: &str) -> impl Iterator<Item = &'v mut Value> + use<'v> {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Names and texts of a map at a pointer.
pub(super) fn texts(value: &Value, pointer: &str) -> BTreeMap<String, String> {
    let map = value.pointer(pointer).and_then(Value::as_object);
    let entry = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_string()));
    map.into_iter().flatten().filter_map(entry).collect()
}

pub(super) fn kind(object: &Value) -> &str {
    text(object, "/kind")
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The API group, which the oldest kinds have none of.
pub(super) fn group(object: &Value) -> &str {
    text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group)
}

/// Where the specification of its Pods is, for what makes Pods.
pub(super) fn pod_spec_pointer(object: &Value) -> Option<&'static str> {
    match kind(object) {
        "Pod" => Some("/spec"),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "ReplicationController" => {
            Some("/spec/template/spec")
        }
        "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

/// The specification of the Pods of an object.
pub(super) fn pod_spec(object: &Value) -> Option<&Value> {
    object.pointer(pod_spec_pointer(object)?)
}

/// Every container of a Pod's specification, those that run before the others too.
pub(super) fn all_containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["/initContainers", "/containers"].into_iter().flat_map(|list| items(spec, list))
}

/// The containers of a Pod's specification that run as long as it does.
pub(super) fn lasting_containers(spec: &Value) -> impl Iterator<Item = &Value> {
    let sidecars = items(spec, "/initContainers").filter(|container| text(container, "/restartPolicy") == "Always");
    sidecars.chain(items(spec, "/containers"))
}

/// The container that a service is: the one that has its name, or the first.
pub(super) fn main_container<'v>(spec: &'v Value, service: &str) -> Option<&'v Value> {
    items(spec, "/containers")
        .find(|container| text(container, "/name") == service)
        .or_else(|| items(spec, "/containers").next())
}

/// Reads the manifests at a path. Nothing is read that lies outside of `root`, which is the project: the machine's other files are
/// not its business. `chart` says as what a chart is installed, and with which values.
pub(super) async fn read(path: &Path, root: &Path, chart: Option<&ClusterRequest>) -> Result<Manifests, ResolveError> {
    if path.is_file() {
        return parse(path, &read_text(path, root)?);
    }
    if let Some(chart) = chart.filter(|_| path.join(CHART).is_file()) {
        let mut folders = BTreeSet::new();
        if let Some(why) = leads_out(path, root, &mut folders).map_err(|error| invalid(path, error))? {
            return Err(invalid(path, format!("{why}: helm would read it")));
        }
        let release = chart.release.as_ref().unwrap_or(&chart.namespace);
        // A schema of the chart's may refer to files and addresses anywhere.
        let args = ["template", release, ".", "--skip-schema-validation", "--namespace", &chart.namespace];
        let mut args = args.map(OsString::from).to_vec();
        for file in &chart.values {
            let file = std::path::absolute(file).map_err(|error| invalid(file, error))?;
            if file.to_string_lossy().contains([',', '"']) {
                return Err(invalid(&file, "helm takes a path with a comma or a quote for several: rename it"));
            }
            args.extend(["--values".into(), file.into()]);
        }
        let mut manifests = rendered(path, "helm", &args).await?;
        manifests.objects.retain(is_installed);
        return Ok(manifests);
    }
    if kustomization(path).is_some() {
        check_bases(path, root, false, &mut BTreeSet::new())?;
        return rendered(path, "kubectl", &["kustomize", "."].map(OsString::from)).await;
    }
    let entries = std::fs::read_dir(path).map_err(|error| invalid(path, error))?;
    let is_read = |file: &PathBuf| {
        let end = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
        file.is_file() && ["yaml", "yml", "json"].contains(&end)
    };
    let files: BTreeSet<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_read).collect();
    let mut all = Manifests::default();
    for file in &files {
        all.objects.extend(parse(file, &read_text(file, root)?)?.objects);
    }
    let none = || invalid(path, "there is no manifest (*.yaml, *.yml, *.json) in this folder");
    (!all.objects.is_empty()).then_some(all).ok_or_else(none)
}

/// Whether an installation of its chart brings an object: not one that tests, upgrades, rolls back or deletes.
fn is_installed(object: &Value) -> bool {
    let installs = |hook: &str| ["pre-install", "post-install"].contains(&hook.trim());
    object.pointer(HOOK).and_then(Value::as_str).is_none_or(|hooks| hooks.split(',').any(installs))
}

/// The file by which a folder is a kustomization.
fn kustomization(folder: &Path) -> Option<PathBuf> {
    let names = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
    names.iter().map(|name| folder.join(name)).find(|file| file.is_file())
}

/// The first link in a folder that leads outside of the project; folders to which links lead are looked through as well.
fn leads_out(folder: &Path, root: &Path, seen: &mut BTreeSet<PathBuf>) -> std::io::Result<Option<String>> {
    if let Some(why) = outside(root, folder) {
        return Ok(Some(why));
    }
    if !seen.insert(folder.canonicalize()?) {
        return Ok(None);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let why = if path.is_dir() { leads_out(&path, root, seen)? } else { outside(root, &path) };
        if why.is_some() {
            return Ok(why);
        }
    }
    Ok(None)
}

/// The folders from which the manifests at a path are made besides: bases of a kustomization, and what links of a chart lead to. What is
/// wrong with them is told where they are read.
pub(super) fn folders(path: &Path, root: &Path) -> BTreeSet<PathBuf> {
    if path.join(CHART).is_file() {
        let mut folders = BTreeSet::new();
        let _ = leads_out(path, root, &mut folders);
        return folders;
    }
    let mut seen = BTreeSet::new();
    let _ = check_bases(path, root, false, &mut seen);
    seen.iter().filter_map(|(file, _)| Some(file.parent()?.to_path_buf())).collect()
}

/// Files of kustomizations, each with whether what they name are instructions.
type SeenBases = BTreeSet<(PathBuf, bool)>;

/// Whether everything that a kustomization is made of lies in the project: kubectl follows its bases wherever they are, and fetches
/// whatever looks like an address, also where a file of that very name is there. What one folder says of its own files kubectl itself keeps
/// inside of that folder. `instructs`: its resources are instructions for kustomize, as those of `generators` are.
fn check_bases(folder: &Path, root: &Path, instructs: bool, seen: &mut SeenBases) -> Result<(), ResolveError> {
    let Some(file) = kustomization(folder) else { return Ok(()) };
    if !seen.insert((file.clone(), instructs)) {
        return Ok(());
    }
    let wrong = |why: String| Err(invalid(&file, why));
    for written in instructions(&file, root)? {
        for key in BASES {
            for entry in items(&written, &format!("/{key}")) {
                let entry = entry.as_str().ok_or_else(|| invalid(&file, format!("`{entry}` in `{key}` is no text")))?;
                let path = folder.join(entry);
                if !path.exists() {
                    // Instructions may stand there themselves.
                    if INSTRUCTIONS.contains(&key) && is_of_lines(&Value::from(entry)) {
                        continue;
                    }
                    return wrong(format!("`{entry}` is not in the project: what is elsewhere is not fetched"));
                }
                // At the end of a file kustomize leaves out the line end that is read here.
                if entry.contains(char::is_control) {
                    return wrong(format!("`{}` is no path", entry.escape_debug()));
                }
                if let Some(why) = outside(root, &path) {
                    return wrong(why);
                }
                let instructs = INSTRUCTIONS.contains(&key) || instructs && !["crds", "configurations"].contains(&key);
                if path.is_dir() {
                    check_bases(&path, root, instructs, seen)?;
                } else if instructs {
                    instructions(&path, root)?;
                }
            }
        }
    }
    Ok(())
}

/// What a file tells kustomize, if it names nothing that is elsewhere.
fn instructions(file: &Path, root: &Path) -> Result<Vec<Value>, ResolveError> {
    let text = read_text(file, root)?;
    let written: Vec<Value> = serde_yaml::from_multiple(&text).map_err(|error| invalid(file, error))?;
    if let Some(why) = read_otherwise(&text, &[]) {
        return Err(invalid(file, why));
    }
    let keys = written.iter().filter_map(Value::as_object).flat_map(Map::keys);
    if let Some(key) = keys.into_iter().find(|key| in_other_case(key, &BASES)) {
        return Err(invalid(file, format!("`{key}` is read though some of its letters have another case")));
    }
    let Some(place) = written.iter().find_map(elsewhere) else { return Ok(written) };
    let why = format!("`{place}` is not in the project: what is elsewhere is not fetched, copy it into a file");
    Err(invalid(file, why))
}

/// The first text of a kustomization that kustomize may take for a place in the network.
fn elsewhere(written: &Value) -> Option<&str> {
    match written {
        Value::String(text) => is_elsewhere(text).then_some(text.as_str()),
        Value::Array(all) => all.iter().find_map(elsewhere),
        Value::Object(map) => map.iter().find_map(|(key, value)| match key.as_str() {
            // What is merged in would not be seen where it comes to stand.
            "<<" => Some("<<"),
            key if CONTENT.contains(&key) => None,
            // A path, or the patch itself on several lines, which is never taken for an address.
            "patchesStrategicMerge" => items(value, "").filter(|one| !is_of_lines(one)).find_map(elsewhere),
            _ => elsewhere(value),
        }),
        _ => None,
    }
}

fn is_of_lines(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.trim().contains('\n'))
}

fn is_elsewhere(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let first = text.split('/').next().unwrap_or_default();
    // `git@host:path`, and no image by its digest.
    let is_host = |host: &str| host.contains(':') && !host.starts_with("sha256:");
    let is_git = !first.contains(char::is_whitespace) && first.split_once('@').is_some_and(|(_, host)| is_host(host));
    let begins = ["git::", "gh:", "github.com:", "github.com/", "gitlab.com/", "bitbucket.org/"];
    text.contains("://") || is_git || begins.iter().any(|start| text.starts_with(start))
}

fn read_text(file: &Path, root: &Path) -> Result<String, ResolveError> {
    if let Some(why) = outside(root, file) {
        return Err(invalid(file, why));
    }
    let size = std::fs::metadata(file).map_err(|error| invalid(file, error))?.len();
    if size > MOST {
        return Err(invalid(file, format!("it has {size} bytes, and manifests may have {MOST}")));
    }
    std::fs::read_to_string(file).map_err(|error| invalid(file, error))
}

/// What a program makes of a folder: a kustomization or a chart.
async fn rendered(folder: &Path, program: &str, args: &[OsString]) -> Result<Manifests, ResolveError> {
    let operation = format!("{program} {} in {}", args.join(" ".as_ref()).display(), folder.display());
    let mut command = process::command(program);
    process::limit_memory(&mut command, process::MOST_MEMORY);
    command
        .args(args)
        .current_dir(folder)
        .envs(PROXIES.map(|name| (name, NOWHERE)))
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    let output = process::output(command, process::TELLS_WITHIN).await.map_err(|error| {
        let hint = format!("install {program}, or write the manifests out into a folder");
        ResolveError::Environment(super::namespace::hinted(operation.as_str(), error, hint))
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
        return Err(invalid(folder, format!("{operation}: {said}")));
    }
    parse(folder, &String::from_utf8_lossy(&output.stdout))
}

/// The documents of a text, in which `0644` is a mode as it is for kubectl.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, serde_yaml::Error> {
    serde_yaml::from_multiple_with_options(text, serde_yaml::options! { legacy_octal_numbers: true })
}

/// The objects of a text of one or more documents.
fn parse(file: &Path, text: &str) -> Result<Manifests, ResolveError> {
    let documents = documents(text).map_err(|error| invalid(file, error))?;
    let mut objects = Vec::new();
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        if kind(&document).ends_with("List") && document.get("items").is_some() {
            objects.extend(items(&document, "/items").cloned());
        } else {
            objects.push(document);
        }
    }
    for object in &objects {
        let has = |pointer: &str| !self::text(object, pointer).is_empty();
        if !(has("/apiVersion") && has("/kind") && has("/metadata/name")) {
            let what = if has("/kind") { format!("the {}", kind(object)) } else { "a document".into() };
            let why = format!("{what} is no Kubernetes object: it needs apiVersion, kind and metadata.name");
            return Err(invalid(file, why));
        }
        if let Some(why) = unnameable(object) {
            return Err(invalid(file, format!("the {} `{}` cannot be: {why}", kind(object), name(object))));
        }
    }
    Ok(Manifests { objects })
}

impl Manifests {
    /// With each ClusterRole that RoleBindings name as a Role: it gives the same rights in the drill's namespace, which is where those
    /// bindings gave them, and nothing is made that belongs to the whole cluster. One that cannot be a Role stays what it is: it is made
    /// of others, or has rights outside of every namespace, or there is a Role of its name.
    pub(super) fn with_own_roles(mut self) -> Manifests {
        let bound_by = |binding: &str| -> BTreeSet<String> {
            let all = self.of_kind(binding).filter(|binding| text(binding, "/roleRef/kind") == "ClusterRole");
            all.map(|binding| text(binding, "/roleRef/name").to_string()).collect()
        };
        // What is bound for the whole cluster as well stays there, beside the Role.
        let (mut own, everywhere) = (bound_by("RoleBinding"), bound_by("ClusterRoleBinding"));
        let outside = |role: &Value| {
            role.get("aggregationRule").is_some_and(|rule| !rule.is_null())
                || items(role, "/rules").any(|rule| rule.get("nonResourceURLs").is_some())
        };
        own.retain(|role| {
            let mut given = self.of_kind("ClusterRole").filter(|object| name(object) == role);
            given.next().is_some_and(|role| !outside(role)) && self.of_kind("Role").all(|object| name(object) != role)
        });
        let is_both = |role: &&Value| own.contains(name(role)) && everywhere.contains(name(role));
        let both: Vec<Value> = self.of_kind("ClusterRole").filter(is_both).cloned().collect();
        for object in &mut self.objects {
            let pointer = match kind(object) {
                "ClusterRole" if own.contains(name(object)) => "/kind",
                "RoleBinding" if own.contains(text(object, "/roleRef/name")) => "/roleRef/kind",
                _ => continue,
            };
            if let Some(kind) = object.pointer_mut(pointer) {
                *kind = Value::from("Role");
            }
        }
        self.objects.extend(both);
        self
    }

    /// What has Pods, in order.
    pub(super) fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(|object| WORKLOADS.contains(&kind(object)))
    }

    /// The workload of a name.
    pub(super) fn workload(&self, service: &str) -> Option<&Value> {
        self.workloads().find(|object| name(object) == service)
    }

    /// Objects of a kind.
    pub(super) fn of_kind<'m>(&'m self, wanted: &'m str) -> impl Iterator<Item = &'m Value> {
        self.objects.iter().filter(move |object| kind(object) == wanted)
    }

    /// Names by which clients in the namespace `written` call a Service.
    pub(super) fn names_of(service: &str, written: &str) -> Vec<String> {
        let long = ["", ".svc", ".svc.cluster.local"].map(|end| format!("{service}.{written}{end}"));
        long.into_iter().chain([service.to_string()]).collect()
    }

    /// Those of all its Services.
    pub(super) fn names(&self, written: &str) -> BTreeSet<String> {
        self.of_kind("Service").flat_map(|service| Manifests::names_of(name(service), written)).collect()
    }

    /// Those, and the names of production that belong to them, in small letters.
    pub(super) fn called(&self, request: &StackRequest) -> BTreeSet<String> {
        let of_production = request.hosts.keys().map(|host| host.to_lowercase());
        self.names(written(request)).into_iter().chain(of_production).collect()
    }

    /// Every name by which a client can call a Service.
    pub(super) fn hosts(&self, written: &str) -> Vec<String> {
        let names = |service: &Value| match text(service, "/spec/clusterIP") == "None" {
            // Without an address of its own nothing can lead to it by a name of the written namespace.
            true => vec![name(service).to_string()],
            false => Manifests::names_of(name(service), written),
        };
        self.of_kind("Service").flat_map(names).collect()
    }

    /// Environment of a service's container, as far as the manifests tell it: values, and those of Secrets and ConfigMaps that
    /// are among them.
    pub(super) fn environment(&self, service: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let Some(spec) = self.workload(service).and_then(pod_spec) else { return found };
        let Some(container) = main_container(spec, service) else { return found };
        for from in items(container, "/envFrom") {
            let prefix = text(from, "/prefix");
            for (kind, pointer) in [("ConfigMap", "/configMapRef/name"), ("Secret", "/secretRef/name")] {
                let data = self.data(kind, text(from, pointer));
                found.extend(data.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
            }
        }
        for entry in items(container, "/env") {
            let refs = [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")];
            let referred = refs.iter().find_map(|(kind, key)| {
                let from = entry.pointer(&format!("/valueFrom/{key}"))?;
                self.data(kind, text(from, "/name")).remove(text(from, "/key"))
            });
            let value = entry.get("value").and_then(Value::as_str).map(str::to_string).or(referred);
            let set = value.map(|value| (text(entry, "/name").to_string(), expanded(&value, &found)));
            found.extend(set);
        }
        found
    }

    /// The data of a ConfigMap or a Secret, decoded.
    fn data(&self, kind: &str, wanted: &str) -> BTreeMap<String, String> {
        self.of_kind(kind).find(|object| name(object) == wanted).map(data_of).unwrap_or_default()
    }

    /// The values of its Secrets.
    pub(super) fn secrets(&self) -> BTreeSet<String> {
        self.of_kind("Secret").flat_map(data_of).map(|(_, value)| value).filter(|value| !value.is_empty()).collect()
    }
}

/// `$(NAME)` in a value, as Kubernetes expands it: what is set before it in the same list.
fn expanded(value: &str, known: &BTreeMap<String, String>) -> String {
    static REFERENCE: TextPattern = TextPattern::new(r"\$\(([^)]*)\)");
    let stands_for = |found: &Captures<'_>| known.get(&found[1]).map_or(&found[0], String::as_str).to_string();
    REFERENCE.replace_all(value, stands_for).into_owned()
}

/// The data of a Secret or a ConfigMap.
fn data_of(object: &Value) -> BTreeMap<String, String> {
    use base64::Engine;
    let mut data = texts(object, "/data");
    if kind(object) == "Secret" {
        for value in data.values_mut() {
            let bytes = base64::engine::general_purpose::STANDARD.decode(value.trim()).unwrap_or_default();
            *value = String::from_utf8_lossy(&bytes).into_owned();
        }
        data.extend(texts(object, "/stringData"));
    }
    data
}

/// Whether objects of this kind belong to no namespace: those of Kubernetes' own. What a cluster adds to them is known once it is asked.
pub(super) fn is_cluster_scoped(object: &Value) -> bool {
    ["cluster", "namespaces"].iter().any(|which| is_kind(kind(object), which))
}

/// What a Pod asks of the node that it runs on, one sentence each.
pub(super) fn asks_of_the_node(spec: &Value) -> Vec<String> {
    let is_true = |of: &Value, pointer: &str| of.pointer(pointer) == Some(&Value::Bool(true));
    let host = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|key| is_true(spec, &format!("/{key}")));
    let mut asks: Vec<String> = host.map(|key| format!("it sets `{key}`")).collect();
    for volume in items(spec, "/volumes") {
        let name = text(volume, "/name");
        let set = volume.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        for key in set.map(|(key, _)| key.as_str()).filter(|key| *key != "name" && !is_listed("volumes", "*", key)) {
            asks.push(match key {
                "hostPath" => format!("its volume `{name}` is the node's `{}`", text(volume, "/hostPath/path")),
                of => format!("its volume `{name}` is one that the node mounts (`{of}`)"),
            });
        }
    }
    let all = || std::iter::once(spec).chain(all_containers(spec));
    if all().any(|of| is_true(of, "/securityContext/windowsOptions/hostProcess")) {
        asks.push("it sets `hostProcess`".into());
    }
    for (of, (key, _)) in all().flat_map(|of| TABLE.rows("confined").map(move |row| (of, row))) {
        let value = text(of, &format!("/securityContext/{key}"));
        if !value.is_empty() && !is_listed("confined", key, value) {
            asks.push(format!("it sets `{}: {value}`, which keeps it from the node by less", key.replace('/', ".")));
        }
    }
    for container in all_containers(spec) {
        let caps: Vec<&str> = items(container, "/securityContext/capabilities/add").filter_map(Value::as_str).collect();
        let adds = caps.iter().any(|added| *added != "NET_BIND_SERVICE");
        let of_proc = !["", "Default"].contains(&text(container, "/securityContext/procMount"));
        let takes_port = items(container, "/ports").any(|port| port.get("hostPort").is_some());
        let found = [
            (is_true(container, "/securityContext/privileged"), "is privileged".to_string()),
            (adds, format!("adds the capabilities {}", caps.join(", "))),
            (of_proc, "sets `procMount`".into()),
            (asks_others(container), "has the node ask another address (`host` of a probe or hook)".into()),
            (takes_port, "takes a port of the node (`hostPort`)".into()),
        ];
        let found = found.into_iter().filter_map(|(asks, what)| asks.then_some(what));
        asks.extend(found.map(|what| format!("its container `{}` {what}", text(container, "/name"))));
    }
    asks
}

/// Whether a probe or a hook of a container names a host: the node asks it, whatever keeps Pods in their namespace.
fn asks_others(container: &Value) -> bool {
    let probes = ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let handlers = probes.iter().filter_map(|probe| container.pointer(probe));
    let mut hosts = handlers.flat_map(|probe| ["/httpGet/host", "/tcpSocket/host"].map(|at| text(probe, at)));
    hosts.any(|host| !host.is_empty())
}

/// The map that stands under these keys, made where it is not there.
pub(super) fn map_at<'v>(object: &'v mut Value, keys: &[&str]) -> Option<&'v mut Map<String, Value>> {
    let at = keys.iter().try_fold(object, |at, key| {
        let value = at.as_object_mut()?.entry(*key).or_insert(Value::Null);
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        Some(value)
    });
    at?.as_object_mut()
}

/// Takes keys out of the map at a pointer, where there is one.
pub(super) fn remove_at(value: &mut Value, pointer: &str, keys: &[&str]) {
    if let Some(Value::Object(map)) = value.pointer_mut(pointer) {
        keys.iter().for_each(|key| drop(map.remove(*key)));
    }
}

/// Whether an object is of a kind that every cluster has.
pub(super) fn is_of_kubernetes(object: &Value) -> bool {
    let group = group(object);
    let of_rights_and_networks = ["networking", "rbac.authorization", "discovery", "coordination"];
    ["", "apps", "batch", "autoscaling", "policy"].contains(&group)
        || group.strip_suffix(".k8s.io").is_some_and(|group| of_rights_and_networks.contains(&group))
}

/// What a quantity comes to: `250m` is 0.25, `64Mi` are 67108864.
pub(super) fn quantity(text: &str) -> Option<f64> {
    let ended = SUFFIXES.iter().find_map(|(base, ends)| {
        ends.iter().find_map(|(end, power)| Some((text.strip_suffix(end)?, base.powi(*power))))
    });
    let (number, factor) = ended.unwrap_or((text, 1.0));
    // `inf` and `nan` are numbers only in Rust.
    let is_number = number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    Some(number.parse::<f64>().ok().filter(|number| is_number && number.is_finite())? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(text: &str) -> Manifests {
        parse(Path::new("x.yaml"), text).unwrap_or_else(|error| panic!("{error:?}"))
    }

    const SHOP: &str = "\
apiVersion: v1
kind: Secret
metadata: { name: db }
stringData: { password: s3cret-1 }
data: { user: c2hvcA== }
---
# nothing
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: { name: app }
  data: { MODE: fast }
- apiVersion: apps/v1
  kind: Deployment
  metadata: { name: web }
  spec:
    template:
      spec:
        containers:
        - name: side
          image: side:1
        - name: web
          image: web:1
          envFrom: [{ configMapRef: { name: app }, prefix: APP_ }]
          env:
          - { name: USER, valueFrom: { secretKeyRef: { name: db, key: user } } }
          - { name: PASSWORD, valueFrom: { secretKeyRef: { name: db, key: password } } }
          - { name: URL, value: 'postgres://$(USER):$(PASSWORD)@db/$(OTHER)' }
";

    #[test]
    fn a_name_that_is_not_known_stays_as_it_is() {
        let known = BTreeMap::from([("B".to_string(), "b".to_string())]);
        let of = |value: &str| expanded(value, &known);
        assert_eq!([of("$(A)-$(B)"), of("$(A$(B)"), of("$(B")], ["$(A)-b", "$(A$(B)", "$(B"]);
    }

    #[test]
    fn the_environment_of_a_service_is_read_from_secrets_and_config_maps() {
        let found = manifests(SHOP);
        let environment = found.environment("web");
        assert_eq!(environment["URL"], "postgres://shop:s3cret-1@db/$(OTHER)");
        assert_eq!(environment["APP_MODE"], "fast");
        assert_eq!(found.secrets(), BTreeSet::from(["s3cret-1".to_string(), "shop".to_string()]));
        assert_eq!(found.objects.len(), 3);
    }

    #[test]
    fn a_cluster_role_that_is_bound_in_the_namespace_is_a_role_of_it() {
        let role = |kind: &str, name: &str, more: &str| {
            format!(
                "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\n{more}\n"
            )
        };
        let binds = |kind: &str, to: &str| {
            role(kind, &format!("{kind}-{to}").to_lowercase(), &format!("roleRef: {{ kind: ClusterRole, name: {to} }}"))
        };
        let text = [
            role("ClusterRole", "reader", "rules: [{ apiGroups: [''], resources: [pods], verbs: [get] }]"),
            role("ClusterRole", "everywhere", "rules: []"),
            role("ClusterRole", "both", "rules: []"),
            role("ClusterRole", "health", "rules: [{ nonResourceURLs: [/healthz], verbs: [get] }]"),
            role("ClusterRole", "sum", "aggregationRule: { clusterRoleSelectors: [] }"),
            role("ClusterRole", "twice", "rules: []"),
            role("Role", "twice", "rules: []"),
            binds("RoleBinding", "reader"),
            binds("ClusterRoleBinding", "everywhere"),
            binds("RoleBinding", "both"),
            binds("ClusterRoleBinding", "both"),
            binds("RoleBinding", "health"),
            binds("RoleBinding", "sum"),
            binds("RoleBinding", "twice"),
            binds("RoleBinding", "view"),
        ]
        .concat();
        let own = manifests(&text).with_own_roles();
        let named = |wanted: &'static str| own.of_kind(wanted).map(name).collect::<Vec<_>>();
        assert_eq!(named("Role"), ["reader", "both", "twice"]);
        let left = ["everywhere", "health", "sum", "twice", "both"];
        assert_eq!(named("ClusterRole"), left, "of the whole cluster, as before");
        let bound: Vec<&str> = own.of_kind("RoleBinding").map(|binding| self::text(binding, "/roleRef/kind")).collect();
        assert_eq!(bound, ["Role", "Role", "ClusterRole", "ClusterRole", "ClusterRole", "ClusterRole"]);
    }

    #[test]
    fn what_is_no_object_is_told_with_what_is_missing() {
        let error = parse(Path::new("x.yaml"), "kind: Deployment\n").unwrap_err();
        let ResolveError::Invalid { message: why, .. } = error else { panic!("{error:?}") };
        assert_eq!(why, "the Deployment is no Kubernetes object: it needs apiVersion, kind and metadata.name");
        assert!(parse(Path::new("x.yaml"), "a: [").is_err());
    }

    #[tokio::test]
    async fn nothing_is_read_that_lies_outside_of_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let (root, deploy) = (dir.path().join("project"), dir.path().join("project/deploy"));
        std::fs::create_dir_all(&deploy).unwrap();
        std::fs::create_dir_all(dir.path().join("base")).unwrap();
        let write = |path: &str, text: &str| std::fs::write(dir.path().join(path), text).unwrap();
        write("secret.yaml", SHOP);
        std::os::unix::fs::symlink(dir.path().join("secret.yaml"), deploy.join("linked.yaml")).unwrap();
        let refused = |read: Result<Manifests, ResolveError>| match read {
            Err(ResolveError::Invalid { message: why, .. }) => why,
            other => panic!("{other:?}"),
        };
        assert!(refused(read(&deploy, &root, None).await).contains("outside of the project"));
        std::fs::remove_file(deploy.join("linked.yaml")).unwrap();
        write("base/kustomization.yaml", "resources: []\n");
        for (base, why) in [("../../base", "outside of the project"), ("https://example.com/x.yaml", "not fetched")] {
            write("project/deploy/kustomization.yaml", &format!("resources: [\"{base}\"]\n"));
            assert!(refused(read(&deploy, &root, None).await).contains(why), "{base}");
        }
    }

    #[tokio::test]
    async fn nothing_that_looks_like_an_address_is_given_to_kustomize() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let told = || check_bases(&root.join("deploy"), root, false, &mut BTreeSet::new());
        // Decoys: each of them is there by that very name, too.
        write("deploy/http:/127.0.0.1/x.yaml", SHOP);
        write("deploy/github.com/x/y/kustomization.yaml", "resources: []\n");
        write("base/kustomization.yaml", "resources: []\n");
        for bad in [
            "resources: [\"http://127.0.0.1/x.yaml\"]",
            "resources: [github.com/x/y]",
            "resources: [\"git::https:/example.com/x\"]",
            "resources: [\"org-1@github.com:x/y\"]",
            "configMapGenerator: [{ name: a, files: [\"http://127.0.0.1/key\"] }]",
            "secretGenerator: [{ name: a, envs: [\"file:///etc/passwd\"] }]",
            "patches: [{ path: \" HTTP://127.0.0.1/x\" }]",
            "transformers: [\"kind: PatchTransformer\\npath: http://127.0.0.1/x\"]",
            "resources: [!!binary aHR0cDovLzEyNy4wLjAuMS94]",
            "resources: [!null http://127.0.0.1/x.yaml]",
            "resources: [!null ../../elsewhere]",
            "resources: [~]",
            "Resources: [../../elsewhere]",
            "re\u{17f}ources: [../../elsewhere]",
            "{ kind: Kustomization, ?resources: [../../elsewhere] }",
            "resources: []\n<<: { resources: [../../elsewhere] }",
        ] {
            write("deploy/kustomization.yaml", bad);
            assert!(told().is_err(), "{bad}");
        }
        write("deploy/kustomization.yaml", "resources: [../base]\n");
        write("base/kustomization.yaml", "configMapGenerator: [{ name: a, files: [\"https://example.com/x\"] }]\n");
        assert!(told().is_err(), "a base");
        write("deploy/kustomization.yaml", "generators: [one.yaml]\n");
        write("deploy/one.yaml", "kind: ConfigMapGenerator\nfiles: [\"http://127.0.0.1/x\"]\n");
        assert!(told().is_err(), "a generator");
        write("deploy/kustomization.yaml", "generators: [../base]\n");
        write("base/kustomization.yaml", "resources: [one.yaml]\n");
        write("base/one.yaml", "kind: ConfigMapGenerator\nfiles: [\"http://127.0.0.1/x\"]\n");
        assert!(told().is_err(), "a generator in a base");
        write(
            "deploy/kustomization.yaml",
            "resources: [../base, x.yaml]\nconfigMapGenerator:\n- name: a\n  files: [k=x.yaml]\n  literals: [\"URL=https://example.com/\"]\nimages: [{ name: a, newName: \"a@sha256:0\" }]\ncommonAnnotations: { docs: \"https://example.com\" }\n",
        );
        write("deploy/x.yaml", SHOP);
        assert!(told().is_ok(), "addresses in what is content: {:?}", told());
    }

    #[test]
    fn bases_and_links_belong_to_what_manifests_are_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for (path, resources) in [("prod", "[../shared, x.yaml]"), ("shared", "[../base]"), ("base", "[x.yaml]")] {
            std::fs::create_dir_all(root.join(path)).unwrap();
            std::fs::write(root.join(path).join("x.yaml"), "").unwrap();
            std::fs::write(root.join(path).join("kustomization.yaml"), format!("resources: {resources}\n")).unwrap();
        }
        let found = |path: &str| -> BTreeSet<PathBuf> {
            folders(&root.join(path), &root).iter().map(|folder| folder.canonicalize().unwrap()).collect()
        };
        assert_eq!(found("prod"), BTreeSet::from(["base", "prod", "shared"].map(|path| root.join(path))));
        std::fs::create_dir_all(root.join("chart")).unwrap();
        std::fs::write(root.join("chart").join(CHART), "name: x\n").unwrap();
        std::os::unix::fs::symlink(root.join("base"), root.join("chart/files")).unwrap();
        assert_eq!(found("chart"), BTreeSet::from(["base", "chart"].map(|path| root.join(path))));
        assert!(found("prod/x.yaml").is_empty());
    }

    #[tokio::test]
    async fn no_link_in_a_chart_leads_out_of_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let (root, chart) = (dir.path().join("project"), dir.path().join("project/--post-renderer=sh"));
        for folder in [&chart.join("templates"), &root.join("shared"), &dir.path().join("home")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(dir.path().join("home/key"), "secret").unwrap();
        std::fs::write(root.join("shared/a.yaml"), "").unwrap();
        std::fs::write(chart.join("Chart.yaml"), "name: x\n").unwrap();
        let link = |to: &str, at: &Path| std::os::unix::fs::symlink(dir.path().join(to), at).unwrap();
        let told = || leads_out(&chart, &root, &mut BTreeSet::new()).unwrap();
        link("project/shared", &chart.join("templates/shared"));
        link("project", &chart.join("templates/round"));
        assert_eq!(told(), None, "inside of the project a link may lead anywhere");
        for at in [chart.join("key"), root.join("shared/key")] {
            link("home/key", &at);
            assert!(told().is_some_and(|why| why.contains("outside of the project")), "{}", at.display());
            std::fs::remove_file(&at).unwrap();
        }
        link("home", &chart.join("templates/home"));
        assert!(told().is_some());
        let refused = read(&chart, &root, Some(&ClusterRequest::default())).await;
        assert!(
            matches!(&refused, Err(ResolveError::Invalid { message: why, .. }) if why.contains("helm would read it")),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn one_path_of_values_is_never_two() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CHART), "name: x\n").unwrap();
        let chart = ClusterRequest { values: vec![dir.path().join("a,/etc/key")], ..Default::default() };
        let refused = read(dir.path(), dir.path(), Some(&chart)).await;
        assert!(
            matches!(&refused, Err(ResolveError::Invalid { message: why, .. }) if why.contains("rename")),
            "{refused:?}"
        );
    }

    #[test]
    fn hooks_of_an_installation_are_installed_and_no_others() {
        let of = |hooks: &str| serde_json::json!({ "metadata": { "annotations": { "helm.sh/hook": hooks } } });
        for installed in ["pre-install", "post-upgrade, post-install"] {
            assert!(is_installed(&of(installed)), "{installed}");
        }
        for other in ["test", "test-success", "pre-delete,post-delete", "pre-upgrade", "post-rollback"] {
            assert!(!is_installed(&of(other)), "{other}");
        }
        assert!(is_installed(&serde_json::json!({ "metadata": {} })));
    }

    #[test]
    fn what_would_be_more_than_a_name_in_an_address_is_no_object() {
        for bad in [
            "apiVersion: apps/v1/namespaces/kube-system/deployments?x=\nkind: ConfigMap\nmetadata: { name: a }\n",
            "apiVersion: v1\nkind: List\nitems: [{ apiVersion: v1, kind: ConfigMap/x, metadata: { name: a } }]\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ../../x }\n",
        ] {
            let error = parse(Path::new("x.yaml"), bad).unwrap_err();
            assert!(
                matches!(&error, ResolveError::Invalid { message: why, .. } if why.contains("cannot be")),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_sidecar_lasts_and_what_only_prepares_does_not() {
        let spec = serde_json::json!({ "initContainers": [{ "name": "a" }, { "name": "b", "restartPolicy": "Always" }],
            "containers": [{ "name": "c" }] });
        let names: Vec<&str> = lasting_containers(&spec).map(|container| text(container, "/name")).collect();
        assert_eq!(names, ["b", "c"]);
    }

    #[test]
    fn what_reaches_the_node_is_told() {
        let spec = serde_json::json!({ "hostPID": true, "volumes": [{ "name": "v", "hostPath": { "path": "/" } }],
            "containers": [{ "name": "c", "ports": [{ "hostPort": 80 }],
                "securityContext": { "privileged": true, "capabilities": { "add": ["SYS_ADMIN"] } } }] });
        assert_eq!(asks_of_the_node(&spec).len(), 5);
        let probed = |probe: Value| serde_json::json!({ "containers": [{ "name": "c", "livenessProbe": probe }] });
        let elsewhere = serde_json::json!({ "httpGet": { "host": "169.254.169.254", "port": 80 } });
        assert_eq!(asks_of_the_node(&probed(elsewhere)).len(), 1);
        assert!(asks_of_the_node(&probed(serde_json::json!({ "httpGet": { "path": "/", "port": 80 } }))).is_empty());
        let more = serde_json::json!({
            "volumes": [{ "name": "a", "nfs": { "server": "x" } }, { "name": "b", "csi": {} }, { "name": "c", "emptyDir": {} },
                        { "name": "d", "hostPath": null, "secret": {} }],
            "securityContext": { "windowsOptions": { "hostProcess": true } },
            "containers": [{ "name": "c", "securityContext": { "procMount": "Unmasked" } }] });
        let asked = asks_of_the_node(&more);
        assert_eq!(asked.len(), 4, "{asked:?}");
        let unconfined = serde_json::json!({ "securityContext": { "seLinuxOptions": { "type": "spc_t" } },
            "containers": [{ "name": "c", "securityContext": { "appArmorProfile": { "type": "Unconfined" }, "seccompProfile": { "type": "RuntimeDefault" } } }],
            "initContainers": [{ "name": "i", "securityContext": { "seccompProfile": { "type": "Unconfined" } } }] });
        let asked = asks_of_the_node(&unconfined);
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert!(asked[0].starts_with("it sets `seLinuxOptions.type: spc_t`"), "{asked:?}");
        assert!(asks_of_the_node(&serde_json::json!({ "hostPID": false, "containers": [{ "name": "c" }] })).is_empty());
    }

    #[test]
    fn quantities_are_numbers_with_an_end() {
        assert_eq!(quantity("250m"), Some(0.25));
        assert_eq!(quantity("64Mi"), Some(67_108_864.0));
        assert_eq!(quantity("1"), Some(1.0));
        assert_eq!(quantity("2e3"), Some(2000.0));
        assert_eq!(quantity("1G"), Some(1e9));
        assert_eq!(quantity("2Ei"), Some(2_305_843_009_213_693_952.0));
        assert_eq!(["", "x", "inf", "-inf", "nan", "1Xi"].map(quantity), [None; 6]);
    }
}
