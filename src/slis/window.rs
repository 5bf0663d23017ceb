//! Windows over slices: the design's definitions of steady, impact, still broken, recovered and held, as pure
//! functions of the slices known so far.
//!
//! # Formulas
//!
//! A window of a load is a run of whole slices (100 ms each, [`SLICE`]); a length is rounded up to whole slices.
//! It is *closed* when every slice of it is known, which means that all of its requests have ended. Over a closed
//! window W an SLI has
//!
//! ```text
//! valid(W) = Σ due(s)    good(W) = Σ good(s)    bad(W) = valid(W) − good(W)      s ∈ W
//! ratio(W) = good(W) / valid(W)                                no data when valid(W) = 0
//! W meets the objective  ⇔  valid(W) > 0 and ratio(W) ≥ objective
//! ```
//!
//! Windows of several loads begin and end at the same instants: a slice belongs to a window when its middle lies in it, as
//! clocks that are compared again move starts by microseconds. Where a window begins with an event (a confirmed fault, a
//! command) only slices that began at it or later count.
//!
//! Slices may arrive in any order, but only the run without a gap from the first one on is looked at: what lies behind
//! a missing slice is not known yet, and never counts as good. Ratios are compared with a tolerance of 10⁻⁹, as
//! 99.9 / 100 and 999 / 1000 are not the same `f64`.

use super::{EventAnswer, Ratio, SLICE, SliSpec};
use crate::record::{DrillTime, NO_DATA, OF_A_PAGE, OF_NO_CONTENT, Slice, micros, percent, status_of};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter::successors;
use std::ops::{Deref, RangeInclusive};
use std::time::Duration;

/// Share of the events of a window above which refusals are too many, where no objective allows more.
const REFUSED: f64 = 0.1;
/// Fewer bad events than these are never an impact.
pub const MIN_BAD: u64 = 5;
/// So many standard deviations from what is usual a count must be to be no chance, in whichever of the many windows of an impact it is.
const BEYOND_CHANCE: f64 = 5.0;
/// Users who are served for so long before the first mitigating command were not helped by it.
pub const SERVED_BEFORE: Duration = Duration::from_secs(1);

const TOLERANCE: f64 = 1e-9;

/// The answer of the slices known so far: `Ok` yes, `Err` no (of an instant still to come: it cannot become yes any
/// more); `None` while a slice that decides is not known yet.
pub type WindowAnswer<Y, N> = Option<Result<Y, N>>;

/// An SLI over one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The SLI.
    pub sli: String,
    /// Its objective.
    pub objective: Ratio,
    /// Start of the window.
    pub from: DrillTime,
    /// End of the window.
    pub to: DrillTime,
    /// Good events.
    pub good: u64,
    /// Valid events.
    pub valid: u64,
    /// How often nobody could say what happened: a query that counts events failed.
    pub unknown: u64,
}

impl Level {
    /// good / valid, or `None` without data.
    pub fn ratio(&self) -> Option<f64> {
        (self.valid > 0).then(|| self.good as f64 / self.valid as f64)
    }

    /// Bad events.
    pub fn bad(&self) -> u64 {
        self.valid.saturating_sub(self.good)
    }

    /// Whether there were fewer than two events a second.
    fn is_sparse(&self) -> bool {
        (self.valid as f64) < 2.0 * self.to.since(self.from).as_secs_f64()
    }

    /// Whether the objective is met; never without data, and not where something of the window is not known.
    pub fn met(&self) -> bool {
        self.unknown == 0 && self.is_good()
    }

    /// Whether the objective is missed only for what is not known of the window.
    pub fn is_unknown(&self) -> bool {
        self.unknown > 0 && self.is_good()
    }

    /// Whether what is known of the window meets the objective.
    fn is_good(&self) -> bool {
        self.ratio().is_some_and(|ratio| ratio + TOLERANCE >= self.objective.get())
    }

    /// Whether there are more bad events than chance makes where those of another window are usual: those of a binomial distribution.
    fn is_beyond_chance(&self, usual: Option<&Level>) -> bool {
        let share = usual.map_or(0.0, |usual| usual.bad() as f64 / usual.valid.max(1) as f64);
        let expected = share * self.valid as f64;
        self.bad() as f64 - expected > BEYOND_CHANCE * (expected * (1.0 - share)).sqrt()
    }

    /// Whether it is so far below a threshold, and by so many bad events, that it may be an impact.
    fn is_impact(&self, below: Ratio) -> bool {
        self.below(below) && self.bad() >= MIN_BAD
    }

    /// Whether the ratio is below a threshold; never without data.
    pub fn below(&self, threshold: Ratio) -> bool {
        self.ratio().is_some_and(|ratio| ratio + TOLERANCE < threshold.get())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ratio) = self.ratio() else {
            return write!(f, "{}: no data, objective {}", self.sli, self.objective);
        };
        let unknown = match self.unknown {
            0 => String::new(),
            times => format!("; {times} times there was no data"),
        };
        let Level { sli, objective, good, valid, .. } = self;
        let ratio = percent(ratio);
        write!(f, "{sli}: {ratio}, objective {objective} ({good} of {valid} events were good{unknown})")
    }
}

/// What must be seen for an impact.
#[derive(Debug, Clone)]
pub struct ImpactQuery {
    /// The SLIs one of which must fall.
    pub slis: Vec<String>,
    /// How far.
    pub size: ImpactSize,
    /// The confirmed injection.
    pub from: DrillTime,
    /// The deadline.
    pub until: DrillTime,
}

/// How the SLIs that were hit stood in the last closed window before the mitigation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StillBroken {
    /// These miss their objective.
    pub broken: Vec<Level>,
    /// These meet it again.
    pub healed: Vec<Level>,
    /// There is no data on these: neither healed nor proof that they are broken.
    pub unknown: Vec<String>,
}

impl StillBroken {
    /// Whether users are known to suffer still: one of the SLIs that were hit misses its objective. An SLI may leave
    /// its trouble to another one (slow answers that become fast errors), so one is enough, and needs data.
    pub fn users_suffer(&self) -> bool {
        !self.broken.is_empty()
    }
}

/// When users had recovered, and the window that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// When the first good answer of the window was complete; of several loads the last one to have one. A request that
    /// waited for the cure and was then answered is no recovery before the cure.
    pub at: DrillTime,
    /// Start of the window: that of its first slice.
    pub from: DrillTime,
    /// End of the window.
    pub to: DrillTime,
}

