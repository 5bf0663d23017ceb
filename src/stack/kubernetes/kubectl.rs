//! `kubectl` in the steps of a runbook: what is allowed is carried out by the real kubectl in the toolbox, whose ServiceAccount has
//! rights in the drill's namespace only.

use super::boundary::{is_made, refused_to_steps};
use super::images::{KUBECONFIG, KUBECTL};
use super::kubectl_request::{KubectlRequest, NamespaceNames, translate};
use super::manifests::{self, documents, items_mut, kind, name};
use super::names::{OURS, UNFOLLOWED};
use super::stack::KubernetesStack;
use super::transform::{followed, unmarked};
use crate::record::{Secrets, Stream};
use crate::source::{pattern, read_otherwise};
use crate::stack::tools::{NotDone, answer, ensure, refuse};
use crate::stack::{CallIo, TOOLBOX, TOOLBOX_DIRECTORY, ToolCall, Tools};
use aho_corasick::AhoCorasick;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Prints what kubectl would read at a path or an address.
const READ: &str = include_str!("read.sh");
/// What roles are made of. No fault changes them and no step may.
const RBAC: [&str; 3] = ["ServiceAccount", "Role", "RoleBinding"];
/// The most that a call may read from standard input, in bytes.
const MOST_INPUT: usize = 64 * 1024 * 1024;

/// Carries out what steps call.
#[derive(Clone)]
pub(super) struct KubectlTools {
    pub stack: Arc<KubernetesStack>,
    pub secrets: Secrets,
}

impl Tools for KubectlTools {
    fn call(&self, call: ToolCall, io: CallIo, cancel: CancellationToken) -> BoxFuture<'static, i32> {
        let tools = self.clone();
        async move {
            let out = io.out.clone();
            let log = (tools.stack.run.dir.as_path(), "kubectl.log", &tools.secrets);
            answer(&call, &out, &cancel, tools.carry_out(&call, io, &cancel), log).await
        }
        .boxed()
    }
}

impl KubectlTools {
    async fn carry_out(&self, call: &ToolCall, mut io: CallIo, cancel: &CancellationToken) -> Result<i32, NotDone> {
        let (stack, asked) = (&self.stack, self.stack.request.cluster.clone().unwrap_or_default());
        let (written, real) = (asked.namespace.as_str(), stack.namespace.name.as_str());
        let names = NamespaceNames { written, real, contexts: &asked.contexts, interposed: &stack.request.interposed };
        ensure(call.program == "kubectl", without_docker(&call.program))?;
        let (mut args, renames) = match translate(&call.args, &names).map_err(NotDone::refused)? {
            KubectlRequest::Answer(text) => {
                io.out.write(Stream::Stdout, Bytes::from(text)).await;
                return Ok(0);
            }
            KubectlRequest::Run { args, renames_output } => (args, renames_output),
        };
        let mut input = Vec::new();
        let is_read = reads_input(&args);
        while is_read && let Some(bytes) = io.stdin.next().await {
            input.extend_from_slice(&bytes);
            ensure(input.len() <= MOST_INPUT, format!("more than {} MiB of input", MOST_INPUT / 1024 / 1024))?;
        }
        with_drill_names(&mut args, &followed(&stack.manifests), |pod| stack.keep_inside(pod));
        // What follows is not kubectl's.
        let words = args.split_off(args.iter().position(|arg| arg == "--").unwrap_or(args.len()));
        if let Some(objects) = self.objects_of_files(&args, &input, &call.cwd).await? {
            args.retain(|arg| file_of(arg).is_none());
            args.push("--filename=-".to_string());
            input = objects;
        }
        args.extend(words);
        let toolbox = stack.namespace.container(TOOLBOX, OURS);
        let command = command(call, args);
        let change = |bytes: Bytes| if renames { replaced(bytes, real, written) } else { bytes };
        let running = toolbox.run_call(&command, &input, &io.out, change);
        Ok(cancel.run_until_cancelled(running).await.unwrap_or(Ok(143))?)
    }

