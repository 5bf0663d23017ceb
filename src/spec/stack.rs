//! `stack:` of a scenario: the path of a Compose file, or a map with what Compose should be told or which Kubernetes manifests are
//! meant; and `hosts:`, names of production that services of the stack have inside the drill.

use super::find::{files, read_text, text_at};
use super::services::service;
use crate::source::{At, Source, TextForm, Value, files_in, path_of, shape, shorten};
use crate::stack::{CHART, ClusterRequest, ImageBuild, StackRequest};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const UP_WITHIN: Duration = Duration::from_secs(120);
const NAMESPACE: TextForm = TextForm::new("the name of a namespace", label_shape::<63>);
const RELEASE: TextForm = TextForm::new("the name of a release", label_shape::<53>);
const A_DIRECTORY: TextForm = TextForm::new("an absolute path", || shape::text("/[\\s\\S]+"));
const IMAGES: &str = "write `images: { \"shop/web:1\": ../web }`, or without a folder for what is built elsewhere";
const LONGEST_UP: Duration = Duration::from_secs(3600);

/// The stack and the text of its Compose file.
pub fn read(at: &mut At<'_>) -> Option<(StackRequest, Arc<Source>)> {
    let root = at.source.root.clone().unwrap_or_default();
    let mut spec = StackRequest { root, up_within: UP_WITHIN, ..StackRequest::default() };
    let text = at.either(shape::filled, compose_file, |at| {
        let mut map = at.map("`stack`")?;
        let text = map.optional_by("file", |at| {
            let mut files =
                at.either(shape::filled, |at| Some(vec![compose_file(at)?]), |at| Some(compose_files(at)))?.into_iter();
            let first = files.next();
            spec.merged = files.map(|file| file.path.clone()).collect();
            first
        });
        let cluster = map.optional_by("kubernetes", kubernetes);
        spec.profiles = map.optional("profiles").unwrap_or_default();
        let toxiproxy = map.optional_by("toxiproxy", |at| {
            let help = "write it like `toxiproxy: [database]`";
            Some(at.items("a list of services", help, |at| service(at, "`toxiproxy`")))
        });
        spec.toxiproxy = toxiproxy.unwrap_or_default();
        spec.isolate = map.optional("isolate").unwrap_or_default();
        spec.toolbox_image = map.optional("toolbox");
        spec.directory = map.optional_with("directory", A_DIRECTORY, directory);
        spec.up_within = map.optional_by("up_within", |at| at.within(LONGEST_UP)).unwrap_or(UP_WITHIN);
        spec.env_files = map.optional_by("env_files", |at| Some(paths(at, "the env file"))).unwrap_or_default();
        for key in ["directory", "profiles", "env_files"] {
            if map.has("kubernetes") && map.has(key) {
                map.error(map.key_span(key), format!("`{key}` is for a Compose file, not for manifests"));
            }
        }
        let help = "`file` is a Compose file; `kubernetes: { manifests: deploy/, namespace: shop }` are manifests";
        map.exactly_one(&["file", "kubernetes"], help);
        map.finish()?;
        match cluster {
            Some((file, text, cluster)) => {
                (spec.file, spec.cluster) = (file, Some(cluster));
                Some(text)
            }
            None => text,
        }
    })?;
    if spec.cluster.is_none() {
        spec.file = text.path.clone();
    }
    Some((spec, text))
}

/// A directory other than `/`, as it stands after `cd` has gone there.
fn directory(text: &str) -> Result<String, String> {
    let path = Path::new(text);
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    let is_within = path.is_absolute() && path.parent().is_some();
    match is_within && path.components().all(plain) && !text.contains(char::is_control) {
        true => Ok(path.components().collect::<PathBuf>().display().to_string()),
        false => Err(format!("`{}` is not the absolute path of a directory below `/`, without `..`", shorten(text))),
    }
}

/// `kubernetes:`: the file or folder of the manifests, the text of the first of them, and which cluster they are for.
fn kubernetes(at: &mut At<'_>) -> Option<(PathBuf, Arc<Source>, ClusterRequest)> {
    let mut map = at.map("`kubernetes`")?.of_section("Kubernetes");
    let manifests = map.require_by("manifests", |at| {
        let path = path_of(at)?;
        // Mistakes about a folder are shown in the first one of them.
        let files = files_in(&path, &["yaml", "yml", "json"]);
        let text = read_text(files.first().unwrap_or(&path), "the manifests", at)?;
        Some((path, text))
    });
    let cluster = ClusterRequest {
        context: map.optional("context"),
        namespace: map.require_with("namespace", NAMESPACE, |text| label(text, "a namespace", 63)).unwrap_or_default(),
        contexts: map.optional::<Vec<String>>("contexts").unwrap_or_default().into_iter().collect(),
        allowed: map.optional::<Vec<String>>("allow_cluster").unwrap_or_default().into_iter().collect(),
        images: map.optional_by("images", |at| Some(at.named("a map of images", IMAGES, image))).unwrap_or_default(),
        release: map.optional_with("release", RELEASE, |text| label(text, "a release", 53)),
        values: map.optional_by("values", |at| Some(paths(at, "the values"))).unwrap_or_default(),
    };
    let is_chart = manifests.as_ref().is_none_or(|(path, _)| path.join(CHART).is_file());
    if let Some(key) = ["release", "values"].into_iter().find(|key| !is_chart && map.has(key)) {
        map.error(map.head(), format!("`{key}` is for a chart: there is no `{CHART}` in the folder of the manifests"));
    }
    map.finish()?;
    let (path, text) = manifests?;
    Some((path, text, cluster))
}

