//! What changed between two runs: verdict, figures, steps by hash, files, images, inputs. A pure function of two runs.

use super::run::{Detail, IndexedRun, StepRun};
use crate::record::StepStatus;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A value on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sides<T> {
    /// What it is.
    pub what: String,
    /// In the first run.
    pub from: T,
    /// In the second run.
    pub to: T,
}

/// What became of a step from one run to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepChange {
    /// Its content is another one under the same id.
    Changed,
    /// The same content under another id: another title or phase.
    Renamed,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// A step that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepDiff {
    /// Its id in the second run, where it is there, otherwise in the first.
    pub step: String,
    /// What became of its content; `None` where it only stands elsewhere.
    pub change: Option<StepChange>,
    /// Whether it stands elsewhere among the steps that both have.
    pub moved: bool,
    /// Its id in the first run, where that was another one.
    pub was: Option<String>,
}

/// What changed between two runs. Empty lists and `None` are what is the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// The first run.
    pub from: IndexedRun,
    /// The second run.
    pub to: IndexedRun,
    /// What every run measures, on both sides, the same or not; durations in microseconds.
    pub figures: Vec<Sides<Option<u64>>>,
    /// What the steps took that both have and whose content is the same; microseconds.
    pub took: Vec<Sides<Option<u64>>>,
    /// How steps ended that both have, where that differs.
    pub status: Vec<Sides<String>>,
    /// Steps that are not as they were, in the order of the second run, those that are gone at the end.
    pub steps: Vec<StepDiff>,
    /// Files whose content is another one: `runbook`, `scenario`, `stack`; SHA-256, empty where there is none.
    pub files: Vec<Sides<String>>,
    /// Images by service; empty where the service was not there.
    pub images: Vec<Sides<String>>,
    /// Whether one of the runs had no stack, so that images cannot be compared.
    pub images_unknown: bool,
    /// Inputs; `None` where it had no value.
    pub vars: Vec<Sides<Option<String>>>,
    /// What else a drill is: its scenario's name, whether it is a control, what it expects, faults, tool, revision, and where the
    /// files are.
    pub facts: Vec<Sides<String>>,
}

impl Diff {
    /// From one run to another.
    pub fn of(from: (IndexedRun, Detail), to: (IndexedRun, Detail)) -> Diff {
        let ((a, from), (b, to)) = (from, to);
        let figure =
            |what: &str, of: fn(&IndexedRun) -> Option<u64>| Sides { what: what.into(), from: of(&a), to: of(&b) };
        let (steps, both) = steps(&from.steps, &to.steps);
        let step_sides = || both.iter().filter_map(|(x, y)| Some((from.steps.get(*x)?, to.steps.get(*y)?)));
        let took = step_sides().filter(|(x, y)| x.hash == y.hash && (x.took_us.is_some() || y.took_us.is_some()));
        let status = |step: &StepRun| step.status.map_or("not reached", StepStatus::name).to_string();
        let faults = |detail: &Detail| {
            let of = |fault: &super::run::FaultRun| match fault.services.as_slice() {
                [] => fault.kind.clone(),
                services => format!("{} on {}", fault.kind, services.join(", ")),
            };
            detail.faults.iter().map(of).collect::<Vec<_>>().join("; ")
        };
        // A record of before services were known says less, and not something else.
        let told = |detail: &Detail| detail.faults.iter().any(|fault| !fault.services.is_empty());
        let kinds = |detail: &Detail| detail.faults.iter().map(|f| f.kind.as_str()).collect::<Vec<_>>().join("; ");
        let (faults_a, faults_b) =
            if told(&from) == told(&to) { (faults(&from), faults(&to)) } else { (kinds(&from), kinds(&to)) };
        let images_unknown = from.images.is_empty() || to.images.is_empty();
        let path = |path: Option<String>| path.unwrap_or_default();
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_string();
        Diff {
            figures: vec![
                figure("impact", |run| run.to_impact_us),
                figure("detect", |run| run.to_detect_us),
                figure("mitigate", |run| run.to_mitigation_us),
                figure("recover", |run| run.to_recover_us),
                figure("mitigate to recover", |run| run.mitigation_to_recover_us),
                figure("whole drill", |run| Some(run.total_us)),
            ],
            took: took.map(|(x, y)| Sides { what: y.id.clone(), from: x.took_us, to: y.took_us }).collect(),
            status: step_sides()
                .map(|(x, y)| Sides { what: y.id.clone(), from: status(x), to: status(y) })
                .filter(Sides::differs)
                .collect(),
            steps,
            files: differing([
                ("runbook", a.runbook_sha.clone().unwrap_or_default(), b.runbook_sha.clone().unwrap_or_default()),
                ("scenario", a.scenario_sha.clone(), b.scenario_sha.clone()),
                ("stack", a.stack_sha.clone(), b.stack_sha.clone()),
            ]),
            images: if images_unknown {
                Vec::new()
            } else {
                let text = |image: Option<&String>| image.cloned().unwrap_or_default();
                maps(&from.images, &to.images, text)
            },
            images_unknown,
            vars: maps(&from.vars, &to.vars, |value| value.cloned()),
            facts: differing([
                ("scenario name", a.scenario.clone(), b.scenario.clone()),
                ("control", yes(a.control), yes(b.control)),
                ("expected verdict", a.expect.name().into(), b.expect.name().into()),
                ("faults", faults_a, faults_b),
                ("tool version", a.tool_version.clone(), b.tool_version.clone()),
                ("runbook file", path(from.runbook_path), path(to.runbook_path)),
                ("scenario file", from.scenario_path, to.scenario_path),
                ("stack file", from.stack_path, to.stack_path),
                ("revision", a.revision.clone().unwrap_or_default(), b.revision.clone().unwrap_or_default()),
            ]),
            from: a,
            to: b,
        }
    }