/// What recovery means in a drill.
#[derive(Debug, Clone, Copy)]
pub struct RecoveryQuery {
    /// Start of the first mitigating command (without a runbook: the confirmed injection). Slices that began before do not count.
    pub from: DrillTime,
    /// `recover.within` from the end of the last mitigating step on (without a runbook: from the confirmed injection).
    pub deadline: DrillTime,
    /// How long every objective must be met: `recover.hold`, or [`HoldRecord::required_us`](crate::record::HoldRecord::required_us).
    pub hold: Duration,
    /// `recover.hold`: within a longer hold every trailing window of this length must meet the objectives, too, so that more time
    /// is not more tolerance.
    pub window: Duration,
    /// End of the runbook, its last step of any phase and what it left running, or when the faults had grown, if that is later;
    /// `None` without either. Users must be served for
    /// the hold from then on as well: what a runbook breaks at its end, or holds up only while it runs, is no recovery.
    pub runbook_ended: Option<DrillTime>,
    /// When the stack was steady: an SLI like `status < 500` counts 404 and 429 as good, but users who are refused what they got then are
    /// not served. `None` where nobody knows.
    pub steady: Option<TimeSpan>,
    /// What would be an impact is no recovery, however long the hold is in which it comes. `None` where users were to notice nothing.
    pub impact: Option<ImpactSize>,
}

/// How much of bad events in how short a time is an impact.
#[derive(Debug, Clone, Copy)]
pub struct ImpactSize {
    /// `impact.below`.
    pub below: Ratio,
    /// `impact.window`: the trailing window.
    pub window: Duration,
    /// When the stack was steady: of an SLI with bad events even then there must be more than chance makes of these. `None` where that has
    /// been asked before.
    pub steady: Option<TimeSpan>,
}

/// The slices of a drill, in the order of their load, with the SLIs over them.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    slis: Vec<SliSpec>,
    loads: BTreeMap<String, Line>,
}

/// One load: running totals over the slices without a gap, and those that wait for an earlier one.
#[derive(Debug, Clone, Default)]
struct Line {
    known: Vec<Total>,
    waiting: BTreeMap<u64, Slice>,
}

/// Of a load that has not reported anything.
static NOTHING: Line = Line { known: Vec::new(), waiting: BTreeMap::new() };

/// An SLI, its place, and what is known of its load.
#[derive(Clone, Copy)]
struct SliLine<'t> {
    sli: &'t SliSpec,
    at: usize,
    line: &'t Line,
}

/// The counts of a slice, and the sums up to it.
#[derive(Debug, Clone)]
struct Total {
    start: DrillTime,
    due: u64,
    good: Vec<u64>,
    first_good: Vec<Option<Duration>>,
    results: BTreeMap<String, u64>,
    /// The longest that a request of it took.
    slowest: Duration,
    /// Of it and all before it: events, those of which nobody could say what happened, and the good ones of each SLI.
    so_far: Vec<u64>,
}

impl Total {
    fn middle(&self) -> DrillTime {
        self.start.plus(SLICE / 2)
    }

    fn answers(&self) -> u64 {
        self.results.values().sum()
    }
}

/// From the begin of these slices to their end; `None` where there are none.
fn span(slices: &[Total]) -> Option<TimeSpan> {
    Some((slices.first()?.start, slices.last()?.start.plus(SLICE)))
}

fn slices(window: Duration) -> usize {
    usize::try_from(window.as_micros().div_ceil(SLICE.as_micros())).unwrap_or(usize::MAX).max(1)
}

/// A status by which a server sends elsewhere; no load follows it.
fn is_redirect(result: &str) -> bool {
    status_of(result).is_some_and(|status| (300..400).contains(&status) && status != 304)
}

/// How often these results were had.
fn sum(results: &[(&str, u64)], of: impl Fn(&str) -> bool) -> u64 {
    results.iter().filter(|(result, _)| of(result)).map(|(_, count)| count).sum()
}

/// Whether hardly any request (less than 1%) had a result, by how often each was had.
fn rare(then: &[(&str, u64)]) -> impl Fn(&str) -> bool + use<> {
    let all = sum(then, |_| true);
    let usual = then.iter().filter(|(_, count)| count * 100 >= all).map(|(result, _)| (*result).to_string());
    let usual: BTreeSet<String> = usual.collect();
    move |result| !usual.contains(result)
}

/// How many of the answers of a kind, so many of all in a window, refuse users what they got: an error where most got none, one that sends
/// elsewhere where most were answered, a page where most got data, or nothing where most got content and hardly anybody nothing. Of a kind
/// that nobody had each does, and where no SLI looks at the load of one that less than 1% had; of another one those beyond its share, once
/// they are more than twice that, and more than chance makes of it. That there was no complete answer only an SLI tells: of a load that none
/// looks at it is an error, too.
fn refusals(then: &[(&str, u64)], objective: Option<f64>) -> impl Fn(&str, u64, u64) -> u64 + use<> {
    let is_error = move |result: &str| status_of(result).map_or(objective.is_none(), |status| status >= 400);
    let most = |of: &dyn Fn(&str) -> bool| sum(then, of) * 2 > sum(then, |_| true);
    let is_served = |result: &str| !is_error(result);
    let is_page = |result: &str| result.ends_with(OF_A_PAGE);
    let is_answered = |result: &str| is_served(result) && !is_redirect(result);
    let is_empty = |result: &str| result.ends_with(OF_NO_CONTENT);
    // Who asks whether there is something new may be told that there is nothing: where most are, nobody is served.
    let is_said = |result: &str| matches!(status_of(result), Some(204 | 205));
    let (was_served, was_answered) = (most(&is_served), most(&is_answered));
    let was_data = most(&|result| is_answered(result) && !is_page(result));
    let was_content = most(&|result| is_answered(result) && !is_empty(result));
    let (is_rare, all_then) = (rare(then), sum(then, |_| true).max(1) as f64);
    // Where less than one in a hundred may be too many, what was rare then is usual as well.
    let usual = then.iter().filter(|(result, _)| objective.is_some() || !is_rare(result));
    let usual: BTreeMap<String, f64> = usual.map(|(result, count)| ((*result).to_string(), *count as f64)).collect();
    move |result, count, all| {
        let refuses = was_served && is_error(result)
            || was_answered && is_redirect(result)
            || was_data && is_page(result)
            || was_content && is_empty(result) && is_rare(result) && (!is_said(result) || count > all / 2);
        let (before, count, all) = (usual.get(result).copied().unwrap_or(0.0), count as f64, all as f64);
        // Of so few events what is usual is only known roughly: by Laplace's rule of succession, with the variance of both counts.
        let (expected, variance) = match objective {
            Some(_) => {
                let expected = (before + 1.0) / (all_then + 1.0) * all;
                (expected, expected * (1.0 + all / all_then))
            }
            None => (before / all_then * all, before / all_then * all),
        };
        // Three standard deviations.
        let beyond = refuses && count - expected > expected.max(3.0 * variance.sqrt());
        if beyond { (count - before / all_then * all).round() as u64 } else { 0 }
    }
}

