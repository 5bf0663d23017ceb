//! From a plan to the first event of a drill: what will be done, so that reports can name what was not reached.

use super::monitor::ConcurrentDrills;
use crate::programs::EffectKind;
use crate::record::{
    Announcement, EarlierControl, FaultInfo, FileRef, InvariantInfo, LoadInfo, Location, ProbeInfo, RECORD_FORMAT,
    RULES, ReadingInfo, ReplacedInfo, RestorePlan, SeverityLevel, SliInfo, StepInfo, Verdict, Windows, micros,
    read_file, sha256_hex,
};
use crate::runbook::{Command, Handling, Runbook, RunbookPhase, Step};
use crate::source::{Source, outside};
use crate::spec::{AlertsSpec, Plan, Respond, RestoreSpec, Var};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the command line decides about a drill.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DrillOptions {
    /// Do everything but the runbook; users must not recover.
    pub control: bool,
    /// How long the runbook took in earlier drills, from its begin to the end of its last mitigating command, as far as that is known: for
    /// so long a control looks beyond `recover.within`.
    pub runbook_took: Option<Duration>,
    /// The last earlier control of the same content.
    pub last_control: Option<EarlierControl>,
    /// Leave the stack up when the drill does not pass.
    pub keep: bool,
    /// Seed of everything random.
    pub seed: u64,
    /// The drills that run at the same time, this one included.
    #[serde(skip)]
    pub concurrent: ConcurrentDrills,
}

/// The first event. `who` has what only the caller knows: the run, when it began, the commit, the game day and who carries it out.
pub fn announce(plan: &Plan, options: &DrillOptions, who: Announcement) -> Announcement {
    let in_scenario = |line| Location { path: shown(&plan.source), line };
    let slis = plan.slis.iter().map(|sli| SliInfo {
        name: sli.name.clone(),
        load: sli.series.clone(),
        good: sli.good.text.clone(),
        objective: sli.objective.get(),
        must_breach: !plan.impact.none && plan.must_breach(&sli.name),
        slo: sli.slo.clone(),
    });
    let loads = plan.sources().map(|source| LoadInfo {
        name: source.series.clone(),
        request: source.event.clone(),
        rate: source.rate,
        told_every_us: micros(source.interval),
    });
    let faults = plan.faults.iter().map(|planned| FaultInfo {
        id: planned.id.clone(),
        kind: planned.fault.kind().to_string(),
        summary: planned.summary(),
        services: planned.fault.facts.services.clone(),
        covers: planned.fault.facts.covers.clone(),
        noise: planned.timing.noise,
        at: in_scenario(planned.line),
    });
    let invariants = plan.invariants.iter().map(|invariant| InvariantInfo {
        name: invariant.name.clone(),
        service: invariant.probe.service.clone(),
        run: invariant.probe.run.clone(),
        expected: invariant.expected.to_string(),
        at: in_scenario(invariant.probe.line),
    });
    // What the stack is made of besides the file that is shown: Compose files that are merged over it, or the rest of a folder of manifests.
    let of_folder = own_files(&plan.stack.file, &plan.stack.root).filter(|path| *path != plan.stack_source.path);
    let other_files = plan.stack.merged.iter().cloned().chain(of_folder);
    let alert_files = plan.alerts.iter().flat_map(AlertsSpec::files);
    let runbook = plan.runbook.as_ref();
    let followed =
        |runbook: &Runbook| runbook.select(&plan.respond.phases).map(|step| step_info(step, &runbook.source)).collect();
    Announcement {
        format: RECORD_FORMAT,
        tool_version: env!("CARGO_PKG_VERSION").to_string(),
        rules: RULES,
        scenario: plan.name.clone(),
        title: plan.title.clone(),
        severity: plan.severity.clone(),
        tags: plan.tags.clone(),
        scenario_file: file_ref(&plan.source),
        runbook_file: runbook.map(|runbook| file_ref(&runbook.source)),
        reading: runbook.and_then(reading_info),
        programs_file: crate::programs::own_file().map(|source| file_ref(source)),
        stack_file: file_ref(&plan.stack_source),
        stack_merged: other_files.map(|path| stack_file(&path)).collect(),
        control: options.control,
        seed: options.seed,
        // A control that behaves passes, whatever the scenario expects of its runbook.
        expect: if options.control { Verdict::Passed } else { plan.expect },
        slis: slis.collect(),
        loads: loads.collect(),
        faults: faults.collect(),
        steps: runbook.filter(|_| !options.control).map(followed).unwrap_or_default(),
        detect: plan.detect.text(),
        page: plan.detect.page.clone(),
        alert_files: alert_files.map(|(what, source)| (what.to_string(), file_ref(source))).collect(),
        windows: Windows {
            steady_us: micros(plan.steady_for),
            impact_within_us: micros(plan.impact.within),
            impact_window_us: micros(plan.impact.window),
            impact_below: Some(plan.impact.below.get()),
            detect_within_us: plan.detect.text().map(|_| micros(plan.detect.within)),
            recover_within_us: micros(plan.recover_within),
            runbook_took_us: options.runbook_took.map(micros),
            recover_hold_us: micros(plan.recover_hold),
            recover_cleared: plan.recover_cleared,
            revert_hold_us: micros(plan.held_after_revert()),
            told_every_us: micros(plan.told_every()),
            shown_after_us: Some(micros(plan.shown_after())),
            impact_none: plan.impact.none,
        },
        vars: shown_vars(&plan.respond),
        runbook_text: runbook.map(|runbook| runbook.source.text.to_string()),
        description: plan.description.clone(),
        owner: plan.owner.clone(),
        rto_us: plan.rto.map(micros),
        invariants: invariants.collect(),
        restore: plan.restore.as_ref().map(|restore| restore_plan(restore, plan)),
        severities: definitions(plan),
        oncall_file: plan.oncall.as_ref().map(|oncall| file_ref(&oncall.source)),
        roles: plan.oncall.iter().flat_map(|oncall| oncall.roles.clone()).collect(),
        budget: plan.budget.clone(),
        last_control: options.last_control.clone(),
        ..who
    }
}

