//! PagerDuty's Events API v2: trigger, acknowledge, resolve, all of an incident under one key
//! (developer.pagerduty.com/docs/send-alert-event).

use super::message::{IncidentMessage, IncidentState};
use super::slack::clipped;
use serde_json::{Value, json};

/// Characters of the summary of an alert.
const SUMMARY: usize = 1024;
/// Characters of a key.
const KEY: usize = 255;

/// The event of a message.
pub(super) fn event(message: &IncidentMessage, key: &str) -> Value {
    let action = match message.state {
        // An update is a trigger of the same key: it goes into the log of the alert.
        IncidentState::Opened | IncidentState::Update => "trigger",
        IncidentState::Mitigated => "acknowledge",
        IncidentState::Resolved => "resolve",
    };
    let dedup = clipped(&format!("firedrill-{}", message.incident), KEY);
    let mut event = json!({ "routing_key": key, "event_action": action, "dedup_key": dedup });
    if action == "trigger" {
        event["payload"] = json!({
            "summary": clipped(&message.headline, SUMMARY),
            "source": "firedrill",
            "severity": severity(message.severity.as_deref()),
            "timestamp": message.at_utc,
            "custom_details": {
                "drill": true,
                "impact": message.impact,
                "timeline": message.timeline,
                "run": message.incident,
            },
        });
        event["client"] = "Firedrill".into();
    }
    event
}

/// `critical`, `error`, `warning` or `info`: by the number of a severity, `error` where it has none.
fn severity(name: Option<&str>) -> &'static str {
    match name.and_then(|name| name.chars().rev().find(char::is_ascii_digit)) {
        Some('0' | '1') => "critical",
        Some('2') | None => "error",
        Some('3') => "warning",
        Some(_) => "info",
    }
}
