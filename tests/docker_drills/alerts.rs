//! The team's own alerts in a drill, with real Prometheus and Alertmanager: a page that is delivered, and each way in which one is
//! not.

use crate::drill::{Drill, Project, copy};
use firedrill::record::{AlertStation, Check, Verdict};
use std::path::Path;

/// A project with the shipped shop, its alerts and one shipped scenario, with texts replaced in it.
fn project(scenario: &str, edits: &[(&str, &str)]) -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::empty();
    for stack in ["stacks/checkout", "stacks/storefront"] {
        copy(&root.join(stack), &project.path().join(stack));
    }
    let file = format!("scenarios/{scenario}.yaml");
    let mut text = std::fs::read_to_string(root.join(&file)).expect("a scenario");
    for (from, to) in edits {
        assert!(text.contains(from), "`{from}` is not in {file}");
        text = text.replace(from, to);
    }
    project.write(&file, &text);
    for end in ["md", "reading.yaml"] {
        let runbook = format!("runbooks/{scenario}.{end}");
        if let Ok(text) = std::fs::read_to_string(root.join(&runbook)) {
            project.write(&runbook, &text);
        }
    }
    project
}

fn delivered(drill: &Drill) -> Vec<(&str, &str)> {
    let moments = drill.record.alerts.iter();
    let pages = moments.filter_map(|moment| match &moment.station {
        AlertStation::Delivered { receiver, .. } => Some((moment.name(), receiver.as_str())),
        _ => None,
    });
    pages.collect()
}

#[test]
fn a_page_is_delivered_to_whom_it_should_and_says_where_its_time_went() {
    // With a past in which everything was well the fast burn does not page beside it.
    let history = "  prometheus: ../stacks/checkout/ops/prometheus.yml\n  history:\n    for: 2h\n    series:\n      \
                   'http_requests_total{job=\"shop\",instance=\"checkout:9100\",service=\"checkout\",status=\"201\"}': 50/s\n";
    let edits = [
        ("  prometheus: ../stacks/checkout/ops/prometheus.yml\n", history),
        (
            "receiver: checkout-oncall }",
            "receiver: checkout-oncall, quiet: [CheckoutErrorBudgetBurnsFast], max_pages: 1 }",
        ),
    ];
    let project = project("db-pool", &edits);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Detection).passed_check(Check::Pages).sealed();
    assert_eq!(delivered(&drill), [("CheckoutDbPoolExhausted", "checkout-oncall")], "{}", drill.story());
    let story = drill.story();
    for part in
        ["until its expression was true", "pending", "until it was delivered", "the history of Prometheus is synthetic"]
    {
        assert!(story.contains(part), "`{part}`: {story}");
    }
    // What is of production is not scraped, and said.
    assert!(story.contains("node-1.shop.internal:9100"), "{story}");
}

/// The image in which Prometheus and Alertmanager are on this machine, without anything of Firedrill's in it.
fn monitoring_image() -> String {
    let mut docker = std::process::Command::new("docker");
    docker.args(["images", "--format", "{{.Repository}}:{{.Tag}}", "firedrill-monitoring"]);
    let listed = String::from_utf8(docker.output().expect("docker").stdout).expect("text");
    listed.lines().find(|name| name.contains(":base-")).expect("scripts/setup.sh makes it").to_string()
}

