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
        let (Some((plan, budget)), Some(began)) = (found, self.injected_us()) else { return Vec::new() };
        let window_s = budget.window_us as f64 / 1e6;
        let ended = self.recovered_us().unwrap_or(self.last_us);
        let bad_share = |sli: &str, from: DrillTime, to: DrillTime| {
            let counts = self.counts(sli, from, to);
            (counts.valid > 0).then(|| counts.valid.saturating_sub(counts.good) as f64 / counts.valid as f64)
        };
        let of_sli = |sli: &super::SliInfo| {
            let objective = budget.objective.unwrap_or(sli.objective);
            let whole_s = window_s * (1.0 - objective);
            let bad_s =
                |to: Option<DrillTime>| Some(bad_share(&sli.name, began, to?)? * to?.since(began).as_secs_f64());
            let share = |seconds: f64| seconds / whole_s;
            if whole_s <= 0.0 || bad_share(&sli.name, began, ended).is_none_or(|share| share == 0.0) {
                return None;
            }
            let mitigated = self.mitigation_started_us;
            let worst = self.impact_us().and_then(|from| bad_share(&sli.name, from, mitigated.unwrap_or(ended)));
            Some(PriceFigures {
                sli: sli.name.clone(),
                objective,
                until_detection: bad_s(self.detected_us).map(share),
                until_mitigation: bad_s(mitigated).map(share),
                until_recovery: bad_s(self.recovered_us()).map(share),
                ten_minutes_more: worst.map(|bad| share(bad * TEN_MINUTES_S)),
                bad_events: bad_s(self.recovered_us()).zip(budget.traffic).map(|(seconds, rate)| seconds * rate),
            })
        };
        plan.slis.iter().filter_map(of_sli).collect()
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
