//! What a step asks of `kubectl`: a pure function from its arguments to those that the toolbox runs, to an answer, or to
//! the reason why not. Runbooks name the team's namespace and contexts, a drill has one namespace of its own. What was
//! understood is written out again in long form, so that `kubectl` sees nothing that was not understood here. The rights
//! of the toolbox's service account are the boundary; this translation only makes ordinary command lines work.

use super::boundary::takes_volume;
use super::manifests::{asks_of_the_node, documents};
use super::names::{SERVICE, origin};
use crate::source::read_otherwise;
use crate::stack::arguments::{self, CallTable, CommandFlag, FlagError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a call of kubectl comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubectlRequest {
    /// The real kubectl is to be run in the toolbox.
    Run {
        /// Its arguments.
        args: Vec<String>,
        /// Whether the drill's namespace may be replaced by the written one in what it prints. Not where the output is
        /// that of a program or of a file.
        renames_output: bool,
    },
    /// Nothing is run. This is the output, with its last line break; the exit code is 0.
    Answer(String),
}

/// The names that a call may use, and what they stand for.
#[derive(Debug, Clone, Copy)]
pub struct NamespaceNames<'a> {
    /// The namespace in runbooks and manifests.
    pub written: &'a str,
    /// The namespace of the drill.
    pub real: &'a str,
    /// Contexts that the scenario maps to the drill's cluster. The first is the current one.
    pub contexts: &'a BTreeSet<String>,
    /// Services with an agent in front of their Pods, and its ports.
    pub interposed: &'a BTreeMap<String, Vec<u16>>,
}

/// The keys by which an object leads out of the namespace, or others into it, or reaches the node.
const OUTSIDE: [&str; 9] = [
    "externalIPs", "externalName", "hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostPath", "hostPort",
    "volumeName",
];
const TABLE: CallTable = CallTable(include_str!("kubectl.txt"));

named_enum! {
/// How the words of a command are read. Every command but those of `About` and `Config` is given the namespace.
pub enum Words {
    /// No objects, and no namespace.
    About = "about",
    /// No objects.
    Free = "free",
    /// None.
    None = "none",
    /// Objects that are read: `TYPE NAME…` or `TYPE/NAME…`.
    Read = "read",
    /// Objects that are changed: the same.
    Change = "change",
    /// `NAME`, of a type that the command says.
    Name = "name",
    /// `POD` or `TYPE/NAME`, to read its log; more words are no objects.
    Logs = "logs",
    /// `POD` or `TYPE/NAME`, to reach its processes; more words are a command or ports.
    Inside = "inside",
    /// Two paths, one as `POD:PATH` or `NAMESPACE/POD:PATH`.
    Copy = "copy",
    /// `kubectl config`, which is answered without a cluster.
    Config = "config",
}
}

/// Whether what is set in an object leads out of the namespace, takes a volume that is there, or reaches the node; `is_led` is one that has
/// addresses of others. A JSON patch (RFC 6902) is a list, and says by paths what it sets.
fn leads_outside(set: &Value, is_led: bool) -> bool {
    let leads = |key: &str| OUTSIDE.contains(&key) || is_led && key == "addresses";
    match set {
        Value::Array(all) => all.iter().any(|one| {
            let path = one["path"].as_str().filter(|_| one["op"].is_string() && one["op"] != "remove");
            let keys = || path.unwrap_or_default().split('/');
            let value = &one["value"];
            let volumes = if value.is_array() { value.clone() } else { json!([value]) };
            let volume = || leads_outside(&json!({ "volumes": volumes }), is_led);
            keys().any(|key| leads(key) || key == "privileged" && *value != false)
                || keys().any(|key| key == "volumes") && volume()
                || leads_outside(one, is_led)
        }),
        // Whatever is not false may be true to the cluster: `yes`.
        Value::Object(all) => {
            !asks_of_the_node(set).is_empty()
                || all.iter().any(|(key, value)| {
                    let is_privileged = key == "privileged" && !matches!(value, Value::Null | Value::Bool(false));
                    let takes = key == "volumeClaimTemplate" && takes_volume(value);
                    leads(key) || is_privileged || takes || leads_outside(value, is_led)
                })
        }
        _ => false,
    }
}

/// A command line that was read: flags by long name, words, and where among the words `--` stands.
#[derive(Debug, Default)]
struct KubectlLine<'a> {
    /// The command, word by word.
    name: Vec<&'a str>,
    flags: Vec<(&'static str, Option<String>)>,
    words: Vec<String>,
    dash: Option<usize>,
}

/// Translates the arguments of a call of kubectl.
///
/// # Errors
///
/// The sentence that says why the call is refused.
pub fn translate(args: &[String], names: &NamespaceNames<'_>) -> Result<KubectlRequest, String> {
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err("an argument holds a NUL byte".into());
    }
    let global = flags_of("");
    let (mut line, mut rest) = (KubectlLine::default(), args);
    loop {
        rest = line.read(rest, &global, true)?;
        let Some((word, after)) = rest.split_first() else { break };
        let longer = [line.name.clone(), vec![word.as_str()]].concat();
        if !all_names().any(|path| is_named(path, &longer, false)) {
            break;
        }
        (line.name, rest) = (longer, after);
    }
    let name = line.name.clone();
    let command = name.join(" ");
    if let Some((_, reason)) = TABLE.rows("refused").find(|(path, _)| is_named(path, &name, true)) {
        if line.is_set("help") || rest.iter().any(|arg| arg == "--help" || arg == "-h") {
            return Ok(help(&name));
        }
        return Err(format!("`kubectl {command}` is not run in a drill: {}", why(reason)));
    }
    let Some((_, takes, flags)) = commands().find(|(path, ..)| is_named(path, &name, true)) else {
        // A flag that may not stand before a command is refused with its own reason.
        let word = rest.first().filter(|arg| *arg == "-" || !arg.starts_with('-'));
        if word.is_none() {
            line.read(rest, &global, false)?;
        }
        return match word.or(line.words.first()) {
            None if line.is_set("help") || name.is_empty() => Ok(help(&name)),
            None => Err(format!("`kubectl {command}` needs one of {}", next_names(&name))),
            Some(word) => Err(unknown(&name, word)),
        };
    };
    line.read(rest, &flags_of(flags), false)?;
    if line.is_set("help") {
        return Ok(help(&name));
    }
    line.check_flags(takes, names)?;
    line.check_words(takes, names)?;
    if takes == Words::Config {
        return configuration(&line, names).map(KubectlRequest::Answer);
    }
    let mut args: Vec<String> = name.iter().map(|word| word.to_string()).collect();
    if takes != Words::About {
        args.push(format!("--namespace={}", names.real));
    }
    let is_passed = |long: &str| !["namespace", "all-namespaces", "context", "cluster"].contains(&long);
    for (long, value) in line.flags.iter().filter(|(long, _)| is_passed(long)) {
        args.push(value.as_ref().map_or_else(|| format!("--{long}"), |value| format!("--{long}={value}")));
    }
    if let Some(dash) = line.dash {
        line.words.insert(dash, "--".into());
    }
    args.extend(line.words);
    Ok(KubectlRequest::Run { args, renames_output: !matches!(takes, Words::Logs | Words::Inside | Words::Copy) })
}