/// Whether so many of these events are more refusals than the strictest objective of a load allows, and five or more, or more than one in
/// ten: a single answer in a short window is no finding. Only where there is an objective `check` sees to it that the window has enough
/// of them; without one it is one in ten.
fn are_too_many(refused: u64, all: u64, objective: Option<f64>) -> bool {
    let of_all = |share: f64| share * all as f64;
    let allowed = objective.map_or(of_all(REFUSED).max(1.0), |objective| {
        let allowed = of_all(1.0 - objective);
        allowed.max(of_all(REFUSED).min((MIN_BAD - 1) as f64))
    });
    refused as f64 > allowed * (1.0 + TOLERANCE)
}

/// Whether an SLI is about the status of answers; a record has the text of its condition alone.
fn is_of_status(sli: &SliSpec) -> bool {
    sli.good.text.contains("status")
}

/// From one instant until another.
pub type TimeSpan = (DrillTime, DrillTime);

/// From the begin of the first of these windows to the end of the last one.
pub fn span_of(levels: &[Level]) -> TimeSpan {
    let from = levels.iter().map(|level| level.from).min().unwrap_or_default();
    (from, levels.iter().map(|level| level.to).max().unwrap_or_default())
}

/// Answers that users did not get before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswersChanged {
    /// `… 404 × 97 of 100, and it was 201 × 300 of 300`.
    pub text: String,
    /// They are errors of HTTP (any status from 400 on), redirects, pages in the place of data, or nothing in the place of content, of which
    /// there were hardly any or far fewer: users are refused what they got.
    pub refused: bool,
}

impl Timeline {
    /// An empty timeline of these SLIs.
    pub fn new(slis: &[SliSpec]) -> Self {
        Timeline { slis: slis.to_vec(), loads: BTreeMap::new() }
    }

    /// Takes a slice; a slice that is known already changes nothing. Good events of an SLI that the slice does not
    /// name are none.
    pub fn push(&mut self, slice: Slice) {
        let line = self.loads.entry(slice.load.clone()).or_default();
        if slice.index < line.known.len() as u64 {
            return;
        }
        line.waiting.entry(slice.index).or_insert(slice);
        while let Some(next) = line.waiting.remove(&(line.known.len() as u64)) {
            let slis = self.slis.iter();
            let good = slis.clone().map(|sli| next.good.get(&sli.name).copied().unwrap_or(0).min(next.due));
            let good: Vec<u64> = good.collect();
            let first_good = slis.map(|sli| Some(Duration::from_micros(*next.first_good_us.get(&sli.name)?))).collect();
            let (start, due, results) = (next.start_us, next.due, next.results);
            let unknown = results.get(NO_DATA).copied().unwrap_or_default();
            let mut so_far = [&[due, unknown], good.as_slice()].concat();
            let before = line.known.last().into_iter().flat_map(|last| &last.so_far);
            so_far.iter_mut().zip(before).for_each(|(sum, before)| *sum = sum.saturating_add(*before));
            let [.., slowest] = next.latency_us.map(Duration::from_micros);
            line.known.push(Total { start, due, good, first_good, results, slowest, so_far });
        }
    }

    /// Requests due per second of a load, over what is known; 0 where nothing is.
    pub fn requests_per_second(&self, load: &str) -> f64 {
        let known = self.loads.get(load).map(|line| line.known.as_slice()).unwrap_or_default();
        let due = known.iter().map(|slice| slice.due).fold(0, u64::saturating_add);
        due as f64 / (known.len().max(1) as f64 * SLICE.as_secs_f64())
    }

    /// Until when everything is known about a load: the end of its last slice before the first gap.
    pub fn covered_until(&self, load: &str) -> Option<DrillTime> {
        self.loads.get(load)?.covered_until()
    }

    /// The SLIs over the last window of this length that is closed for every load, or a shorter one at the beginning.
    pub fn latest(&self, window: Duration) -> Vec<Level> {
        let Some(closed) = self.closed_until() else { return Vec::new() };
        let begin = |end: usize| end.saturating_sub(slices(window));
        self.sli_lines().filter_map(|of| of.level(begin(of.before(closed)), of.before(closed))).collect()
    }

    /// The first whole window of this length that ends after `since`, or the last one where that is `None`, in which an SLI is below a floor.
    pub fn fell_below(&self, sli: &str, floor: Ratio, window: Duration, since: Option<DrillTime>) -> Option<Level> {
        let of = self.sli_lines().find(|of| of.sli.name == sli)?;
        let last = of.known.len();
        let first = since.map_or(last, |since| of.before(since) + 1);
        let mut levels = (first..=last).filter_map(|end| of.level(end.checked_sub(slices(window))?, end));
        levels.find(|level| level.below(floor))
    }

    /// The SLI with the largest share of bad events over the slices from `from` until `until`, or until everything is known;
    /// and that end.
    pub fn most_hurt(&self, from: DrillTime, until: Option<DrillTime>) -> Option<(Level, DrillTime)> {
        let until = until.or(self.closed_until())?;
        let levels = self.sli_lines().filter_map(|of| of.level(of.before(from), of.before(until)));
        let share = |level: &Level| level.bad() as f64 / level.valid.max(1) as f64;
        // Of equals the first one.
        let worst = levels
            .filter(|level| level.valid > 0)
            .reduce(|worst, other| if share(&other) > share(&worst) { other } else { worst });
        Some((worst?, until))
    }

    /// Until when everything is known about every load that has reported anything and that an SLI looks at.
    pub fn closed_until(&self) -> Option<DrillTime> {
        self.sli_lines().filter_map(|of| of.covered_until()).min()
    }

    /// How the requests ended that were due in a window, the most frequent first: `500 × 97, timeout × 3`. At most three
    /// kinds of answer of each load.
    pub fn answers(&self, (from, to): TimeSpan) -> String {
        let many = self.loads.len() > 1;
        let of_load = self.loads.iter().filter_map(|(load, line)| {
            let results = line.results(from, to);
            let top: Vec<String> =
                results.iter().take(3).map(|(result, count)| format!("{result} × {count}")).collect();
            let load = if many { format!("{load}: ") } else { String::new() };
            (!top.is_empty()).then(|| format!("{load}{}", top.join(", ")))
        });
        of_load.collect::<Vec<_>>().join("; ")
    }

