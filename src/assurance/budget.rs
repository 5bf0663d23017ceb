//! Error budgets that decide: how much of each is left, and what the team's policy says then (`budget.yaml`; Google SRE workbook,
//! appendix B). Pure functions of what was counted; what is not known is never taken for a budget that is left.

use super::forms::{A_TEXT, filled};
use crate::record::{DrillTime, Phase, Record};
use crate::slis::Ratio;
use crate::source::{A_TIME, At, Diagnostics, Source, TextForm, describe, host_of, parse, parse_time, path_of};
use crate::view::SeenRun;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// The file, at the project's top.
pub const BUDGETS: &str = "budget.yaml";
/// As precisely as the end of a freeze is reckoned.
const PRECISION: Duration = Duration::from_secs(60);

const A_SHARE: TextForm = TextForm::new("a percentage like `25%`", Ratio::shape);

named_enum! {
/// What is to be done when so much of a budget is left.
pub enum BudgetStep {
    /// Tell the team.
    Notify = "notify": "the team is told",
    /// Nothing is released that is not critical.
    FreezeNonCritical = "freeze_non_critical": "deployments that are not critical are frozen",
    /// Nothing is released but what makes it more reliable, and a reliability review is called.
    FreezeAll = "freeze_all": "all deployments are frozen, and a reliability review is called",
    /// The team does reliability work only.
    ReliabilityOnly = "reliability_only": "reliability work only",
}
}

/// What would be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BudgetRelease {
    /// Anything.
    #[default]
    Ordinary,
    /// What cannot wait.
    Critical,
    /// What makes the service more reliable.
    Reliability,
}

impl BudgetStep {
    /// Whether it stops a release.
    pub fn freezes(self, release: BudgetRelease) -> bool {
        match self {
            BudgetStep::Notify => false,
            BudgetStep::FreezeNonCritical => release == BudgetRelease::Ordinary,
            BudgetStep::FreezeAll | BudgetStep::ReliabilityOnly => release != BudgetRelease::Reliability,
        }
    }
}

/// `budget.yaml`, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetPolicy {
    /// At this share of the budget or less: do this. The largest share first.
    pub steps: Vec<(Ratio, BudgetStep)>,
    /// Files of SLOs that a Prometheus is asked about.
    pub slos: Vec<PathBuf>,
    /// Who lifted a freeze, and until when.
    pub overrides: Vec<FreezeOverride>,
}

/// A freeze that somebody has lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeOverride {
    /// The service.
    pub service: String,
    /// Who decided it.
    pub by: String,
    /// Why.
    pub why: String,
    /// Until when it holds.
    pub until: OffsetDateTime,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        let steps = [0.5, 0.25, 0.1, 0.0].into_iter().filter_map(Ratio::new).zip(BudgetStep::ALL);
        BudgetPolicy { steps: steps.collect(), slos: Vec::new(), overrides: Vec::new() }
    }
}

impl BudgetPolicy {
    /// What is to be done when this share is left; `None` while there is enough.
    pub fn step(&self, left: f64) -> Option<BudgetStep> {
        self.steps.iter().filter(|(share, _)| !is_more(left, share.get())).map(|(_, step)| *step).max()
    }

    /// The override of a service that holds at an instant.
    pub fn lifted(&self, service: &str, now: OffsetDateTime) -> Option<&FreezeOverride> {
        self.overrides.iter().find(|lifted| lifted.service == service && now < lifted.until)
    }
}

/// A time in which users of a service were hurt.
#[derive(Debug, Clone, PartialEq)]
pub struct BadTime {
    /// Which incident it was.
    pub id: String,
    /// The service.
    pub service: String,
    /// From when on.
    pub from: OffsetDateTime,
    /// Until when; `None`: it goes on.
    pub to: Option<OffsetDateTime>,
    /// The share of the events that were bad, in 0..=1.
    pub share: f64,
    /// The SLO that it was bad for; `None`: each of the service.
    pub slo: Option<String>,
}

