//! Game days whose drills are Jobs in a real cluster: their report, what is left of them, a Job whose Pod is taken away, a killed
//! game day, and the one that `deploy/` starts in the cluster itself. What is said of a scenario of another cluster needs none.

use super::drill::{PATIENCE, Project, poll};
use super::{CALM, GONE_WITHIN, kubectl, no_cluster, project};
use firedrill::archive::{read_day, read_run};
use firedrill::record::{Cause, Day, DrillStatus, Phase, RunDir};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A game day on its way.
struct RunningDay {
    child: Child,
    project: Project,
}

impl RunningDay {
    fn start(scenarios: &str, args: &[&str]) -> RunningDay {
        let project = project("k8s-bad-deploy", &[], &[]);
        let other = super::project("k8s-config", &[], &[]);
        for path in ["scenarios/k8s-config.yaml", "runbooks/k8s-config.md"] {
            project.write(path, &other.read(path));
        }
        let compose = Project::of_scenario("db-pool", &CALM);
        for path in ["scenarios/db-pool.yaml", "runbooks/db-pool.md"] {
            project.write(path, &compose.read(path));
        }
        let services = "journeys: [journeys.yaml]\nservices:\n  checkout: { stacks: [stacks/checkout/kubernetes], tier: 1, \
                        owner: Team Checkout, rto: 1m, failure_modes: [deploy] }\n";
        project.write("services.yaml", services);
        project.write("journeys.yaml", "journeys:\n  - { name: ordering, components: [checkout] }\n");
        project.write("gamedays/nightly.yaml", &format!("title: All\nscenarios: {scenarios}\n"));
        let said = File::create(project.path().join("said.txt")).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_firedrill"))
            .args(["gameday", "nightly", "--on", "kubernetes", "--out", "days"])
            .args(args)
            .current_dir(project.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .spawn()
            .expect("firedrill runs");
        RunningDay { child, project }
    }

    fn said(&self) -> String {
        self.project.read("said.txt")
    }

    fn dir(&self) -> Result<PathBuf, String> {
        let days = RunDir::list(&self.project.path().join("days")).map_err(|error| error.to_string())?;
        days.first().map(|day| day.path().to_path_buf()).ok_or_else(|| format!("no game day yet\n{}", self.said()))
    }

    /// The namespace of a run or a game day.
    fn namespace(&self, of: &str) -> String {
        let all = kubectl(&["get", "namespaces", "--output", NAMES]).expect("namespaces");
        let line = all.lines().find(|line| line.ends_with(of));
        line.and_then(|line| line.split(' ').next()).unwrap_or("firedrill-unknown").to_string()
    }

    /// Names of the Pods of Jobs that run a drill.
    fn runners(&self) -> Result<Vec<String>, String> {
        let day = self.dir()?.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wanted = ["--selector", "job-name", "--field-selector", "status.phase=Running", "--output", "name"];
        let namespace = self.namespace(&day);
        let pods = kubectl(&[&["get", "pods", "--namespace", &namespace], &wanted[..]].concat())?;
        let pods: Vec<String> = pods.lines().map(|pod| format!("{namespace} {pod}")).collect();
        if pods.is_empty() { Err(format!("no Job runs\n{}", self.said())) } else { Ok(pods) }
    }

    /// Something was heard of its first drill.
    fn is_heard(&self) -> Result<(), String> {
        let runs = RunDir::list(&self.dir()?.join("runs")).map_err(|error| error.to_string())?;
        let heard = runs.first().and_then(|run| read_run(run.path()).ok()).is_some_and(|record| record.plan.is_some());
        if heard { Ok(()) } else { Err(format!("nothing yet\n{}", self.said())) }
    }

    fn end(&mut self) -> (Option<i32>, Day) {
        let exit = poll("the end of the game day", PATIENCE + PATIENCE, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}\n{}", self.said())),
        });
        (exit, read_day(&self.dir().expect("its directory")).expect("its events"))
    }

    /// Every run of it, and the game day itself, has no namespace any more.
    fn is_gone(&self) -> Result<(), String> {
        let dir = self.dir()?;
        let runs = RunDir::list(&dir.join("runs")).map_err(|error| error.to_string())?;
        let ids =
            runs.iter().map(|run| run.id().to_string()).chain(dir.file_name().map(|id| id.to_string_lossy().into()));
        let all = kubectl(&["get", "namespaces", "--output", NAMES])?;
        let left: Vec<String> = ids.filter(|id| all.contains(id.as_str())).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    }
}

