//! What the incident of a drill, as measured, would have cost of a production error budget.
//!
//! ```text
//! cost(t) = bad share of the events from the first confirmed fault to t × that time / (window × (1 − objective))
//! ```
//!
//! Traffic cancels out of a share of the budget; with it the bad events have a number (Google SRE workbook, chapter 2 and 5).

use super::{DrillTime, Record};
use serde::{Deserialize, Serialize};

/// What would go on being paid.
const TEN_MINUTES_S: f64 = 600.0;

/// The error budget that a scenario names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetInfo {
    /// What it is over, in microseconds.
    pub window_us: u64,
    /// Events per second in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<f64>,
    /// The objective in production, as a ratio; that of each SLI where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
}

/// What the incident would have cost one SLI. Shares of the budget: 1 is all of it. `None` is not known, or did not come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceFigures {
    /// The SLI.
    pub sli: String,
    /// The objective whose budget is meant, as a ratio.
    pub objective: f64,
    /// Until the alert condition held.
    pub until_detection: Option<f64>,
    /// Until the first mitigating command.
    pub until_mitigation: Option<f64>,
    /// Until users had recovered.
    pub until_recovery: Option<f64>,
    /// What ten minutes more, as they were between the impact and the mitigation, would have cost.
    pub ten_minutes_more: Option<f64>,
    /// Bad events in production until users had recovered, where the traffic is known.
    pub bad_events: Option<f64>,
}

impl Record {
    /// The price for every SLI that had bad events during the fault, where the scenario names a budget.
    pub fn price(&self) -> Vec<PriceFigures> {
        let found = self.plan.as_ref().and_then(|plan| Some((plan, plan.budget.as_ref()?)));
        let Some((plan, budget)) = found else { return Vec::new() };
        let ended = self.recovered_us().unwrap_or(self.last_us);
        let of_sli = |sli: &super::SliInfo| {
            if self.spent(sli, ended)? == 0.0 {
                return None;
            }
            let objective = budget.objective.unwrap_or(sli.objective);
            let whole_s = budget.whole_s(objective);
            let spent = |to: Option<DrillTime>| self.spent(sli, to?);
            let mitigated = self.mitigation_started_us;
            let worst = self.impact_us().and_then(|from| self.bad_share(sli, from, mitigated.unwrap_or(ended)));
            let until_recovery = spent(self.recovered_us());
            Some(PriceFigures {
                sli: sli.name.clone(),
                objective,
                until_detection: spent(self.detected_us),
                until_mitigation: spent(mitigated),
                until_recovery,
                ten_minutes_more: worst.map(|bad| bad * TEN_MINUTES_S / whole_s),
                bad_events: until_recovery.zip(budget.traffic).map(|(share, rate)| share * whole_s * rate),
            })
        };
        plan.slis.iter().filter_map(of_sli).collect()
    }

    /// The share of the production error budget that an SLI would have spent from the first confirmed fault until then: 1 is all of
    /// it. `None` without a fault, a budget, or events.
    pub fn spent(&self, sli: &super::SliInfo, until: DrillTime) -> Option<f64> {
        let budget = self.plan.as_ref()?.budget.as_ref()?;
        let whole_s = budget.whole_s(budget.objective.unwrap_or(sli.objective));
        let began = self.injected_us()?;
        let bad_s = self.bad_share(sli, began, until)? * until.since(began).as_secs_f64();
        (whole_s > 0.0).then_some(bad_s / whole_s)
    }

    pub(super) fn bad_share(&self, sli: &super::SliInfo, from: DrillTime, to: DrillTime) -> Option<f64> {
        let counts = self.counts(&sli.name, from, to);
        (counts.valid > 0).then(|| counts.valid.saturating_sub(counts.good) as f64 / counts.valid as f64)
    }
}

impl BudgetInfo {
    /// All of the budget, in seconds in which every event is bad.
    fn whole_s(&self, objective: f64) -> f64 {
        self.window_us as f64 / 1e6 * (1.0 - objective)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Story, record_of};
    use super::*;

    fn priced(story: Story, budget: BudgetInfo) -> Vec<PriceFigures> {
        let mut record = record_of(story);
        record.plan.as_mut().unwrap().budget = Some(budget);
        record.price()
    }

    const DAYS_30_US: u64 = 30 * 86_400 * 1_000_000;

    #[test]
    fn the_price_is_the_bad_time_in_terms_of_the_budget() {
        let budget = BudgetInfo { window_us: DAYS_30_US, traffic: Some(1200.0), objective: Some(0.999) };
        let record = record_of(Story::Passed);
        let (began, recovered) = (record.injected_us().unwrap(), record.recovered_us().unwrap());
        let price = priced(Story::Passed, budget.clone());
        let first = price.first().expect("an SLI that was hurt");
        let counts = record.counts(&first.sli, began, recovered);
        let bad = (counts.valid - counts.good) as f64 / counts.valid as f64;
        let seconds = bad * recovered.since(began).as_secs_f64();
        let share = seconds / (30.0 * 86_400.0 * 0.001);
        assert!((first.until_recovery.unwrap() - share).abs() < 1e-9, "{first:?}");
        assert!((first.bad_events.unwrap() - seconds * 1200.0).abs() < 1e-6);
        assert!(first.until_mitigation.unwrap() <= share && first.ten_minutes_more.unwrap() > share);
        // A stricter promise has a smaller budget.
        let strict = priced(Story::Passed, BudgetInfo { objective: Some(0.9999), ..budget });
        assert!((strict[0].until_recovery.unwrap() / share - 10.0).abs() < 1e-6);
    }

    #[test]
    fn what_did_not_come_has_no_price() {
        let budget = BudgetInfo { window_us: DAYS_30_US, traffic: None, objective: None };
        assert_eq!(record_of(Story::Passed).price(), Vec::new(), "a scenario that names no budget");
        let failed = priced(Story::NotRecovered, budget);
        assert!(failed.iter().all(|price| price.until_recovery.is_none() && price.bad_events.is_none()), "{failed:?}");
        assert!(failed.iter().any(|price| price.ten_minutes_more.is_some()), "{failed:?}");
    }
}