#[test]
fn a_prometheus_and_an_alertmanager_of_the_stack_page_whom_they_should_and_nobody_outside() {
    let services = "  prometheus: ../stacks/checkout/ops/prometheus.yml\n  services: { prometheus: 'http://prometheus:9090', alertmanager: 'http://alertmanager:9093' }\n";
    let project = project(
        "db-pool",
        &[
            ("  prometheus: ../stacks/checkout/ops/prometheus.yml\n", services),
            (
                "stack: ../stacks/checkout/compose.yaml",
                "stack: { file: [../stacks/checkout/compose.yaml, ../stacks/checkout/monitoring.yaml] }",
            ),
        ],
    );
    let own = |alertmanager: &str| {
        format!(
            "services:\n  prometheus:\n    image: {image}\n    command: [prometheus, --config.file=/etc/prometheus/prometheus.yml, \
             --storage.tsdb.path=/tmp/p, --rules.alert.resend-delay=5s]\n    volumes: ['./ops:/etc/prometheus:ro']\n  alertmanager:\n    \
             image: {image}\n    command: [prometheus-alertmanager, --config.file=/etc/alertmanager/{alertmanager}, \
             --storage.path=/tmp/a, --cluster.listen-address=]\n    volumes: ['./ops:/etc/alertmanager:ro']\n",
            image = monitoring_image()
        )
    };
    project.write("stacks/checkout/monitoring.yaml", &own("alertmanager.yml"));
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Detection).sealed();
    assert!(delivered(&drill).contains(&("CheckoutDbPoolExhausted", "checkout-oncall")), "{}", drill.story());

    // One that reads another file than the one that is named would page somebody in production.
    project.write("stacks/checkout/monitoring.yaml", &own("elsewhere.yml"));
    let elsewhere =
        "route: { receiver: x }\nreceivers: [{ name: x, webhook_configs: [{ url: 'http://hooks.example/x' }] }]\n";
    project.write("stacks/checkout/ops/elsewhere.yml", elsewhere);
    project.drill("db-pool", &[]).came_to(Verdict::HarnessError, 3, &["would deliver elsewhere", "hooks.example"]);
}

#[test]
fn a_page_that_goes_to_a_list_is_misrouted() {
    let project = project("alert-misrouted", &[]);
    let drill = project.drill("alert-misrouted", &[]);
    drill.came_to(Verdict::Misrouted, 0, &["shop-list", "behind which nobody is on call"]).sealed();
    assert!(delivered(&drill).contains(&("CheckoutDbPoolExhausted", "shop-list")), "{}", drill.story());
}

#[test]
fn a_page_that_a_silence_keeps_back_is_suppressed() {
    let project = project("alert-silenced", &[]);
    let drill = project.drill("alert-silenced", &[]);
    drill.came_to(Verdict::Suppressed, 0, &["the silence of ada", "works on the database cluster"]).sealed();
}

#[test]
fn a_page_of_a_patient_rule_is_late() {
    let project = project("alert-late", &[]);
    let drill = project.drill("alert-late", &[]);
    drill.came_to(Verdict::Late, 0, &["it is pending"]).sealed();
}

#[test]
fn a_page_that_nobody_acknowledges_reaches_the_second_line_or_is_unescalated() {
    let unescalated = project("alert-unescalated", &[]);
    let drill = unescalated.drill("alert-unescalated", &[]);
    drill.came_to(Verdict::Unescalated, 0, &["checkout-second was not paged", "CheckoutDbPoolStillExhausted"]).sealed();
    assert!(delivered(&drill).contains(&("CheckoutDbPoolStillExhausted", "checkout-oncall")), "{}", drill.story());

    let edits = [
        (
            "rules: ../stacks/checkout/ops/rules/*.yml",
            "rules: [../stacks/checkout/ops/rules/*.yml, ../stacks/checkout/ops/second-line.yml]",
        ),
        (
            "receiver: checkout-oncall }",
            "receiver: checkout-oncall, escalation: { alert: CheckoutDbPoolStillExhausted, within: 30s } }",
        ),
    ];
    let escalated = project("db-pool", &edits);
    let drill = escalated.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Detection);
    assert!(drill.story().contains("nobody acknowledged it, and checkout-second was paged"), "{}", drill.story());
}

