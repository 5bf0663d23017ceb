//! A DR drill on a shop that is really there.

use super::case::Case;
use super::shop::Shop;
use super::told::Told;
use firedrill::record::{Announcement, Location, ProbeInfo, RestoreLevel, RestorePlan};
use firedrill::slis::{Comparison, Good, Term};
use firedrill::spec::{BackupSpec, Expectation, LedgerSpec, LevelProbe, Plan, RestoreSpec, ServiceScript};
use std::sync::Arc;
use std::time::Duration;

/// How often a drill is run whose measuring was disturbed: it says nothing.
const ATTEMPTS: usize = 4;

const RUNBOOK: &str = "\
# The orders are gone

## Mitigation

### Step 1: Restore them

```bash
restore
```
";

/// Runs a DR drill that passes, unless the shop or `change` says otherwise; again when the machine was too busy for it.
pub async fn dr(open: impl AsyncFn() -> Arc<Shop>, change: impl Fn(Case, Arc<Shop>) -> Case) -> (Told, Arc<Shop>) {
    for attempt in 1.. {
        let shop = open().await;
        let told = change(case(&shop), shop.clone()).run().await;
        if !told.record.is_disturbed() || attempt == ATTEMPTS {
            return (told, shop);
        }
    }
    unreachable!("the last attempt counts")
}

fn case(shop: &Arc<Shop>) -> Case {
    let (port, of) = (shop.port, shop.clone());
    Case::new()
        .set("load", "{ orders: { request: 'POST http://web:80/orders/{{counter}}', rate: 100/s, timeout: 500ms } }")
        .set("slis", "{ availability: { load: orders, good: status < 500, objective: 95% } }")
        .set("faults", "\n  - command: { service: db, run: break, undo: mend, confirm: is-broken }")
        .set("respond", "{ phases: [mitigate] }")
        .runbook(RUNBOOK)
        .world(move |world| world.shop = Some(of))
        .plan_with(move |plan| {
            plan.loads[0].url = plan.loads[0].url.replace("web:80", &format!("127.0.0.1:{port}"));
            plan.rto = Some(Duration::from_secs(30));
            plan.restore = Some(restore());
        })
}

fn restore() -> RestoreSpec {
    let probe =
        |run: &str, line| ServiceScript { service: "db".into(), run: run.into(), within: Duration::from_secs(5), line };
    let level = |level, name: &str, run: &str, output: Option<&str>| {
        let expected = match (level, output) {
            (_, Some(output)) => Expectation::Output(output.to_string()),
            (RestoreLevel::L4, None) => Expectation::AsBefore,
            (_, None) => Expectation::Success,
        };
        LevelProbe { level, name: name.into(), probe: probe(run, 3), expected }
    };
    let acknowledged = Good { text: "status == 201".into(), terms: vec![Term::Status(Comparison::Equal, 201)] };
    RestoreSpec {
        rpo: Duration::from_secs(5),
        ledger: LedgerSpec { load: "orders".into(), acknowledged, survivors: probe("survivors", 2) },
        backup: Some(BackupSpec { probe: probe("backup", 1), max_age: None }),
        production_bytes: None,
        probes: vec![
            level(RestoreLevel::L1, "readable", "readable", None),
            level(RestoreLevel::L2, "restored", "restored", None),
            level(RestoreLevel::L3, "replayed", "replayed", None),
            level(RestoreLevel::L4, "customers", "customers", Some("42")),
            level(RestoreLevel::L4, "products", "products", None),
        ],
        expect: RestoreLevel::L5,
    }
}

/// An announcement that has what the plan restores: plans that were made by hand are announced by hand.
pub fn announced(plan: &Plan, announcement: Announcement) -> Announcement {
    let restore = plan.restore.as_ref().map(|spec| RestorePlan {
        rto_us: plan.rto.map_or(0, |rto| rto.as_micros() as u64),
        rpo_us: spec.rpo.as_micros() as u64,
        load: spec.ledger.load.clone(),
        acknowledged: spec.ledger.acknowledged.text.clone(),
        survivors: format!("in {}: {}", spec.ledger.survivors.service, spec.ledger.survivors.run),
        probes: spec.probes.iter().map(told_of).collect(),
        expect: spec.expect,
        backup_max_age_us: None,
        production_bytes: None,
    });
    let rto_us = plan.rto.map(|rto| rto.as_micros() as u64);
    Announcement { rto_us, restore: announcement.restore.clone().or(restore), ..announcement }
}

fn told_of(check: &LevelProbe) -> ProbeInfo {
    ProbeInfo {
        level: check.level,
        name: check.name.clone(),
        service: check.probe.service.clone(),
        run: check.probe.run.clone(),
        at: Location { path: "fake.yaml".into(), line: check.probe.line },
    }
}
