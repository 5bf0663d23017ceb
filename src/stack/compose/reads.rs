//! The files that a Compose file is made from, read from its text, before Compose is asked: no Docker, no variables. A file of the project can
//! name any file that its reader may read, and what stands in it comes back in a message or as a variable. Where a path has a variable in it,
//! everything that it could mean below its first part counts; where the file cannot be read, its whole folder does.

use super::builds::whole_file;
use super::model::{ProjectFiles, files_of};
use super::variables::{MOST_BYTES, Variables, may_decide};
pub(super) use crate::source::clean;
use crate::source::{in_other_case, outside, read_otherwise};
use crate::stack::{HostRequest, HostRequests, SourceFiles, StackRequest};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Keys that name such files, as `--allow-host` calls them.
pub const RIGHTS: &[&str] = &["env_file", "extends", "include", "label_file"];
/// More files than this are no stack.
const MOST_FILES: usize = 200;
/// And more places in them than this that name another file, or something of the host.
const MOST_NAMED: usize = 10_000;

/// What Compose files that are merged, and those that they take in, read from outside of the project, when Compose runs in `directory`;
/// `Err` for one that Compose is not given to read: not there, not UTF-8, too large, or aliases that would expand beyond measure.
///
/// # Errors
/// What is wrong with which file.
pub(super) fn asked(files: &[PathBuf], directory: &Path, root: &Path) -> Result<HostRequests, String> {
    let (Reads { mut asks, .. }, read) = read_all(files, directory, root);
    read?;
    asks.sort();
    asks.dedup();
    // Allowed on the command line only: nobody has seen the rest of the stack yet.
    Ok(HostRequests { asks, ..HostRequests::default() })
}

/// Reads these Compose files and those that they take in, and says what is wrong with the first one that cannot be read.
pub(super) fn read_all(files: &[PathBuf], directory: &Path, root: &Path) -> (Reads, Result<(), String>) {
    let main = clean(directory);
    let place = |file: &PathBuf| ReadPlace { file: clean(file), base: main.clone(), other: main.clone(), sure: true };
    let todo = files.iter().map(place).collect();
    let mut reads = Reads { root: root.to_path_buf(), main: main.clone(), todo, ..Reads::default() };
    // Compose reads it by itself.
    reads.note(&main.join(".env"), "env_file");
    let mut read = Ok(());
    while let Some(next) = reads.todo.pop() {
        if reads.seen.len() >= MOST_FILES {
            reads.found.folder(&main);
            read = read.and(Err(format!("{} takes in more than {MOST_FILES} files", next.file.display())));
            break;
        }
        if reads.seen.insert(next.clone())
            && let Err(why) = reads.read(&next)
        {
            reads.found.folder(&next.base);
            read = read.and(Err(why));
        }
        if reads.asks.len() + reads.todo.len() >= MOST_NAMED {
            reads.found.folder(&main);
            let named = format!("name other files, or something of the host, more than {MOST_NAMED} times");
            return (reads, read.and(Err(format!("{} and what it takes in {named}", next.file.display()))));
        }
    }
    (reads, read)
}

/// Hosts whose addresses Compose takes without a scheme.
const REMOTE_HOSTS: [&str; 3] = ["github.com/", "gitlab.com/", "bitbucket.org/"];

/// What Compose is told so that it fetches nothing: a `.env` of the project would have it start Git with commands of the project's.
pub(super) const NO_REMOTES: [(&str, &str); 3] = [
    ("COMPOSE_EXPERIMENTAL_GIT_REMOTE", "0"),
    ("COMPOSE_EXPERIMENTAL_OCI_REMOTE", "0"),
    ("GIT_ALLOW_PROTOCOL", "none"),
];

/// What Compose has beyond plain YAML: a value that takes one away, or the place of one, and keys that are merged.
const ALLOWED: [&str; 3] = ["!reset", "!override", "<<"];

/// The documents of a Compose file, in which `on` and `yes` are texts as they are for Compose. Aliases are counted as what they
/// stand for, and there is an end to that.
fn documents(text: &str) -> Result<Vec<Value>, serde_yaml::Error> {
    let documents = serde_yaml::from_multiple_with_options(text, serde_yaml::options! { strict_booleans: true })?;
    match read_otherwise(text, &ALLOWED) {
        Some(why) => Err(serde::de::Error::custom(why)),
        None => Ok(documents),
    }
}

