//! Whole drills by the built program in a real Kubernetes cluster: the shipped scenarios with their controls and with broken
//! runbooks, what a killed runner leaves, and the ways out of the drill's namespace. `make test-kubernetes` runs them; without a
//! cluster (`FIREDRILL_TEST_KUBECONFIG`) each says that it was skipped.

#[path = "../support/accepted.rs"]
mod accepted;
#[allow(dead_code, unused_imports, reason = "the drills of Compose need more of it")]
#[path = "../docker_drills/drill/mod.rs"]
mod drill;
mod gamedays;

use drill::{Drill, Project, copy, edit, poll};
use firedrill::record::{Check, FaultAfter, Phase, RestoreLevel, Verdict};
use std::process::Command;
use std::time::{Duration, Instant};

/// What makes the drills a little shorter.
const CALM: [(&str, &str); 1] = [("steady: { for: 5s }", "steady: { for: 5s }\nrevert: { hold: 1s }")];
/// A control waits as long as the recovery time objective.
const SOON: (&str, &str) = ("rto: 1m", "rto: 15s");
/// How soon nothing may be left of a killed drill.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// Whether there is a cluster; says so where there is none.
fn no_cluster() -> bool {
    let none = std::env::var_os("FIREDRILL_TEST_KUBECONFIG").is_none();
    if none {
        println!("skipped: no cluster; `make test-kubernetes` starts one");
    }
    none
}

/// A shipped scenario with its runbook, and edits of both.
fn project(name: &str, scenario: &[(&str, &str)], runbook: &[(&str, &str)]) -> Project {
    let calm: Vec<(&str, &str)> = CALM.iter().chain(scenario).copied().collect();
    let project = Project::of_scenario(name, &calm);
    copy(&project.path().join("shipped/stacks"), &project.path().join("stacks"));
    let path = format!("runbooks/{name}.md");
    project.write(&path, &edit(&project.read(&path), runbook));
    project
}