    /// Objects that a step gives kubectl, as the drill has those of the manifests.
    fn own(&self, input: &[u8]) -> Result<Vec<u8>, NotDone> {
        let stack = &self.stack;
        // What begins with a mark of UTF-16 kubectl reads as well.
        let Ok(text) = std::str::from_utf8(input) else { return refuse("the objects are no text in UTF-8") };
        let text = in_namespace(text, manifests::written(&stack.request), &stack.namespace.name);
        let text = unfollowed(&text, &followed(&stack.manifests));
        let change = |object: &mut Value| {
            if let Some((why, help)) = refused_to_steps(object, &stack.manifests, &stack.request) {
                return refuse(format!("the {} {} {why}: {help}", kind(object), name(object)));
            }
            stack.keep_inside(object);
            Ok(())
        };
        Ok(with_changed(text, change)?.into_bytes())
    }

    /// What kubectl reads with these arguments at a path in the toolbox, or at an address, or as its standard `input`.
    /// `None` where nothing can be read there.
    async fn read(&self, path: &str, args: &[String], input: &[u8], cwd: &str) -> Result<Option<Vec<u8>>, NotDone> {
        if ["-", "/dev/stdin"].contains(&path) {
            return Ok(Some(input.to_vec()));
        }
        let command = [&["env", "-C", cwd, "sh", "-c", READ, path, KUBECTL].map(str::to_string)[..], args].concat();
        let toolbox = self.stack.namespace.container(TOOLBOX, OURS);
        let read = toolbox.run(&command, "reading a file", true, Duration::MAX).await?;
        match read.code {
            Some(0) => Ok(Some(read.stdout)),
            // No such file.
            Some(1) => Ok(None),
            _ if path.contains("://") => Ok(None),
            _ => refuse(format!("`{path}` cannot be read: {}", read.stderr.trim())),
        }
    }

    /// What the files hold that a call names, for the drill; `None` where nothing is to be changed in them, and where one is neither a
    /// file of the toolbox nor one with objects of the stack: kubectl says then what it thinks of that. `input` is what `-` names.
    async fn objects_of_files(&self, args: &[String], input: &[u8], cwd: &str) -> Result<Option<Vec<u8>>, NotDone> {
        let (mut all, mut changed) = (vec![Vec::new()], false);
        let files: Vec<&str> = args.iter().filter_map(|arg| file_of(arg)).flat_map(|files| files.split(',')).collect();
        for file in &files {
            let read = self.read(file, args, input, cwd).await?;
            let own = if let Some(read) = &read {
                self.own(read)?
            } else if let Some(objects) = self.objects_of_project(file, cwd).await {
                objects.into_bytes()
            } else {
                ensure(!file.contains("://"), format!("`{file}` cannot be read: fetch it with `curl`, name the file"))?;
                // It may be read when kubectl asks for it again.
                let is_kustomization = args.iter().any(|arg| arg.starts_with("--kustomize="));
                ensure(!is_kustomization, format!("`{file}` cannot be read: look at `kubectl kustomize {file}`"))?;
                // kubectl looks for files by patterns, and reads quotes and lines as those of CSV.
                let is_plain = !file.contains(['*', '?', '[', '"', '\n', '\r']);
                ensure(is_plain, format!("`{}` is no name of a file: name each one", file.escape_debug()))?;
                // The others were judged, and would go to kubectl as they are.
                ensure(files.len() == 1, format!("`{file}` cannot be read: there is no such file"))?;
                return Ok(None);
            };
            // An address may have something else for who asks it again.
            changed |= file.contains("://") || read.is_none_or(|read| read != own);
            all.push(own);
        }
        // One alone may be JSON, in which objects follow each other as they are.
        Ok(changed.then(|| if all.len() == 2 { all.swap_remove(1) } else { all.join(&b"\n---\n"[..]) }))
    }