/// A file, and from where the paths in it are resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ReadPlace {
    file: PathBuf,
    /// Its project directory.
    base: PathBuf,
    /// Where Compose looks instead for some of what a nested file names: it takes the last step of the way to `base` from the directory
    /// in which it runs, and that is the first file's.
    other: PathBuf,
    /// Whether Compose is sure to look here.
    sure: bool,
}

/// What Compose files and those that they take in have in them.
#[derive(Debug, Default)]
pub(super) struct Reads {
    root: PathBuf,
    /// The directory of the Compose project.
    main: PathBuf,
    /// What they read from outside of `root`, and what is not followed.
    pub asks: Vec<HostRequest>,
    /// Everything that they are made from.
    pub found: SourceFiles,
    /// The variables that they name.
    pub variables: Variables,
    /// The files from which Compose takes variables, there or not, where no option names others.
    pub env_files: BTreeSet<PathBuf>,
    seen: BTreeSet<ReadPlace>,
    todo: Vec<ReadPlace>,
    /// The service whose keys are looked at.
    service: Option<String>,
}

impl Reads {
    fn read(&mut self, place: &ReadPlace) -> Result<(), String> {
        let file = &place.file;
        self.found.file(file);
        self.found.file(&place.base.join(".env"));
        self.env_files.insert(place.base.join(".env"));
        let bytes = match whole_file(file, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(_) if !place.sure && !file.exists() => return Ok(()),
            Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
        };
        // Compose reads UTF-16 as well.
        let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", file.display()))?;
        for root in documents(&text).map_err(|error| format!("{}: {error}", file.display()))? {
            let included = root.get("include").filter(|included| !included.is_null());
            // Behind a value that is taken away the one that is merged comes to light.
            if text.contains("!reset") && (included.is_some() || text.contains("<<")) {
                let why = "`!reset` takes values away before Compose reads what they name";
                self.ask("include", format!("{}: {why}", file.display()), "!reset");
            }
            if let Some(included) = included {
                list(included).into_iter().for_each(|item| self.include(item, place));
            }
            self.found.document(&root, &place.base);
            for (name, service) in root.get("services").and_then(Value::as_object).into_iter().flatten() {
                self.service = Some(name.clone());
                self.other_case(service, &["env_file", "extends", "label_file"], "extends");
                self.within(service, &place.base);
            }
            self.service = None;
            // Anchors can move keys of what stands elsewhere to a service.
            for (_, section) in root.as_object().into_iter().flatten().filter(|(key, _)| *key != "services") {
                self.within(section, &place.base);
            }
        }
        Ok(())
    }

