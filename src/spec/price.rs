//! `budget:` of a scenario: the production error budget in terms of which a drill has its price.

use crate::assurance::services::A_PERIOD;
use crate::slis::Ratio;
use crate::source::{At, TextForm, parse_period, parse_rate, shape};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const WINDOW: Duration = Duration::from_secs(30 * 86_400);
const A_RATE: TextForm = TextForm::new("a rate like `1200/s`", shape::rate);
const AN_OBJECTIVE: TextForm = TextForm::new("a percentage like `99.95%`", Ratio::shape);

/// A production error budget.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductionBudget {
    /// What it is over, 30 days by default.
    pub window: Duration,
    /// Events per second.
    pub traffic: Option<f64>,
    /// The objective; that of each SLI where there is none.
    pub objective: Option<Ratio>,
}

/// Reads `budget`.
pub(super) fn read(at: &mut At<'_>) -> Option<ProductionBudget> {
    let mut map = at.map("`budget`")?;
    let window = map.optional_with("window", A_PERIOD, |text| match parse_period(text)? {
        window if window < DAY => Err("an error budget is over a day at least".into()),
        window => Ok(window),
    });
    let traffic = map.optional_with("traffic", A_RATE, parse_rate);
    let objective = map.optional_with("objective", AN_OBJECTIVE, |text| match Ratio::parse(text)? {
        whole if whole.get() >= 1.0 => Err("100% leaves no error budget".into()),
        objective => Ok(objective),
    });
    map.finish()?;
    Some(ProductionBudget { window: window.unwrap_or(WINDOW), traffic, objective })
}