    /// What too many requests of a load are refused in a window, or what most are answered with, although hardly any was in another
    /// one, when the stack was steady. Every load counts: an SLI over another source does not see who no longer reaches it.
    pub fn answered_otherwise(&self, steady: TimeSpan, window: TimeSpan) -> Vec<AnswersChanged> {
        let changed = self.loads.iter().filter_map(|(load, line)| {
            let (then, now) = (line.results(steady.0, steady.1), line.results(window.0, window.1));
            let ((usual, times), (result, _)) = (then.first()?, now.first()?);
            let (all_then, all_now) = (sum(&then, |_| true), sum(&now, |_| true));
            let objective = self.strictest(load);
            let (is_rare, refusals) = (rare(&then), refusals(&then, objective));
            let refused: u64 = now.iter().map(|(result, count)| refusals(result, *count, all_now)).sum();
            let refused = are_too_many(refused, all_now, objective);
            if !(refused || is_rare(result) && sum(&now, |known| known == *result) * 2 > all_now) {
                return None;
            }
            let is_told = |(known, count): &&(&str, u64)| match refused {
                true => refusals(known, *count, all_now) > 0,
                false => known == result,
            };
            let told = now.iter().filter(is_told);
            let told: Vec<String> = told.take(3).map(|(result, count)| format!("{result} × {count}")).collect();
            let text = format!(
                "requests of {load} are answered otherwise than before the faults: {} of {all_now}, and it was {usual} × {times} \
                 of {all_then}",
                told.join(", ")
            );
            Some(AnswersChanged { text, refused })
        });
        changed.collect()
    }

    /// What most requests of a load were answered with in a window, of each load that got errors or was sent elsewhere although its SLIs take an
    /// ordinary answer for good as well.
    pub fn never_served(&self, window: TimeSpan) -> Vec<String> {
        let is_none = |result: &str| is_redirect(result) || status_of(result).is_some_and(|status| status >= 400);
        let ordinary = |sli: &SliSpec| sli.good.judge(Some(EventAnswer::Status(200)), Duration::ZERO);
        let told = self.loads.iter().filter_map(|(load, line)| {
            let results = line.results(window.0, window.1);
            let ((usual, times), all) =
                (results.iter().find(|(result, _)| is_none(result))?, sum(&results, |_| true));
            let is_meant = self.slis.iter().any(|sli| sli.series == *load && !ordinary(sli));
            (sum(&results, is_none) * 2 > all && !is_meant).then(|| {
                format!(
                    "most requests of {load} were answered with an error or a redirect also while nothing was broken ({usual} × {times} of \
                     {all}): check that its path and its SLI are what users need"
                )
            })
        });
        told.collect()
    }

    /// Whether everything is known until then about the loads that no SLI looks at: who is refused there has not been seen before.
    pub fn others_known(&self, until: DrillTime) -> bool {
        self.unknown_loads(until).all(|load| self.strictest(load).is_some())
    }

    /// The loads of which not everything is known until then.
    pub fn unknown_loads(&self, until: DrillTime) -> impl Iterator<Item = &str> {
        let is_unknown = move |(_, line): &(&String, &Line)| line.covered_until().is_none_or(|covered| covered < until);
        self.loads.iter().filter(is_unknown).map(|(load, _)| load.as_str())
    }

    /// The strictest objective of the SLIs of a load about the status of its answers, or of all of them where none is; `None` where no SLI looks at it.
    fn strictest(&self, load: &str) -> Option<f64> {
        self.judging(load).map(|(_, sli)| sli.objective.get()).reduce(f64::max)
    }

