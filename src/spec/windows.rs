//! Durations of a scenario, and whether its windows can tell anything: a window in which one bad event alone breaks the
//! objective is a mistake of the scenario, not of the stack.

use super::{Plan, StopWhen};
use crate::agent::source::SliSource;
use crate::load::SLICE;
use crate::slis::{Comparison, Ratio, SliSpec, Term};
pub use crate::source::Show;
use crate::source::{At, Diagnostic, Diagnostics};
use std::sync::Arc;
use std::time::Duration;

/// Longest window and longest deadline that a scenario may ask for.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// Bad events that an impact needs, as the definition of impact has it; fewer events than these show nothing.
const IMPACT_EVENTS: f64 = 5.0;

/// Reads a window: a multiple of a slice.
pub fn window(at: &mut At<'_>) -> Option<Duration> {
    let duration = at.within(LONGEST)?;
    if duration.as_nanos() % SLICE.as_nanos() != 0 {
        return at.fail(format!("`{}` must be a multiple of {}, the resolution of a record", at.key, Show(SLICE)));
    }
    Some(duration)
}

/// The smallest window over which one bad event does not break the objective: rate × window ≥ 1 / (1 − objective), rounded
/// up to a slice. `None` when there is no such window, as the objective allows no bad event at all.
pub fn smallest_window(rate: f64, objective: Ratio) -> Option<Duration> {
    let events = events_needed(objective)?;
    let slices = (events / rate / SLICE.as_secs_f64() * (1.0 - ROUNDING)).ceil().max(1.0);
    // A rate of one per hour and five nines give 10^10 slices, which still fits.
    (slices < 1e12).then(|| Duration::from_millis(slices as u64 * 100))
}

/// Percentages have no exact binary fraction: 1 / (1 − 0.995) is a little less or more than 200.
const ROUNDING: f64 = 1e-9;

fn events_needed(objective: Ratio) -> Option<f64> {
    Some(1.0 - objective.get()).filter(|budget| *budget > ROUNDING).map(f64::recip)
}

/// So many seconds, rounded up to whole slices.
fn whole_slices(seconds: f64) -> Duration {
    let slices = (seconds / SLICE.as_secs_f64() * (1.0 - ROUNDING)).ceil();
    Duration::from_secs_f64((slices * SLICE.as_secs_f64()).min(1e9))
}

/// Whether one bad event alone breaks the objective over this window: rate × window < 1 / (1 − objective).
pub fn too_short(window: Duration, rate: f64, objective: Ratio) -> bool {
    let events = rate * window.as_secs_f64();
    events_needed(objective).is_none_or(|needed| events < needed * (1.0 - ROUNDING))
}

impl Plan {
    /// How long every SLI must hold after the revert: `revert.hold`, and so long that one bad event alone breaks the objective of none, that at
    /// least five events of each are due, and that a telling of what comes from time to time lies within it. Any good window of so long will do,
    /// and a few events are good by chance.
    pub(super) fn hold_after_revert(&self, written: Duration) -> Duration {
        let needed = self.slis.iter().filter_map(|sli| {
            let events = events_needed(sli.objective)?.max(IMPACT_EVENTS);
            let source = self.source_of(sli)?;
            Some(whole_slices(events / source.rate).max(source.interval.saturating_mul(2)))
        });
        needed.fold(written, Duration::max)
    }

    /// How long every SLI must hold after the revert in all: what stays good for a while, whatever the rate of the loads, must miss its
    /// objective in it where nothing new comes after the undo. Unless users were to notice nothing, or that takes more than an hour: then
    /// nobody waits for it.
    pub fn held_after_revert(&self) -> Duration {
        let stale = self.slis.iter().filter(|_| !self.impact.none).filter_map(|sli| {
            let source = self.source_of(sli).filter(|source| !source.stays_good.is_zero())?;
            let old = (source.stays_good + source.longest).as_secs_f64() + 2.0 / source.rate;
            Some(whole_slices(old / sli.objective.get())).filter(|stale| *stale <= LONGEST)
        });
        stale.fold(self.revert_hold, Duration::max)
    }

    /// How long after the last new thing SLIs surely show that nothing new comes any more, of those whose events stay good for a while: until
    /// a trailing window of `recover.hold` has one bad event more than the objective allows. Zero without such SLIs.
    pub fn shown_after(&self) -> Duration {
        let shown = self.slis.iter().filter_map(|sli| {
            let source = self.source_of(sli).filter(|source| !source.stays_good.is_zero())?;
            let allowed = self.recover_hold.mul_f64(1.0 - sli.objective.get());
            // Its first good answer may have been asked for so much earlier.
            let after = source.stays_good + source.longest + allowed;
            Some(whole_slices(after.as_secs_f64() + 1.0 / source.rate))
        });
        shown.max().unwrap_or_default()
    }