fn kubectl(args: &[&str]) -> Result<String, String> {
    let output = Command::new("kubectl").args(args).output().expect("kubectl runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Whether the namespace of a drill is gone.
fn is_gone(drill: &Drill) -> Result<(), String> {
    let namespace = drill.project().unwrap_or("firedrill-unknown").to_string();
    match kubectl(&["get", "namespace", &namespace, "--ignore-not-found", "--output", "name"]) {
        Ok(nothing) if nothing.is_empty() => Ok(()),
        seen => Err(format!("{seen:?}")),
    }
}

fn passes(name: &str, scenario: &[(&str, &str)]) {
    let project = project(name, scenario, &[]);
    let drill = project.drill(name, &[]);
    drill.came_to(Verdict::Passed, 0, &[]).sealed();
    assert_eq!(is_gone(&drill), Ok(()));
}

/// A drill that must not pass.
fn fails(
    name: &str,
    scenario: &[(&str, &str)],
    runbook: &[(&str, &str)],
    args: &[&str],
    verdicts: &[Verdict],
) -> Drill {
    // What helps does so within ten seconds; nobody waits long for what does not.
    let soon = ("recover: { within: 45s", "recover: { within: 20s");
    let scenario: Vec<(&str, &str)> = scenario.iter().copied().chain([soon]).collect();
    let project = project(name, &scenario, runbook);
    let drill = project.drill(name, args);
    assert!(verdicts.contains(&drill.record.verdict), "{}", drill.story());
    drill.nothing_left();
    assert_eq!(is_gone(&drill), Ok(()));
    drill
}

/// What a drill comes to whose runbook does not help: a step may notice it first.
const NO_HELP: &[Verdict] = &[Verdict::NotRecovered, Verdict::StepFailed];

#[test]
fn a_bad_release_is_undone_by_kubectl() {
    if no_cluster() {
        return;
    }
    passes("k8s-bad-deploy", &[]);
}

#[test]
fn without_the_runbook_a_bad_release_stays() {
    if no_cluster() {
        return;
    }
    let project = project("k8s-bad-deploy", &[SOON], &[]);
    let drill = project.drill("k8s-bad-deploy", &["--control"]);
    drill.came_to(Verdict::Passed, 0, &["did not recover"]);
}

#[test]
fn a_rollback_of_another_deployment_does_not_help() {
    if no_cluster() {
        return;
    }
    let other =
        ("kubectl rollout undo deployment/checkout -n shop", "kubectl rollout restart deployment/payments -n shop");
    fails("k8s-bad-deploy", &[], &[other], &[], NO_HELP);
}

#[test]
fn a_rollback_in_another_namespace_is_refused() {
    if no_cluster() {
        return;
    }
    let other =
        ("kubectl rollout undo deployment/checkout -n shop", "kubectl rollout undo deployment/checkout -n payments");
    let drill = fails("k8s-bad-deploy", &[], &[other], &[], &[Verdict::StepFailed]);
    assert!(drill.story().contains("`shop`"), "{}", drill.story());
}

#[test]
fn the_same_bad_release_again_does_not_help() {
    if no_cluster() {
        return;
    }
    let again =
        ("kubectl rollout undo deployment/checkout -n shop", "kubectl set env deployment/checkout -n shop NOTHING=1");
    fails("k8s-bad-deploy", &[], &[again], &[], NO_HELP);
}

#[test]
fn more_replicas_serve_more_users() {
    if no_cluster() {
        return;
    }
    passes("k8s-scale", &[]);
}

#[test]
fn as_many_replicas_as_before_do_not() {
    if no_cluster() {
        return;
    }
    fails("k8s-scale", &[("REPLICAS: \"6\"", "REPLICAS: \"2\"")], &[], &[], NO_HELP);
}

#[test]
fn a_bad_setting_is_put_back_and_taken_up() {
    if no_cluster() {
        return;
    }
    passes("k8s-config", &[]);
}

/// What is fetched, edited and applied again names the namespace of the page.
#[test]
fn an_object_in_a_file_is_applied_in_the_namespace_of_the_drill() {
    if no_cluster() {
        return;
    }
    let page = Project::of_scenario("k8s-config", &[]).read("runbooks/k8s-config.md");
    let patch = page.lines().find(|line| line.starts_with("kubectl patch configmap")).expect("a patch").to_string();
    let apply = "kubectl get configmap checkout-config -n shop -o yaml | sed 's/DB_POOL_SIZE: .*/DB_POOL_SIZE: \"5\"/' \
                 > config.yaml && grep -q 'namespace: shop' config.yaml && kubectl apply -f config.yaml && \
                 kubectl label -f config.yaml fixed=yes && kubectl get -f /dev/stdin <config.yaml";
    let project = project("k8s-config", &[], &[(&patch, apply)]);
    project.drill("k8s-config", &[]).came_to(Verdict::Passed, 0, &[]);
}

/// The toolbox has no files of the project, and the cure of many pages is to apply them again.
#[test]
fn the_manifests_of_the_stack_are_applied_again() {
    if no_cluster() {
        return;
    }
    let page = Project::of_scenario("k8s-config", &[]).read("runbooks/k8s-config.md");
    let patch = page.lines().find(|line| line.starts_with("kubectl patch configmap")).expect("a patch").to_string();
    // A file that is not there, one that writes another content under the same name, then the folder, and a file of it.
    let apply = "! kubectl apply -f kubernetes/nothing.yaml && ! kubectl apply -f old/config.yaml && \
                 kubectl apply -n shop -k kubernetes/ && kubectl apply -f kubernetes/checkout.yaml";
    let project = project("k8s-config", &[], &[(&patch, apply)]);
    let folder = "stacks/checkout/kubernetes";
    project.write(&format!("{folder}/kustomization.yaml"), "resources: [checkout.yaml, db.yaml, payments.yaml]\n");
    let checkout = project.read(&format!("{folder}/checkout.yaml"));
    let config = checkout.split("---").next().expect("a first object").replace(r#""5""#, r#""2""#);
    project.write("stacks/checkout/old/config.yaml", &config);
    let drill = project.drill("k8s-config", &[]);
    drill.came_to(Verdict::Passed, 0, &[]);
    let output = drill.story();
    assert!(output.contains("configmap/checkout-config configured"), "{output}");
}

#[test]
fn a_restart_with_the_bad_setting_only_looks_like_a_cure() {
    if no_cluster() {
        return;
    }
    let page = Project::of_scenario("k8s-config", &[]).read("runbooks/k8s-config.md");
    let patch = page.lines().find(|line| line.starts_with("kubectl patch configmap")).expect("a patch").to_string();
    fails("k8s-config", &[], &[(&patch, "kubectl get configmap checkout-config -n shop")], &[], NO_HELP);
}

/// The scenario `k8s-config` with killed Pods of `payments`, and with this command as its runbook.
fn killed(timing: &str, mitigation: Option<&str>) -> Drill {
    let patch =
        "patch: { object: configmap/checkout-config, set: { data: { DB_POOL_SIZE: \"1\" } }, restart: checkout }";
    let fault = format!("pod_kill: {{ service: payments, replicas: 1 }}{timing}");
    let (runbook, vars) =
        ("runbook: ../runbooks/k8s-config.md\n", "  vars: { KEY: DB_POOL_SIZE, GOOD_VALUE: \"5\" }\n");
    let respond = "respond:\n  phases: [diagnose, mitigate, verify]\n";
    let (kept, phases) = match mitigation {
        Some(_) => (runbook, "respond:\n  phases: [mitigate]\n"),
        None => ("", ""),
    };
    let edits = [
        (patch, fault.as_str()),
        ("detect: { metrics: http://checkout:9100/metrics, when: db_pool_timeouts_total > 0, within: 15s }\n", ""),
        (runbook, kept),
        (respond, phases),
        (vars, ""),
        ("objective: 99% }", "objective: 95% }"),
        ("objective: 98% }", "objective: 90% }"),
        ("recover: { within: 45s, hold: 5s }\nrto: 1m", "recover: { within: 30s, hold: 17s }"),
    ];
    let project = project("k8s-config", &edits, &[]);
    let page =
        format!("# Pods\n\n## Mitigation\n\n### Step 1: Help\n\n```bash\n{}\n```\n", mitigation.unwrap_or("true"));
    project.write("runbooks/k8s-config.md", &page);
    project.drill("k8s-config", &[])
}

#[test]
fn killed_pods_are_replaced_by_the_cluster_and_nobody_else_is_said_to_have_done_it() {
    if no_cluster() {
        return;
    }
    let drill = killed("", None);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Revert);
    drill.fault_after("pod_kill", FaultAfter::EndedByItself);
}

/// A service whose Pod is killed every 15 s is saved by more Pods, and not by a restart.
#[test]
fn pods_that_are_killed_again_and_again_need_others_beside_them() {
    if no_cluster() {
        return;
    }
    let again = "\n    lasts: 8s\n    every: 15s";
    let status = "kubectl rollout status deployment/payments -n shop --timeout=60s";
    let scaled = killed(again, Some(&format!("kubectl scale deployment/payments -n shop --replicas=3\n{status}")));
    scaled.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Revert);
    scaled.fault_after("pod_kill", FaultAfter::StillActive);
    let restarted = killed(again, Some(&format!("kubectl rollout restart deployment/payments -n shop\n{status}")));
    assert!(NO_HELP.contains(&restarted.record.verdict), "{}", restarted.story());
}

/// A Secret has a wrong password, and the runbook puts back what the team knows. No file of the run has either of them.
#[test]
fn a_bad_secret_is_put_back_and_nothing_tells_it() {
    if no_cluster() {
        return;
    }
    let (bad, good) = ("postgresql://shop:stolen-guess@db:5432/shop", "postgresql://shop:shop-local@db:5432/shop");
    let patch =
        "patch: { object: configmap/checkout-config, set: { data: { DB_POOL_SIZE: \"1\" } }, restart: checkout }";
    let preset =
        format!("k8s_secret_value: {{ name: db, setting: DATABASE_URL, value: \"{bad}\", restart: checkout }}");
    let vars = format!("vars: {{ KEY: DATABASE_URL, GOOD_VALUE: {{ secret: true, value: \"{good}\" }} }}");
    let detect = "detect: { metrics: http://checkout:9100/metrics, when: db_pool_timeouts_total > 0, within: 15s }";
    let edits = [
        (patch, preset.as_str()),
        ("vars: { KEY: DB_POOL_SIZE, GOOD_VALUE: \"5\" }", &vars),
        (detect, ""),
        ("phases: [diagnose, mitigate, verify]", "phases: [diagnose, mitigate]"),
    ];
    let page = [
        ("kubectl patch configmap checkout-config", "kubectl patch secret db"),
        ("'{data: {($key): $value}}'", "'{stringData: {($key): $value}}'"),
        (
            "kubectl get configmap checkout-config -n shop -o json | jq .data",
            "kubectl get secret db -n shop -o json | jq .data",
        ),
    ];
    let project = project("k8s-config", &edits, &page);
    // With the wrong password no Pod becomes ready, and a rolling update would leave the old ones.
    let (manifest, rolling) =
        ("stacks/checkout/kubernetes/checkout.yaml", "rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }");
    project.write(manifest, &edit(&project.read(manifest), &[(rolling, "rollingUpdate: { maxUnavailable: 2 }")]));
    let drill = project.drill("k8s-config", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Revert);
    drill.fault_after("k8s_secret_value", FaultAfter::ClearedByRunbook);
    let base64 = "cG9zdGdyZXNxbDovL3Nob3A6c3RvbGVuLWd1ZXNz"; // of the bad value, as far as the password
    for needle in ["stolen-guess", "shop-local", base64] {
        let found = Command::new("grep").args(["-rl", needle]).arg(&drill.dir).output().expect("grep runs");
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{needle}");
    }
}

#[test]
fn a_lock_in_the_database_is_ended_by_the_same_means_as_without_kubernetes() {
    if no_cluster() {
        return;
    }
    passes("k8s-db-pool", &[]);
}

/// A kind that a cluster has beside its own, as operators install it.
const KIND: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: drilltests.firedrill.example }
spec:
  group: firedrill.example
  scope: Namespaced
  names: { kind: DrillTest, plural: drilltests, singular: drilltest }
  versions: [{ name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } } }]