    /// Wherever such a key stands.
    fn within(&mut self, value: &Value, base: &Path) {
        match value {
            Value::String(text) => self.variables.text(text),
            Value::Object(entries) => {
                for (key, value) in entries {
                    self.variables.key(key, value);
                    match key.as_str() {
                        "extends" => {
                            self.other_case(value, &["file"], "extends");
                            for file in self.texts(value.get("file"), "extends") {
                                self.extends(&file, base);
                            }
                        }
                        key @ ("env_file" | "label_file") => {
                            for item in list(value) {
                                let path = item.get("path").unwrap_or(item);
                                if path.is_null() {
                                    // An older Compose takes `!reset null` for a file of that name.
                                    self.leads("null", base, key);
                                    continue;
                                }
                                for path in self.texts(Some(path), key) {
                                    self.named(&path, base, key);
                                }
                            }
                        }
                        _ => {}
                    }
                    self.within(value, base);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.within(item, base)),
            _ => {}
        }
    }

    /// A file that is extended is a project of its own: its paths are resolved from where it lies.
    fn extends(&mut self, path: &str, base: &Path) {
        if self.named(path, base, "extends") {
            let file = clean(&base.join(path));
            let base = file.parent().unwrap_or(base).to_path_buf();
            self.todo.push(ReadPlace { other: base.clone(), base, file, sure: true });
        } else {
            self.found.beside(path, base);
        }
    }

    /// What is included is resolved from `project_directory`, and without one from where its first file lies.
    fn include(&mut self, item: &Value, from: &ReadPlace) {
        self.other_case(item, &["path", "project_directory", "env_file"], "include");
        let paths = self.texts(if item.is_object() { item.get("path") } else { Some(item) }, "include");
        let [directories, env_files] =
            ["project_directory", "env_file"].map(|key| self.texts(item.get(key), "include"));
        for base in BTreeSet::from([&from.base, &from.other]) {
            let at = |path: &String| clean(&base.join(path));
            let (followed, others): (Vec<&String>, Vec<&String>) =
                paths.iter().partition(|path| self.named(path, base, "include"));
            others.iter().for_each(|path| self.found.beside(path, base));
            let files: Vec<PathBuf> = followed.into_iter().map(at).collect();
            for file in &env_files {
                self.named(file, base, "include");
                self.env_files.insert(at(file));
            }
            let directory = match (directories.first(), paths.first()) {
                (Some(directory), _) if !self.leads(directory, base, "include") => {
                    self.found.named_folder(Some(directory), base);
                    paths.iter().for_each(|path| self.found.beside(path, base));
                    continue;
                }
                (Some(directory), _) => at(directory),
                (None, Some(first)) => at(first).parent().unwrap_or(base).to_path_buf(),
                (None, None) => continue,
            };
            if env_files.is_empty() {
                self.note(&directory.join(".env"), "include");
            }
            let other = clean(&self.main.join(relative(base, &directory)));
            let sure = from.sure && base == &from.base;
            let place = |file| ReadPlace { file, base: directory.clone(), other: other.clone(), sure };
            let room = MOST_NAMED.saturating_sub(self.todo.len());
            self.todo.extend(files.into_iter().map(place).take(room));
        }
    }

    /// The texts that stand here, one or a list. Of what is none, Compose may make a text that is not known here.
    fn texts(&mut self, value: Option<&Value>, right: &str) -> Vec<String> {
        let (texts, others): (Vec<&Value>, Vec<&Value>) =
            value.map(list).unwrap_or_default().into_iter().partition(|item| item.is_string());
        for other in others {
            let why = format!("{other} is no text, and what Compose makes of it is not known");
            self.ask(right, why, &other.to_string());
        }
        texts.into_iter().filter_map(Value::as_str).map(str::to_string).collect()
    }

    /// Asks about keys that Compose takes for these though some of their letters have another case: in an `include`, and where older
    /// versions extend a service.
    fn other_case(&mut self, map: &Value, known: &[&str], right: &str) {
        for key in map.as_object().into_iter().flat_map(Map::keys).filter(|key| in_other_case(key, known)) {
            self.ask(right, format!("`{key}` is read by Compose though some of its letters have another case"), key);
        }
    }

    /// Whether the path of a file is one that can be followed.
    fn named(&mut self, path: &str, base: &Path, right: &str) -> bool {
        self.found.named_file(Some(path), base);
        self.leads(path, base, right)
    }

    /// Whether a path is one that can be followed; notes one that leads outside.
    fn leads(&mut self, path: &str, base: &Path, right: &str) -> bool {
        let why = match path {
            _ if path.contains('$') => "a variable decides where it leads",
            // Whatever Git or a registry could take for an address, though a file may be named like it.
            _ if path.contains([':', '@']) || REMOTE_HOSTS.iter().any(|host| path.starts_with(host)) => {
                "it is read from elsewhere"
            }
            // At the end of a file Compose leaves out what is added here.
            _ if path.contains(char::is_control) => "it has a line end or another character that is none of a path",
            _ if path.starts_with('~') => "it is in somebody's home",
            // Compose opens it as it is written, and a relative one without the `..`.
            _ if path.starts_with('/') && Path::new(path).components().any(|part| part == Component::ParentDir) => {
                "`..` behind a link leads up from where that leads"
            }
            _ => return self.note(&clean(&base.join(path)), right),
        };
        self.ask(right, format!("{path}: {why}"), path);
        false
    }

    fn note(&mut self, path: &Path, right: &str) -> bool {
        let wrong = outside(&self.root, path);
        let fits = wrong.is_none();
        wrong.into_iter().for_each(|why| self.ask(right, why, &path.display().to_string()));
        fits
    }

    fn ask(&mut self, right: &str, why: String, path: &str) {
        if self.asks.len() >= MOST_NAMED {
            return;
        }
        let what = format!("`{right}` reaches the host: {why}");
        let service = self.service.clone();
        let value = Value::String(path.to_string()).to_string();
        self.asks.push(HostRequest { service, key: right.to_string(), right: Some(right.to_string()), what, value });
    }
}

/// The way from one directory to another, both without `..`.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let same = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(same).map(|_| Component::ParentDir);
    up.chain(to.components().skip(same)).collect()
}

/// The items of a list, or the one value.
pub(super) fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// The env files of a request, its Compose files, and everything that these name: from where the first one lies.
pub(in crate::stack) fn compose_inputs(request: &StackRequest) -> SourceFiles {
    let ProjectFiles { files, directory, .. } = files_of(request);
    let (Reads { mut found, .. }, _) = read_all(&files, &directory, &request.root);
    request.env_files.iter().for_each(|file| found.file(file));
    found
}

