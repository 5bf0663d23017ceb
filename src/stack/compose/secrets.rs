//! Secrets that a resolved model holds, so that they can be hidden before anything is written.

use super::builds::whole_file;
use super::model::{ProjectFiles, ResolvedModel, files_of, scalars, texts_in, unescape};
use super::reads::{Reads, read_all};
use super::variables::assignments;
use crate::record::{SHORTEST_DECLARED, Secret, looks_secret, url_password};
use crate::stack::StackRequest;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A secret file that is longer than this is no password but a bundle.
const MAX_SECRET_FILE: u64 = 256 * 1024;

/// Variables that Compose fills into the model, each with every value that some file gives it.
pub(super) type SecretVariables = BTreeMap<String, BTreeSet<String>>;

/// The files from which Compose takes variables: those that the scenario or `COMPOSE_ENV_FILES` names, otherwise `.env`
/// beside the stack and in the working directory; and those of the files that the stack's take in.
pub(super) fn env_files(spec: &StackRequest) -> Vec<PathBuf> {
    let ProjectFiles { files, directory, .. } = files_of(spec);
    let (Reads { env_files: nested, .. }, _) = read_all(&files, &directory, &spec.root);
    if !spec.env_files.is_empty() {
        return spec.env_files.iter().cloned().chain(nested).collect();
    }
    let named = std::env::var("COMPOSE_ENV_FILES").unwrap_or_default();
    let named = named.split(',').map(str::trim).filter(|file| !file.is_empty()).map(PathBuf::from);
    let beside = spec.file.parent().unwrap_or(Path::new("")).join(".env");
    named.chain([beside, PathBuf::from(".env")]).chain(nested).collect()
}

/// Reads them. Which value wins is of no interest here: each of them is hidden.
pub(super) fn variables(files: &[PathBuf]) -> SecretVariables {
    let mut variables = SecretVariables::new();
    for text in files.iter().filter_map(|file| read_bounded(file, MAX_SECRET_FILE)) {
        for (name, value) in assignments(&text) {
            variables.entry(name).or_default().insert(value);
        }
    }
    variables
}

/// Values under keys that look like secrets, passwords in URLs, the contents of Compose's secret files and variables, and
/// what `variables` holds that looks like a secret: the file may put it anywhere, as in
/// `command: redis-server --requirepass $REDIS_PASSWORD`.
pub(super) fn secrets(model: &ResolvedModel, variables: &SecretVariables) -> Vec<Secret> {
    let mut found = BTreeSet::new();
    for (key, values) in variables {
        found.extend(values.iter().flat_map(|value| guessed(key, value)));
    }
    let own = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    found.extend(interpolated(model, own));
    for service in model.services() {
        let args = scalars(&model.service(&service)["build"]["args"]);
        let all = model.environment(&service).into_iter().chain(args);
        found.extend(all.flat_map(|(key, value)| guessed(&key, &value)));
    }
    found.retain(|secret| !secret.is_empty());
    let declared = declared(model, variables).into_keys().map(Secret::Declared);
    found.into_iter().map(Secret::Guessed).chain(declared).collect()
}

/// The names of Compose's secrets that are too short to be hidden.
pub(super) fn too_short(model: &ResolvedModel, variables: &SecretVariables) -> BTreeSet<String> {
    let short = |value: &str| (1..SHORTEST_DECLARED).contains(&value.chars().count());
    declared(model, variables).into_iter().filter(|(value, _)| short(value)).flat_map(|(_, names)| names).collect()
}

/// What the files and variables of Compose's secrets hold, with the names of those secrets. A short file can name a large one again
/// and again: each text is held once.
fn declared(model: &ResolvedModel, variables: &SecretVariables) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for (key, secret) in model.section("secrets") {
        let file = secret.get("file").and_then(Value::as_str).map(unescape);
        let of_file = file.and_then(|file| read_bounded(Path::new(&file), MAX_SECRET_FILE));
        let variable = secret.get("environment").and_then(Value::as_str);
        let of_files = variable.and_then(|name| variables.get(name)).into_iter().flatten().cloned();
        let own = variable.and_then(|name| std::env::var(name).ok());
        // A file may make it of other variables.
        let made = variable.and_then(|name| model.given.get(name).cloned());
        for text in of_file.into_iter().chain(of_files).chain(own).chain(made) {
            found.entry(text.trim().to_string()).or_default().insert(key.clone());
        }
    }
    found
}

/// What of a variable is taken for a secret: its value, if its name says so, and the password of a URL.
pub(in crate::stack) fn guessed(name: &str, value: &str) -> Vec<String> {
    let whole = looks_secret(name).then_some(value);
    [whole, url_password(value)].into_iter().flatten().map(str::to_string).collect()
}