impl Drop for RunningDay {
    fn drop(&mut self) {
        // Nothing stays of a test that failed either: a game day that is told to stop removes what it has.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// Each namespace with the id of its run.
const NAMES: &str =
    r#"jsonpath={range .items[*]}{.metadata.name} {.metadata.annotations.dev\.firedrill/run-id}{"\n"}{end}"#;

#[test]
fn drills_are_jobs_and_the_report_is_as_on_one_machine() {
    if no_cluster() {
        return;
    }
    let mut running = RunningDay::start("[k8s-bad-deploy, db-pool, k8s-config]", &["--parallel", "2", "--retry", "2"]);
    let (exit, day) = running.end();
    assert_eq!(exit, Some(0), "{}", running.said());
    assert_eq!(day.account().planned, 2);
    let left_out: Vec<(&str, bool)> =
        day.plan.left_out.iter().map(|left| (left.scenario.as_str(), left.why.contains("Kubernetes"))).collect();
    assert_eq!(left_out, [("db-pool", true)]);
    let dir = running.dir().expect("its directory");
    for name in ["report.html", "junit.xml", "report.md"] {
        let text = std::fs::read_to_string(dir.join(name)).expect("a report");
        assert!(text.contains("k8s-config") && text.contains("db-pool"), "{name}");
    }
    for run in RunDir::list(&dir.join("runs")).expect("its runs") {
        let record = read_run(run.path()).expect("a record");
        assert!(record.ended && record.plan.is_some(), "{}", run.id());
        let executed = record.plan.and_then(|plan| plan.executed).expect("who carried it out");
        assert!(executed.machine.starts_with("a Job on firedrill-test-"), "{}", executed.machine);
        for name in ["kubernetes.json", "logs/fd-toolbox-firedrill.log", "manifest.json", "record.json"] {
            assert!(run.path().join(name).exists(), "{name} of {}", run.id());
        }
    }
    assert_eq!(running.is_gone(), Ok(()));
}

#[test]
fn a_job_whose_pod_is_taken_away_is_run_again_once_and_marked() {
    if no_cluster() {
        return;
    }
    let mut running = RunningDay::start("[k8s-bad-deploy]", &["--retry", "2"]);
    let pod = poll("a Job that runs", PATIENCE, || Ok(running.runners()?.remove(0)));
    let (namespace, pod) = pod.split_once(' ').expect("a namespace and a Pod");
    poll("events of it", PATIENCE, || running.is_heard());
    kubectl(&["delete", "--namespace", namespace, pod, "--force", "--grace-period", "0"]).expect("it is deleted");
    let (exit, day) = running.end();
    assert_eq!(exit, Some(0), "{}", running.said());
    let attempts: Vec<Cause> = day.drills[0].attempts.iter().map(|attempt| attempt.cause).collect();
    assert_eq!(attempts[..2], [Cause::Planned, Cause::Lost], "{}", running.said());
    assert_eq!(day.drills[0].status(), DrillStatus::Passed, "{}", running.said());
    assert!(day.notes.iter().any(|note| note.contains("are lost, only what it printed")), "{:?}", day.notes);
    let html = std::fs::read_to_string(running.dir().expect("its directory").join("report.html")).expect("a report");
    assert!(html.contains("lost with its machine"));
    assert_eq!(running.is_gone(), Ok(()));
}

/// Stopped where it stands, its node is as good as dead for the cluster; it goes on at the end.
struct FrozenKubelet {
    node: String,
}

/// What a cluster puts on a node that it misses, unless it misses all of them.
const MISSED: &str = "node.kubernetes.io/unreachable:NoExecute";

impl FrozenKubelet {
    /// The one of the only node, where that is a container of this engine.
    fn of_the_only_node() -> Option<FrozenKubelet> {
        let all = kubectl(&["get", "nodes", "--output", "jsonpath={.items[*].metadata.name}"]).expect("nodes");
        let frozen = FrozenKubelet { node: all };
        frozen.signal("STOP").then_some(frozen)
    }

    /// Has its Pods driven off, as soon as the cluster misses it.
    fn drive_off(&self) {
        let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        poll("the node to be missed", PATIENCE, || {
            match kubectl(&["get", "node", &self.node, "--output", ready])?.as_str() {
                "Unknown" => Ok(()),
                other => Err(other.to_string()),
            }
        });
        kubectl(&["taint", "node", &self.node, MISSED]).expect("it is tainted");
    }

    fn signal(&self, signal: &str) -> bool {
        let kill = format!("kill -{signal} $(pidof kubelet)");
        let told = Command::new("docker").args(["exec", &self.node, "sh", "-c", &kill]).status();
        told.is_ok_and(|status| status.success())
    }
}

impl Drop for FrozenKubelet {
    fn drop(&mut self) {
        let _ = kubectl(&["taint", "node", &self.node, &format!("{MISSED}-")]);
        self.signal("CONT");
    }
}

#[test]
fn a_job_whose_node_dies_is_run_again_once_and_marked() {
    if no_cluster() {
        return;
    }
    let mut running = RunningDay::start("[k8s-bad-deploy]", &["--retry", "2"]);
    poll("events of the Job", PATIENCE, || running.is_heard());
    let Some(frozen) = FrozenKubelet::of_the_only_node() else {
        println!("skipped: the cluster has several nodes, or they are no containers of this engine");
        return;
    };
    frozen.drive_off();
    poll("the Job to be given up", PATIENCE, || match read_day(&running.dir()?) {
        Ok(day) if day.drills.first().is_some_and(|drill| drill.attempts.len() > 1) => Ok(()),
        seen => Err(format!("{seen:?}\n{}", running.said())),
    });
    drop(frozen);
    let (exit, day) = running.end();
    assert_eq!(exit, Some(0), "{}", running.said());
    let attempts: Vec<Cause> = day.drills[0].attempts.iter().map(|attempt| attempt.cause).collect();
    assert_eq!(attempts[..2], [Cause::Planned, Cause::Lost], "{}", running.said());
    assert_eq!(day.drills[0].status(), DrillStatus::Passed, "{}", running.said());
    assert_eq!(running.is_gone(), Ok(()));
}

#[test]
fn nothing_is_left_of_a_game_day_that_is_killed() {
    if no_cluster() {
        return;
    }
    let mut running = RunningDay::start("[k8s-bad-deploy]", &[]);
    poll("a Job that runs", PATIENCE, || running.runners());
    running.child.kill().expect("it runs");
    poll("everything to be gone", GONE_WITHIN + GONE_WITHIN, || running.is_gone());
}

/// What `deploy/gamedays.yaml` puts into a cluster; nothing of it stays.
struct Deployed;

impl Deployed {
    fn remove() {
        let objects = [
            "clusterrolebinding/firedrill-gamedays",
            "clusterrole/firedrill-gamedays",
            "persistentvolume/firedrill-results",
        ];
        for object in ["namespace/firedrill"].into_iter().chain(objects) {
            let _ = kubectl(&["delete", object, "--ignore-not-found", "--timeout", "120s"]);
        }
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        Deployed::remove();
    }
}

/// For the claim `results`, in a cluster that makes no volumes.
const VOLUME: &str = "\
apiVersion: v1
kind: PersistentVolume
metadata: { name: firedrill-results }
spec:
  accessModes: [ReadWriteOnce]
  capacity: { storage: 2Gi }
  claimRef: { name: results, namespace: firedrill }
  hostPath: { path: /tmp/firedrill-results, type: DirectoryOrCreate }
";

#[test]
fn a_job_whose_template_is_the_cron_job_of_deploy_carries_out_a_game_day() {
    if no_cluster() {
        return;
    }
    let project = project("k8s-bad-deploy", &[], &[]);
    // Has all images made and loaded onto the nodes.
    let mut running = project.start("k8s-bad-deploy", &[]);
    running.phase(Phase::Steady);
    let of_toolbox =
        ["--field-selector", "metadata.name=fd-toolbox", "--output", "jsonpath={.items[0].spec.containers[0].image}"];
    let image = kubectl(&[&["get", "pods", "--all-namespaces"], &of_toolbox[..]].concat()).expect("the toolbox");
    running.interrupt();
    drop(running.end());

    project.write("gamedays/kubernetes.yaml", "title: All\nscenarios: [k8s-bad-deploy]\nretry: 2\n");
    let files = ["--create", "--file", "project.tar", "gamedays", "runbooks", "scenarios", "stacks"];
    let tar = Command::new("tar").args(files).current_dir(project.path()).status();
    assert!(tar.is_ok_and(|status| status.success()));
    let deploy = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/gamedays.yaml")).expect("a file");
    let mut deploy = ["image", "value"]
        .iter()
        .fold(deploy, |text, key| text.replace(&format!("{key}: IMAGE"), &format!("{key}: {image}")));
    if !kubectl(&["get", "--raw", "/apis/batch/v1"]).expect("an API").contains("cronjobs") {
        deploy = deploy.replace("batch/v1 #", "batch/v1beta1 #");
    }
    Deployed::remove();
    let _deployed = Deployed;
    let apply = |name: &str, text: &str| {
        let file = project.write(name, text).display().to_string();
        kubectl(&["apply", "--filename", &file]).unwrap_or_else(|error| panic!("{error}"));
    };
    if kubectl(&["get", "storageclasses", "--output", "name"]) == Ok(String::new()) {
        apply("volume.yaml", VOLUME);
    }
    apply("deploy.yaml", &deploy);

    let within = |args: &[&str]| kubectl(&[args, &["--namespace", "firedrill"]].concat());
    let archive = project.path().join("project.tar").display().to_string();
    within(&["create", "configmap", "project", "--from-file", &archive]).expect("the project's files");
    // As `kubectl create job --from` does, which does not know every version of a CronJob.
    let cron_job = within(&["get", "cronjob", "nightly", "--output", "json"]).expect("a CronJob");
    let mut job: serde_json::Value = serde_json::from_str(&cron_job).expect("JSON");
    let spec = job.pointer_mut("/spec/jobTemplate/spec").expect("a template").take();
    let metadata = serde_json::json!({ "name": "now", "namespace": "firedrill" });
    let job = serde_json::json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec });
    apply("job.json", &job.to_string());
    let conditions = ["get", "job", "now", "--output", "jsonpath={.status.conditions[*].type}"];
    let ended = poll("the end of the game day", PATIENCE + PATIENCE, || {
        // Who asks again and again disturbs the drill.
        let _ = within(&["wait", "job/now", "--for", "condition=complete", "--timeout", "20s"]);
        let ended = within(&conditions)?;
        let over = ["Complete", "Failed"].iter().any(|end| ended.contains(end));
        if over { Ok(ended) } else { Err(format!("{:?}", within(&["get", "pods,persistentvolumeclaims,events"]))) }
    });
    let said = within(&["logs", "job/now", "--container", "gameday"]);
    assert!(ended.contains("Complete"), "{said:?}");
    assert!(said.as_ref().is_ok_and(|said| said.contains("k8s-bad-deploy")), "{said:?}");
    poll("every drill's namespace to be gone", GONE_WITHIN, || {
        let left = kubectl(&["get", "namespaces", "--selector", "dev.firedrill/run", "--output", "name"])?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

/// What answers as an API server with a version and nothing else: enough to be reached. Its address.
fn empty_cluster() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head =
                    BufReader::new(&caller).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                let asked = head.next().unwrap_or_default();
                head.for_each(drop);
                let body = match asked.contains(" /version ") {
                    true => r#"{ "major": "1", "minor": "33", "gitVersion": "v1.33.0" }"#,
                    false => r#"{ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": [] }"#,
                };
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                (&caller).write_all((head + body).as_bytes())
            });
        }
    });
    address
}