    /// Whether runbook, scenario, stack, images, inputs and tool are the same: then a different verdict is flaky.
    pub fn same_inputs(&self) -> bool {
        // The same content elsewhere, or in another commit, is the same.
        let of_the_drill = |side: &Sides<String>| side.what != "revision" && !side.what.ends_with(" file");
        let files = self.files.is_empty() && self.images.is_empty() && !self.images_unknown && self.vars.is_empty();
        files && !self.facts.iter().any(of_the_drill)
    }
}

impl<T: PartialEq> Sides<T> {
    fn differs(&self) -> bool {
        self.from != self.to
    }
}

fn differing<const N: usize>(all: [(&str, String, String); N]) -> Vec<Sides<String>> {
    all.into_iter().map(|(what, from, to)| Sides { what: what.into(), from, to }).filter(Sides::differs).collect()
}

fn maps<T: PartialEq>(
    from: &BTreeMap<String, String>,
    to: &BTreeMap<String, String>,
    value: impl Fn(Option<&String>) -> T,
) -> Vec<Sides<T>> {
    let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let sides =
        keys.into_iter().map(|key| Sides { what: key.clone(), from: value(from.get(key)), to: value(to.get(key)) });
    sides.filter(Sides::differs).collect()
}

/// Steps belong together by id, and what is left by content. Returns what changed, and the places (in `from`, in `to`) of
/// the steps that both have.
fn steps(from: &[StepRun], to: &[StepRun]) -> (Vec<StepDiff>, Vec<(usize, usize)>) {
    let mut partner: Vec<Option<usize>> =
        to.iter().map(|step| from.iter().position(|other| other.id == step.id)).collect();
    let mut taken: BTreeSet<usize> = partner.iter().flatten().copied().collect();
    for (step, partner) in to.iter().zip(partner.iter_mut()).filter(|(_, partner)| partner.is_none()) {
        let alike = from.iter().enumerate().find(|(at, other)| other.hash == step.hash && !taken.contains(at));
        if let Some((at, _)) = alike {
            taken.insert(at);
            *partner = Some(at);
        }
    }
    let both: Vec<(usize, usize)> = partner.iter().enumerate().filter_map(|(to, from)| Some(((*from)?, to))).collect();
    let stayed = longest_rise(&both.iter().map(|(from, _)| *from).collect::<Vec<_>>());
    let mut changes = Vec::new();
    for (step, partner) in to.iter().zip(&partner) {
        let before = partner.and_then(|at| from.get(at));
        let change = match before {
            None => Some(StepChange::Added),
            Some(before) if before.id != step.id => Some(StepChange::Renamed),
            Some(before) if before.hash != step.hash => Some(StepChange::Changed),
            Some(_) => None,
        };
        let moved = partner.is_some_and(|at| !stayed.contains(&at));
        if change.is_some() || moved {
            let was = before.map(|before| before.id.clone()).filter(|id| *id != step.id);
            changes.push(StepDiff { step: step.id.clone(), change, moved, was });
        }
    }
    let gone = from.iter().enumerate().filter(|(at, _)| !taken.contains(at));
    changes.extend(gone.map(|(_, step)| StepDiff {
        step: step.id.clone(),
        change: Some(StepChange::Removed),
        moved: false,
        was: None,
    }));
    (changes, both)
}