    /// Where the events of an SLI come from.
    fn source_of(&self, sli: &SliSpec) -> Option<Arc<SliSource>> {
        self.sources().find(|source| source.series == sli.series)
    }
}

/// The longest latency that is good.
pub(super) fn slowest(sli: &SliSpec) -> Option<Duration> {
    let bound = |term: &Term| match term {
        Term::Latency(Comparison::Less | Comparison::LessOrEqual, most) => Some(*most),
        _ => None,
    };
    sli.good.terms.iter().filter_map(bound).min()
}

/// A window with the keys by which a scenario says it.
type KeyedWindow = (&'static str, &'static str, Duration);

/// What stands for a window that could not be read: no check finds it too short.
pub const UNREAD: Duration = Duration::from_secs(1_000_000_000);

impl Plan {
    /// Checks its windows against its loads and objectives; what is found is told with its place and a remedy.
    pub(super) fn check_windows(&self, diags: &mut Diagnostics) {
        self.check_return(diags);
        if self.revert_hold > LONGEST {
            let hold = Show(self.revert_hold);
            let message = format!("users would have to be served for {hold} after the revert: so rare are events");
            self.mistake(diags, "slis", "", message).help("a higher rate, or another objective for the drill");
        }
        let judged = match self.impact.none {
            true => ("impact", "within", self.impact.within),
            false => ("recover", "hold", self.recover_hold),
        };
        for sli in &self.slis {
            let Some(source) = self.source_of(sli) else { continue };
            self.check_age(sli, source.stays_good, diags);
            self.check_stop(sli, source.rate, diags);
            self.check_slowest(sli, source.longest, diags);
            for window in [("steady", "for", self.steady_for), judged] {
                self.check_interval(window, sli, source.interval, diags);
                self.check_length(window, sli, source.rate, diags);
            }
            if !self.impact.none && self.impact.breaches.contains(&sli.name) {
                self.check_interval(("impact", "window", self.impact.window), sli, source.interval, diags);
                self.check_impact(sli, source.rate, diags);
            }
        }
    }