impl<'a> KubectlLine<'a> {
    /// Reads arguments as pflag does, and returns those that are left. In front of a command only global flags are read;
    /// what is none of them is left.
    fn read(&mut self, mut args: &'a [String], flags: &[CommandFlag], in_front: bool) -> Result<&'a [String], String> {
        while let Some((arg, after)) = args.split_first() {
            let is_flag = arg.len() > 1 && arg.starts_with('-');
            if in_front && (!is_flag || arg == "--") {
                break;
            } else if arg == "--" {
                self.dash = Some(self.words.len());
                self.words.extend(after.iter().cloned());
                return Ok(&[]);
            } else if !is_flag {
                self.words.push(arg.clone());
                args = after;
                continue;
            }
            match arguments::read(arg, after.first(), flags) {
                Ok((found, with_next)) => {
                    self.flags.extend(found.into_iter().map(|(flag, value)| (flag.long, value)));
                    args = after.get(usize::from(with_next)..).unwrap_or_default();
                }
                Err(_) if in_front && !self.name.is_empty() => break,
                Err(FlagError::NoValue) => return Err(format!("`{} {arg}` needs a value", kubectl(&self.name))),
                Err(FlagError::Unknown(flag)) => return Err(refused_flag(&kubectl(&self.name), &flag)),
            }
        }
        Ok(args)
    }

    fn is_set(&self, long: &str) -> bool {
        self.flags.iter().any(|(flag, value)| *flag == long && !matches!(value.as_deref(), Some("false")))
    }

    /// Checks the values of flags that name namespaces, contexts and the drill's own objects, and translates them.
    fn check_flags(&mut self, takes: Words, names: &NamespaceNames<'_>) -> Result<(), String> {
        let named = self.words.iter().enumerate().filter(|(at, word)| *at == 0 || word.contains('/'));
        let mut kinds = named.flat_map(|(_, word)| word.split('/').next().unwrap_or_default().split(','));
        let is_led = self.words.is_empty() || kinds.any(|kind| is_kind(kind, "endpoints"));
        for (long, value) in &mut self.flags {
            match (*long, value) {
                ("namespace", Some(value)) => drop(names.namespace(&format!("-n {value}"), value)?),
                ("context" | "cluster", Some(value)) => names.context(&format!("--{long} {value}"), value)?,
                ("serviceaccount", Some(value)) => {
                    if let Some((space, account)) = value.split_once(':') {
                        *value = format!("{}:{account}", names.namespace(&format!("--serviceaccount {value}"), space)?);
                    }
                }
                ("patch" | "overrides", Some(value)) => {
                    let told = |reason| format!("`{value}`: {}", why(reason));
                    // What is no JSON is read as YAML.
                    let json = serde_json::from_str(value).ok().map(|set| vec![set]);
                    let yaml = || documents(value).ok().filter(|_| read_otherwise(value, &["<<"]).is_none());
                    let set = json.or_else(yaml).ok_or_else(|| told("unread"))?;
                    if set.iter().any(|set| leads_outside(set, is_led)) {
                        return Err(told("outside"));
                    }
                }
                ("filename", Some(value)) if *value == "/dev/stdin" => *value = "-".into(),
                ("field-selector", Some(value)) => *value = names.field_selector(value, takes)?,
                _ => {}
            }
        }
        // What `expose` selects are the Pods of the new Service, and it knows no `!`.
        let selects = self.is_set("selector") || self.is_set("field-selector");
        if takes == Words::Change && self.name != ["expose"] && selects {
            let own = format!("!{SERVICE}");
            // Of several selectors kubectl takes the last one.
            match self.flags.iter_mut().rfind(|(long, _)| *long == "selector") {
                Some((_, Some(value))) => *value = format!("{value},{own}"),
                _ => self.flags.push(("selector", Some(own))),
            }
        }
        if self.is_set("all") && self.name != ["wait"] {
            let of_the_drill = |kind: &&str| is_kind(kind, "drill");
            if let Some(kind) = self.words.iter().flat_map(|word| word.split(',')).find(of_the_drill) {
                return Err(format!("`--all` of `{kind}` has the drill's own objects as well: name them or use `-l`"));
            }
        }
        Ok(())
    }

    /// Checks words that name objects, and translates names of namespaces.
    fn check_words(&mut self, takes: Words, names: &NamespaceNames<'_>) -> Result<(), String> {
        let objects = match takes {
            Words::About | Words::Free | Words::Config => return Ok(()),
            Words::None => return self.words.first().map_or(Ok(()), |word| Err(unknown(&self.name, word))),
            Words::Copy => return self.words.iter_mut().try_for_each(|word| names.copy_path(word)),
            Words::Read | Words::Change => self.words.as_mut_slice(),
            Words::Name | Words::Logs | Words::Inside => self.words.get_mut(..1).unwrap_or_default(),
        };
        if !matches!(takes, Words::Read | Words::Logs) {
            objects.iter().try_for_each(|word| not_of_the_drill(word))?;
        }
        let has_type = matches!(takes, Words::Read | Words::Change);
        let only_type = objects.len() == 1;
        // What is forwarded goes through the agent, as users' calls do.
        let is_of_pods = matches!(takes, Words::Logs | Words::Inside) && self.name != ["port-forward"];
        let mut of_namespaces = false;
        // `key=value` of a label or an image is no object.
        for (index, word) in objects.iter_mut().enumerate().filter(|(_, word)| !word.contains('=')) {
            match word.split_once('/') {
                Some((kind, object)) if names_namespaces(kind, takes, names)? => {
                    *word = format!("{kind}/{}", names.namespace(word, object)?);
                }
                Some((kind, service))
                    if is_of_pods && is_kind(kind, "services") && names.interposed.contains_key(service) =>
                {
                    *word = format!("{kind}/{}", origin(service));
                }
                None if index == 0 && has_type => of_namespaces = names_namespaces(word, takes, names)?,
                None if of_namespaces => *word = names.namespace(word, word)?.to_string(),
                _ => {}
            }
        }
        if of_namespaces && only_type { Err(not_the_namespace(names)) } else { Ok(()) }
    }
}

impl NamespaceNames<'_> {
    /// The drill's namespace, if the value stands for it.
    fn namespace(&self, spelled: &str, value: &str) -> Result<&str, String> {
        if value == self.written || value == self.real {
            return Ok(self.real);
        }
        Err(format!("`{spelled}`: a drill has one namespace, which is written `{}`", self.written))
    }