impl SourceFiles {
    /// What a document of a Compose file names beyond what Compose reads with it; paths in it are relative to `base`.
    pub(super) fn document(&mut self, root: &Value, base: &Path) {
        for thing in values(&root["configs"]).chain(values(&root["secrets"])) {
            self.named_file(thing["file"].as_str(), base);
        }
        // A named volume may be a mount of a directory by the local driver.
        for volume in values(&root["volumes"]) {
            let device = volume["driver_opts"]["device"].as_str();
            self.named_folder(device.filter(|path| path.starts_with(['.', '/'])), base);
        }
        for service in values(&root["services"]) {
            if !service["build"].is_null() {
                self.build(&service["build"], base);
            }
            for volume in items(&service["volumes"]) {
                let long = volume["source"].as_str().filter(|_| volume["type"] == "bind");
                let short = volume.as_str().and_then(|short| short.split_once(':')).map(|(source, _)| source);
                // A name without a dot or a slash is a volume.
                self.named_folder(long.or(short.filter(|source| source.starts_with(['.', '/', '$']))), base);
            }
        }
    }

    fn build(&mut self, build: &Value, base: &Path) {
        // A map without a context is built in the project's folder.
        let context = build.as_str().or(build["context"].as_str()).unwrap_or(".");
        self.named_folder(Some(context), base);
        if let Some(dockerfile) = build["dockerfile"].as_str()
            && let Some(context) = self.place(context, base)
        {
            self.file(&context.join(dockerfile));
        }
        let more = &build["additional_contexts"];
        values(more).for_each(|context| self.named_folder(context.as_str(), base));
        for item in items(more).filter_map(Value::as_str) {
            self.named_folder(item.split_once('=').map(|(_, context)| context), base);
        }
    }

    /// Adds a file as it is written, if that says which one it is.
    pub(super) fn named_file(&mut self, path: Option<&str>, base: &Path) {
        if let Some(place) = path.and_then(|path| self.place(path, base)) {
            self.file(&place);
        }
    }

    /// Adds everything beside a file that nobody follows: what it names is not known.
    pub(super) fn beside(&mut self, path: &str, base: &Path) {
        if let Some(folder) = self.place(path, base).as_deref().and_then(Path::parent) {
            self.folder(folder);
        }
    }

    pub(super) fn named_folder(&mut self, path: Option<&str>, base: &Path) {
        if let Some(place) = path.and_then(|path| self.place(path, base)) {
            self.folder(&place);
        }
    }

    /// Where a path leads. With a variable in it that is not known: then the folder before it counts as a whole. What is
    /// not on this machine (a repository, an image, a service) is nowhere.
    fn place(&mut self, path: &str, base: &Path) -> Option<PathBuf> {
        if ["://", "git@", "github.com/"].iter().any(|remote| path.contains(remote)) || path.starts_with("service:") {
            return None;
        }
        if path.replace("$$", "").contains('$') {
            let folder = path.split('$').next().unwrap_or_default().rsplit_once('/').map_or("", |(folder, _)| folder);
            self.folder(&base.join(folder));
            return None;
        }
        Some(base.join(path.replace("$$", "$")))
    }
}

/// The values of a map.
fn values(map: &Value) -> impl Iterator<Item = &Value> {
    map.as_object().into_iter().flat_map(|map| map.values())
}

/// The items of a list, or the one thing that stands for a list of one.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    list(value).into_iter().filter(|item| !item.is_null())
}

/// The variables that the files name: only these may come from a step, and what chooses one of the host's files may not. What is not
/// understood here lets no variable count.
impl ProjectFiles {
    /// Every variable in these files and in those that they include or extend.
    ///
    /// # Errors
    /// Why one of them cannot be read as Compose would read it.
    pub(super) fn variables(&self) -> Result<Variables, String> {
        let (Reads { asks, mut variables, env_files, .. }, read) =
            read_all(&self.files, &self.directory, Path::new("/"));
        read.map_err(|why| format!("it is not understood here: {why}"))?;
        let takes_in = |ask: &&HostRequest| matches!(ask.key.as_str(), "include" | "extends");
        // What `!reset` takes away stands in the files all the same.
        let mut unknown = asks.iter().filter(takes_in).filter(|ask| ask.value != "\"!reset\"");
        if let Some(HostRequest { what, .. }) = unknown.next() {
            let why = what.split_once(": ").map_or(what.as_str(), |(_, why)| why);
            return Err(format!("a file that it includes or extends is not known here: {why}"));
        }
        variables.through(env_files.iter().chain(&self.env_files).filter(|file| file.is_file()))?;
        Ok(variables)
    }

