//! Slack: `chat.postMessage` with blocks within their limits, the messages of an incident as one thread
//! (docs.slack.dev/reference/methods/chat.postMessage, docs.slack.dev/reference/block-kit/blocks).

use super::message::{IncidentMessage, IncidentState};
use serde_json::{Value, json};

/// Characters of a header.
const HEADER: usize = 150;
/// Characters of the text of a section.
const SECTION: usize = 3000;
/// Characters of a field of a section.
const FIELD: usize = 2000;
/// Characters of the name of a channel.
const CHANNEL: usize = 80;

/// The body of `chat.postMessage`; `thread` is the time stamp of the message that opened the incident.
pub(super) fn message(message: &IncidentMessage, channel: &str, thread: Option<&str>) -> Value {
    let mut fields = vec![field("Severity", message.severity.as_deref().unwrap_or("not declared"))];
    fields.push(field("State", message.state.name()));
    fields.extend(message.outcome.as_deref().map(|outcome| field("Outcome", outcome)));
    fields.extend(message.postmortem_due.as_deref().map(|due| field("Postmortem due", due)));
    fields.extend(message.roles.iter().map(|(role, who)| field(role, who.as_deref().unwrap_or("open"))));
    fields.truncate(10);
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": clipped(&message.headline, HEADER) } }),
        json!({ "type": "section", "fields": fields }),
        section(&format!("*Impact as measured*\n{}", escaped(&clipped(&message.impact, SECTION / 6)))),
    ];
    if !message.timeline.is_empty() {
        blocks.push(section(&format!("*Timeline*\n{}", newest(&message.timeline))));
    }
    let run = format!("`{}`: a drill of Firedrill, no real incident", escaped(&message.incident));
    blocks.push(json!({ "type": "context", "elements": [mrkdwn(&clipped(&run, FIELD))] }));
    let mut body =
        json!({ "channel": channel, "text": clipped(&escaped(&message.headline), SECTION), "blocks": blocks });
    if let Some(thread) = thread {
        body["thread_ts"] = thread.into();
        // What changes where the incident stands is seen in the channel as well.
        body["reply_broadcast"] = (message.state != IncidentState::Update).into();
    }
    body
}

/// The body of `conversations.create`: a channel of the incident's own.
pub(super) fn new_channel(message: &IncidentMessage) -> Value {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let name: String = format!("drill-{}", message.incident).chars().map(fits).take(CHANNEL).collect();
    json!({ "name": name })
}

/// What Slack answers with 200: `ok`, otherwise why not.
pub(super) fn answered(body: &[u8]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "the answer is no JSON".to_string())?;
    match value["ok"].as_bool() {
        Some(true) => Ok(value),
        _ => Err(format!("Slack says: {}", value["error"].as_str().unwrap_or("not ok"))),
    }
}

/// The newest lines, oldest first, as many as fit.
fn newest(lines: &[String]) -> String {
    let (mut kept, mut left) = (Vec::new(), SECTION - 50);
    for line in lines.iter().rev() {
        let line = format!("• {}", escaped(&clipped(line, FIELD / 10)));
        let Some(rest) = left.checked_sub(line.chars().count() + 1) else { break };
        left = rest;
        kept.push(line);
    }
    kept.reverse();
    kept.join("\n")
}

fn field(name: &str, value: &str) -> Value {
    // Escaping may make a character five.
    mrkdwn(&format!("*{}*\n{}", escaped(&clipped(name, FIELD / 12)), escaped(&clipped(value, FIELD / 6))))
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": mrkdwn(text) })
}

/// Text in which names and addresses of others are not made into mentions and links.
fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// The three characters that mean something everywhere in Slack's text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A text cut to `most` characters, the last one `…`.
pub(super) fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() > most { text.chars().take(most - 1).chain(['…']).collect() } else { text.to_string() }
}