/// The values of the inputs, secrets hidden.
pub(super) fn shown_vars(respond: &Respond) -> BTreeMap<String, String> {
    let shown = |var: &Var| if var.secret { "***".into() } else { var.value.clone() };
    respond.vars.iter().map(|(name, var)| (name.clone(), shown(var))).collect()
}

/// What a DR drill sets out to show.
fn restore_plan(restore: &RestoreSpec, plan: &Plan) -> RestorePlan {
    let survivors = &restore.ledger.survivors;
    let probes = restore.probes.iter().map(|level| ProbeInfo {
        level: level.level,
        name: level.name.clone(),
        service: level.probe.service.clone(),
        run: level.probe.run.clone(),
        at: Location { path: shown(&plan.source), line: level.probe.line },
    });
    RestorePlan {
        rto_us: plan.rto.map(micros).unwrap_or_default(),
        rpo_us: micros(restore.rpo),
        load: restore.ledger.load.clone(),
        acknowledged: restore.ledger.acknowledged.text.clone(),
        survivors: format!("in {}: {}", survivors.service, survivors.run.trim()),
        probes: probes.collect(),
        expect: restore.expect,
        backup_max_age_us: restore.backup.as_ref().and_then(|backup| backup.max_age).map(micros),
        production_bytes: restore.production_bytes,
    }
}

/// What makes an incident how severe: what the file of who is on call says, otherwise the defaults.
pub(super) fn definitions(plan: &Plan) -> Vec<SeverityLevel> {
    plan.oncall.as_ref().map_or_else(SeverityLevel::defaults, |oncall| oncall.severities.clone())
}