/// Secrets of the runner's own environment that Compose has filled in: their values stand somewhere in the model.
fn interpolated(model: &ResolvedModel, own: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let texts: Vec<String> = model.json.values().flat_map(texts_in).map(unescape).collect();
    let stands = |value: &String| !value.is_empty() && texts.iter().any(|text| text.contains(value));
    own.filter(|(name, _)| looks_secret(name)).map(|(_, value)| value).filter(stands).collect()
}

/// The text of a file, unless it is larger than `most` bytes, or no file: a device or a pipe may have no end.
pub(super) fn read_bounded(file: &Path, most: u64) -> Option<String> {
    Some(String::from_utf8_lossy(&whole_file(file, most).ok()?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_of_compose_that_are_too_short_are_known_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            json!({ "file": dir.path().join(name) })
        };
        let secrets =
            json!({ "pin": file("pin", "123\n"), "pin4": file("pin4", "1234\n"), "none": file("none", "\n") });
        let found = too_short(&model(json!({ "secrets": secrets })), &SecretVariables::new());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["pin"]);
        let secrets = json!({ "a": secrets["pin"], "b": secrets["pin"], "c": secrets["pin4"] });
        let held = declared(&model(json!({ "secrets": secrets })), &SecretVariables::new());
        let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| name.to_string()).collect() };
        assert_eq!(held, [("123".to_string(), names(&["a", "b"])), ("1234".to_string(), names(&["c"]))].into());
        for endless in ["/dev/zero", "/proc/self/pagemap"] {
            let secrets = json!({ "secrets": { "s": { "file": endless } } });
            assert!(too_short(&model(secrets), &SecretVariables::new()).is_empty(), "{endless} has no end");
        }
    }

    fn model(json: Value) -> ResolvedModel {
        let Value::Object(json) = json else { panic!("a model is a mapping") };
        ResolvedModel { json, ..ResolvedModel::default() }
    }

    #[test]
    fn what_a_file_makes_of_variables_is_hidden_and_so_are_secrets_of_nested_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("cache")).unwrap();
        std::fs::write(dir.path().join("compose.yaml"), "include: [cache/compose.yaml]\n").unwrap();
        std::fs::write(dir.path().join("cache/compose.yaml"), "services: { redis: { image: x } }\n").unwrap();
        std::fs::write(dir.path().join("cache/.env"), "REDIS_PASSWORD=of-a-nested-file\n").unwrap();
        let file = dir.path().join("compose.yaml");
        let spec = StackRequest { file, root: dir.path().into(), ..StackRequest::default() };
        let variables = variables(&env_files(&spec));
        let mut model = model(json!({ "secrets": { "db": { "environment": "DB_PW" } } }));
        model.given = [("DB_PW".to_string(), "s3cr3t-prod".to_string())].into();
        let found = secrets(&model, &variables);
        assert!(found.contains(&Secret::Declared("s3cr3t-prod".into())));
        assert!(found.iter().any(|found| found.value() == "of-a-nested-file"));
    }

    #[test]
    fn secrets_of_env_files_are_hidden_wherever_the_stack_puts_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        let text = "REDIS_PASSWORD=of-redis\nAPI_TOKEN='of the api'\nURL=http://u:of-a-url@x\nSIZE=of-no-interest\n";
        std::fs::write(&file, text).unwrap();
        let spec = StackRequest { file: dir.path().join("compose.yaml"), ..StackRequest::default() };
        assert!(env_files(&spec).contains(&file));
        let variables = variables(&[file, dir.path().join("none.env")]);
        let model = model(json!({
            "services": { "redis": { "command": ["redis-server", "--requirepass", "of-redis"] } },
            "secrets": { "x": { "environment": "SIZE" } },
        }));
        let found = secrets(&model, &variables);
        for secret in ["of-redis", "of the api", "of-a-url", "of-no-interest"] {
            assert!(found.iter().any(|found| found.value() == secret), "{secret}");
        }
        assert!(!found.iter().any(|found| found.value().starts_with("http")));
        assert!(found.contains(&Secret::Declared("of-no-interest".into())), "what Compose has as a secret is declared");
        let own = [("CI_TOKEN", "of-the-ci"), ("REDIS_SECRET", "of-redis"), ("PATH", "redis-server")];
        let own = own.into_iter().map(|(name, value)| (name.to_string(), value.to_string()));
        assert_eq!(interpolated(&model, own), ["of-redis"], "only what the stack was given");
    }
}