";

/// A drill of the restore, with a custom resource in the manifests.
fn restored(runbook: &[(&str, &str)]) -> Drill {
    let project = project("k8s-restore", &[], runbook);
    project.write("kind.yaml", KIND);
    kubectl(&["apply", "--filename", &project.path().join("kind.yaml").display().to_string()])
        .expect("the kind is made");
    let custom = "apiVersion: firedrill.example/v1\nkind: DrillTest\nmetadata: { name: one }\nspec: { size: 1 }\n";
    project.write("stacks/checkout/kubernetes-dr/custom.yaml", custom);
    let drill = project.drill("k8s-restore", &[]);
    // The cluster may be somebody's own.
    kubectl(&["delete", "customresourcedefinition", "drilltests.firedrill.example"]).expect("the kind is removed");
    let started = std::fs::read_to_string(drill.dir.join("kubernetes.json")).expect("what was started");
    assert!(started.contains("\"kind\": \"DrillTest\""), "{started}");
    assert_eq!(is_gone(&drill), Ok(()));
    drill
}

#[test]
fn dropped_tables_are_restored_up_to_the_dump() {
    if no_cluster() {
        return;
    }
    let drill = restored(&[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered", "L5"]);
    assert_eq!(drill.record.restore_level(), Some(RestoreLevel::L5), "{}", drill.story());
}

#[test]
fn tables_without_their_rows_are_no_restore() {
    if no_cluster() {
        return;
    }
    let drill = restored(&[("pg_restore --dbname=shop", "pg_restore --schema-only --dbname=shop")]);
    assert!(NO_HELP.contains(&drill.record.verdict), "{}", drill.story());
    assert_eq!(drill.record.restore_level(), Some(RestoreLevel::L3), "{}", drill.story());
}

/// Four commands without a namespace, and a page of the provider over TLS under its true name.
#[test]
fn an_ordinary_page_is_followed_word_for_word() {
    if no_cluster() {
        return;
    }
    passes("k8s-payments-api", &[]);
}

#[test]
fn an_ordinary_page_with_another_deployment_does_not_help() {
    if no_cluster() {
        return;
    }
    let other = ("rollout undo deployment/payments-api", "rollout restart deployment/status");
    fails("k8s-payments-api", &[], &[other], &[], NO_HELP);
}

#[test]
fn the_page_of_a_provider_that_steps_do_not_trust_is_told() {
    if no_cluster() {
        return;
    }
    let trusted = ("respond: { trust: { service: status, path: /tls/cert.pem } }\n", "");
    let drill = project("k8s-payments-api", &[trusted], &[]).drill("k8s-payments-api", &[]);
    // A step that only looks is no part of the cure, and it is told.
    drill.came_to(Verdict::Passed, 0, &[]);
    assert!(drill.story().contains("summary.json` exited with 60"), "{}", drill.story());
}

/// These faults at once hurt, and all of them are undone and gone.
fn come_and_go(faults: &str, stack: &str) {
    let release = ("  - deploy: { service: checkout, image: \"shop/checkout:1.5.0\" }\n", faults);
    let detect = "detect:\n  metrics: http://checkout:9100/metrics\n  when: upstream_error_ratio{upstream=\"payments\"} > 0.25\n  \
                  within: 10s\n";
    let project = project("k8s-bad-deploy", &[SOON, release, (detect, ""), ("stack:\n", stack)], &[]);
    let drill = project.drill("k8s-bad-deploy", &["--control"]);
    // Were one of them not reverted, it would be another verdict.
    drill.came_to(Verdict::Passed, 0, &["did not recover"]).passed_check(Check::Revert);
    assert_eq!(is_gone(&drill), Ok(()));
}

/// Every preset for Kubernetes at once: each is seen in place, undone, and gone; together they hurt.
#[test]
fn presets_of_faults_come_and_go() {
    if no_cluster() {
        return;
    }
    let faults = "  - k8s_no_replicas: { service: payments }
  - k8s_wrong_selector: { name: payments }
  - k8s_wrong_port: { name: checkout, port: 8080, port_name: http }
  - k8s_secret_value: { name: db, setting: ONCALL_PASSWORD, value: not-this-one }
  - k8s_object_missing: { object: secret/db }
  - k8s_config_value: { name: checkout-config, setting: DB_POOL_SIZE, value: 1 }
  - k8s_crash_loop: { service: payments, container: payments }
  - k8s_not_ready: { service: payments, container: payments }
  - k8s_memory_limit: { service: payments, container: payments }
  - k8s_bad_image: { service: checkout, container: checkout }
  - k8s_cpu_limit: { service: checkout, container: checkout }
  - k8s_quota:
";
    let named = || faults.lines().filter_map(|line| line.split_once("- ")?.1.split_once(':')).map(|(name, _)| name);
    let shipped = firedrill::faults::Preset::shipped().iter().map(|preset| preset.name.as_str());
    for preset in shipped.filter(|name| name.starts_with("k8s_")) {
        assert!(named().any(|name| name == preset), "{preset} is drilled");
    }
    come_and_go(faults, "stack:\n");
}

/// A client beside the workloads that locks the inventory, in Pods of its own.
const EXPORT: &str = r#"  - process:
      name: export
      service: db
      run: |
        export PGPASSWORD="$POSTGRES_PASSWORD"
        (echo "BEGIN; LOCK TABLE inventory;"; while sleep 0.2; do echo "SELECT 1;"; done) |
          psql -X -q -h db -U postgres -d shop -v ON_ERROR_STOP=1 > /dev/null
      replicas: 2
      returns: 1s
"#;
const LOCK: &str = "  - postgres_lock: { service: db, database: shop, table: inventory, returns: 2s }\n";

/// A drill whose fault are the Pods `export`, and whose runbook is this one command.
fn exported(mitigation: &str) -> Project {
    let edits = [
        (LOCK, EXPORT),
        (
            "  phases: [diagnose, mitigate, verify]\n",
            "  phases: [mitigate]\n  timeout: 90s # a kubelet that is busy takes its time until a Pod is gone\n",
        ),
        (
            "  vars:\n    ONCALL_PASSWORD: { secret: true, value: oncall-local } # the default of the stack's db.yaml\n",
            "",
        ),
        ("recover: { within: 30s", "recover: { within: 15s"),
    ];
    let project = project("k8s-db-pool", &edits, &[]);
    let page = format!("# Export\n\n## Mitigation\n\n### Step 1: End it\n\n```bash\n{mitigation}\n```\n");
    project.write("runbooks/k8s-db-pool.md", &page);
    project
}

#[test]
fn a_process_beside_the_workloads_is_ended_by_deleting_its_pods() {
    if no_cluster() {
        return;
    }
    let drill = exported("kubectl delete pod -l run=export -n shop").drill("k8s-db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Revert);
    drill.fault_after("process", FaultAfter::ClearedByRunbook);
}

#[test]
fn one_of_two_pods_of_a_process_is_not_all_of_it() {
    if no_cluster() {
        return;
    }
    let drill = exported("kubectl delete pod export-1 -n shop").drill("k8s-db-pool", &[]);
    assert!(NO_HELP.contains(&drill.record.verdict), "{}", drill.story());
    assert_eq!(is_gone(&drill), Ok(()));
}

/// The team's own rules and routes, as without Kubernetes.
#[test]
fn the_page_of_an_alert_is_delivered() {
    if no_cluster() {
        return;
    }
    let alerts = "oncall: ../stacks/checkout/ops/oncall.yaml\nalerts:\n  rules: ../stacks/checkout/ops/timeouts.yml\n  \
                  alertmanager: ../stacks/checkout/ops/alertmanager.yml\n  prometheus: ../stacks/checkout/ops/prometheus.yml\n\
                  detect: { alert: CheckoutTimeouts, labels: { severity: page }, receiver: checkout-oncall, within: 40s }\n";
    let detect = "# Not `db_pool_available < 1`: an order has its connection for 0.1 s, so all five of a Pod may be in use for a moment.\n\
                  detect: { metrics: http://checkout:9100/metrics, when: db_pool_timeouts_total > 0, within: 15s }\n";
    let project = project("k8s-db-pool", &[(detect, alerts)], &[]);
    project.write(
        "stacks/checkout/ops/timeouts.yml",
        "groups:\n- name: pool\n  rules:\n  - alert: CheckoutTimeouts\n    expr: db_pool_timeouts_total > 0\n    for: 1s\n    \
         labels: { severity: page, team: checkout }\n    annotations: { summary: no connection }\n",
    );
    let drill = project.drill("k8s-db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Detection);
}

/// Faults that know nothing of Kubernetes, all at once: each is seen in place, undone, and gone. One of them needs Toxiproxy's API at a
/// Service.
#[test]
fn faults_of_every_stack_come_and_go() {
    if no_cluster() {
        return;
    }
    let faults = "  - postgres_connections: { service: db, database: shop }
  - sql: { service: db, database: shop, run: \"CREATE TABLE fault ()\", confirm: \"SELECT to_regclass('fault') IS NOT NULL\", undo: \"DROP TABLE IF EXISTS fault\" }
  - command: { service: payments, run: \"bash -c 'exec 3<>/dev/tcp/payments/8474' && touch /tmp/fault\", confirm: test -e /tmp/fault, undo: rm -f /tmp/fault }
  - http_delay: { service: payments, delay: 300ms }
  - http_body: { service: payments, replace: \"no\" }
  - http_header: { service: payments, set: { X-Fault: there } }
  - tcp_latency: { service: db, latency: 20ms }
  - toxic: { service: payments, type: bandwidth, attributes: { rate: 100 } }
  - load_surge: { load: checkout, rate: 5/s }
  - http_status: { service: checkout, status: 503 }
";
    come_and_go(faults, "stack:\n  toxiproxy: [payments]\n");
}

/// Objects of the whole cluster that a stack brings along.
const CLUSTER_SCOPED: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: nodes }
rules: [{ apiGroups: [''], resources: [nodes], verbs: [get, list] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: nodes }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: nodes }
subjects: [{ kind: ServiceAccount, name: default, namespace: shop }]
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: { name: high }
value: 1000
globalDefault: true
preemptionPolicy: PreemptLowerPriority
";

/// One scenario, of which only `stack:` is another one: a kustomization with objects of the whole cluster. A fault by an agent in front of
/// a Service, and a runbook that knows nothing of Kubernetes.
#[test]
fn a_scenario_for_compose_passes_in_kubernetes_as_well() {
    if no_cluster() {
        return;
    }
    let stack = "stack:\n  kubernetes:\n    manifests: ../one/\n    namespace: shop\n    allow_cluster: [ClusterRole/nodes, \
                 ClusterRoleBinding/nodes, PriorityClass/high]\n    images:\n      \
                 \"shop/checkout:1.4.2\": ../stacks/checkout/checkout\n      \"shop/db:1\": ../stacks/checkout/db\n      \
                 \"shop/payments:1\": ../stacks/checkout/payments\n";
    let edits = [
        ("stack: ../stacks/checkout/compose.yaml\n", stack),
        ("rate: 50/s", "rate: 30/s"),
        ("99.5% }", "97% }"),
        CALM[0],
    ];
    let project = Project::of_scenario("upstream-503", &edits);
    copy(&project.path().join("shipped/stacks"), &project.path().join("stacks"));
    copy(&project.path().join("stacks/checkout/kubernetes"), &project.path().join("one"));
    // The breaker is each process's own, and the runbook opens one.
    project.write("one/checkout.yaml", &edit(&project.read("one/checkout.yaml"), &[("replicas: 2", "replicas: 1")]));
    // The cluster takes no Pod of a class that is not there.
    let pays = edit(
        &project.read("one/payments.yaml"),
        &[("      containers:", "      priorityClassName: high\n      containers:")],
    );
    project.write("one/payments.yaml", &pays);
    project.write("one/cluster.yaml", CLUSTER_SCOPED);
    let resources = "resources: [checkout.yaml, db.yaml, payments.yaml, cluster.yaml]\n";
    project.write("one/kustomization.yaml", resources);
    let drill = project.drill("upstream-503", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Revert);
    let started = std::fs::read_to_string(drill.dir.join("kubernetes.json")).expect("what was started");
    assert!(started.contains("\"priorityClassName\": \"high-fd-"), "{started}");
    let own = drill.project().unwrap_or_default().replace("firedrill-", "dev.firedrill/run=");
    assert_eq!(
        kubectl(&["get", "clusterroles,clusterrolebindings,priorityclasses", "-l", &own, "-o", "name"]),
        Ok(String::new())
    );
}

/// What an installation does not bring would not be ready, or takes the database along.
const HOOKS: &str = "\
apiVersion: v1
kind: Pod
metadata: { name: '{{ .Release.Name }}-test', annotations: { helm.sh/hook: test } }
spec: { containers: [{ name: test, image: 'nowhere/nothing:1' }] }
---
apiVersion: batch/v1
kind: Job
metadata: { name: drop, annotations: { 'helm.sh/hook': 'pre-delete,post-delete' } }
spec: { template: { spec: { restartPolicy: Never, containers: [{ name: drop, image: 'nowhere/nothing:1' }] } } }
---
apiVersion: batch/v1
kind: Job
metadata: { name: '{{ .Release.Name }}-migrate', annotations: { 'helm.sh/hook': 'post-install, post-upgrade' } }
spec:
  template: { spec: { restartPolicy: Never, containers: [{ name: migrate, image: 'shop/payments:1', imagePullPolicy: Never, command: ['true'] }] } }
";

#[test]
fn a_chart_is_started_with_its_values() {
    if no_cluster() {
        return;
    }
    if !Command::new("helm").arg("version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no helm");
        return;
    }
    let of_chart = (
        "    manifests: ../stacks/checkout/kubernetes/\n",
        "    manifests: ../chart/\n    release: till\n    values: [../chart/drill.yaml]\n",
    );
    let project = project("k8s-bad-deploy", &[of_chart], &[]);
    copy(&project.path().join("stacks/checkout/kubernetes"), &project.path().join("chart/templates"));
    for file in ["checkout.yaml", "db.yaml", "payments.yaml"] {
        let path = format!("chart/templates/{file}");
        let written = project.read(&path).replace("namespace: shop", "namespace: {{ .Release.Namespace }}");
        project.write(&path, &written.replace("shop/checkout:1.4.2", "shop/checkout:{{ .Values.tag }}"));
    }
    project.write("chart/templates/hooks.yaml", HOOKS);
    project.write("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
    project.write("chart/values.yaml", "tag: none\n");
    project.write("chart/drill.yaml", "tag: 1.4.2\n");
    let drill = project.drill("k8s-bad-deploy", &[]);
    drill.came_to(Verdict::Passed, 0, &[]);
    let started = std::fs::read_to_string(drill.dir.join("kubernetes.json")).expect("what was started");
    assert!(started.contains("\"till-migrate\""), "{started}");
    assert_eq!(is_gone(&drill), Ok(()));
}

#[test]
fn isolate_keeps_a_drill_in_or_is_refused() {
    if no_cluster() {
        return;
    }
    let isolated = ("stack:\n  kubernetes:", "stack:\n  isolate: true\n  kubernetes:");
    let drill = project("k8s-bad-deploy", &[isolated], &[]).drill("k8s-bad-deploy", &[]);
    // Which of them is true is the cluster's: its network carries policies out, or it does not.
    match drill.record.reason.contains("carries out no NetworkPolicies") {
        true => drill.came_to(Verdict::HarnessError, 3, &[]),
        false => drill.came_to(Verdict::Passed, 0, &[]),
    };
    assert_eq!(is_gone(&drill), Ok(()));
}

#[test]
fn nothing_is_left_of_a_drill_whose_runner_is_killed() {
    if no_cluster() {
        return;
    }
    for phase in [Phase::Steady, Phase::Respond] {
        let project = project("k8s-bad-deploy", &[], &[]);
        let mut running = project.start("k8s-bad-deploy", &[]);
        running.phase(phase);
        let at = running.kill();
        let drill = running.gather();
        assert_eq!(drill.record.verdict, Verdict::Incomplete, "{}", drill.story());
        poll("the namespace to be gone", GONE_WITHIN, || is_gone(&drill));
        println!("the namespace was gone {:.1} s after kill -9", at.elapsed().as_secs_f64());
    }
}

#[test]
fn nothing_is_left_after_twenty_kills_at_scattered_moments() {
    if no_cluster() {
        return;
    }
    // Whole at first: then its images are there, and it is known how long it takes.
    let began = Instant::now();
    project("k8s-bad-deploy", &[], &[]).drill("k8s-bad-deploy", &[]);
    let whole = began.elapsed();
    for number in 0..20 {
        let after = whole * (number * 7 % 20) / 20;
        let project = project("k8s-bad-deploy", &[], &[]);
        let mut running = project.start("k8s-bad-deploy", &[]);
        running.run();
        std::thread::sleep(after);
        let at = running.kill();
        let drill = running.gather();
        poll("the namespace to be gone", GONE_WITHIN, || is_gone(&drill));
        let phase = drill.record.phases.last().map_or("before the first phase", |last| last.phase.name());
        println!("killed {after:?} after its start ({phase}): gone {:.1} s later", at.elapsed().as_secs_f64());
    }
}

/// Ways out of the drill's namespace, by the real kubectl without anything in front of it: what stops them is the cluster.
const WAYS_OUT: &str = "\
get nodes
describe node
get namespaces
get pods -n kube-system
get pods -A
get secrets -n kube-system
get secrets -A
get configmaps -n kube-public
get deployments -n default
get serviceaccounts -n kube-system
get clusterroles
get clusterrolebindings
get persistentvolumes
get storageclasses
get customresourcedefinitions
get events -n default
get --raw /api/v1/nodes
get --raw /api/v1/namespaces/kube-system/secrets
get --raw /apis/rbac.authorization.k8s.io/v1/clusterroles
create namespace out
create clusterrolebinding out --clusterrole=cluster-admin --serviceaccount=default:default
create rolebinding out --clusterrole=cluster-admin --serviceaccount=default:default
create role out --verb=get --resource=nodes
create serviceaccount out
create deployment out --image=shop/payments:1 -n default
create secret generic out -n kube-system
delete namespace default
delete node --all
delete pods --all -n kube-system
cordon firedrill-test-control-plane
drain firedrill-test-control-plane
taint nodes --all out=out:NoSchedule
label namespace default out=out
annotate node --all out=out
patch namespace default -p '{\"metadata\":{\"labels\":{\"out\":\"out\"}}}'
run out --image=shop/payments:1 -n default
exec -n kube-system out -- true
logs -n kube-system out
get pods --as=system:admin
get pods --as=system:serviceaccount:kube-system:default
auth can-i get nodes
auth can-i create pods -n default
auth can-i impersonate users
";

/// A configuration that a step writes into its home is not that of its calls.
const HOME: &str = r"mkdir -p ~/.kube
printf 'apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts:\n- name: x\n  context:\n    cluster: x\n' >~/.kube/config
printf 'clusters:\n- name: x\n  cluster:\n    server: https://203.0.113.7\n' >>~/.kube/config
timeout 20 kubectl get pods >/tmp/said && printf 'the home is %s read\n' not
";

#[test]
fn the_cluster_keeps_the_steps_in_the_namespace_of_the_drill() {
    if no_cluster() {
        return;
    }
    let tried = WAYS_OUT.lines().flat_map(|way| {
        // Of all namespaces the drill has one, and that one is shown.
        let in_front = (!way.ends_with(" -A")).then(|| format!("out kubectl {way}\n"));
        [Some(format!("out /opt/kubectl/kubectl {way}\n")), in_front]
    });
    let tried: String = tried.flatten().collect();
    assert!(WAYS_OUT.lines().count() >= 40);
    let block = format!(
        "## Diagnosis\n\n```bash\nout() {{ if timeout 20 \"$@\" >/tmp/said 2>&1; then echo \"WAY OUT: $*\"; cat /tmp/said; return 1; fi; }}\n\
         {tried}out kubectl exec fd-agent -- true\nout kubectl proxy\nout kubectl whoami\n\
         out kubectl get pods --kubeconfig=/dev/null\nprintf 'all ways %s tried\\n' were\n{HOME}```\n\n"
    );
    let project = project("k8s-bad-deploy", &[], &[("## Diagnosis\n\n", &block)]);
    let drill = project.drill("k8s-bad-deploy", &[]);
    drill.came_to(Verdict::Passed, 0, &[]);
    // A step of the diagnosis that fails is a warning: what it printed counts. `$*` stands in the command itself.
    let events = drill.file("events.jsonl");
    let ways: Vec<&str> = events.match_indices("WAY OUT: ").filter_map(|(at, _)| events.get(at..at + 120)).collect();
    let ways: Vec<&&str> = ways.iter().filter(|way| !way.starts_with("WAY OUT: $*")).collect();
    assert!(ways.is_empty(), "{ways:#?}");
    assert!(events.contains("all ways were tried") && events.contains("the home is not read"), "{}", drill.story());
}