/// A step as reports know it.
pub(super) fn step_info(step: &Step, source: &Source) -> StepInfo {
    StepInfo {
        id: step.id.clone(),
        phase: step.phase.name().to_string(),
        title: step.title.clone(),
        manual: step.manual.is_some(),
        hash: step.hash.clone(),
        at: Location { path: shown(source), line: step.line },
        end_line: step.end_line,
        helps: helps(step),
        not_run: not_run(step),
        replaced: step.replaced.as_ref().map(|replaced| ReplacedInfo {
            by: Location { path: shown(&replaced.by), line: replaced.line },
            commands: replaced.commands.iter().map(|command| command.text.clone()).collect(),
        }),
    }
}

fn helps(step: &Step) -> Option<bool> {
    let does = effect(step);
    match step.phase {
        _ if step.manual.is_some() => None,
        RunbookPhase::Mitigate | RunbookPhase::Rollback => (does == EffectKind::Looks).then_some(false),
        _ => (does == EffectKind::Changes).then_some(true),
    }
}

/// Why a command is not run, where somebody has decided so.
fn left_out(step: &Step, command: &Command) -> Option<String> {
    let skips = matches!(command.handling, Handling::Skip(_));
    step.settings(command.block).skip.or_else(|| skips.then(|| command.handling.why().to_string()))
}

/// The worst effect of a step's commands, without those that are left out.
fn effect(step: &Step) -> EffectKind {
    let runs = step.commands().iter().filter(|command| left_out(step, command).is_none());
    runs.map(|command| command.effect().kind).max().unwrap_or_default()
}

/// Whether a step does more than look.
pub(super) fn acts(step: &Step) -> bool {
    effect(step) != EffectKind::Looks
}

/// Why nothing is run of a step that is to help but its look.
fn not_run(step: &Step) -> Option<String> {
    let helps = matches!(step.phase, RunbookPhase::Mitigate | RunbookPhase::Rollback | RunbookPhase::Other);
    let (left, runs): (Vec<&Command>, Vec<&Command>) =
        step.commands().iter().partition(|command| left_out(step, command).is_some());
    let looks = !runs.is_empty() && runs.iter().all(|command| matches!(command.handling, Handling::Run(_)));
    let mut more = left.into_iter().filter(|command| command.effect().kind != EffectKind::Looks);
    more.find_map(|command| left_out(step, command)).filter(|_| helps && looks && !acts(step))
}

pub(super) fn file_ref(source: &Source) -> FileRef {
    FileRef { path: shown(source), sha256: sha256_hex(source.text.as_bytes()) }
}

/// The files of a folder of manifests that no link leads out of the project.
fn own_files(folder: &Path, root: &Path) -> impl Iterator<Item = PathBuf> {
    files_below(folder).into_iter().filter(move |path| outside(root, path).is_none())
}

/// Every file of a folder and of those in it, by name; nothing where it is none. Links to folders are not followed.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().filter(|folder| !folder.is_symlink()).flat_map(|folder| files_below(folder)));
    files.sort();
    files
}

/// A file that Compose or kubectl reads for itself; one that is gone meanwhile has no sum, and they say so.
fn stack_file(path: &Path) -> FileRef {
    let content = path.canonicalize().and_then(read_file);
    let sha256 = content.map_or(String::new(), |content| sha256_hex(&content));
    FileRef { path: path.display().to_string(), sha256 }
}

/// What was decided about the commands of a runbook.
pub(super) fn reading_info(runbook: &Runbook) -> Option<ReadingInfo> {
    let accepted = runbook.accepted.as_ref()?;
    let said = accepted.decisions.iter().map(|decision| format!("{} on {}", decision.by, decision.on));
    let mut seen = BTreeSet::new();
    let decided = said.filter(|said| seen.insert(said.clone())).collect();
    Some(ReadingInfo { file: file_ref(&accepted.source), decided })
}