    fn context(&self, spelled: &str, value: &str) -> Result<(), String> {
        if self.contexts.contains(value) {
            return Ok(());
        }
        Err(format!(
            "`{spelled}`: the scenario does not map `{value}` to the drill's cluster: add it to \
             `stack.kubernetes.contexts` if it is the cluster that is drilled"
        ))
    }

    /// `metadata.namespace=shop,status.phase=Running`, with the drill's namespace.
    fn field_selector(&self, selector: &str, takes: Words) -> Result<String, String> {
        let terms = selector.split(',').map(|term| {
            let (field, value) = term.split_once('=').unwrap_or((term, ""));
            let value = value.trim_start_matches('=');
            if field == "metadata.name" && takes != Words::Read {
                not_of_the_drill(value)?;
            }
            Ok(match field.trim_end_matches('!').ends_with("namespace") {
                true if value == self.written => format!("{field}={}", self.real),
                true if !field.ends_with('!') => format!("{field}={}", self.namespace(term, value)?),
                _ => term.to_string(),
            })
        });
        Ok(terms.collect::<Result<Vec<_>, String>>()?.join(","))
    }

    /// An end of a copy: `shop/web:/tmp/x` becomes `web:/tmp/x`, as the namespace is given by a flag.
    fn copy_path(&self, word: &mut String) -> Result<(), String> {
        let Some((pod, path)) = word.split_once(':') else { return Ok(()) };
        let (namespace, pod) = pod.split_once('/').unwrap_or((self.written, pod));
        self.namespace(word, namespace)?;
        if pod.contains('/') {
            return Err(format!("`{pod}` of `{word}` is no Pod"));
        }
        not_of_the_drill(pod)?;
        *word = format!("{pod}:{path}");
        Ok(())
    }
}

/// Answers `kubectl config …`: the contexts of the scenario all lead to the drill.
fn configuration(line: &KubectlLine<'_>, names: &NamespaceNames<'_>) -> Result<String, String> {
    let none = "the scenario maps no context to the drill's cluster: add one to `stack.kubernetes.contexts`";
    let current = names.contexts.first().ok_or(none)?;
    let command = line.name.join(" ");
    let context = line.words.first();
    context.map_or(Ok(()), |context| names.context(&format!("kubectl {command} {context}"), context))?;
    let value = |long: &str| line.flags.iter().rev().find(|(flag, _)| *flag == long).map(|(_, value)| value.as_deref());
    match (command.as_str(), context) {
        ("config current-context", _) => Ok(format!("{current}\n")),
        ("config use-context" | "config use", Some(context)) => Ok(format!("Switched to context \"{context}\".\n")),
        ("config set-context", _) if value("namespace").is_none() => {
            Err("`kubectl config set-context` is answered with `--namespace` only".into())
        }
        ("config set-context", Some(context)) => Ok(format!("Context \"{context}\" modified.\n")),
        ("config set-context", None) if line.is_set("current") => Ok(format!("Context \"{current}\" modified.\n")),
        ("config get-contexts", _) => {
            let asked = names.contexts.iter().filter(|name| context.is_none_or(|context| context == *name));
            if value("output").flatten() == Some("name") {
                return Ok(asked.map(|name| format!("{name}\n")).collect());
            }
            let width = asked.clone().map(|name| name.chars().count()).max().unwrap_or_default().max(8);
            let row = |mark: &str, [name, cluster, user]: [&str; 3], namespace: &str| {
                format!("{mark:<7}   {name:<width$}   {cluster:<width$}   {user:<width$}   {namespace}\n")
            };
            let title = row("CURRENT", ["NAME", "CLUSTER", "AUTHINFO"], "NAMESPACE");
            let rows = asked.map(|name| row(if name == current { "*" } else { "" }, [name.as_str(); 3], names.written));
            Ok(Some(title).filter(|_| !line.is_set("no-headers")).into_iter().chain(rows).collect())
        }
        _ => Err(format!("`kubectl {command}` needs the name of a context")),
    }
}

fn kubectl(name: &[&str]) -> String {
    [&["kubectl"], name].concat().join(" ")
}

fn refused_flag(kubectl: &str, flag: &str) -> String {
    match TABLE.rows("flags").find(|(_, flags)| flags.split(' ').any(|refused| refused == flag)) {
        Some((reason, _)) => format!("`{kubectl} {flag}` is not allowed in a drill: {}", why(reason)),
        None => format!(
            "`{kubectl} {flag}` is not known to Firedrill: `{kubectl}` has no such flag in kubectl 1.20 to 1.37"
        ),
    }
}

fn why(reason: &'static str) -> &'static str {
    TABLE.row("why", reason).unwrap_or(reason)
}

/// The commands that are run: names, how words are read, flags.
fn commands() -> impl Iterator<Item = (&'static str, Words, &'static str)> {
    TABLE.lines().filter_map(|(words, path, flags)| Some((path, Words::from_name(words)?, flags)))
}

fn flags_of(text: &'static str) -> Vec<CommandFlag> {
    let group = |word: &'static str| TABLE.row("group", word).unwrap_or(word).split_ascii_whitespace();
    text.split_ascii_whitespace().chain(["*"]).flat_map(group).map(CommandFlag::of).collect()
}

fn all_names() -> impl Iterator<Item = &'static str> {
    commands().map(|(path, ..)| path).chain(TABLE.rows("refused").map(|(path, _)| path))
}