    /// Notes a mistake about a key of the scenario and a key within it.
    fn mistake<'d>(&self, diags: &'d mut Diagnostics, outer: &str, inner: &str, message: String) -> &'d mut Diagnostic {
        diags.error(&self.source, self.near(outer, inner), message)
    }

    /// Of a source that tells of its events from time to time, a shorter window may hold none.
    fn check_interval(&self, of: KeyedWindow, sli: &SliSpec, interval: Duration, diags: &mut Diagnostics) {
        let (outer, inner, window) = of;
        // A telling is of the time since the one before it, and what happens after the last one in the window is never judged.
        let least = if inner == "hold" { interval.saturating_mul(2) } else { interval };
        if window < least {
            let (name, every, window) = (&sli.name, Show(interval), Show(window));
            let message = format!("`{outer}.{inner}` is {window}, too short for `{name}`, which is told every {every}");
            self.mistake(diags, outer, inner, message).help(format!("at least {}", Show(least)));
        }
    }

    /// What is slower than the time-out is bad, whatever the condition says.
    fn check_slowest(&self, sli: &SliSpec, longest: Duration, diags: &mut Diagnostics) {
        let Some(most) = slowest(sli).filter(|most| *most > longest) else { return };
        let (name, longest, most) = (&sli.name, Show(longest), Show(most));
        let message = format!("`{name}` takes answers of up to {most} for good, and the load's `timeout` is {longest}");
        let help = format!("give the load `timeout: {most}`");
        diags.warning(&self.source, self.near("slis", name), message).help(help);
    }

    /// What may be so old is good for so long after its source has died. A recovery is held for longer than that, of which there is a limit, and
    /// users who are to notice nothing are watched for as long as the scenario says.
    fn check_age(&self, sli: &SliSpec, most: Duration, diags: &mut Diagnostics) {
        let (name, stays_good, impact) = (&sli.name, Show(most), &self.impact);
        let good = format!("`{name}` stays good for {stays_good} after the last new one");
        if impact.none && impact.within < most {
            let message = format!("`impact.within` is {}, and {good}: its end would not be seen", Show(impact.within));
            let help = format!("at least {stays_good}, or a smaller `within` of `{name}` for the drill");
            diags.warning(&self.source, self.near("impact", "within"), message).help(help);
        } else if !impact.none && most > LONGEST {
            let help = format!("a `within` of at most {} for the drill", Show(LONGEST));
            let message = format!("{good}, and users would have to be served for longer than that");
            self.mistake(diags, "slis", name, message).help(help);
        }
    }

    /// A floor under which one bad event or two fall stops drills for nothing.
    fn check_stop(&self, sli: &SliSpec, rate: f64, diags: &mut Diagnostics) {
        for condition in &self.stop_when {
            let StopWhen::Below { sli: name, window, .. } = &condition.what else { continue };
            if *name == sli.name && rate * window.as_secs_f64() < IMPACT_EVENTS * (1.0 - ROUNDING) {
                let window = Show(*window);
                let message = format!("`stop_when`: {window} hold fewer than five events of `{name}` at {rate}/s");
                let smallest = Show(Duration::from_secs_f64((IMPACT_EVENTS / rate).min(1e9).ceil()));
                diags.error(&self.source, condition.span, message).help(format!("`for: {smallest}` or longer"));
            }
        }
    }

    /// A fault that comes back must have done so, and been felt, before users count as recovered: otherwise the drill
    /// passes in the gap that every half-hearted mitigation makes.
    fn check_return(&self, diags: &mut Diagnostics) {
        let Some((fault, after)) = self.returning() else { return };
        let (hold, needed) = (self.recover_hold, after.saturating_add(self.impact.window));
        // What could not be read has no window.
        if self.impact.none || self.impact.window.is_zero() || hold >= needed {
            return;
        }
        let message = format!("`recover.hold` is {}: `{fault}` may take {} to come back", Show(hold), Show(after));
        let least = Show(whole_slices(needed.as_secs_f64()));
        self.mistake(diags, "recover", "hold", message)
            .help(format!("at least {least}: its return, and one `impact.window` to be felt"));
    }

    fn check_length(&self, (outer, inner, window): KeyedWindow, sli: &SliSpec, rate: f64, diags: &mut Diagnostics) {
        // That an objective of 100% leaves no budget was told where it stands.
        let Some(smallest) = smallest_window(rate, sli.objective) else { return };
        if too_short(window, rate, sli.objective) {
            let events = (rate * window.as_secs_f64()).floor();
            let (name, objective) = (&sli.name, sli.objective);
            let message = format!("`{outer}.{inner}` is too short for `{name}`: 1 bad of {events} breaks {objective}");
            let help = format!("at least {} at {}/s, or a higher rate", Show(smallest), rate);
            self.mistake(diags, outer, inner, message).help(help);
        }
    }

    fn check_impact(&self, sli: &SliSpec, rate: f64, diags: &mut Diagnostics) {
        let impact = &self.impact;
        // Five bad events must fit into the window, of this SLI or of another one that will do.
        let shows = |rate: f64| rate * impact.window.as_secs_f64() >= IMPACT_EVENTS * (1.0 - ROUNDING);
        // Where the scenario does not name those that must fall, any will do.
        let names_them = self.root.get(&["impact", "breaches"]).is_some();
        let mut others = self.slis.iter().filter(|_| !names_them).filter_map(|sli| self.source_of(sli));
        if !shows(rate) && !others.any(|one| shows(one.rate)) {
            let smallest = Show(whole_slices(IMPACT_EVENTS / rate));
            let message = format!("`impact.window` is too short for `{}`: an impact needs five bad events", sli.name);
            self.mistake(diags, "impact", "window", message).help(format!("at least {smallest}, or a higher rate"));
        }
        if impact.below > sli.objective {
            let (below, name, objective) = (impact.below, &sli.name, sli.objective);
            let message = format!("`impact.below` is {below}, above the objective of `{name}`, which is {objective}");
            let help = "an impact is worse than a missed objective: lower it";
            self.mistake(diags, "impact", "below", message).help(help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Impact;
    use super::*;
    use crate::agent::source::EventMaker;
    use crate::slis::Good;
    use crate::stack::ServiceScript;
    use proptest::prelude::*;

    fn ratio(text: &str) -> Ratio {
        Ratio::parse(text).expect("a percentage")
    }

    #[test]
    fn the_smallest_window_is_exact_at_round_numbers() {
        for (rate, objective, millis) in [
            (50.0, "99.5%", 4000),
            (50.0, "99%", 2000),
            (10.0, "99.9%", 100_000),
            (20.0, "95%", 1000),
            (7.0, "90%", 1500),
        ] {
            let window = smallest_window(rate, ratio(objective)).expect("a window");
            assert_eq!(window, Duration::from_millis(millis), "{rate} {objective}");
            assert!(!too_short(window, rate, ratio(objective)));
            assert!(too_short(window - SLICE, rate, ratio(objective)));
        }
        assert_eq!(smallest_window(50.0, ratio("100%")), None);
        assert!(too_short(LONGEST, 1000.0, ratio("100%")));
    }

    fn source(rate: f64, stays_good: u64) -> Arc<SliSource> {
        let (service, within) = ("web".to_string(), Duration::from_secs(2));
        let script = ServiceScript { run: "true".into(), within, line: 1, service };
        let source = SliSource::new(("web", rate, within), String::new(), EventMaker::Script(script));
        Arc::new(SliSource { stays_good: Duration::from_secs(stays_good), ..source })
    }

    fn plan(objective: &str, source: Arc<SliSource>) -> Plan {
        let good = Good { text: String::new(), terms: Vec::new() };
        let sli = SliSpec { name: "a".into(), series: "web".into(), good, objective: ratio(objective), slo: None };
        Plan { slis: vec![sli], own_sources: vec![source], ..Plan::default() }
    }

    /// One of two events a second was good in any 2 s, of users half of whom are not served, too.
    #[test]
    fn what_holds_after_the_revert_has_enough_events_to_say_so() {
        for (rate, stays_good, objective, millis) in [
            (50.0, 0, "99%", 2000),
            (50.0, 0, "99.5%", 4000),
            (2.0, 0, "95%", 10_000),
            (1.0, 0, "50%", 5000),
            (0.1, 0, "50%", 50_000),
            (1000.0, 0, "90%", 2000),
            // Of 27.8 s the last 5.8 s, more than a fifth, are too old.
            (10.0, 20, "80%", 27_800),
            (1.0, 20, "99%", 100_000),
            (10.0, 3599, "90%", 2000),
        ] {
            let hold = |plan: Plan| {
                Plan { revert_hold: plan.hold_after_revert(Duration::from_secs(2)), ..plan }.held_after_revert()
            };
            let plan = plan(objective, source(rate, stays_good));
            assert_eq!(hold(plan.clone()), Duration::from_millis(millis), "{rate} {objective}");
            let unnoticed = Plan { impact: Impact { none: true, ..Impact::default() }, ..plan };
            assert!(hold(unnoticed) <= Duration::from_secs(100), "{rate} {objective}");
        }
    }

    #[test]
    fn what_stays_good_is_shown_to_be_old_once_it_breaks_the_objective() {
        let shown = |window: u64, objective: &str, source: Arc<SliSource>| {
            let recover_hold = Duration::from_secs(window);
            Plan { recover_hold, ..plan(objective, source) }.shown_after().as_millis()
        };
        assert_eq!(shown(20, "95%", source(1.0, 20)), 24_000, "one of twenty may be bad, and two may not");
        assert_eq!(shown(5, "80%", source(10.0, 20)), 23_100);
        assert_eq!(shown(5, "80%", source(10.0, 0)), 0);
    }

    #[test]
    fn durations_are_shown_as_people_write_them() {
        let shown = [0, 100, 1500, 60_000, 90_000, 7_200_000].map(|ms| Show(Duration::from_millis(ms)).to_string());
        assert_eq!(shown, ["0s", "100ms", "1.5s", "1m", "90s", "2h"]);
        assert_eq!(Show(Duration::from_micros(1500)).to_string(), "1.5ms");
    }

    proptest! {
        /// Against the definition itself: with one bad event, good / valid < objective.
        #[test]
        fn a_window_is_too_short_when_one_bad_event_breaks_it(events in 1u32..20_000, permille in 1u32..1000) {
            let objective = Ratio::new(f64::from(permille) / 1000.0).expect("a ratio");
            // Exactly, in whole numbers: (events − 1) / events < permille / 1000.
            let broken = u64::from(events - 1) * 1000 < u64::from(permille) * u64::from(events);
            prop_assert_eq!(too_short(Duration::from_secs(1), f64::from(events), objective), broken);
        }

        #[test]
        fn the_smallest_window_is_the_smallest(rate in 0.1f64..5000.0, permille in 1u32..1000) {
            let objective = Ratio::new(f64::from(permille) / 1000.0).expect("a ratio");
            let window = smallest_window(rate, objective).expect("a window");
            prop_assert!(!too_short(window, rate * (1.0 + 1e-9), objective));
            prop_assert!(window <= SLICE || too_short(window - SLICE, rate * (1.0 - 1e-9), objective));
        }
    }
}