    /// The variables of `variables` that a release may set.
    pub(super) fn of_releases(&self) -> Result<BTreeSet<String>, String> {
        let named = self.variables()?.named;
        Ok(named.into_iter().filter(|name| may_decide(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first of these files, `c.yaml`, reads from outside of the project `p`.
    fn told(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("p");
        std::fs::create_dir_all(root.join("deep/er")).unwrap();
        for (file, text) in files {
            let file = root.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        for (link, to) in links {
            std::fs::create_dir_all(root.join(link).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, root.join(link)).unwrap();
        }
        let without = |text: &str| {
            text.replace(&root.display().to_string(), "P").replace(&dir.path().display().to_string(), "ABOVE")
        };
        let asked = asked(&[root.join("c.yaml")], &root, &root).map_err(|error| without(&error))?;
        Ok(asked.asks.iter().map(|ask| without(&ask.what)).collect())
    }

    const SERVICE: &[u8] = b"services: { a: { image: a } }";

    #[test]
    fn paths_of_included_files_are_resolved_where_compose_does() {
        let reads = |file: &str| format!("services: {{ b: {{ image: b, env_file: {file} }} }}").into_bytes();
        let (above, two_above) = (reads("../x.env"), reads("../../x.env"));
        // Inside of where the file lies, outside of where the first of the list does.
        let both = b"include: [{ path: [a.yaml, deep/er/b.yaml] }]";
        let list = told(&[("c.yaml", both), ("a.yaml", SERVICE), ("deep/er/b.yaml", &two_above)], &[]);
        let leads = |text: Result<Vec<String>, String>, to: &str| {
            let text = text.unwrap();
            assert!(text.iter().any(|text| text.contains(to)), "{text:?}");
        };
        assert!(list.as_ref().is_ok_and(|asks| asks.len() == 1), "{list:?}");
        leads(list, "/x.env is outside of the project P");
        let of_project = b"include: [{ path: deep/er/c.yaml, project_directory: . }]";
        leads(told(&[("c.yaml", of_project), ("deep/er/c.yaml", &above)], &[]), "x.env is outside");
        let by_extends = b"services: { c: { extends: { file: ../e.yaml, service: e } } }";
        leads(told(&[("c.yaml", of_project), ("deep/er/c.yaml", by_extends)], &[]), "e.yaml is outside");
        let included = b"include: [../i.yaml]";
        leads(told(&[("c.yaml", of_project), ("deep/er/c.yaml", included)], &[]), "i.yaml is outside");
        // The same files where nothing leads out.
        let own = b"include: [deep/er/b.yaml]";
        assert_eq!(told(&[("c.yaml", own), ("deep/er/b.yaml", &two_above)], &[]), Ok(Vec::new()));
    }

    #[test]
    fn a_file_that_names_others_without_end_is_refused() {
        let asks = format!("services: {{ a: {{ image: a, env_file: [{}] }} }}", "$a,".repeat(MOST_NAMED));
        let includes = format!("include: [{}]", "b.yaml,".repeat(MOST_NAMED));
        for text in [asks, includes] {
            let wrong = told(&[("c.yaml", text.as_bytes()), ("b.yaml", SERVICE)], &[]).unwrap_err();
            assert!(wrong.contains("c.yaml and what it takes in name other files"), "{wrong}");
        }
    }

    #[test]
    fn the_env_file_beside_what_is_included_is_read_too() {
        let files: [(&str, &[u8]); 2] =
            [("c.yaml", b"include: [{ path: deep/er/b.yaml, project_directory: d }]"), ("deep/er/b.yaml", SERVICE)];
        let asks = told(&files, &[("d/.env", "/etc/hostname")]).unwrap();
        assert!(asks.len() == 1 && asks[0].contains("P/d/.env leads to /etc/hostname"), "{asks:?}");
        // There Compose does not look.
        assert_eq!(told(&files, &[("deep/er/.env", "/etc/hostname")]), Ok(Vec::new()));
    }

    #[test]
    fn a_way_up_goes_by_what_is_written_and_not_by_links() {
        let files: [(&str, &[u8]); 1] = [("c.yaml", b"services: { a: { image: a, env_file: link/../../x.env } }")];
        let asks = told(&files, &[("link", "deep/er")]).unwrap();
        assert!(asks.len() == 1 && asks[0].contains("x.env is outside"), "{asks:?}");
    }

    #[test]
    fn an_absolute_path_has_no_way_up() {
        let asks = told(&[("c.yaml", b"services: { a: { image: a, env_file: /p/link/../x.env } }")], &[]).unwrap();
        assert!(asks.len() == 1 && asks[0].contains("leads up from where"), "{asks:?}");
    }

    #[test]
    fn no_character_hides_a_key() {
        let text = "services:\n  a:\n    image: a # harmless\u{2028}    env_file: /etc/hostname\n";
        let error = told(&[("c.yaml", text.as_bytes())], &[]).unwrap_err();
        assert!(error.contains("it has U+2028"), "{error}");
    }

    #[test]
    fn env_files_of_nested_files_are_judged_from_where_compose_runs_too() {
        let nested = |env_file: &str| {
            let text = format!("include: [{{ path: j.yaml, env_file: {env_file} }}]");
            told(
                &[
                    ("c.yaml", b"include: [s/s.yaml]"),
                    ("s/s.yaml", b"include: [n/i.yaml]"),
                    ("s/n/i.yaml", text.as_bytes()),
                    ("s/n/j.yaml", SERVICE),
                ],
                &[],
            )
            .unwrap()
        };
        assert_eq!(nested("../y.env"), Vec::<String>::new());
        assert_eq!(nested("../../y.env").len(), 1, "P/s/n/../../y.env is inside, P/n/../../y.env is not");
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let error = |files: &[(&str, &[u8])]| told(files, &[]).unwrap_err();
        let wide = [0xff, 0xfe, b's', 0, b':', 0, b'1', 0];
        assert_eq!(error(&[("c.yaml", &wide)]), "P/c.yaml is not UTF-8");
        assert_eq!(error(&[("c.yaml", b"include: [d/i.yaml]"), ("d/i.yaml", &wide)]), "P/d/i.yaml is not UTF-8");
        let missing = error(&[("c.yaml", b"include: [d/i.yaml]")]);
        assert!(missing.starts_with("P/d/i.yaml cannot be read: "), "{missing}");
    }

    #[test]
    fn words_that_yaml_has_for_booleans_are_names_of_files() {
        let outside = [("on", "/etc/hostname"), ("d/yes", "/etc/hostname")];
        for text in [
            "services: { a: { image: a, env_file: on } }",
            "services: { a: { image: a, env_file: [{ path: on }] } }",
            "services: { a: { extends: { file: d/yes, service: e } } }",
            "include: [on]",
            "include: [{ path: a.yaml, env_file: on }]",
        ] {
            let asks = told(&[("c.yaml", text.as_bytes()), ("a.yaml", SERVICE)], &outside);
            assert!(asks.as_ref().is_ok_and(|asks| !asks.is_empty()), "{text}: {asks:?}");
        }
        let asks = told(&[("c.yaml", b"services: { a: { env_file: [1, true] } }")], &[]).unwrap();
        assert!(asks.len() == 2 && asks.iter().all(|ask| ask.contains("is no text")), "{asks:?}");
    }

    #[test]
    fn addresses_of_git_are_no_files_though_files_are_named_like_them() {
        for name in ["x@y:z.git", "github.com/x/y", "git@a:b", "oci:x"] {
            let text = format!("include: ['{name}']");
            let asks = told(&[("c.yaml", text.as_bytes()), (name, SERVICE)], &[]).unwrap();
            assert!(asks.len() == 1 && asks[0].contains("it is read from elsewhere"), "{asks:?}");
        }
    }

    #[test]
    fn what_is_taken_away_before_it_is_read_is_asked_about() {
        for text in [
            "include: [{ path: a.yaml, project_directory: !reset deep/er }]",
            // Of the two files the second is left.
            "x-a: &a { file: !reset a.yaml }\nx-b: &b { file: ../b.yaml, service: b }\n\
             services: { a: { extends: { <<: [*a, *b] } } }",
        ] {
            let asks = told(&[("c.yaml", text.as_bytes()), ("a.yaml", SERVICE)], &[]).unwrap();
            assert!(asks.iter().any(|ask| ask.contains("takes values away")), "{text}: {asks:?}");
        }
        let own = b"services: { a: { image: a, env_file: !reset null, ports: !override [80] } }";
        assert_eq!(told(&[("c.yaml", own)], &[]), Ok(Vec::new()));
        assert!(!told(&[("c.yaml", own)], &[("null", "/etc/hostname")]).unwrap().is_empty());
    }

    #[test]
    fn tags_hide_no_key() {
        let files: [(&str, &[u8]); 1] = [("c.yaml", b"services: { a: { image: a, env_file: !override [../x.env] } }")];
        assert!(!told(&files, &[]).is_ok_and(|asks| asks.is_empty()));
        let outside = [("nUll", "/etc/hostname"), ("null", "/etc/hostname"), ("YWIuZW52", "/etc/hostname")];
        for text in [
            "services: { a: { env_file: !null /etc/hostname } }",
            "services: { a: { label_file: [!null ../x] } }",
            "services: { a: { env_file: !override null } }",
            "services: { a: { env_file: nUll } }",
            "services: { a: { env_file: !binary YWIuZW52 } }",
            "services: { a: { extends: { file: !null ../x.yaml, service: b } } }",
            "include: [!null ../x.yaml]",
            "include: [{ path: a.yaml, env_file: !null ../x }]",
            "x-a: &a { include: [../x.yaml] }\n! <<: *a",
            "include: [{ path: a.yaml, project_directory: !<!reset> deep/er }]",
            "include: [{ path: a.yaml, project_directory: !r%65set deep/er }]",
        ] {
            let asks = told(&[("c.yaml", text.as_bytes()), ("a.yaml", SERVICE)], &outside);
            assert!(!asks.as_ref().is_ok_and(|asks| asks.is_empty()), "{text}");
        }
    }

    #[test]
    fn no_spelling_hides_a_key() {
        let files = |text| [("c.yaml", text), ("a.yaml", SERVICE)];
        let outside = [("x", "/etc/hostname"), (":x y", "/etc/hostname"), ("x:", "/etc/hostname")];
        for text in [
            "services: { a: { image: a, ?env_file: /etc/hostname } }",
            "services: { a: { image: a, env_file: &a:x y } }",
            "services: { a: { image: a, env_file: [x:] } }",
            "include: [x:]",
            "include: [{ Path: ../x.yaml }]",
            "include: [{ path: a.yaml, ENV_FILE: ../x }]",
            // Of older versions, in a file that is extended.
            "services: { a: { Env_File: ../x } }",
            "services: { a: { extendſ: { file: ../x.yaml, service: b } } }",
            "services: { a: { extends: { File: ../x.yaml, service: b } } }",
            // Without a line end behind it this is `x`.
            "services:\n  a:\n    env_file: |\n      x",
        ] {
            let asks = told(&files(text.as_bytes()), &outside);
            assert!(!asks.as_ref().is_ok_and(|asks| asks.is_empty()), "{text}");
        }
    }
}

#[cfg(test)]
mod source_files_tests {
    use super::*;

    const COMPOSE: &str = "\
include:
  - ../common/compose.yaml
  - { path: [more.yaml], env_file: more.env }
x-base: &base
  env_file: base.env
services:
  db: { build: db, volumes: [data:/var/lib, ./init:/init:ro, { type: bind, source: ../seed, target: /seed }] }
  web:
    <<: *base
    extends: { file: web.yaml, service: web }
    build: { context: .., dockerfile: docker/web.Dockerfile, additional_contexts: { tools: ../tools, base: docker-image://x } }
  side: { image: side, env_file: [a.env, { path: b.env, required: false }] }
  far: { build: https://github.com/x/y.git }
  any:
    build: ./variants/${VARIANT}/x
configs: { c: { file: ./c.conf } }
secrets: { s: { file: s.txt } }
volumes: { data: ~ }
";

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn of(dir: &Path) -> (Vec<String>, Vec<String>) {
        let inputs = compose_inputs(&StackRequest { file: dir.join("stack/compose.yaml"), ..StackRequest::default() });
        let root = dir.canonicalize().unwrap();
        let shown = |paths: &BTreeSet<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect()
        };
        (shown(&inputs.files), shown(&inputs.folders))
    }

    #[test]
    fn everything_that_a_compose_file_names_counts() {
        let dir = project(&[
            ("stack/compose.yaml", COMPOSE),
            ("common/compose.yaml", "services: { cache: { build: cache } }\n"),
            ("stack/more.yaml", "include: [compose.yaml]\nservices: {}\n"),
            ("stack/web.yaml", "services: { web: { env_file: web.env } }\n"),
        ]);
        let (files, folders) = of(dir.path());
        let expected = [
            "common/.env", "common/compose.yaml", "docker/web.Dockerfile", "stack/.env", "stack/a.env", "stack/b.env",
            "stack/base.env", "stack/c.conf", "stack/compose.yaml", "stack/more.env", "stack/more.yaml", "stack/s.txt",
            "stack/web.env", "stack/web.yaml",
        ];
        assert_eq!(files, expected);
        assert_eq!(folders, ["", "common/cache", "seed", "stack/db", "stack/init", "stack/variants", "tools"]);
    }

    #[test]
    fn everything_beside_what_is_not_followed_counts() {
        let include = "include: [{ path: a.yaml, project_directory: '${X}/a', env_file: e.env }, a@b/c.yaml]\n";
        let dir = project(&[("stack/compose.yaml", include)]);
        let (files, folders) = of(dir.path());
        assert_eq!(files, ["stack/.env", "stack/a.yaml", "stack/a@b/c.yaml", "stack/compose.yaml", "stack/e.env"]);
        assert_eq!(folders, ["stack", "stack/a@b"]);
    }

    #[test]
    fn what_cannot_be_read_counts_as_a_whole() {
        let dir = project(&[("stack/compose.yaml", "services: [\n")]);
        assert_eq!(of(dir.path()).1, ["stack"]);
    }

    fn variables_of(files: &[(&str, &str)]) -> Result<(String, String), String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let directory = dir.path().to_path_buf();
        let sources = ProjectFiles { files: vec![directory.join("compose.yml")], directory, env_files: Vec::new() };
        let joined = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
        sources.variables().map(|variables| (joined(variables.named), joined(variables.of_files)))
    }

    #[test]
    fn what_the_files_name_may_count_and_what_chooses_a_file_is_known() {
        let main = "include: [other.yml, { path: sub/inc.yml, project_directory: . }]\n\
            x-base: &base { env_file: '$MERGED' }\nservices:\n  web:\n    <<: *base\n    image: w:${TAG:-${OLD}}\n    \
            command: echo $$INSIDE\n    environment: [DEBUG, 'X=$Y']\n    env_file: [$A, { path: './${B:-x}.env' }]\n    \
            label_file: $L\n    extends: { file: base.yml, service: base }\n";
        let files = [
            ("compose.yml", main),
            ("base.yml", "services: { base: { env_file: '${C}', environment: { HANDED: , KEPT: 1 } } }\n"),
            ("other.yml", "services: { o: { image: '$IMAGE' } }\n"),
            // From the include's project directory, not from its own.
            ("sub/inc.yml", "services: { i: { extends: { file: base2.yml, service: b } } }\n"),
            ("base2.yml", "services: { b: { env_file: '${D}' } }\n"),
            (".env", "D=$THROUGH\nIMAGE=x:$RELEASE\nOTHER=$NOT_ASKED\n"),
        ];
        let (named, of_files) = variables_of(&files).unwrap();
        assert_eq!(named, "A B C D DEBUG HANDED IMAGE L MERGED OLD RELEASE TAG THROUGH Y");
        assert_eq!(of_files, "A B C D L MERGED THROUGH");
    }

    #[test]
    fn a_long_chain_of_variables_is_followed_to_its_end() {
        let chain: String = (0..20_000).rev().map(|n| format!("V{n}=$V{}\n", n + 1)).collect();
        let (named, _) = variables_of(&[("compose.yml", "{ x-a: $V0 }"), (".env", &chain)]).unwrap();
        assert_eq!(named.split(' ').count(), 20_001);
    }

    #[test]
    fn every_document_counts_and_what_is_taken_away() {
        let main = "services: { w: { image: $A, ports: !reset [] } }\n---\ninclude: [other.yml]\n\
                    services: { w: { env_file: $E } }\n";
        let (named, of_files) = variables_of(&[("compose.yml", main), ("other.yml", "{ x-a: $B }")]).unwrap();
        assert_eq!((named.as_str(), of_files.as_str()), ("A B E", "E"));
    }

    #[test]
    fn what_is_not_understood_is_no_set_of_variables() {
        for (main, why) in [
            ("services: [unclosed", "not understood"),
            ("include: ['${D}/x.yml']", "not known here: ${D}/x.yml: a variable"),
            (
                "services: { w: { extends: { file: '${BASE:-base.yml}', service: b } } }",
                "${BASE:-base.yml}: a variable",
            ),
            ("include: [{ path: a.yml, project_directory: $P }]", "not known here: $P: a variable"),
            ("include: [{ path: a.yml, env_file: $E }]", "not known here: $E: a variable"),
            ("include: [none.yml]", "none.yml cannot be read"),
            ("include: ['git@github.com:a/b.git']", "it is read from elsewhere"),
            ("include: [{ Path: a.yml }]", "`Path` is read by Compose"),
        ] {
            let found = variables_of(&[("compose.yml", main), ("base.yml", "{}"), ("a.yml", "{}")]);
            assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{main}: {found:?}");
        }
    }
}