    /// The SLIs of a load about the status of its answers, or all of them where none is, each with its place.
    fn judging<'t>(&'t self, load: &'t str) -> impl Iterator<Item = (usize, &'t SliSpec)> {
        let has_status = self.slis.iter().any(|sli| sli.series == load && is_of_status(sli));
        let slis = self.slis.iter().enumerate().filter(move |(_, sli)| sli.series == load);
        slis.filter(move |(_, sli)| !has_status || is_of_status(sli))
    }

    /// What users are refused in a window, where too many of them are refused what they got when the stack was steady.
    pub fn refused(&self, steady: Option<TimeSpan>, window: TimeSpan) -> Option<String> {
        let answers = self.answered_otherwise(steady?, window);
        answers.into_iter().find(|answers| answers.refused).map(|answers| answers.text)
    }

    /// What users are refused in the first such moment of a span, where too many, and no fewer than [`MIN_BAD`], are refused what they got when
    /// the stack was steady over a window of this length: a moment of it is lost among the many answers of a long span.
    pub fn refused_in_a_moment(&self, steady: TimeSpan, span: TimeSpan, window: Duration) -> Option<String> {
        self.refused(Some(steady), self.refused_within(steady, span, window, MIN_BAD)?)
    }

    /// Where too many users, and at least so many, are refused what they got when the stack was steady: the first slice of a span that has
    /// events, or the first window of this length in it.
    fn refused_within(&self, steady: TimeSpan, (from, to): TimeSpan, window: Duration, least: u64) -> Option<TimeSpan> {
        self.loads.iter().find_map(|(load, line)| {
            let (then, objective) = (line.results(steady.0, steady.1), self.strictest(load));
            let refusals = refusals(&then, objective);
            let inside = line.between(from, to);
            let inside = inside.get(inside.iter().position(|slice| slice.answers() > 0)?..)?;
            let kinds: BTreeSet<&String> = inside.iter().flat_map(|slice| slice.results.keys()).collect();
            // A kind that refuses nobody, however many there are, need not be counted.
            let kinds: Vec<&String> = kinds.into_iter().filter(|kind| refusals(kind, u64::MAX, 1) > 0).collect();
            if kinds.is_empty() {
                return None;
            }
            // What the SLIs about the status call bad they judge themselves, over the whole span.
            let judging: Vec<usize> = self.judging(load).map(|(at, _)| at).filter(|_| least > 0).collect();
            let judged = |slice: &Total| {
                let good = judging.iter().filter_map(|at| slice.good.get(*at));
                good.map(|good| slice.due.saturating_sub(*good)).max().unwrap_or(0)
            };
            // Of each slice: how often each kind came, all answers, what is judged.
            let counts = inside.iter().map(|slice| {
                let of_kind = kinds.iter().map(|kind| slice.results.get(*kind).copied().unwrap_or_default());
                of_kind.chain([slice.answers(), judged(slice)]).collect()
            });
            let counts: Vec<Vec<u64>> = counts.collect();
            let too_much = |window: &[Vec<u64>]| {
                let sum = |at: usize| window.iter().filter_map(|counts| counts.get(at)).sum::<u64>();
                let (all, judged) = (sum(kinds.len()), sum(kinds.len() + 1));
                let refused = kinds.iter().enumerate().map(|(at, kind)| refusals(kind, sum(at), all));
                let refused = refused.sum::<u64>().saturating_sub(judged);
                refused >= least && are_too_many(refused, all, objective)
            };
            let length = slices(window).min(counts.len());
            let mut windows = std::iter::once(0..1).chain((length..=counts.len()).map(|end| end - length..end));
            span(inside.get(windows.find(|window| counts.get(window.clone()).is_some_and(too_much))?)?)
        })
    }

    /// **Steady**: every SLI meets its objective over the trailing `window` of slices that began at `since` or later, and that
    /// is closed for every load. `Ok` carries the SLIs over that window, `Err` those that miss; more slices can still turn
    /// `Err` into `Ok`.
    pub fn steady(&self, window: Duration, since: DrillTime) -> WindowAnswer<Vec<Level>, Vec<Level>> {
        Some(all_met(self.levels_until(self.closed_until()?, window, since)?))
    }

    /// The SLIs over the window that ends at `end`, where everything is known until then and all of it began at `since` or later.
    fn levels_until(&self, end: DrillTime, window: Duration, since: DrillTime) -> Option<Vec<Level>> {
        let levels = self.sli_lines().map(|of| {
            let end = of.before(end);
            of.level(end.checked_sub(slices(window)).filter(|begin| *begin >= of.first_from(since))?, end)
        });
        levels.collect()
    }

    /// **Held again**: the first trailing `window` of slices that began at `since` or later, known of every load, also of those that
    /// no SLI looks at, in which every SLI meets its objective and nobody is refused what they got when the stack was `steady`. It is
    /// looked for among all of them: of the last one of the SLIs a slower load may not be known yet. `Err` carries the SLIs over the last
    /// window that is known of every load, or where there is none and they miss, over their own last one; more slices can still turn it into
    /// `Ok`.
    pub fn held_again(
        &self,
        window: Duration,
        since: DrillTime,
        steady: Option<TimeSpan>,
    ) -> WindowAnswer<Vec<Level>, Vec<Level>> {
        let known = self.loads.values().map(Line::covered_until).min().flatten();
        let ends = successors(Some(since.plus(window)), |end| Some(end.plus(SLICE)));
        let mut last = None;
        for end in ends.take_while(|end| Some(*end) <= known) {
            let Some(levels) = self.levels_until(end, window, since) else { continue };
            if levels.iter().all(Level::met) && self.refused(steady, span_of(&levels)).is_none() {
                return Some(Ok(levels));
            }
            last = Some(levels);
        }
        let own = || self.steady(window, since).or_else(|| self.held(since, window));
        last.or_else(|| own()?.is_err().then(|| self.latest(window))).map(Err)
    }

    /// **Impact**: over a trailing `window`, cut off at the injection (only slices that began at `from` or later count),
    /// the ratio is below `below` with at least [`MIN_BAD`] bad events, and more than chance makes of what was bad while `steady`, and that
    /// window ends by `until`.
    /// `Ok` carries the first such window of every SLI that had one, the earliest first; `Err` comes when everything
    /// until the deadline is known.
    pub fn impact(&self, query: &ImpactQuery) -> WindowAnswer<Vec<Level>, ()> {
        let deadline = query.until;
        let ImpactSize { below, window, steady } = query.size;
        let wanted = slices(window);
        let (mut hits, mut open) = (Vec::new(), false);
        for of in self.lines_of(&query.slis) {
            let first = of.first_from(query.from);
            let levels =
                (first + 1..=of.known.len()).map_while(|end| of.level(first.max(end.saturating_sub(wanted)), end));
            let mut in_time = levels.take_while(|level| level.to <= deadline);
            let usual = steady.and_then(|(from, to)| of.level(of.before(from), of.before(to)));
            // What a short window cannot tell from chance the whole time until its end may.
            let whole = |level: &Level| of.level(first, of.before(level.to));
            let is_no_chance = |level: &Level| level.is_beyond_chance(usual.as_ref());
            let hit = in_time.find(|level| {
                level.is_impact(below) && (is_no_chance(level) || whole(level).as_ref().is_some_and(is_no_chance))
            });
            match hit {
                Some(level) => hits.push(level),
                None => open |= of.covered_until().is_none_or(|until| until.plus(SLICE) <= deadline),
            }
        }
        hits.sort_by_key(|hit| hit.to);
        // Requests of another load that were due before may still be under way: which SLI fell first is known once they ended.
        let earliest = hits.first().map(|hit| hit.to);
        let mut covered = self.lines_of(&query.slis).filter_map(|of| of.covered_until());
        let behind = covered.any(|until| Some(until) < earliest);
        if hits.is_empty() { (!open).then_some(Err(())) } else { (!behind).then_some(Ok(hits)) }
    }

    /// **Still broken**, to be asked when the first mitigating command is about to start: the last closed window of
    /// this length, cut off at `since` (the confirmed injection), of each SLI that was hit.
    ///
    /// Only closed slices count, although they end up to one time-out before now: a request that is under way
    /// may still be rescued by the mitigation, and would then testify that nothing was broken.
    pub fn still_broken(&self, hit: &[String], window: Duration, since: DrillTime) -> StillBroken {
        let mut answer = StillBroken::default();
        for of in self.lines_of(hit) {
            match of.latest(window, since).1 {
                Some(level) if level.met() => answer.healed.push(level),
                // What is known does not miss it.
                Some(level) if level.valid == 0 || level.is_good() => answer.unknown.push(of.sli.name.clone()),
                // Where events are rare the window is long, and one that was bad may be long ago: the last one has the word.
                Some(level) if level.is_sparse() && of.last_was_good() => answer.healed.push(level),
                Some(level) => answer.broken.push(level),
                None => answer.unknown.push(of.sli.name.clone()),
            }
        }
        answer
    }

    /// [`Timeline::impact`] of any SLI from the injection until `to`, whether or not it is one that must fall.
    pub fn fell(&self, size: ImpactSize, from: DrillTime, to: DrillTime) -> WindowAnswer<Vec<Level>, ()> {
        let slis = self.slis.iter().map(|sli| sli.name.clone()).collect();
        self.impact(&ImpactQuery { slis, size, from, until: to })
    }

    /// [`Timeline::still_broken`] over a window, once the answer is no chance: where users suffer they do so over a `longer` window as well, and
    /// not of a moment that was over while the window still has it; and
    /// where an SLI is met again, it is met over that one, for longer than ever since `since`, and with so few
    /// bad events as the bad share until then leaves by chance in less than 1 of 1,000 cases (binomial; the share by Laplace's rule).
    ///
    /// A fault of a part of the requests leaves a short window without a bad one now and then.
    pub fn surely_broken(
        &self,
        hit: &[String],
        (window, longer): (Duration, Duration),
        since: DrillTime,
    ) -> Option<StillBroken> {
        let state = self.still_broken(hit, window, since);
        let told = self.lines_of(hit).filter_map(|of| {
            let (begin, level) = of.latest(longer, since);
            let level = level.filter(|level| level.valid > 0)?;
            let suffers = !level.met() && (level.is_sparse() || !of.seems_over(since));
            let is_over = level.is_sparse() || level.met() && of.is_over(since, begin, &level);
            Some((suffers, is_over))
        });
        let told: Vec<(bool, bool)> = told.collect();
        let sure = match state.users_suffer() {
            true => told.iter().any(|(suffers, _)| *suffers),
            false => told.iter().all(|(_, is_over)| *is_over),
        };
        sure.then_some(state)
    }

    /// **Served before** `at`, the first mitigating command, as it is known once every slice before it is: each SLI that was hit had
    /// no bad event for [`SERVED_BEFORE`] or longer just before, for longer than ever since `since` (the confirmed injection), and by so many
    /// events in a row that chance does not make them: (1 − bad share until then)ⁿ < 1/1000, the share by Laplace's rule.
    ///
    /// `still_broken` sees a whole window, of which the end may have been good for long; and while requests hang, later ones that
    /// were answered are not closed. Requests that were under way at `at` a mitigation may have rescued: where they took longer than those
    /// before them, it is `longest` more, the most that a request may take.
    /// What tells at once of the time `told_every` (by the series) before it tells of `at` by the next that it tells.
    /// The answer is from when on all of these SLIs had no bad event.
    pub fn served_before(
        &self,
        hit: &[String],
        since: DrillTime,
        at: DrillTime,
        longest: Duration,
        told_every: impl Fn(&str) -> Duration,
    ) -> Option<DrillTime> {
        let served = self.lines_of(hit).map(|of| {
            let every = told_every(&of.sli.series);
            of.served_before(since, at, longest).or_else(|| of.told_served_before(since, at, every))
        });
        served.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// **Recovered**, for all SLIs or (`only`) for one of them: t is the start of the first slice that began at `from` or
    /// later, has events and no bad one, and from which every objective is met over [t, t + `hold`], without a moment in it that would be an
    /// impact. The time told is the instant at which the first good answer of that window was complete; it must come by the deadline. Where SLIs look
    /// at several loads, the first slice with events from t on must be without a bad event in each of them, and the last load
    /// to have a good answer decides. `Err` comes when every t until the deadline has been looked at, and carries the SLIs over
    /// the last window.
    pub fn recovered(&self, only: Option<&str>, query: &RecoveryQuery) -> WindowAnswer<Recovery, Vec<Level>> {
        let chosen: Vec<SliLine<'_>> =
            self.sli_lines().filter(|of| only.is_none_or(|only| only == of.sli.name)).collect();
        let known = chosen.iter().flat_map(|of| &of.line.known);
        let mut starts: Vec<_> = known.filter(|s| s.due > 0 && s.start >= query.from).map(|s| s.start).collect();
        starts.sort_unstable();
        starts.dedup();
        // A window that shows that users do not recover from t on shows it of every later one until it begins.
        let mut none_until = None;
        for t in starts.into_iter().take_while(|t| *t <= query.deadline) {
            if Some(t) <= none_until {
                continue;
            }
            let recovery = match recovered_at(&chosen, t, query)? {
                Ok(recovery) => recovery,
                Err(bad) => {
                    none_until = Some(bad);
                    continue;
                }
            };
            // Later windows have their first good answer later still.
            if recovery.at > query.deadline {
                return Some(Err(self.latest_of(&chosen, query)));
            }
            // One SLI by itself says nothing of whether users are served.
            if only.is_some() {
                return Some(Ok(recovery));
            }
            let whole = (recovery.from, recovery.to);
            let refused = query.steady.and_then(|steady| self.refused_within(steady, whole, query.window, 0));
            if refused.is_none() {
                return self.others_known(recovery.to).then_some(Ok(recovery));
            }
        }
        // A slice that is not known yet begins where the known ones end; once that is past the deadline no t is left.
        let is_seen = |of: &SliLine<'_>| of.covered_until().is_some_and(|until| until > query.deadline);
        (!chosen.is_empty() && chosen.iter().all(is_seen)).then(|| Err(self.latest_of(&chosen, query)))
    }

    /// This timeline with good events in the place of those of which nobody could say what happened, as many as their source has told of at
    /// once: what users may have had at best. `None` where there is nothing such.
    pub fn at_best(&self) -> Option<Timeline> {
        let is_unknown = |line: &Line| line.known.iter().any(|slice| slice.results.contains_key(NO_DATA));
        if !self.loads.values().any(is_unknown) {
            return None;
        }
        let mut best = self.clone();
        for line in best.loads.values_mut() {
            let most = line.known.iter().map(|slice| slice.due).max().unwrap_or_default().max(1);
            for slice in &mut line.known {
                if let Some(times) = slice.results.get(NO_DATA) {
                    let more = times.saturating_mul(most);
                    slice.good.iter_mut().chain([&mut slice.due]).for_each(|count| *count = count.saturating_add(more));
                    slice.first_good.fill(Some(Duration::ZERO));
                }
                if let [due, unknown, good @ ..] = slice.so_far.as_mut_slice() {
                    let more = std::mem::take(unknown).saturating_mul(most);
                    good.iter_mut().chain([due]).for_each(|sum| *sum = sum.saturating_add(more));
                }
            }
        }
        Some(best)
    }

    /// These SLIs over the last hold; where all of them meet their objective over it, one that fell in it as for an impact.
    fn latest_of(&self, chosen: &[SliLine<'_>], query: &RecoveryQuery) -> Vec<Level> {
        let of = |level: &Level| chosen.iter().any(|of| of.sli.name == level.sli);
        let levels: Vec<Level> = self.latest(query.hold).into_iter().filter(of).collect();
        let felt = levels.iter().all(Level::met).then_some(query.impact).flatten().map(|impact| {
            let felt = |of: &SliLine<'_>| of.first_felt(impact, of.before(span_of(&levels).0)..=of.known.len());
            chosen.iter().filter_map(felt).collect()
        });
        felt.filter(|felt: &Vec<Level>| !felt.is_empty()).unwrap_or(levels)
    }

    /// **Relapse**: the first trailing window of length `window` (`recover.hold`) that ends after `held`, and is over by `until`, in which an SLI
    /// misses its objective, or one that would be an `impact`. `Ok` carries the SLIs that miss in it, `Err` comes when everything until then is known, of every load.
    pub fn relapsed(
        &self,
        held: DrillTime,
        until: DrillTime,
        window: Duration,
        impact: Option<ImpactSize>,
    ) -> WindowAnswer<Vec<Level>, ()> {
        if self.slis.iter().any(|sli| !self.loads.contains_key(&sli.series)) {
            return None;
        }
        let missed = self.sli_lines().filter_map(|of| {
            let ends = of.before(held) + 1..=of.before(until);
            let felt = impact.and_then(|impact| of.first_felt(impact, ends.clone()));
            let missed = of.first_missed(window, ends).filter(|level| felt.is_none() || !level.is_unknown());
            missed.into_iter().chain(felt).min_by_key(|level| level.to)
        });
        let missed: Vec<Level> = missed.collect();
        // Which was the first is known once everything until its end is.
        match (missed.iter().map(|level| level.to).min(), self.closed_until()) {
            (Some(first), Some(closed)) if closed >= first => Some(Ok(missed)),
            (None, Some(closed)) if closed >= until && self.others_known(until) => Some(Err(())),
            _ => None,
        }
    }

    /// **Refused after the recovery**: the first trailing window as [`Timeline::relapsed`] looks at, in which too many users are refused what
    /// they got when the stack was steady: its end, and what they get.
    pub fn refused_after(
        &self,
        steady: Option<TimeSpan>,
        held: DrillTime,
        until: DrillTime,
        window: Duration,
    ) -> Option<(DrillTime, String)> {
        let windows = self.loads.values().flat_map(|line| {
            let ends = line.before(held) + 1..=line.before(until);
            ends.filter_map(|end| span(line.known.get(end.checked_sub(slices(window))?..end)?))
        });
        windows.filter_map(|window| Some((window.1, self.refused(steady, window)?))).min_by_key(|(at, _)| *at)
    }

    /// **Held**: every SLI meets its objective over [from, from + window], from the first slice that began at `from`
    /// or later. Both ways carry the levels, `Err` only those that miss. With `impact: none`, `Err` over
    /// [injection, injection + `impact.within`] means that the promise was *breached*.
    pub fn held(&self, from: DrillTime, window: Duration) -> WindowAnswer<Vec<Level>, Vec<Level>> {
        let end = |begin: usize| begin.saturating_add(slices(window));
        let levels = self.sli_lines().map(|of| of.level(of.first_from(from), end(of.first_from(from))));
        let levels: Vec<Option<Level>> = levels.collect();
        let open = levels.is_empty() || levels.contains(&None);
        let answer = all_met(levels.into_iter().flatten().collect());
        (!open || answer.is_err()).then_some(answer)
    }

    /// **Breached in between**: the SLIs that miss their objective in any whole window of length `window` that begins at `from` or later, and is
    /// over by `until`.
    pub fn breached(&self, from: DrillTime, until: DrillTime, window: Duration) -> Vec<Level> {
        let end = |of: SliLine<'_>| of.first_from(from).saturating_add(slices(window));
        self.sli_lines().filter_map(|of| of.first_missed(window, end(of)..=of.before(until))).collect()
    }

    /// Every SLI with the line of its load.
    fn sli_lines(&self) -> impl Iterator<Item = SliLine<'_>> {
        self.slis.iter().enumerate().map(|(at, sli)| {
            let line = self.loads.get(&sli.series).unwrap_or(&NOTHING);
            SliLine { sli, at, line }
        })
    }

    /// Those of these names.
    fn lines_of<'t>(&'t self, slis: &'t [String]) -> impl Iterator<Item = SliLine<'t>> {
        self.sli_lines().filter(move |of| slis.contains(&of.sli.name))
    }
}