/// A drill that was to be and cannot be in the cluster of the game day is no drill that passed. No cluster is needed to say so.
#[test]
fn a_scenario_of_another_context_is_not_run_and_the_game_day_does_not_pass() {
    let in_context = |name: &str, context: &str| {
        let namespace = "    namespace: shop\n";
        super::project(name, &[(namespace, &format!("{namespace}    context: {context}\n"))], &[])
    };
    let (project, other) = (in_context("k8s-bad-deploy", "kind-one"), in_context("k8s-config", "kind-two"));
    for path in ["scenarios/k8s-config.yaml", "runbooks/k8s-config.md"] {
        project.write(path, &other.read(path));
    }
    project.write("gamedays/nightly.yaml", "title: All\nscenarios: [k8s-bad-deploy, k8s-config]\n");
    let server = empty_cluster();
    let context = |name: &str| format!("{{ name: {name}, context: {{ cluster: one, user: nobody }} }}");
    let kubeconfig = format!(
        "clusters: [{{ name: one, cluster: {{ server: 'http://{server}' }} }}]\nusers: [{{ name: nobody, user: {{}} }}]\n\
         contexts: [{}, {}]\n",
        context("kind-one"),
        context("kind-two")
    );
    let kubeconfig = project.write("kubeconfig.yaml", &kubeconfig);
    let day = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        // Of the second one alone: nothing is left to be started.
        command.args(["gameday", "nightly", "--on", "kubernetes", "--out", "days", "--shard", "2/2"]);
        for name in ["FIREDRILL_KUBE_CONTEXT", "FIREDRILL_IMAGE", "HTTPS_PROXY", "https_proxy"] {
            command.env_remove(name);
        }
        command.env("KUBECONFIG", &kubeconfig).env("FIREDRILL_KUBE_NAMESPACE", "drills");
        command.env("XDG_STATE_HOME", project.path()).env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        let output = command.current_dir(project.path()).stdin(Stdio::null()).output().expect("firedrill runs");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.code(), said.concat())
    };
    let (exit, said) = day();
    assert_eq!(exit, Some(3), "{said}");
    let days = RunDir::list(&project.path().join("days")).expect("game days");
    let told = read_day(days.first().expect("its directory").path()).expect("its events");
    let [drill] = &told.drills[..] else { panic!("{:?}\n{said}", told.drills) };
    assert_eq!((drill.planned.scenario.as_str(), drill.status()), ("k8s-config", DrillStatus::NotRun), "{said}");
    let why = "its cluster is kind-two, and the game day is in kind-one";
    assert_eq!(drill.not_run.as_deref(), Some(why), "{said}");
    assert!(said.contains(why), "{said}");
    // One that the kubeconfig does not have is told before there is a game day.
    let scenario = project.read("scenarios/k8s-config.yaml").replace("kind-two", "kind-three");
    project.write("scenarios/k8s-config.yaml", &scenario);
    let (exit, said) = day();
    assert_eq!(exit, Some(3), "{said}");
    assert!(said.contains("the kubeconfig has no context `kind-three` (there is kind-one, kind-two)"), "{said}");
    assert_eq!(RunDir::list(&project.path().join("days")).map(|days| days.len()).ok(), Some(1), "{said}");
}