/// The members of a longest rising part of a list: what stands in the same order still. Runbooks are short, so every pair
/// may be looked at.
fn longest_rise(list: &[usize]) -> BTreeSet<usize> {
    let mut best: Vec<Vec<usize>> = Vec::new();
    for (at, value) in list.iter().enumerate() {
        let before = best.iter().take(at).filter(|rise| rise.last().is_some_and(|last| last < value));
        let mut rise = before.max_by_key(|rise| rise.len()).cloned().unwrap_or_default();
        rise.push(*value);
        best.push(rise);
    }
    best.into_iter().max_by_key(Vec::len).unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use proptest::prelude::*;

    fn list(steps: &[(&str, &str)]) -> Vec<StepRun> {
        let step =
            |(id, hash): &(&str, &str)| StepRun { id: (*id).into(), hash: (*hash).into(), status: None, took_us: None };
        steps.iter().map(step).collect()
    }

    fn changed(from: &[(&str, &str)], to: &[(&str, &str)]) -> Vec<String> {
        let tell = |order: &StepDiff| {
            let moved = if order.moved { " moved" } else { "" };
            format!("{} {:?}{moved}", order.step, order.change)
        };
        steps(&list(from), &list(to)).0.iter().map(tell).collect()
    }

    #[test]
    fn steps_belong_together_by_id_and_then_by_content() {
        let from = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
        assert!(changed(&from, &from).is_empty());
        assert_eq!(changed(&from, &[("a", "1"), ("b", "9"), ("c", "3"), ("d", "4")]), ["b Some(Changed)"]);
        assert_eq!(changed(&from, &[("a", "1"), ("c", "3"), ("d", "4")]), ["b Some(Removed)"]);
        assert_eq!(changed(&from, &[("a", "1"), ("x", "2"), ("c", "3"), ("d", "4")]), ["x Some(Renamed)"]);
        assert_eq!(changed(&from, &[("d", "4"), ("a", "1"), ("b", "2"), ("c", "3")]), ["d None moved"]);
        assert_eq!(changed(&[], &[("a", "1")]), ["a Some(Added)"]);
    }

    #[test]
    fn the_same_run_has_no_changes() {
        let detail = Detail {
            images: BTreeMap::from([("db".to_string(), "1".to_string())]),
            steps: list(&[("a", "1")]),
            ..Detail::default()
        };
        let diff = Diff::of((run("a", 1), detail.clone()), (run("a", 1), detail.clone()));
        assert!(diff.same_inputs() && diff.steps.is_empty() && diff.facts.is_empty(), "{diff:?}");
        let other = Detail { images: BTreeMap::from([("db".to_string(), "2".to_string())]), ..detail.clone() };
        let diff = Diff::of((run("a", 1), detail.clone()), (run("a", 1), other));
        assert_eq!(diff.images.len(), 1);
        assert!(!diff.same_inputs());
        let unknown = Detail { images: BTreeMap::new(), ..detail.clone() };
        let diff = Diff::of((run("a", 1), detail), (run("a", 1), unknown));
        assert!(diff.images.is_empty() && diff.images_unknown && !diff.same_inputs());
    }

    proptest! {
        /// Every step is told about once, and what both have in the same order is never told to have moved.
        #[test]
        fn every_step_is_accounted_for(from in prop::collection::btree_set("[a-f]", 0..6), to in prop::collection::vec("[a-f]", 0..6)) {
            let mut seen = BTreeSet::new();
            let to: Vec<String> = to.into_iter().filter(|id| seen.insert(id.clone())).collect();
            let step = |id: &String| StepRun { id: id.clone(), hash: id.clone(), status: None, took_us: None };
            let (from, to): (Vec<_>, Vec<_>) = (from.iter().map(step).collect(), to.iter().map(step).collect());
            let (changes, both) = steps(&from, &to);
            let count = |change| changes.iter().filter(|order| order.change == Some(change)).count();
            prop_assert_eq!(both.len() + count(StepChange::Added), to.len());
            prop_assert_eq!(both.len() + count(StepChange::Removed), from.len());
            prop_assert!(steps(&from, &from).0.is_empty());
        }
    }
}