#[test]
fn an_alert_that_never_fires_says_how_far_it_was_and_a_mute_time_keeps_one_back() {
    let edits = [("expect: { verdict: late }", "expect: { verdict: undetected }")];
    let never = project("alert-late", &edits);
    let rules = "stacks/checkout/ops/wrong/patient.yml";
    let text =
        never.read(rules).replace("db_pool_available < 1", "db_pool_available < -1").replace("for: 30m", "for: 0s");
    never.write(rules, &text);
    never.drill("alert-late", &[]).came_to(
        Verdict::Undetected,
        0,
        &["`db_pool_available` was at least 0, and must be < -1"],
    );

    let muted = project("alert-misrouted", &[("expect: { verdict: misrouted }", "expect: { verdict: suppressed }")]);
    let routes = "stacks/checkout/ops/wrong/renamed-team.yml";
    let text =
        muted.read(routes).replace("team=\"orders\"'], ", "team=\"checkout\"'], mute_time_intervals: [always], ");
    muted.write(routes, &format!("{text}\ntime_intervals: [{{ name: always, time_intervals: [{{ times: [{{ start_time: '00:00', end_time: '24:00' }}] }}] }}]\n"));
    muted.drill("alert-misrouted", &[]).came_to(Verdict::Suppressed, 0, &["a mute time of its route"]);
}

#[test]
fn a_burn_rate_alert_comes_when_theory_says_and_not_sooner() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth");
    let project = Project::empty();
    for folder in ["stacks", "runbooks"] {
        copy(&root.join(folder), &project.path().join(folder));
    }
    project.write("runbooks/alerts.md", &project.read("runbooks/alerts.md"));
    let history = "ops/burn.yml\n  history:\n    for: 2h\n    series:\n      \
                   'http_requests_total{job=\"shop\",instance=\"shop:9100\",path=\"/orders\",status=\"201\"}': 20/s";
    let text = std::fs::read_to_string(root.join("scenarios/alerts.yaml")).expect("a scenario");
    let edits =
        [("ops/rules.yml", history), ("alert: OrdersFail,", "alert: BudgetBurnsFast,"), ("within: 12s", "within: 70s")];
    project.write("scenarios/burn.yaml", &crate::drill::edit(&text, &edits));
    let drill = project.drill("burn", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Detection);
    let figures = drill.record.figures();
    let theory = figures.detection_theory.unwrap_or_else(|| panic!("{}", drill.story()));
    // At 99.9% a full outage burns 14.4 times as fast as may be once it has lasted for 51.84 s of the hour.
    assert!((54_840_000..56_000_000).contains(&theory.to_detect_us), "{theory:?}");
    let took = figures.to_detect_us.unwrap_or_default();
    // Less one scrape, which may have seen errors that Firedrill knows to be a little older.
    assert!((50_800_000..58_000_000).contains(&took), "{took} of {theory:?}\n{}", drill.story());
    assert!(drill.file("report.html").contains("in theory at most"), "{theory:?}");
}

#[test]
fn a_page_that_nobody_needed_is_noisy_and_rules_about_users_are_quiet() {
    let noisy = project("alert-noise", &[]);
    let drill = noisy.drill("alert-noise", &[]);
    drill.came_to(Verdict::Noisy, 0, &["payments-oncall for CheckoutUpstreamErrors"]).failed_check(Check::Pages);

    let edits = [("rules/*.yml", "rules/slo.yml"), ("expect: { verdict: noisy }", "expect: { verdict: passed }")];
    let quiet = project("alert-noise", &edits);
    let drill = quiet.drill("alert-noise", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Pages);
    assert_eq!(delivered(&drill), [], "{}", drill.story());
}

#[test]
fn a_certificate_that_will_expire_pages_while_nobody_feels_it() {
    let drill = project("cert-expiring", &[]).drill("cert-expiring", &[]);
    drill.came_to(Verdict::Passed, 0, &[]).passed_check(Check::Detection).passed_check(Check::Pages).reverted();
    assert_eq!(delivered(&drill), [("ShopCertificateExpiresSoon", "storefront-oncall")], "{}", drill.story());
}