impl Deref for SliLine<'_> {
    type Target = Line;

    fn deref(&self) -> &Line {
        self.line
    }
}

/// [`Timeline::recovered`] of a window that begins here; an error is the begin of what shows that there is none.
fn recovered_at(chosen: &[SliLine<'_>], t: DrillTime, query: &RecoveryQuery) -> WindowAnswer<Recovery, DrillTime> {
    let mut open = false;
    let mut recovery = Recovery { at: t, from: t, to: t };
    for of in chosen {
        let begin = of.before(t);
        let first = of.known.iter().skip(begin).find(|slice| slice.due > 0);
        if first.is_some_and(|first| first.good.get(of.at) != Some(&first.due)) {
            return Some(Err(t));
        }
        open |= first.is_none();
        let at_least = match query.runbook_ended.map(|ended| ended.plus(query.hold)) {
            Some(until) if of.covered_until().is_none_or(|covered| covered < until) => usize::MAX,
            Some(until) => of.before(until),
            None => 0,
        };
        let end = begin.saturating_add(slices(query.hold)).max(at_least);
        let ends = begin.saturating_add(slices(query.window))..=end.min(of.known.len());
        let felt = |impact: ImpactSize| {
            of.first_felt(impact, begin.saturating_add(slices(impact.window))..=end.min(of.known.len()))
        };
        if let Some(bad) = of.first_missed(query.window, ends).or_else(|| felt(query.impact?)) {
            return Some(Err(bad.from));
        }
        match of.level(begin, end) {
            Some(level) if !level.met() => return Some(Err(t)),
            Some(level) => {
                recovery.to = recovery.to.max(level.to);
                recovery.at = recovery.at.max(of.first_good(begin, end).unwrap_or(t));
            }
            None => open = true,
        }
    }
    (!open).then_some(Ok(recovery))
}

/// These, where every SLI meets its objective; otherwise those that miss.
fn all_met(levels: Vec<Level>) -> Result<Vec<Level>, Vec<Level>> {
    let missed: Vec<Level> = levels.iter().filter(|level| !level.met()).cloned().collect();
    if missed.is_empty() { Ok(levels) } else { Err(missed) }
}

/// How an SLI was hit.
struct Hurt {
    /// The first slice with a bad event, and the one behind the last such.
    first: usize,
    behind: usize,
    /// The most slices between them without one.
    longest: usize,
    /// Events between them.
    bad: u64,
    due: u64,
}

impl Hurt {
    /// Whether it was good since for longer than ever in between, and over so many events that chance does not make them.
    fn is_over(&self, served: &[Total]) -> bool {
        let share = self.bad as f64 / (self.due + 1) as f64;
        let due: u64 = served.iter().map(|slice| slice.due).sum();
        served.len() > self.longest && (1.0 - share).powf(due as f64) < 0.001
    }
}

impl SliLine<'_> {
    /// The SLI over the slices `begin..end`, or `None` when not all of them are known or there are none.
    fn level(&self, begin: usize, end: usize) -> Option<Level> {
        let (from, to) = span(self.known.get(begin..end)?)?;
        let until = |end: usize, of: usize| Some(*self.known.get(end.checked_sub(1)?)?.so_far.get(of)?);
        let inside = |of| until(end, of).unwrap_or_default().saturating_sub(until(begin, of).unwrap_or_default());
        let (valid, unknown, good) = (inside(0), inside(1), inside(2 + self.at));
        Some(Level { sli: self.sli.name.clone(), objective: self.sli.objective, from, to, good, valid, unknown })
    }

    /// Where the last window of this length begins, cut off at `since`, and the SLI over it.
    fn latest(&self, window: Duration, since: DrillTime) -> (usize, Option<Level>) {
        let begin = self.known.len().saturating_sub(slices(window)).max(self.first_from(since));
        (begin, self.level(begin, self.known.len()))
    }

    /// The first window of this length with one of these ends in which the SLI misses its objective; one in which it does so only for what is
    /// not known where there is no other.
    fn first_missed(&self, window: Duration, ends: RangeInclusive<usize>) -> Option<Level> {
        let of_end = |end: usize| self.level(end.checked_sub(slices(window))?, end);
        let mut missed = ends.filter_map(of_end).filter(|level| !level.met()).peekable();
        let first = missed.peek().cloned();
        missed.find(|level| !level.is_unknown()).or(first)
    }

    /// The first window with one of these ends that would be an impact.
    fn first_felt(&self, impact: ImpactSize, mut ends: RangeInclusive<usize>) -> Option<Level> {
        let wanted = slices(impact.window);
        let usual = impact.steady.and_then(|(from, to)| self.level(self.before(from), self.before(to)));
        // By Laplace's rule: that none was bad in a short while does not say that none ever is.
        let usual = usual.map(|usual| Level { valid: usual.valid + 1, ..usual });
        ends.find_map(|end| {
            let level = self.level(end.checked_sub(wanted)?, end)?;
            // Of an SLI that need not fall the objective may be below `impact.below`: what it promises is no impact.
            let is_felt = level.below(level.objective) && level.is_impact(impact.below);
            (is_felt && level.is_beyond_chance(usual.as_ref())).then_some(level)
        })
    }

    /// [`Timeline::served_before`] of one SLI; also `None` where it had no bad event since then, or nothing is known of it.
    fn served_before(&self, since: DrillTime, at: DrillTime, longest: Duration) -> Option<DrillTime> {
        let end = self.before(at);
        let hurt = self.hurt(since, end)?;
        let served = self.known.get(hurt.behind..end)?;
        let is_over = |run: &[Total], least: Duration| run.len() >= slices(least) && hurt.is_over(run);
        let ended = |slice: &&Total| slice.start.plus(SLICE + slice.slowest) <= at;
        let (answered, under_way) = served.split_at(served.iter().take_while(ended).count());
        let just_before = answered.get(answered.len().saturating_sub(slices(SERVED_BEFORE))..).unwrap_or_default();
        let slowest = |run: &[Total]| run.iter().map(|slice| slice.slowest).max();
        let none_waited = slowest(under_way) <= slowest(just_before);
        let is_over = is_over(served, SERVED_BEFORE + longest) || none_waited && is_over(answered, SERVED_BEFORE);
        served.first().filter(|_| is_over).map(|first| first.start)
    }

    /// [`SliLine::served_before`] of a source that tells at once of the time `every` before it: the next that it tells is without a bad event.
    fn told_served_before(&self, since: DrillTime, at: DrillTime, every: Duration) -> Option<DrillTime> {
        let end = self.before(at);
        let hurt = self.hurt(since, end)?;
        let next = end + self.known.get(end..)?.iter().position(|slice| slice.due > 0)?;
        let served = self.known.get(hurt.behind..=next)?;
        let told = served.last()?;
        let is_good = !told.results.contains_key(NO_DATA) && told.good.get(self.at) == Some(&told.due);
        let from = DrillTime(told.start.plus(SLICE).0.saturating_sub(micros(every)));
        (!every.is_zero() && is_good && from.plus(SERVED_BEFORE) <= at && hurt.is_over(served)).then_some(from)
    }

    /// Whether a moment of bad events seems to be over: by [`Hurt::is_over`], and by no fewer good events since than an impact has bad ones.
    fn seems_over(&self, since: DrillTime) -> bool {
        let hurt = self.hurt(since, self.known.len());
        let served = hurt.as_ref().and_then(|hurt| self.known.get(hurt.behind..)).unwrap_or_default();
        served.iter().map(|slice| slice.due).sum::<u64>() >= MIN_BAD && hurt.is_some_and(|hurt| hurt.is_over(served))
    }

    /// How an SLI was hit from `since` to the slice `end`; `None` where it had no bad event.
    fn hurt(&self, since: DrillTime, end: usize) -> Option<Hurt> {
        let begin = self.first_from(since);
        let known = self.known.get(begin..end)?;
        let bad = |slice: &Total| slice.due.saturating_sub(slice.good.get(self.at).copied().unwrap_or(0));
        let (first, last) = (known.iter().position(|s| bad(s) > 0)?, known.iter().rposition(|s| bad(s) > 0)?);
        let hurt = known.get(first..=last)?;
        Some(Hurt {
            first: begin + first,
            behind: begin + last + 1,
            longest: hurt.split(|slice| bad(slice) > 0).map(<[Total]>::len).max().unwrap_or_default(),
            bad: hurt.iter().map(bad).sum(),
            due: hurt.iter().map(|slice| slice.due).sum(),
        })
    }

    /// [`Timeline::surely_broken`] of one SLI that is met from this slice on. The time until the first bad event counts as one without.
    fn is_over(&self, since: DrillTime, begin: usize, level: &Level) -> bool {
        let Some(hurt) = self.hurt(since, begin) else { return true };
        let longest = hurt.longest.max(hurt.first - self.first_from(since));
        let served = self.known.len() - if level.bad() == 0 { hurt.behind } else { begin };
        let due: u64 = self.known.iter().take(begin).skip(hurt.first).map(|slice| slice.due).sum();
        let share = hurt.bad as f64 / (due + 1) as f64;
        let mut term = (1.0 - share).powf(level.valid as f64);
        let mut by_chance = term;
        for k in 0..level.bad() {
            term *= (level.valid - k) as f64 / (k + 1) as f64 * share / (1.0 - share);
            by_chance += term;
        }
        by_chance < 0.001 && served > longest
    }

    /// Whether every event of the last slice that has any was good.
    fn last_was_good(&self) -> bool {
        let last = self.known.iter().rev().find(|slice| slice.due > 0);
        last.is_some_and(|slice| slice.good.get(self.at) == Some(&slice.due))
    }

    /// When the earliest good event of the slices `begin..end` was complete.
    fn first_good(&self, begin: usize, end: usize) -> Option<DrillTime> {
        let inside = self.known.get(begin..end)?.iter();
        inside.filter_map(|slice| Some(slice.start.plus((*slice.first_good.get(self.at)?)?))).min()
    }
}

impl Line {
    fn covered_until(&self) -> Option<DrillTime> {
        self.known.last().map(|last| last.start.plus(SLICE))
    }

    /// How the requests ended that were due from an instant to another, the most frequent first.
    fn results(&self, from: DrillTime, to: DrillTime) -> Vec<(&str, u64)> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (result, count) in self.between(from, to).iter().flat_map(|slice| &slice.results) {
            *sums.entry(result).or_default() += count;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sums
    }

    /// The slices whose middle lies in it.
    fn between(&self, from: DrillTime, to: DrillTime) -> &[Total] {
        self.known.get(self.before(from)..self.before(to)).unwrap_or_default()
    }

    /// The number of the first slice that began at `from` or later; one past the last when there is none yet.
    fn first_from(&self, from: DrillTime) -> usize {
        self.known.partition_point(|slice| slice.start < from)
    }

    /// How many slices have their middle before `to`.
    fn before(&self, to: DrillTime) -> usize {
        self.known.partition_point(|slice| slice.middle() < to)
    }
}

#[cfg(test)]
mod tests;