    /// The objects of a file, a folder or a kustomization of the project, where the stack has all of them, word for word: as the drill has started
    /// them, so that a Service goes on leading to the agent in front of it. A path may begin in any folder of the project in which the
    /// manifests lie: where readers of the page stand is not known.
    async fn objects_of_project(&self, file: &str, cwd: &str) -> Option<String> {
        let file = Path::new(cwd).strip_prefix(TOOLBOX_DIRECTORY).ok().filter(|_| !file.starts_with('/'))?.join(file);
        let root = std::path::absolute(&self.stack.request.root).ok()?;
        let manifests = std::path::absolute(&self.stack.request.file).ok()?;
        let folders: Vec<&Path> = manifests.ancestors().skip(1).take_while(|at| at.starts_with(&root)).collect();
        let path = folders.iter().rev().map(|folder| folder.join(&file)).find(|path| path.exists())?;
        let written = manifests::read(&path, &root, None).await.ok()?.objects;
        let mut all = String::new();
        for object in written.iter().filter(|object| is_made(object) && !RBAC.contains(&kind(object))) {
            // Another file may well write the same name with another content: that is not what the drill has started.
            self.stack.manifests.objects.iter().find(|own| *own == object)?;
            let same = |own: &&Value| kind(own) == kind(object) && name(own) == name(object);
            all += &format!("---\n{}\n", unmarked(self.stack.planned().iter().find(same)?));
        }
        Some(all)
    }
}

/// The file of objects, or the kustomization, that an argument of a translated call names.
fn file_of(arg: &str) -> Option<&str> {
    ["--filename=", "--kustomize="].iter().find_map(|flag| arg.strip_prefix(flag))
}

/// Why `docker` is refused.
pub(super) fn without_docker(program: &str) -> String {
    format!("`{program}` has nothing to talk to: this stack is in Kubernetes")
}

/// What the toolbox runs for a call. It is the account of the Pod that kubectl finds, whatever a step has written into its home; with a flag
/// that sets something of a configuration it does not find it by itself.
fn command(call: &ToolCall, args: Vec<String>) -> Vec<String> {
    let set = call.env.iter().filter(|(name, _)| is_passed(name)).map(|(name, value)| format!("{name}={value}"));
    let is_configured = args.iter().any(|arg| arg.starts_with("--request-timeout"));
    let config = format!("KUBECONFIG={}", if is_configured { KUBECONFIG } else { "/dev/null" });
    let own = [config, "KUBERC=off".to_string(), KUBECTL.to_string()];
    ["env", "-C", &call.cwd].map(str::to_string).into_iter().chain(set).chain(own).chain(args).collect()
}

/// Whether a variable of the step is one of its commands too: none by which kubectl finds another cluster or another user.
fn is_passed(name: &str) -> bool {
    !name.starts_with("KUBE") && !["HOME", "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH"].contains(&name)
}

/// Whether kubectl reads standard input with these translated arguments: a file `-`, or a command that is to have it.
fn reads_input(args: &[String]) -> bool {
    let mut own = args.iter().map(String::as_str).take_while(|arg| *arg != "--");
    own.any(|arg| matches!(arg, "--filename=-" | "-" | "--stdin" | "--stdin=true"))
}