impl BadTime {
    /// What a drill would have spent, had its users been real: each SLI from the fault until they had recovered, on the SLO of its name
    /// of the service that its load calls. Nothing of controls, of drills that exist to fail, and of what says nothing.
    pub fn of_drill(record: &Record, service_of: impl Fn(&str) -> Option<String>) -> Vec<BadTime> {
        let judged = SeenRun::of_drill(record).filter(SeenRun::is_judged).zip(record.injected_us());
        let (Some((drill, injected)), Some(plan)) = (judged, record.plan.as_deref()) else { return Vec::new() };
        let at = |us: DrillTime| drill.at + Duration::from_micros(us.0);
        // Where users never recovered, the share is that of the time until the fault was undone.
        let undone = record.phase_span(Phase::Revert).map(|(begun, _)| begun);
        let to = record.recovered_us().or(undone).unwrap_or(record.last_us);
        let called = |load: &str| {
            let request = &plan.loads.iter().find(|info| info.name == load)?.request;
            service_of(request.split_whitespace().find_map(host_of)?)
        };
        let bad = record.figures().slis.into_iter().filter_map(|sli| {
            let info = plan.slis.iter().find(|info| info.name == sli.sli)?;
            Some(BadTime {
                id: drill.run.clone(),
                service: called(&info.load)?,
                from: at(injected),
                to: Some(at(to)),
                // What is not known is no budget that is left.
                share: sli.during.ratio().map_or(1.0, |ratio| 1.0 - ratio),
                slo: Some(sli.sli),
            })
        });
        bad.collect()
    }
}

/// The budget of one SLO.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetLeft {
    /// The service.
    pub service: String,
    /// The SLO.
    pub slo: String,
    /// Its objective.
    pub objective: Ratio,
    /// What the budget is over.
    pub window: Duration,
    /// The share that is left, below 0 when more was spent than there was; or why that is not known.
    pub left: Result<f64, String>,
    /// What spent it, the largest share first.
    pub spent: Vec<(String, f64)>,
}

impl BudgetLeft {
    /// The budget of an SLO after these times, at an instant.
    pub fn after(
        service: &str,
        slo: &str,
        objective: Ratio,
        window: Duration,
        bad: &[BadTime],
        now: OffsetDateTime,
    ) -> BudgetLeft {
        let whole = window.as_secs_f64() * (1.0 - objective.get());
        let own = bad.iter().filter(|bad| bad.service == service && bad.slo.as_deref().is_none_or(|own| own == slo));
        let spent = own.map(|bad| {
            let (from, to) = (bad.from.max(now - window), bad.to.unwrap_or(now).min(now));
            (bad.id.clone(), (to - from).as_seconds_f64().max(0.0) * bad.share / whole)
        });
        let mut spent: Vec<(String, f64)> = spent.filter(|(_, share)| *share > 0.0).collect();
        spent.sort_by(|a, b| b.1.total_cmp(&a.1));
        let left = match whole > 0.0 {
            true => Ok(1.0 - spent.iter().map(|(_, share)| share).sum::<f64>()),
            false => Err("an objective of 100% leaves no budget".into()),
        };
        BudgetLeft { service: service.into(), slo: slo.into(), objective, window, left, spent }
    }
}

/// Whether more than `share` of a budget is left: a quarter of it is a quarter, whatever the last bit says.
fn is_more(left: f64, share: f64) -> bool {
    left > share + 1e-9
}

/// When more than `share` of a budget is left again if nothing more happens: what lies behind the window no longer counts. `None` while
/// something goes on, and where it is more already.
pub fn regained(budget: &BudgetLeft, bad: &[BadTime], share: f64, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let goes_on = bad.iter().any(|bad| bad.service == budget.service && bad.to.is_none_or(|to| to > now));
    let left = |at| BudgetLeft::after(&budget.service, &budget.slo, budget.objective, budget.window, bad, at).left.ok();
    if goes_on || is_more(left(now)?, share) {
        return None;
    }
    // Nothing new is spent, so that what is left only grows.
    let (mut frozen, mut free) = (now, now + budget.window);
    while free - frozen > PRECISION {
        let middle = frozen + (free - frozen) / 2;
        match is_more(left(middle)?, share) {
            true => free = middle,
            false => frozen = middle,
        }
    }
    Some(free)
}

/// The JSON Schema of the file, draft 2020-12, and what the readers and the documentation do not agree on.
pub fn budget_schema() -> (Value, Vec<String>) {
    let page = ("docs/budgets.md", include_str!("../../docs/budgets.md"));
    describe("Error budget policy, for Firedrill", page, read_root)
}