fn label_shape<const LONGEST: usize>() -> serde_json::Value {
    let text = shape::text(&format!("[a-z0-9]([a-z0-9-]{{0,{}}}[a-z0-9])?", LONGEST - 2));
    json!({ "anyOf": [text, { "type": ["number", "boolean"] }] })
}

/// A label of RFC 1123, as names of namespaces are, and of releases, which Helm keeps shorter.
fn label(text: &str, of: &str, longest: usize) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = text.starts_with('-') || text.ends_with('-');
    match (1..=longest).contains(&text.len()) && text.chars().all(fits) && !ends {
        true => Ok(text.to_string()),
        false => Err(format!("`{}` is no name of {of}: lower-case letters, digits and hyphens", shorten(text))),
    }
}

/// One of `images:`: nothing, or the folder that it is built from.
fn image(at: &mut At<'_>) -> Option<Option<ImageBuild>> {
    if at.node.value == Value::Null {
        return Some(None);
    }
    let whole = |at: &mut At<'_>| folder(at).map(|folder| ImageBuild { folder, args: BTreeMap::new() });
    let build = at.either(shape::filled, whole, |at| {
        let mut map = at.map("an image")?;
        let folder = map.require_by("context", folder);
        let args = map.optional_by("args", |at| {
            Some(at.named("a map of build arguments", "write `args: { VERSION: 1.5.0 }`", |at| at.value()))
        });
        map.finish_with(|| Some(ImageBuild { folder: folder?, args: args.unwrap_or_default() }))
    });
    at.diags.reshape(|shape| json!({ "anyOf": [{ "type": "null" }, shape] }));
    build.map(Some)
}

/// A folder with a Dockerfile.
fn folder(at: &mut At<'_>) -> Option<PathBuf> {
    let path = path_of(at)?;
    if !path.join("Dockerfile").is_file() {
        at.error(format!("there is no Dockerfile in {}", path.display()))
            .help("name the folder that the image is built from");
        return None;
    }
    Some(path)
}

fn compose_files(at: &mut At<'_>) -> Vec<Arc<Source>> {
    let help = "write `file: [compose.yaml, compose.prod.yaml]`, in the order in which Compose merges them";
    let files = at.items("a Compose file or a list of them", help, compose_file);
    at.must_not_be_empty("no Compose file is named", help);
    files
}

fn compose_file(at: &mut At<'_>) -> Option<Arc<Source>> {
    text_at(at, "the stack")
}

/// The paths of such files.
fn paths(at: &mut At<'_>, what: &str) -> Vec<PathBuf> {
    files(at, what).iter().map(|file| file.path.clone()).collect()
}

/// Host name → service. Whether the services exist is known once the stack is resolved.
pub fn read_hosts(at: &mut At<'_>) -> BTreeMap<String, String> {
    at.named("a map", "write `hosts: { db.prod.internal: db }`", |at| {
        let by = format!("host `{}`", shorten(at.key));
        if !is_host_name(at.key) {
            at.error_at_key(format!("`{}` is no host name", shorten(at.key)))
                .help("labels of letters, digits and hyphens, with dots between them, without a port");
        }
        let service = service(at, &by);
        at.diags.describe(shape::filled);
        service
    })
}

/// RFC 1123, and the underscore that people use in it; numbers with dots are an address.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len()) && label.chars().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    let address = name.chars().all(|c| c.is_ascii_digit() || c == '.');
    (1..=253).contains(&name.len()) && !address && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, Source};
    use proptest::prelude::*;

    #[test]
    fn host_names_are_told_from_what_is_none() {
        for name in ["db.prod.internal", "api", "a-b.example.com", "under_score", "1.example"] {
            assert!(is_host_name(name), "{name}");
        }
        for name in
            ["", "db:5432", "http://db", "a..b", "-a", "a-", ".a", "a.", "10.0.0.1", "a b", "é", &"a".repeat(64)]
        {
            assert!(!is_host_name(name), "{name}");
        }
    }

    #[test]
    fn mistakes_stand_where_they_are() {
        let source = Source::new("s.yaml", "hosts: { a b: db, x: [1], db.prod.internal: db }\n");
        let mut diags = Diagnostics::default();
        let root = crate::source::parse(&source, &mut diags).unwrap();
        let mut at = At { key: "hosts", ..At::root(root.get(&["hosts"]).unwrap(), &source, &mut diags) };
        let hosts = read_hosts(&mut at);
        assert_eq!(hosts.get("db.prod.internal").map(String::as_str), Some("db"));
        let said: Vec<&str> = diags.all.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("is no host name") && said[1].contains("expected text"), "{said:?}");
    }

    proptest! {
        #[test]
        fn a_host_name_never_panics(name in ".{0,80}") {
            let _ = is_host_name(&name);
        }
    }
}