/// Whether a path of the tables (`rollout restart|pause`) has these words: all of them, or the first ones.
fn is_named(path: &str, name: &[&str], whole: bool) -> bool {
    let parts: Vec<&str> = path.split(' ').collect();
    let fits = if whole { parts.len() == name.len() } else { parts.len() >= name.len() };
    fits && parts.iter().zip(name).all(|(part, word)| part.split('|').any(|part| part == *word))
}

fn unknown(name: &[&str], word: &str) -> String {
    let kubectl = kubectl(name);
    if all_names().any(|path| is_named(path, &[name, &[word]].concat(), false)) {
        return format!("`{kubectl} {word}` is written before its own flags");
    }
    let why = match name {
        [] => "it is no command of kubectl itself, and plugins are not run in a drill".to_string(),
        _ => format!("`{kubectl}` has {}", next_names(name)),
    };
    format!("`{kubectl} {word}` is not known to Firedrill: {why}")
}

fn next_names(name: &[&str]) -> String {
    let paths = commands().filter(|(path, ..)| is_named(path, name, false));
    let mut next: Vec<&str> =
        paths.filter_map(|(path, ..)| path.split(' ').nth(name.len())).flat_map(|part| part.split('|')).collect();
    next.dedup();
    if next.is_empty() { "no such words".into() } else { next.join(", ") }
}

fn help(name: &[&str]) -> KubectlRequest {
    let args = name.iter().chain(&["--help"]).map(|word| word.to_string()).collect();
    KubectlRequest::Run { args, renames_output: false }
}

/// Whether kinds (`pods,svc`) are namespaces; an error for those that a call may not name.
fn names_namespaces(kinds: &str, takes: Words, names: &NamespaceNames<'_>) -> Result<bool, String> {
    if let Some(kind) = kinds.split(',').find(|kind| is_kind(kind, "cluster")) {
        return Err(format!("`{kind}`: {}", why("wide")));
    }
    let any = kinds.split(',').any(|kind| is_kind(kind, "namespaces"));
    if any && (takes != Words::Read || kinds.contains(',')) { Err(not_the_namespace(names)) } else { Ok(any) }
}

fn not_the_namespace(names: &NamespaceNames<'_>) -> String {
    let (why, written) = (why("namespace"), names.written);
    format!("{why}: only `kubectl get namespace {written}` and `kubectl describe namespace {written}` are run")
}

/// Whether a kind is among these of the table, as kubectl has them: in any case, and with version and group (`nodes.v1`).
pub(super) fn is_kind(kind: &str, which: &str) -> bool {
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    let group = group.trim_end_matches('.');
    let is_builtin = !group.contains('.') || group.ends_with(".k8s.io");
    let mut listed = TABLE.row("kinds", which).unwrap_or_default().split(' ');
    is_builtin && listed.any(|listed| listed.eq_ignore_ascii_case(kind))
}