/// Reads the file; `None` when there were mistakes.
pub fn read_policy(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<BudgetPolicy> {
    let root = parse(source, diags)?;
    read_root(&mut At::root(&root, source, diags))
}

fn read_root(at: &mut At<'_>) -> Option<BudgetPolicy> {
    let mut map = at.map("the budget policy")?.of_section("budget.yaml");
    let steps = map.optional_by("policy", |at| {
        let mut steps =
            at.items("a list of steps", "write it like `- { left: 25%, do: freeze_non_critical }`", read_step);
        at.must_not_be_empty("`policy` is empty: leave it out for the default", "");
        steps.sort_by(|a, b| b.0.get().total_cmp(&a.0.get()));
        Some(steps)
    });
    let slos = map.optional_by("slos", |at| Some(at.items("a list of paths", "", path_of)));
    let overrides = map.optional_by("overrides", |at| Some(at.items("a list of overrides", "", read_override)));
    map.finish()?;
    Some(BudgetPolicy {
        steps: steps.unwrap_or_else(|| BudgetPolicy::default().steps),
        slos: slos.unwrap_or_default(),
        overrides: overrides.unwrap_or_default(),
    })
}

fn read_step(at: &mut At<'_>) -> Option<(Ratio, BudgetStep)> {
    let mut map = at.map("the step")?.of_section("A step");
    let left = map.require_with("left", A_SHARE, Ratio::parse);
    let all = BudgetStep::ALL.map(|step| (step.name(), step));
    let step = map.require_by("do", |at| at.one_of(all, "is nothing that is done"));
    map.finish()?;
    Some((left?, step?))
}

fn read_override(at: &mut At<'_>) -> Option<FreezeOverride> {
    let mut map = at.map("the override")?.of_section("An override");
    let [service, by, why] = ["service", "by", "why"].map(|key| map.require_with(key, A_TEXT, filled));
    let until = map.require_with("until", A_TIME, parse_time);
    map.finish()?;
    Some(FreezeOverride { service: service?, by: by?, why: why?, until: until? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00:00 UTC);
    const HOUR: Duration = Duration::from_secs(3600);

    fn ratio(value: f64) -> Ratio {
        Ratio::new(value).unwrap()
    }

    /// 99% of 100 hours: an hour may be bad.
    fn left(bad: &[BadTime]) -> BudgetLeft {
        BudgetLeft::after("shop", "availability", ratio(0.99), 100 * HOUR, bad, NOW)
    }

    fn bad(id: &str, hours_ago: u32, minutes: u32, share: f64) -> BadTime {
        let from = NOW - HOUR * hours_ago;
        BadTime { id: id.into(), service: "shop".into(), from, to: Some(from + HOUR / 60 * minutes), share, slo: None }
    }

    #[test]
    fn what_was_bad_within_the_window_is_spent() {
        let near = |budget: &BudgetLeft, share: f64| (budget.left.clone().unwrap() - share).abs() < 1e-9;
        assert!(near(&left(&[]), 1.0));
        assert!(near(&left(&[bad("a", 10, 30, 1.0)]), 0.5) && near(&left(&[bad("a", 10, 30, 0.5)]), 0.75));
        assert!(near(&left(&[bad("a", 200, 30, 1.0)]), 1.0), "it is too long ago");
        assert!(near(
            &left(&[bad("a", 100, 0, 1.0), BadTime { from: NOW - HOUR * 101, ..bad("b", 0, 60, 1.0) }]),
            -99.0
        ));
        let open = BadTime { to: None, ..bad("a", 2, 0, 1.0) };
        assert!(near(&left(std::slice::from_ref(&open)), -1.0), "it goes on");
        let other = BadTime { service: "other".into(), ..bad("a", 10, 30, 1.0) };
        assert!(near(&left(&[other]), 1.0));
        let two = left(&[bad("small", 9, 6, 1.0), bad("large", 8, 12, 1.0)]);
        assert_eq!(two.spent.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["large", "small"]);
        assert!(BudgetLeft::after("shop", "x", ratio(1.0), HOUR, &[], NOW).left.is_err());
    }

    #[test]
    fn a_drill_spends_what_its_users_would_have_lost() {
        use crate::record::testing::{Story, record_of};
        let shop = |host: &str| (host == "checkout").then(|| "shop".to_string());
        let record = record_of(Story::Passed);
        let bad = BadTime::of_drill(&record, shop);
        let told: Vec<_> =
            bad.iter().map(|bad| (bad.slo.as_deref().unwrap(), bad.service.as_str(), bad.share)).collect();
        assert_eq!(told, [("availability", "shop", 0.64), ("latency", "shop", 0.64)]);
        assert_eq!(bad[0].to.unwrap() - bad[0].from, time::Duration::milliseconds(4000));
        let now = bad[0].from + HOUR;
        let left = |slo: &str| BudgetLeft::after("shop", slo, ratio(0.99), 100 * HOUR, &bad, now).left.unwrap();
        assert!(
            (left("availability") - (1.0 - 4.0 * 0.64 / 3600.0)).abs() < 1e-9,
            "once, and not for the latency as well"
        );
        assert_eq!(left("other"), 1.0);
        assert_eq!(BadTime::of_drill(&record, |_| None), []);
        let failed = record_of(Story::NotRecovered);
        let (undone, _) = failed.phase_span(Phase::Revert).unwrap();
        let took = undone.since(failed.injected_us().unwrap());
        let bad = BadTime::of_drill(&failed, shop);
        assert!(undone < failed.last_us, "removing the stack hurts nobody");
        assert_eq!(bad[0].to.unwrap() - bad[0].from, took);
        for story in [Story::Control, Story::ExpectedFailure, Story::HarnessError, Story::NoImpact] {
            let spent: f64 = BadTime::of_drill(&record_of(story), shop).iter().map(|bad| bad.share).sum();
            assert_eq!(spent, 0.0, "{story:?}");
        }
    }

    #[test]
    fn what_is_left_exactly_is_no_more_than_that() {
        let bad = [bad("a", 10, 162, 1.0)];
        let budget = BudgetLeft::after("shop", "availability", ratio(0.995), 720 * HOUR, &bad, NOW);
        let left = *budget.left.as_ref().unwrap();
        assert!(left > 0.25, "the last bit of a quarter");
        assert_eq!(BudgetPolicy::default().step(left), Some(BudgetStep::FreezeNonCritical));
        assert!(regained(&budget, &bad, 0.25, NOW).is_some_and(|end| end > NOW + 700 * HOUR));
    }

    #[test]
    fn the_policy_decides_by_what_is_left() {
        let policy = BudgetPolicy::default();
        let steps = [1.0, 0.51, 0.5, 0.26, 0.25, 0.1, 0.01, 0.0, -3.0].map(|left| policy.step(left));
        let [notify, some, all, only] = BudgetStep::ALL.map(Some);
        assert_eq!(steps, [None, None, notify, notify, some, all, all, only, only]);
        let frozen = |release| BudgetStep::ALL.map(|step| step.freezes(release));
        assert_eq!(frozen(BudgetRelease::Ordinary), [false, true, true, true]);
        assert_eq!(frozen(BudgetRelease::Critical), [false, false, true, true]);
        assert_eq!(frozen(BudgetRelease::Reliability), [false; 4]);
    }

    #[test]
    fn a_freeze_ends_when_what_was_bad_lies_behind_the_window() {
        let times = [bad("a", 10, 60, 1.0)];
        let end = regained(&left(&times), &times, 0.25, NOW).unwrap();
        // 25% are left again when a quarter of the hour has gone: it began 10 hours ago, of 100.
        let expected = NOW + HOUR * 90 + HOUR / 4;
        assert!((end - expected).abs() <= PRECISION + PRECISION, "{end} {expected}");
        assert_eq!(regained(&left(&[]), &[], 0.25, NOW), None, "nothing is frozen");
        let open = [BadTime { to: None, ..bad("a", 2, 0, 1.0) }];
        assert_eq!(regained(&left(&open), &open, 0.25, NOW), None, "nobody knows");
    }

    fn read_text(text: &str) -> Result<BudgetPolicy, String> {
        let source = Source::new("ops/budget.yaml", text).of_project(std::env::current_dir().unwrap());
        let mut diags = Diagnostics::default();
        read_policy(&source, &mut diags).ok_or_else(|| diags.all.iter().map(|d| d.message.clone()).collect())
    }

    #[test]
    fn the_file_is_read() {
        let policy = read_text(
            "policy: [{ left: 0%, do: reliability_only }, { left: 20%, do: freeze_all }]\nslos: [slo/shop.yaml]\n\
             overrides: [{ service: shop, by: Ada, why: the fix for INC-41, until: 2026-11-20T13:00:00Z }]\n",
        )
        .unwrap();
        assert_eq!(policy.steps, [(ratio(0.2), BudgetStep::FreezeAll), (ratio(0.0), BudgetStep::ReliabilityOnly)]);
        assert_eq!(policy.slos, [PathBuf::from("ops/slo/shop.yaml")]);
        assert_eq!(policy.lifted("shop", NOW).map(|lifted| lifted.by.as_str()), Some("Ada"));
        assert_eq!(policy.lifted("shop", NOW + 2 * HOUR), None, "it is over");
        assert_eq!(policy.lifted("other", NOW), None);
        assert_eq!(read_text("{}").unwrap(), BudgetPolicy::default());
        for (text, told) in [
            ("policy: []", "`policy` is empty"),
            ("slos: [/etc/hostname]", "is outside of the project"),
            ("policy: [{ left: 20%, do: freeze }]", "is nothing that is done"),
            ("overrides: [{ service: shop, why: x, until: 2026-11-20T13:00:00Z }]", "has no `by`"),
            ("overrides: [{ service: shop, by: a, why: x, until: tomorrow }]", "is no time"),
        ] {
            let why = read_text(text).unwrap_err();
            assert!(why.contains(told), "{text}: {why}");
        }
    }

    #[test]
    fn readers_shapes_and_words_agree() {
        let (schema, gaps) = budget_schema();
        assert_eq!(gaps, Vec::<String>::new(), "docs/budgets.md");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
    }
}