/// The path of a source as it is shown to people.
pub(super) fn shown(source: &Source) -> String {
    source.path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RestoreLevel;
    use crate::spec::{Overrides, load};

    #[test]
    fn no_file_outside_of_a_folder_of_manifests_is_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("app.yaml"), "a: 1").unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero")).unwrap();
        std::os::unix::fs::symlink("app.yaml", dir.path().join("same.yaml")).unwrap();
        let own: Vec<PathBuf> = own_files(dir.path(), dir.path()).collect();
        assert_eq!(own, ["app.yaml", "same.yaml"].map(|name| dir.path().join(name)));
        assert!(own.iter().all(|path| stack_file(path).sha256 == sha256_hex(b"a: 1")));
        assert_eq!(stack_file(Path::new("/dev/zero")).sha256, "");
    }

    /// What a DR drill sets out to show is known before anything is started.
    #[test]
    fn a_dr_drill_is_announced() {
        let dir = tempfile::tempdir().unwrap();
        let scenario = "title: T\nkind: dr\ndescription: >\n  All of\n  it.\nowner: us\nrto: 45s\nrpo: 1500ms\n\
            stack: { file: [compose.yaml, ops.yaml] }\nrunbook: r.md\n\
            load: { l: { request: 'POST http://shop/{{counter}}', rate: 50/s } }\n\
            slis: { ok: { load: l, good: status < 500, objective: 90% } }\nfaults: [ container_kill: { service: shop } ]\n\
            recover: { within: 9s }\nexpect: { verdict: not_recovered, level: L2 }\n\
            ledger: { load: l, survivors: { service: db, run: \"psql\\n\" } }\n\
            restore:\n  readable: { service: ops, run: verify }\n  restored: { service: ops, run: look }\n  \
            replayed: { service: db, run: ask }\n  content:\n    sums: { service: db, run: add }\n";
        for (path, text) in [
            ("compose.yaml", "services: { shop: { image: x } }\n"),
            ("ops.yaml", "services: { shop: { image: y } }\n"),
            ("r.md", "# R\n\n## Mitigation\n\n```bash\nrestore\n```\n"),
            ("s.yaml", scenario),
        ] {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        let (plan, diags) = load(&dir.path().join("s.yaml"), &Overrides::default());
        let plan = plan.unwrap_or_else(|| panic!("{}", crate::source::render(&diags, false)));
        let (options, who) = (DrillOptions::default(), Announcement::default());
        let told = announce(&plan, &options, who.clone());
        assert_eq!((told.description.as_deref(), told.owner.as_deref()), (Some("All of it."), Some("us")));
        let merged: Vec<&str> = told.stack_merged.iter().map(|file| file.sha256.as_str()).collect();
        assert_eq!(merged, [sha256_hex(b"services: { shop: { image: y } }\n")], "a change in it is seen");
        std::fs::create_dir_all(dir.path().join("deploy/base")).unwrap();
        let files = ["b.yaml", "base/c.yaml"].map(|name| dir.path().join("deploy").join(name));
        files.iter().for_each(|file| std::fs::write(file, "x").unwrap());
        assert_eq!(files_below(&dir.path().join("deploy")), files, "all of a folder of manifests");
        assert!(files_below(&files[0]).is_empty());
        let restore = told.restore.unwrap();
        assert_eq!((restore.rto_us, restore.rpo_us, restore.expect), (45_000_000, 1_500_000, RestoreLevel::L2));
        assert_eq!((restore.load.as_str(), restore.acknowledged.as_str()), ("l", "status < 300"));
        assert_eq!(restore.survivors, "in db: psql");
        let probes: Vec<_> =
            restore.probes.iter().map(|p| (p.level.name(), p.name.as_str(), p.run.as_str(), p.at.line)).collect();
        assert_eq!(
            probes,
            [
                ("L1", "readable", "verify", 18),
                ("L2", "restored", "look", 19),
                ("L3", "replayed", "ask", 20),
                ("L4", "sums", "add", 22)
            ]
        );
        assert!(restore.probes[0].at.path.ends_with("s.yaml"));
        let control = announce(&plan, &DrillOptions { control: true, ..options }, who);
        assert_eq!(control.expect, Verdict::Passed);
        assert!(control.restore.is_some(), "a control is a DR drill as well");
    }
}