fn not_of_the_drill(word: &str) -> Result<(), String> {
    let name = word.rsplit('/').next().unwrap_or_default();
    if name.starts_with("fd-") && !name.contains('=') {
        return Err(format!("`{word}` is Firedrill's own and not part of the drill's system"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = "firedrill-1a2b3c4d";

    fn call(args: &[String]) -> Result<KubectlRequest, String> {
        let contexts = ["shop-prod".to_string(), "shop-staging".to_string()].into();
        let interposed = [("pay".to_string(), vec![80_u16])].into();
        translate(args, &NamespaceNames { written: "shop", real: REAL, contexts: &contexts, interposed: &interposed })
    }

    /// Arguments without spaces inside; `~` stands for one.
    fn split(line: &str) -> Vec<String> {
        line.split_ascii_whitespace().map(|word| word.replace('~', " ")).collect()
    }

    fn outcome(line: &str) -> String {
        match call(&split(line)) {
            Ok(KubectlRequest::Run { args, renames_output }) => {
                let mark = if renames_output { "" } else { " (as it is)" };
                let args: Vec<String> = args.iter().map(|arg| arg.replace(' ', "~")).collect();
                args.join(" ").replace(&format!("--namespace={REAL}"), "@") + mark
            }
            Ok(KubectlRequest::Answer(text)) => format!("answer: {text}"),
            Err(why) => format!("refused: {why}"),
        }
    }

    /// What is called, and what is run: `@` is the drill's namespace as a flag.
    const ORDINARY: &[(&str, &str)] = &[
        ("get pods", "get @ pods"),
        ("get pods -n shop", "get @ pods"),
        ("get pods -nshop", "get @ pods"),
        ("get pods -n=shop", "get @ pods"),
        ("get pods --namespace=shop", "get @ pods"),
        ("get pods -n firedrill-1a2b3c4d", "get @ pods"),
        ("-n shop get pods -o wide", "get @ --output=wide pods"),
        ("--context shop-prod -n shop get pods -l app=web", "get @ --selector=app=web pods"),
        ("--context=shop-staging --cluster shop-prod get deploy", "get @ deploy"),
        ("-v 6 get po", "get @ --v=6 po"),
        ("--request-timeout=5s get po", "get @ --request-timeout=5s po"),
        ("get pods -A", "get @ pods"),
        ("get pods -Aw", "get @ --watch pods"),
        ("get pods -Ao wide", "get @ --output=wide pods"),
        ("get pods --all-namespaces -owide", "get @ --output=wide pods"),
        ("get pods -w=false", "get @ --watch=false pods"),
        ("get pvc -A --no-headers", "get @ --no-headers pvc"),
        ("-n shop get pvc data-0 -ojson", "get @ --output=json pvc data-0"),
        ("get po -l app=etcd -oname -n shop", "get @ --selector=app=etcd --output=name po"),
        ("get events -n shop --sort-by=.lastTimestamp", "get @ --sort-by=.lastTimestamp events"),
        (
            "get events -A --field-selector=involvedObject.namespace=shop,reason=Killing",
            "get @ --field-selector=involvedObject.namespace=firedrill-1a2b3c4d,reason=Killing events",
        ),
        (
            "get pods -A --field-selector metadata.namespace!=kube-system",
            "get @ --field-selector=metadata.namespace!=kube-system pods",
        ),
        (
            "get deploy api -n shop -o jsonpath={.spec.template.spec.containers[0].image}",
            "get @ --output=jsonpath={.spec.template.spec.containers[0].image} deploy api",
        ),
        ("get deploy/api svc/api", "get @ deploy/api svc/api"),
        ("get certificate api-tls -n shop -w", "get @ --watch certificate api-tls"),
        ("get hpa,pdb -n shop", "get @ hpa,pdb"),
        ("get pod fd-agent", "get @ pod fd-agent"),
        ("get namespace shop", "get @ namespace firedrill-1a2b3c4d"),
        ("get ns/shop -o yaml", "get @ --output=yaml ns/firedrill-1a2b3c4d"),
        ("get -- pods web", "get @ -- pods web"),
        ("get nodes.longhorn.io", "get @ nodes.longhorn.io"),
        ("describe ns shop", "describe @ ns firedrill-1a2b3c4d"),
        ("describe pod -l app=redis", "describe @ --selector=app=redis pod"),
        ("describe hpa api-hpa -n shop", "describe @ hpa api-hpa"),
        ("events --for pod/web --types=Warning", "events @ --for=pod/web --types=Warning"),
        ("logs -f deployment/api -n shop", "logs @ --follow deployment/api (as it is)"),
        ("logs web-0 -c proxy --previous", "logs @ --container=proxy --previous web-0 (as it is)"),
        ("logs -lapp=etcd --tail=100 --since=30m", "logs @ --selector=app=etcd --tail=100 --since=30m (as it is)"),
        ("-n shop logs deployment/api --tail 100 -f", "logs @ --tail=100 --follow deployment/api (as it is)"),
        ("top pod -l app=api -n shop", "top pod @ --selector=app=api"),
        ("top pods --containers", "top pods @ --containers"),
        ("rollout restart deployment/api -n shop", "rollout restart @ deployment/api"),
        ("rollout -n shop status deployment/api --timeout=5m", "rollout status @ --timeout=5m deployment/api"),
        ("rollout undo deployment/api --to-revision=3", "rollout undo @ --to-revision=3 deployment/api"),
        ("-n shop rollout history deployment/api", "rollout history @ deployment/api"),
        ("rollout pause deploy api", "rollout pause @ deploy api"),
        ("scale deployment/api --replicas=10 -n shop", "scale @ --replicas=10 deployment/api"),
        ("scale deployment --all -n shop --replicas=0", "scale @ --all --replicas=0 deployment"),
        ("scale statefulset redis --replicas 0 --timeout 2m", "scale @ --replicas=0 --timeout=2m statefulset redis"),
        ("autoscale deploy web --min=2 --max=5", "autoscale @ --min=2 --max=5 deploy web"),
        ("set image deployment/api api=shop/api:1.2", "set image @ deployment/api api=shop/api:1.2"),
        ("set env deployment/api KEY=1 OLD_KEY_ID-", "set env @ deployment/api KEY=1 OLD_KEY_ID-"),
        ("set env deploy/api --list", "set env @ --list deploy/api"),
        ("set resources deploy/api --limits=cpu=1,memory=1Gi", "set resources @ --limits=cpu=1,memory=1Gi deploy/api"),
        ("label pod web team=a --overwrite", "label @ --overwrite pod web team=a"),
        ("annotate certificate x cert-manager.io/issue=1", "annotate @ certificate x cert-manager.io/issue=1"),
        (
            "patch hpa api -n shop --type merge -p {\"spec\":{\"minReplicas\":5}}",
            "patch @ --type=merge --patch={\"spec\":{\"minReplicas\":5}} hpa api",
        ),
        (
            "patch cm endpoints -p {\"data\":{\"addresses\":\"kafka:9092\"}}",
            "patch @ --patch={\"data\":{\"addresses\":\"kafka:9092\"}} cm endpoints",
        ),
        ("apply -f -", "apply @ --filename=-"),
        ("apply -f /dev/stdin", "apply @ --filename=-"),
        ("apply -k k8s/overlays/prod/", "apply @ --kustomize=k8s/overlays/prod/"),
        ("apply -f k8s/ -R --server-side", "apply @ --filename=k8s/ --recursive --server-side"),
        ("apply --dry-run=server -f a.yaml -f b.yaml", "apply @ --dry-run=server --filename=a.yaml --filename=b.yaml"),
        ("create -f job.yaml", "create @ --filename=job.yaml"),
        ("create job check --from=cronjob/nightly -n shop", "create job @ --from=cronjob/nightly check"),
        ("create job x --image=busybox -- sh -c date", "create job @ --image=busybox x -- sh -c date"),
        (
            "create secret generic keys --from-literal=A=1 --dry-run=client -o yaml",
            "create secret generic @ --from-literal=A=1 --dry-run=client --output=yaml keys",
        ),
        ("create cm x --from-file=a.conf", "create cm @ --from-file=a.conf x"),
        (
            "create rolebinding r --role=view --serviceaccount=shop:api",
            "create rolebinding @ --role=view --serviceaccount=firedrill-1a2b3c4d:api r",
        ),
        ("replace --force -f pod.yaml", "replace @ --force --filename=pod.yaml"),
        ("delete pod web-0 --force --grace-period=0", "delete @ --force --grace-period=0 pod web-0"),
        (
            "delete pod -l app=web --ignore-not-found",
            "delete @ --selector=app=web,!dev.firedrill/service --ignore-not-found pod",
        ),
        ("delete --namespace shop pod/db-1 pvc/db-1 pvc/db-1-wal", "delete @ pod/db-1 pvc/db-1 pvc/db-1-wal"),
        (
            "delete pod -l app=web -l app!=db",
            "delete @ --selector=app=web --selector=app!=db,!dev.firedrill/service pod",
        ),
        ("delete jobs --all", "delete @ --all jobs"),
        (
            "delete pods --field-selector=status.phase=Failed",
            "delete @ --field-selector=status.phase=Failed --selector=!dev.firedrill/service pods",
        ),
        ("expose deploy web --selector=app=web --port=80", "expose @ --selector=app=web --port=80 deploy web"),
        ("expose deploy web --port=80 --target-port=8080", "expose @ --port=80 --target-port=8080 deploy web"),
        (
            "run probe --rm -it --restart=Never --image=curlimages/curl -- curl -s http://web.shop",
            "run @ --rm --stdin --tty --restart=Never --image=curlimages/curl probe -- curl -s http://web.shop (as it is)",
        ),
        (
            "exec -it svc/db-rw -n shop -- psql -n -c SELECT~1",
            "exec @ --stdin --tty svc/db-rw -- psql -n -c SELECT~1 (as it is)",
        ),
        ("-n shop exec -i postgres-0 -- psql -U app", "exec @ --stdin postgres-0 -- psql -U app (as it is)"),
        ("exec -n shop deploy/api -- fd-find x", "exec @ deploy/api -- fd-find x (as it is)"),
        ("exec redis-0 ls /", "exec @ redis-0 ls / (as it is)"),
        ("exec -itn shop web -- sh", "exec @ --stdin --tty web -- sh (as it is)"),
        ("exec web -it=true -- sh", "exec @ --stdin --tty=true web -- sh (as it is)"),
        ("cp backup/dump.rdb redis-0:/data/dump.rdb -n shop", "cp @ backup/dump.rdb redis-0:/data/dump.rdb (as it is)"),
        ("cp shop/redis-0:/data/a:b ./a", "cp @ redis-0:/data/a:b ./a (as it is)"),
        ("logs svc/pay", "logs @ svc/fd-origin-pay (as it is)"),
        ("exec service/pay -- cat svc/pay", "exec @ service/fd-origin-pay -- cat svc/pay (as it is)"),
        ("exec Services.v1/pay -- ls", "exec @ Services.v1/fd-origin-pay -- ls (as it is)"),
        ("get svc/pay", "get @ svc/pay"),
        ("exec svc/pay -- svc/pay", "exec @ svc/fd-origin-pay -- svc/pay (as it is)"),
        ("logs -- svc/pay", "logs @ -- svc/fd-origin-pay (as it is)"),
        ("scale --replicas=2 -- deployment/web", "scale @ --replicas=2 -- deployment/web"),
        ("get -- ns shop", "get @ -- ns firedrill-1a2b3c4d"),
        ("port-forward svc/pay 8080:80", "port-forward @ svc/pay 8080:80 (as it is)"),
        ("attach web -i", "attach @ --stdin web (as it is)"),
        ("port-forward svc/web 8080:80 -n shop", "port-forward @ svc/web 8080:80 (as it is)"),
        (
            "wait cluster/db --for=condition=Ready --timeout=1800s --namespace=shop",
            "wait @ --for=condition=Ready --timeout=1800s cluster/db",
        ),
        ("wait --for=condition=Ready pods --all", "wait @ --for=condition=Ready --all pods"),
        ("diff -f k8s/", "diff @ --filename=k8s/"),
        ("explain nodes.spec --recursive", "explain --recursive nodes.spec"),
        ("version --client -o json", "version --client --output=json"),
        ("api-resources --namespaced=true", "api-resources --namespaced=true"),
        ("api-versions", "api-versions"),
        ("cluster-info --context shop-prod", "cluster-info @"),
        ("auth can-i list pods -n shop", "auth can-i @ list pods"),
        ("kustomize k8s/base", "kustomize k8s/base"),
        ("", "--help (as it is)"),
        ("-n shop", "--help (as it is)"),
        ("--help", "--help (as it is)"),
        ("help rollout undo", "help rollout undo"),
        ("rollout -h", "rollout --help (as it is)"),
        ("drain --help", "drain --help (as it is)"),
        ("get pods --help", "get --help (as it is)"),
        ("config current-context", "answer: shop-prod\n"),
        ("config use-context shop-staging", "answer: Switched to context \"shop-staging\".\n"),
        ("config set-context --current --namespace=shop", "answer: Context \"shop-prod\" modified.\n"),
        ("config set-context shop-staging --namespace shop", "answer: Context \"shop-staging\" modified.\n"),
        ("config get-contexts -o name", "answer: shop-prod\nshop-staging\n"),
        (
            "config get-contexts shop-prod",
            "answer: CURRENT   NAME        CLUSTER     AUTHINFO    NAMESPACE\n\
             *         shop-prod   shop-prod   shop-prod   shop\n",
        ),
    ];

    #[test]
    fn ordinary_lines_are_translated() {
        for (line, expected) in ORDINARY {
            assert_eq!(outcome(line), *expected, "kubectl {line}");
        }
    }

    /// What is called, and a part of the sentence that refuses it.
    const REFUSALS: &[(&str, &str)] = &[
        ("get pods -n kube-system", "`-n kube-system`: a drill has one namespace, which is written `shop`"),
        ("get pods -nkube-system", "`-n kube-system`"),
        ("get pods -n=kube-system", "`-n kube-system`"),
        ("get pods --namespace kube-system", "`-n kube-system`"),
        ("get pods --namespace=kube-system", "`-n kube-system`"),
        ("-n kube-system get pods", "`-n kube-system`"),
        ("get pods -n shop -n kube-system", "`-n kube-system`"),
        ("get pods -wn kube-system", "`-n kube-system`"),
        ("get pods -Ankube-system", "`-n kube-system`"),
        ("get pods -n Shop", "`-n Shop`"),
        ("get pods --namespace=", "a drill has one namespace"),
        ("rollout -n default restart deploy/x", "`-n default`"),
        ("exec -itn default web -- sh", "`-n default`"),
        ("get events --field-selector metadata.namespace=default", "`metadata.namespace=default`"),
        ("get events --field-selector metadata.namespace==default", "a drill has one namespace"),
        ("cp default/web:/etc/passwd .", "`default/web:/etc/passwd`"),
        ("cp shop/x/web:/a .", "is no Pod"),
        ("create rolebinding r --role=a --serviceaccount=default:x", "--serviceaccount default:x"),
        ("config set-context --current --namespace=default", "`-n default`"),
        ("config set-context --current", "with `--namespace` only"),
        ("config set-context --namespace=shop", "needs the name of a context"),
        ("config use-context other", "add it to `stack.kubernetes.contexts`"),
        ("config use-context", "needs the name of a context"),
        ("config view --raw", "`kubectl config view` is not run in a drill"),
        ("config set-credentials x --token=y", "`kubectl config set-credentials` is not known to Firedrill"),
        ("config set-context shop-prod --namespace=shop --user=admin", "--user` is not allowed"),
        ("--context other get pods", "`--context other`"),
        ("get pods --cluster=other", "add it to `stack.kubernetes.contexts`"),
        ("get pods --as system:admin", "`kubectl get --as` is not allowed in a drill"),
        ("--as=system:admin get pods", "`kubectl --as` is not allowed"),
        ("auth can-i get pods --as=system:serviceaccount:shop:x", "rights of the drill"),
        ("get pods --as-group=system:masters", "--as-group"),
        ("get pods --as-uid=0", "--as-uid"),
        ("get pods --token=abc", "--token"),
        ("get pods -s https://10.0.0.1", "`kubectl get -s` is not allowed"),
        ("get pods -shttps://10.0.0.1", "another cluster"),
        ("--server=https://10.0.0.1 get pods", "another cluster"),
        ("rollout --server=https://10.0.0.1 status deploy/x", "another cluster"),
        ("get pods --kubeconfig=/tmp/x", "another cluster"),
        ("--kubeconfig /tmp/x", "another cluster"),
        ("get pods --user admin", "--user"),
        ("get pods --username=a --password=b", "--username"),
        ("get pods --client-certificate=a --client-key=b", "--client-certificate"),
        ("get pods --certificate-authority=a", "another cluster"),
        ("get pods --insecure-skip-tls-verify", "another cluster"),
        ("get pods --tls-server-name=x", "another cluster"),
        ("get --raw /api/v1/nodes", "a path of the API"),
        ("create --raw=/api/v1/namespaces -f x", "a path of the API"),
        ("get pods --cache-dir=/tmp", "files of kubectl's own"),
        ("get pods --profile=cpu --profile-output=/tmp/x", "files of kubectl's own"),
        ("get nodes", "`nodes`: it is not part of a namespace"),
        ("get NODES.v1 -o wide", "`NODES.v1`"),
        ("get pods,nodes", "`nodes`"),
        ("describe node/n1", "`node`"),
        ("delete node n1", "`node`"),
        ("get -- no", "`no`"),
        ("get pv", "`pv`"),
        ("delete crd/x", "`crd`"),
        ("delete clusterroles.rbac.authorization.k8s.io x", "not part of a namespace"),
        ("top nodes", "no nodes of its own"),
        ("drain n1 --ignore-daemonsets", "no nodes of its own"),
        ("cordon n1", "no nodes of its own"),
        ("uncordon n1", "no nodes of its own"),
        ("taint nodes n1 a=b:NoSchedule", "no nodes of its own"),
        ("get ns", "only `kubectl get namespace shop`"),
        ("get namespaces default", "`default`"),
        ("get ns/default", "`ns/default`"),
        ("get pods,ns shop", "the namespace is the drill's"),
        ("delete namespace shop", "the namespace is the drill's"),
        ("delete ns/shop", "the namespace is the drill's"),
        ("delete -- ns shop", "the namespace is the drill's"),
        ("label ns shop a=b", "the namespace is the drill's"),
        ("create namespace x", "the namespace is the drill's"),
        ("create ns x", "the namespace is the drill's"),
        ("create clusterrolebinding x --clusterrole=cluster-admin", "not part of a namespace"),
        ("create token api", "it hands out credentials"),
        ("create service externalname db --external-name=db.example.com", "it leads out of the drill's namespace"),
        ("create svc externalname db", "it leads out of the drill's namespace"),
        ("expose deploy web --port=80 --external-ip=203.0.113.7", "`kubectl expose --external-ip` is not allowed"),
        ("expose deploy web --port=80 --load-balancer-ip=203.0.113.7", "or others into it"),
        ("patch svc web -p {\"spec\":{\"externalName\":\"db.example.com\"}}", "it leads out of the drill's namespace"),
        ("run x --image=a --overrides={\"spec\":{\"hostAliases\":[]}}", "it leads out of the drill's namespace"),
        ("run x --image=a --overrides={\"spec\":{\"hostNetwork\":true}}", "it leads out of the drill's namespace"),
        ("patch ep db -p {\"subsets\":[{\"addresses\":[]}]}", "it leads out of the drill's namespace"),
        ("patch Endpoints.v1/db -p {\"subsets\":[{\"addresses\":[]}]}", "it leads out of the drill's namespace"),
        ("patch svc/a ep/db -p {\"subsets\":[{\"addresses\":[]}]}", "it leads out of the drill's namespace"),
        ("patch ep,svc db -p {\"subsets\":[{\"addresses\":[]}]}", "it leads out of the drill's namespace"),
        ("patch -f ep.yaml -p {\"subsets\":[{\"addresses\":[]}]}", "it leads out of the drill's namespace"),
        ("patch endpointslice db -p {\"endpoints\":[{\"addresses\":[]}]}", "it leads out of the drill's namespace"),
        ("patch svc web -p {\"spec\":{\"extern\\u0061lName\":\"x\"}}", "it leads out of the drill's namespace"),
        ("patch pvc db -p {\"spec\":{\"volumeName\":\"x\"}}", "it leads out of the drill's namespace"),
        ("patch deploy web -p {\"securityContext\":{\"privileged\":true}}", "it leads out of the drill's namespace"),
        ("patch deploy web -p {\"privileged\":\"Yes\"}", "it leads out of the drill's namespace"),
        ("patch deploy web -p [{\"op\":\"add\",\"path\":\"/x/privileged\"}]", "it leads out of the drill's namespace"),
        ("patch deploy web -p {", "cannot be judged"),
        ("run x --image=a --privileged", "no nodes of its own"),
        ("run x --image=a --hostport=80", "no nodes of its own"),
        ("exec -it fd-agent -- sh", "`fd-agent` is Firedrill's own"),
        ("exec pod/fd-agent -c x -- sh", "`pod/fd-agent` is Firedrill's own"),
        ("attach fd-toolbox", "Firedrill's own"),
        ("port-forward pods/fd-agent 80", "Firedrill's own"),
        ("cp fd-agent:/etc/x .", "Firedrill's own"),
        ("cp x shop/fd-agent:/etc/x", "Firedrill's own"),
        ("delete pod web fd-agent", "Firedrill's own"),
        ("delete pod -- fd-agent", "Firedrill's own"),
        ("delete -- pod fd-agent", "Firedrill's own"),
        ("exec -- fd-agent sh", "Firedrill's own"),
        ("attach -- pod/fd-agent", "Firedrill's own"),
        ("port-forward -- pods/fd-agent 80", "Firedrill's own"),
        ("cp -- default/web:/etc/passwd .", "`default/web:/etc/passwd`"),
        ("cp -- fd-agent:/etc/x .", "Firedrill's own"),
        ("describe -- ns default", "`default`"),
        ("get -- pods,nodes", "`nodes`"),
        ("apply -- x", "`kubectl apply x` is not known"),
        ("delete --all -- pods", "`--all` of `pods`"),
        ("delete pods --field-selector metadata.name=fd-agent", "Firedrill's own"),
        ("label pods/fd-agent a=b", "Firedrill's own"),
        ("patch pod fd-toolbox -p {}", "Firedrill's own"),
        ("run fd-x --image=a", "Firedrill's own"),
        ("delete pods --all", "`--all` of `pods`"),
        ("delete all --all", "`--all` of `all`"),
        ("label deploy,pods --all a=b", "`--all` of `pods`"),
        ("proxy --port=8001", "`kubectl proxy` is not run in a drill"),
        ("plugin list", "plugins"),
        ("cnpg status db -n shop", "`kubectl cnpg` is not known to Firedrill"),
        ("argo rollouts get rollout x --watch", "plugins are not run in a drill"),
        ("-n shop edit deploy web", "it needs an editor and a person"),
        ("create -f x --edit", "it needs an editor and a person"),
        ("apply edit-last-applied deploy/x", "it needs an editor and a person"),
        ("debug -it web --image=busybox", "use `kubectl exec`"),
        ("certificate approve x", "whole cluster"),
        ("completion bash", "person's shell"),
        ("cluster-info dump", "it reads other namespaces"),
        ("exec -f pod.yaml -- sh", "`kubectl exec -f` is not known to Firedrill"),
        ("get --foo", "`kubectl get --foo` is not known to Firedrill: `kubectl get` has no such flag"),
        ("get pods -é", "`kubectl get -é` is not known"),
        ("-A get pods", "`kubectl -A` is not known"),
        ("get pods -n", "`kubectl get -n` needs a value"),
        ("get pods -o", "`kubectl get -o` needs a value"),
        ("rollout", "`kubectl rollout` needs one of status, history, undo, restart, pause, resume"),
        ("rollout explode x", "`kubectl rollout` has status"),
        ("auth whoami", "`kubectl auth` has can-i"),
        ("create -o yaml configmap x", "`kubectl create configmap` is written before its own flags"),
        ("apply x", "`kubectl apply x` is not known"),
        ("-", "`kubectl -` is not known"),
        ("pödś", "`kubectl pödś` is not known"),
    ];

    #[test]
    fn attempts_to_leave_the_drill_are_refused() {
        for (line, part) in REFUSALS {
            let outcome = outcome(line);
            assert!(outcome.starts_with("refused: ") && outcome.contains(part), "kubectl {line}: {outcome}");
        }
        let patched = |patch: &str| call(&["patch", "deploy", "web", "-p", patch].map(String::from));
        for led in [
            "securityContext:\n  privileged: # for now\n    true\n",
            "a: &t true\nsecurityContext:\n  privileged: *t\n",
            "spec:\n  \"external\\\n    Name\": x\n",
            "spec:\n  !!str hostNetwork: true\n",
            r#"{"spec":{"volumes":[{"name":"d","nfs":{"server":"10.0.0.1","path":"/"}}]}}"#,
            r#"{"spec":{"volumes":[{"ephemeral":{"volumeClaimTemplate":{"spec":{"selector":{}}}}}]}}"#,
            r#"[{"op":"add","path":"/spec/volumes/-","value":{"name":"d","nfs":{}}}]"#,
        ] {
            assert!(patched(led).is_err(), "{led}");
        }
        assert!(
            patched("data:\n  a: |\n    hostPath: \\x41\nmetadata: { annotations: { note: privileged mode on } }\n")
                .is_ok()
        );
        for allowed in [
            "securityContext:\n  privileged: false\n  readOnlyRootFilesystem: true\n",
            r#"[{"op":"replace","path":"/spec/securityContext/privileged","value":false}]"#,
            r#"[{"op":"remove","path":"/spec/hostNetwork"}]"#,
            r#"[{"op":"add","path":"/spec/volumes/-","value":{"name":"d","emptyDir":{}}}]"#,
        ] {
            assert!(patched(allowed).is_ok(), "{allowed}");
        }
    }

    #[test]
    fn a_nul_byte_is_refused() {
        assert!(call(&["get".into(), "a\0b".into()]).is_err());
    }

    #[test]
    fn without_contexts_config_says_what_to_write() {
        let (contexts, interposed) = (BTreeSet::new(), BTreeMap::new());
        let names = NamespaceNames { written: "shop", real: REAL, contexts: &contexts, interposed: &interposed };
        let why = translate(&split("config current-context"), &names).unwrap_err();
        assert!(why.contains("stack.kubernetes.contexts"), "{why}");
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let of_table = TABLE.0.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        let others = ["group", "refused", "flags", "why", "kinds"];
        assert_eq!(commands().count() + others.map(|first| TABLE.rows(first).count()).iter().sum::<usize>(), of_table);
        for (path, _, flags) in commands() {
            for flag in flags_of(flags) {
                assert!(flag.long.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{path}: {}", flag.long);
            }
        }
        let reasons =
            TABLE.rows("refused").map(|(_, reason)| reason).chain(TABLE.rows("flags").map(|(reason, _)| reason));
        assert_eq!(reasons.map(why).find(|reason| !reason.contains(' ')), None);
        assert_eq!(
            ["namespaces", "cluster", "drill", "services"].map(|kinds| TABLE.row("kinds", kinds).is_some()),
            [true; 4]
        );
    }

    /// All lines of up to three of these words: nothing panics, and what is run names the drill's namespace only.
    #[test]
    fn odd_lines_do_not_panic() {
        let words = [
            "", "-", "--", "---", "-n", "-n=", "--=", "--namespace", "--all", "-A", "shop", "get", "exec", "cp",
            "delete", "config", "use-context", "ns/", "/", ":", "a/b:c", "=", "é", "-é", "--é=ü", "fd-", "-it",
            "other", "🦀=",
        ];
        let mut lines: Vec<Vec<String>> = vec![Vec::new()];
        for _ in 0..3 {
            let longer = |line: &Vec<String>| words.map(|word| [line.as_slice(), &[word.to_string()]].concat());
            lines = lines.iter().flat_map(longer).collect();
            // Of the longest ones some: a call takes a millisecond in a test.
            let every = if lines.len() > words.len().pow(2) { 7 } else { 1 };
            for line in lines.iter().step_by(every) {
                let Ok(KubectlRequest::Run { args, .. }) = call(line) else { continue };
                let flags = args.iter().take_while(|arg| *arg != "--");
                let odd = flags.clone().find(|arg| arg.starts_with("-n") || arg.starts_with("--all-"));
                assert_eq!(odd, None, "{line:?}");
                let spaces: Vec<_> = flags.filter(|arg| arg.starts_with("--namespace")).collect();
                assert!(spaces.iter().all(|arg| **arg == format!("--namespace={REAL}")), "{line:?}");
            }
        }
    }
}