/// Objects on standard input that are written for the namespace of the runbooks, for the drill's.
fn in_namespace(text: &str, written: &str, real: &str) -> String {
    let key = format!(r#"(?m)("?\bnamespace"?[ \t]*:[ \t]*["']?){}(["']?[ \t]*(?:[,}}#]|$))"#, regex::escape(written));
    pattern(&key).replace_all(text, format!("${{1}}{real}${{2}}")).into_owned()
}

/// Arguments of a call, with the names that annotations have in a drill, and those that every Pod has for addresses of Services.
fn with_drill_names(args: &mut Vec<String>, followed: &[&str], add_aliases: impl FnOnce(&mut Value)) {
    let is_given = args.iter().take_while(|arg| *arg != "--").any(|arg| arg.starts_with("--overrides="));
    for arg in args.iter_mut().take_while(|arg| *arg != "--") {
        if let Some((flag @ ("--annotations" | "--overrides"), set)) = arg.split_once('=') {
            *arg = format!("{flag}={}", unfollowed(set, followed));
        }
    }
    match args.first().map(String::as_str) {
        Some("annotate" | "patch") => args.iter_mut().for_each(|arg| *arg = unfollowed(arg, followed)),
        Some("run") if !is_given => {
            let mut pod = json!({ "kind": "Pod", "spec": {} });
            add_aliases(&mut pod);
            // Without its kind: with `--expose` the Service gets them, too.
            args.insert(1, format!("--overrides={}", json!({ "apiVersion": "v1", "spec": pod["spec"] })));
        }
        _ => {}
    }
}

/// Objects on standard input, or an argument, with the names that annotations of these beginnings have in a drill.
fn unfollowed(text: &str, followed: &[&str]) -> String {
    let begins: Vec<String> = followed.iter().map(|begin| regex::escape(begin)).collect();
    let key = format!(r#"(?m)(^|[\s{{,"'])((?:{})[\w.-]+(?:["']?[ \t]*:|=|-$))"#, begins.join("|"));
    pattern(&key).replace_all(text, format!("${{1}}{UNFOLLOWED}${{2}}")).into_owned()
}

/// Objects that are `change`d, and those of lists; the text itself where nothing in it is.
fn with_changed(text: String, change: impl Fn(&mut Value) -> Result<(), NotDone>) -> Result<String, NotDone> {
    let json: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
    let is_alike = json.is_ok() || read_otherwise(&text, &["<<"]).is_none();
    let told = "it may lead out of the drill, and not every reader reads it alike: write plain YAML, without tags";
    ensure(is_alike || !text.contains("hostAliases"), told)?;
    // kubectl may read a part of it, or take the last of two keys.
    let Some(objects) = json.ok().or_else(|| documents(&text).ok()) else {
        return refuse(
            "the objects are no YAML or JSON as a whole, or have a key twice: correct them, as a part cannot be judged",
        );
    };
    let mut changed = objects.clone();
    for object in &mut changed {
        change(object)?;
        let (of, version) =
            (kind(object).strip_suffix("List").unwrap_or_default().to_string(), object["apiVersion"].clone());
        items_mut(object, "/items").try_for_each(|item| {
            // As kubectl takes those of a `ServiceList`.
            if !of.is_empty() && item.is_object() && kind(item).is_empty() {
                (item["kind"], item["apiVersion"]) = (json!(of), version.clone());
            }
            change(item)
        })?;
    }
    // What is merged (`<<`) kubectl may read otherwise: it is given what was judged.
    if changed == objects && !text.contains("<<") {
        return Ok(text);
    }
    ensure(is_alike, told)?;
    Ok(changed.iter().map(|object| format!("---\n{object}\n")).collect())
}

/// Replaces the drill's namespace by the one that is written.
fn replaced(bytes: Bytes, real: &str, written: &str) -> Bytes {
    // One short text is never too much to look for.
    AhoCorasick::new([real]).map_or(bytes.clone(), |found| found.replace_all_bytes(&bytes, &[written]).into())
}

#[cfg(test)]
mod tests {
    use super::super::transform::{Aliases, add_aliases};
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn input_is_read_only_by_what_reads_it() {
        for reads in [
            "apply --filename=-", "apply --filename=- --prune", "exec --stdin web -- psql",
            "exec --stdin --tty web -- sh", "run --stdin=true --image=y x",
        ] {
            assert!(reads_input(&words(reads)), "{reads}");
        }
        for not in [
            "get pods", "apply --filename=x.yaml", "logs --follow web", "exec web -- cat -",
            "rollout undo deployment/web", "get --selector=i pods",
        ] {
            assert!(!reads_input(&words(not)), "{not}");
        }
    }

    #[test]
    fn no_configuration_of_a_step_reaches_kubectl() {
        let env = ["HOME", "KUBECONFIG", "KUBERC", "A"].map(|name| (name.to_string(), "/x".to_string())).to_vec();
        let call = ToolCall { cwd: "/w".into(), env, ..ToolCall::default() };
        let told = |args: &str| command(&call, words(args)).join(" ");
        let own = |config: &str| format!("env -C /w A=/x KUBECONFIG={config} KUBERC=off /opt/kubectl/kubectl get");
        assert_eq!(told("get pods"), own("/dev/null") + " pods");
        assert_eq!(told("get --request-timeout=5s pods"), own("/opt/kubectl/config") + " --request-timeout=5s pods");
    }

    #[test]
    fn objects_for_the_written_namespace_are_the_drills() {
        let yaml = "metadata:\n  namespace: shop\n  name: shop\ndata: { namespace: shopping }\n";
        assert_eq!(in_namespace(yaml, "shop", "fd-1"), yaml.replace("namespace: shop\n", "namespace: fd-1\n"));
        let json = r#"{"metadata":{"namespace":"shop","name":"x"}}"#;
        assert_eq!(in_namespace(json, "shop", "fd-1"), r#"{"metadata":{"namespace":"fd-1","name":"x"}}"#);
    }

    #[test]
    fn annotations_of_what_is_applied_have_the_names_of_the_drill() {
        let own = |text: &str| unfollowed(text, &["prometheus.io/"]);
        for (written, drills) in [
            ("a:\n  prometheus.io/port: \"80\"\n", "a:\n  dev.firedrill.prometheus.io/port: \"80\"\n"),
            ("{a: b,'prometheus.io/port' : x}", "{a: b,'dev.firedrill.prometheus.io/port' : x}"),
            (r#"{"prometheus.io/port":"80"}"#, r#"{"dev.firedrill.prometheus.io/port":"80"}"#),
            ("prometheus.io/port=80", "dev.firedrill.prometheus.io/port=80"),
            ("prometheus.io/port-", "dev.firedrill.prometheus.io/port-"),
            ("--selector=prometheus.io/port=80", "--selector=prometheus.io/port=80"),
            ("url: https://prometheus.io/docs\n", "url: https://prometheus.io/docs\n"),
        ] {
            assert_eq!((own(written), own(drills)), (drills.to_string(), drills.to_string()));
        }
    }

    #[test]
    fn what_a_call_names_and_makes_is_the_drills() {
        let told = |line: &str| {
            let mut args = words(line);
            with_drill_names(&mut args, &["prometheus.io/"], |pod| {
                assert_eq!(kind(pod), "Pod");
                pod["spec"]["hostAliases"] = json!([]);
            });
            args.join(" ")
        };
        let own = r#"--overrides={"apiVersion":"v1","spec":{"hostAliases":[]}}"#;
        for (line, drills) in [
            ("run x --image=a", format!("run {own} x --image=a")),
            ("run x --image=a -- app --overrides=y", format!("run {own} x --image=a -- app --overrides=y")),
            ("run --overrides={} x", "run --overrides={} x".into()),
            (
                "run --overrides={} --annotations=a=b,prometheus.io/port=80 x",
                "run --overrides={} --annotations=a=b,dev.firedrill.prometheus.io/port=80 x".into(),
            ),
            (
                "annotate svc web prometheus.io/scrape=true",
                "annotate svc web dev.firedrill.prometheus.io/scrape=true".into(),
            ),
            ("label svc web prometheus.io/scrape=true", "label svc web prometheus.io/scrape=true".into()),
            ("exec web -- run", "exec web -- run".into()),
        ] {
            assert_eq!(told(line), drills);
        }
    }

    /// By the script that the toolbox runs, with `echo` in the place of kubectl.
    #[test]
    fn files_folders_and_kustomizations_are_read_as_kubectl_reads_them() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("k8s/more")).unwrap();
        std::fs::create_dir(home.path().join("-e=d")).unwrap();
        for (file, text) in [
            ("-e=d/a.yaml", "a: 1"),
            ("k8s/a.yaml", "a: 1"),
            ("k8s/b.json", "{}\n"),
            ("k8s/more/c.yml", "c: 3\n"),
            ("k8s/README.md", "# no\n"),
        ] {
            std::fs::write(home.path().join(file), text).unwrap();
        }
        let told = |line: &str| {
            let mut shell = std::process::Command::new("sh");
            let read = shell.args(["-c", READ]).args(words(line)).current_dir(home.path()).output().unwrap();
            read.status.success().then(|| String::from_utf8(read.stdout).unwrap())
        };
        let flat = "---\na: 1\n---\n{}\n";
        let deep = format!("{flat}---\nc: 3\n");
        for (line, read) in [
            ("k8s/a.yaml echo apply --filename=k8s/a.yaml", Some("a: 1")),
            ("k8s echo apply --filename=k8s", Some(flat)),
            ("k8s echo apply --recursive=false --filename=k8s", Some(flat)),
            ("k8s echo apply --recursive --filename=k8s", Some(deep.as_str())),
            ("k8s echo apply --filename=k8s --recursive=true", Some(deep.as_str())),
            ("k8s echo apply --kustomize=k8s", Some("kustomize ./k8s\n")),
            ("example.com/k8s echo apply --kustomize=example.com/k8s", Some("kustomize example.com/k8s\n")),
            ("k8s echo apply --recursive=1 --filename=k8s", Some(deep.as_str())),
            ("-e=d echo apply --filename=-e=d", Some("---\na: 1\n")),
            ("none.yaml echo apply --filename=none.yaml", None),
        ] {
            assert_eq!(told(line).as_deref(), read, "{line}");
        }
    }

    #[test]
    fn pods_of_what_is_applied_have_the_names_of_the_drill() {
        let addresses = [("10.1.1.1".to_string(), vec!["pay.shop".to_string()])].into();
        let aliases: Aliases = (["pay.shop".to_string()].into(), addresses);
        let own = |text: &str| {
            with_changed(text.into(), |object| {
                add_aliases(object, &aliases);
                ensure(kind(object) != "Endpoints", "it leads out")
            })
        };
        let spec = json!({ "hostAliases": [{ "ip": "10.1.1.1", "hostnames": ["pay.shop"] }], "x": 420 });
        let pod = json!({ "kind": "Pod", "spec": spec });
        let list = json!({ "kind": "List", "items": [{ "kind": "Secret" }, pod] });
        let production =
            r#"{"kind":"Pod","spec":{"hostAliases":[{"ip":"203.0.113.7","hostnames":["pay.shop"]}],"x":420}}"#;
        for (written, drills) in [
            ("kind: Pod\nspec:\n  x: 0644 # a mode\n  hostAliases:\n", vec![&pod]),
            (production, vec![&pod]),
            (
                format!("{{\"kind\":\"List\",\"items\":[{{\"kind\":\"Secret\"}},{production}]}}\n{production}")
                    .as_str(),
                vec![&list, &pod],
            ),
            (format!("--- # first\nkind: Pod\nspec: {{ x: 420 }}\n---\n{production}\n").as_str(), vec![&pod, &pod]),
            ("kind: Pod\nspec:\n  <<: { x: 420, hostAliases: [] }\n", vec![&pod]),
        ] {
            let text = own(written).unwrap();
            assert_eq!(documents(&text).unwrap().iter().collect::<Vec<_>>(), drills, "{written}");
            assert_eq!(own(&text).as_ref(), Ok(&text), "as it is");
        }
        for other in ["", "kind: ConfigMap\ndata: { a: b } # hostAliases\n"] {
            assert_eq!(own(other).as_deref(), Ok(other));
        }
        for listed in ["kind: List\nitems: [{ kind: Endpoints }]", "kind: EndpointsList\nitems: [{ subsets: [] }]"] {
            assert_eq!(own(listed).unwrap_err().why, "it leads out");
        }
        for unlike in ["kind: Pod\nspec: { hostAliases: [", "kind: Pod\nspec: { x: !!str 420 }"] {
            assert!(own(unlike).unwrap_err().why.contains("may lead out of the drill"), "{unlike}");
        }
        for half in ["kind: Pod\nspec: [", "kind: Pod\nkind: Service"] {
            assert!(own(half).unwrap_err().why.contains("or have a key twice"), "{half}");
        }
        let merged = "kind: Service\nspec: { type: ClusterIP, <<: { type: ExternalName } }";
        let read = own(merged).unwrap();
        assert_eq!(documents(&read).unwrap(), [json!({ "kind": "Service", "spec": { "type": "ClusterIP" } })]);
        assert!(!read.contains("<<"), "kubectl is given what was judged");
    }

    #[test]
    fn what_is_printed_has_the_written_namespace() {
        let text = Bytes::from("ns firedrill-1a and firedrill-1a.\n");
        assert_eq!(replaced(text, "firedrill-1a", "shop"), "ns shop and shop.\n");
        let other = Bytes::from("nothing");
        assert_eq!(replaced(other, "firedrill-1a", "shop"), "nothing");
    }
}
