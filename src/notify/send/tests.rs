//! The messages of a drill against a local server that holds them to the contracts of Slack and PagerDuty.

use super::*;
use crate::record::testing::{Story, events_of};
use crate::record::{DayPlan, DaySink};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::{Arc, Mutex};

const TOKEN: &str = "xoxb-1-test";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What came in: path and body. The first requests are refused with these codes.
#[derive(Default)]
struct Seen {
    taken: Vec<(String, Value)>,
    refuse: Vec<u16>,
    refused: usize,
}

/// What is wrong with a request by the contract of its API.
fn contract(path: &str, token: Option<&str>, body: &Value, before: &[(String, Value)]) -> Result<Value, String> {
    let text = |value: &Value, most: usize| match value.as_str().map(|text| text.chars().count()) {
        Some(1..) if value.as_str().is_some_and(|text| text.chars().count() <= most) => Ok(()),
        _ => Err(format!("not a text of at most {most}: {value}")),
    };
    match path {
        "/api/conversations.create" => {
            let name = body["name"].as_str().unwrap_or_default();
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
            match token == Some(TOKEN) && name.len() <= 80 && name.starts_with("drill-") && name.chars().all(fits) {
                true => Ok(json!({ "ok": true, "channel": { "id": "C0NEW" } })),
                false => Err(format!("no name of a channel: {name}")),
            }
        }
        "/api/chat.postMessage" => {
            if token != Some(TOKEN) {
                return Ok(json!({ "ok": false, "error": "invalid_auth" }));
            }
            text(&body["channel"], 80)?;
            text(&body["text"], 4000)?;
            let blocks = body["blocks"].as_array().ok_or("no blocks")?;
            if blocks.is_empty() || blocks.len() > 50 {
                return Err("1 to 50 blocks".into());
            }
            for block in blocks {
                match block["type"].as_str() {
                    Some("header") => {
                        assert_eq!(block["text"]["type"], "plain_text");
                        text(&block["text"]["text"], 150)?;
                    }
                    Some("section") => {
                        let fields = block["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
                        if fields.len() > 10 || (fields.is_empty() && block["text"].is_null()) {
                            return Err("a section has a text, or up to 10 fields".into());
                        }
                        fields.iter().try_for_each(|field| text(&field["text"], 2000))?;
                        if !block["text"].is_null() {
                            text(&block["text"]["text"], 3000)?;
                        }
                    }
                    Some("context") => text(&block["elements"][0]["text"], 2000)?,
                    other => return Err(format!("no block: {other:?}")),
                }
            }
            let opened = before.iter().any(|(path, _)| path == "/api/chat.postMessage");
            if opened != (body["thread_ts"] == "1700000000.000100") {
                return Err("what follows goes into the thread of what opened it".into());
            }
            Ok(json!({ "ok": true, "channel": body["channel"], "ts": "1700000000.000100" }))
        }
        "/v2/enqueue" => {
            if body["routing_key"] != KEY {
                return Err("invalid routing key".into());
            }
            text(&body["dedup_key"], 255)?;
            match body["event_action"].as_str() {
                Some("trigger") => {
                    let payload = &body["payload"];
                    text(&payload["summary"], 1024)?;
                    text(&payload["source"], 255)?;
                    let known = ["critical", "error", "warning", "info"];
                    if !payload["severity"].as_str().is_some_and(|severity| known.contains(&severity)) {
                        return Err(format!("severity: {}", payload["severity"]));
                    }
                    crate::view::clock::parsed(payload["timestamp"].as_str().unwrap_or_default()).ok_or("timestamp")?;
                }
                Some("acknowledge" | "resolve") => {}
                other => return Err(format!("event_action: {other:?}")),
            }
            Ok(json!({ "status": "success", "dedup_key": body["dedup_key"] }))
        }
        "/hook" => Ok(json!({})),
        _ => Err("no such path".into()),
    }
}

async fn answer(request: Request<Incoming>, seen: Arc<Mutex<Seen>>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_string();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_string);
    let (token, kind) = (header("authorization"), header("content-type"));
    let token = token.as_deref().and_then(|token| token.strip_prefix("Bearer "));
    assert!(kind.is_some_and(|kind| kind.starts_with("application/json")));
    let (token, body) = (token.map(str::to_string), request.into_body().collect().await?.to_bytes());
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let mut seen = seen.lock().unwrap();
    let reply = |status: u16, body: Value| {
        let reply = Response::builder().status(status).header("retry-after", "0");
        Ok(reply.body(Full::new(Bytes::from(body.to_string()))).unwrap())
    };
    if let Some(status) = seen.refuse.pop() {
        seen.refused += 1;
        return reply(status, json!({}));
    }
    match contract(&path, token.as_deref(), &body, &seen.taken) {
        Ok(answer) => {
            seen.taken.push((path.clone(), body));
            reply(if path == "/v2/enqueue" { 202 } else { 200 }, answer)
        }
        Err(why) => reply(400, json!({ "error": why })),
    }
}

/// A server of its own for a test, and its address.
async fn server(refuse: Vec<u16>) -> (String, Arc<Mutex<Seen>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Seen { refuse, ..Seen::default() }));
    let all = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = all.clone();
            let service = hyper::service::service_fn(move |request| answer(request, seen.clone()));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, seen)
}

/// Carries a story past the observer; what is in the log beside the run.
async fn tell(story: Story, targets: &[ReadyTarget], every: Duration) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("20261120T064112Z-db-pool-0001");
    let notifier = Notifier::start(targets, &run);
    let mut watch = notifier.of_drill(every);
    events_of(story).iter().for_each(|event| watch.on_event(event));
    notifier.finish(Duration::from_secs(60), &CancellationToken::new()).await;
    let log = std::fs::read_to_string(crate::record::beside_run(&run, "sent")).unwrap_or_default();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_drill_is_told_to_slack_and_pagerduty_by_their_contracts() {
    let (address, seen) = server(vec![]).await;
    let targets = [
        ReadyTarget::Slack { api: format!("{address}/api"), token: TOKEN.into(), channel: Some("#ops".into()) },
        ReadyTarget::PagerDuty { url: format!("{address}/v2/enqueue"), key: KEY.into() },
        ReadyTarget::Webhook(format!("{address}/hook")),
    ];
    let log = tell(Story::Passed, &targets, NEVER).await;
    assert_eq!(log.len(), 9, "{log:?}");
    assert!(log.iter().all(|line| line["sent"] == true && line["tries"] == 1), "{log:?}");
    let seen = seen.lock().unwrap();
    let of = |path: &str| seen.taken.iter().filter(|(own, _)| own == path).map(|(_, body)| body).collect::<Vec<_>>();
    let actions: Vec<_> = of("/v2/enqueue").iter().map(|event| event["event_action"].clone()).collect();
    assert_eq!(actions, ["trigger", "acknowledge", "resolve"]);
    assert!(of("/v2/enqueue").iter().all(|event| event["dedup_key"] == of("/v2/enqueue")[0]["dedup_key"]));
    assert_eq!(of("/v2/enqueue")[0]["payload"]["severity"], "critical");
    let slack = of("/api/chat.postMessage");
    assert!(slack.iter().all(|message| message["text"].as_str().unwrap().starts_with("DRILL ")));
    let states: Vec<_> = of("/hook").iter().map(|message| message["state"].clone()).collect();
    assert_eq!(states, ["opened", "mitigated", "resolved"]);
    assert!(of("/hook")[0]["impact"].as_str().unwrap().contains("success rate of availability"));
    let said = serde_json::to_string(&log).unwrap();
    assert!(!said.contains(TOKEN) && !said.contains(KEY), "no secret stands in the log");
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_and_what_is_refused_for_good_is_not() {
    let (address, seen) = server(vec![500, 429]).await;
    let slack = |token: &str| ReadyTarget::Slack { api: format!("{address}/api"), token: token.into(), channel: None };
    let log = tell(Story::Passed, &[slack(TOKEN)], NEVER).await;
    assert_eq!((&log[0]["tries"], &log[0]["sent"]), (&json!(3), &json!(true)), "{log:?}");
    {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.refused, 2);
        let made = seen.taken.iter().filter(|(path, _)| path.ends_with("conversations.create")).count();
        assert_eq!(made, 1, "one channel for the incident");
        assert!(seen.taken.iter().skip(1).all(|(_, body)| body["channel"] == "C0NEW"));
    }
    let refused = [
        ReadyTarget::Slack { api: format!("{address}/api"), token: "xoxb-wrong".into(), channel: Some("#x".into()) },
        ReadyTarget::PagerDuty { url: format!("{address}/v2/enqueue"), key: "wrong".into() },
    ];
    let log = tell(Story::Passed, &refused, NEVER).await;
    assert!(log.iter().all(|line| line["sent"] == false && line["tries"] == 1), "{log:?}");
    assert!(log.iter().any(|line| line["error"] == "Slack says: invalid_auth"), "{log:?}");
}

#[tokio::test]
async fn updates_come_as_often_as_asked_for_and_nothing_is_said_without_an_incident() {
    let dir = tempfile::tempdir().unwrap();
    let (file, page) = (dir.path().join("said.jsonl"), dir.path().join("page.txt"));
    let targets = [ReadyTarget::File(file.clone()), ReadyTarget::StatusPage(page.clone())];
    let often = Duration::from_millis(500);
    let (sender, mut posts) = unbounded_channel();
    let notifier = Notifier { senders: vec![sender], tasks: Vec::new(), over: CancellationToken::new() };
    let mut watch = notifier.of_drill(often);
    events_of(Story::Passed).iter().for_each(|event| watch.on_event(event));
    let states: Vec<_> = std::iter::from_fn(|| posts.try_recv().ok().flatten()).map(|post| post.state).collect();
    assert_eq!((states.first(), states.last()), (Some(&IncidentState::Opened), Some(&IncidentState::Resolved)));
    assert!(states.iter().filter(|state| **state == IncidentState::Update).count() >= 2, "{states:?}");
    let mitigated = states.iter().position(|state| *state == IncidentState::Mitigated).unwrap();
    assert!(!states[mitigated..].contains(&IncidentState::Update), "what is mitigated stays so: {states:?}");

    let log = tell(Story::Passed, &targets, often).await;
    assert!(log.iter().any(|line| line["state"] == "update" && line["sent"] == false), "{log:?}");
    let said = std::fs::read_to_string(&file).unwrap();
    let states: Vec<Value> =
        said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone()).collect();
    assert_eq!(states.last(), Some(&json!("resolved")));
    assert!(!states.contains(&json!("update")), "nobody is told what is out of date: {states:?}");
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.lines().all(|line| line.starts_with("DRILL ")) && page.contains("Resolved"), "{page}");
    assert_eq!(tell(Story::Unsteady, &targets, NEVER).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let log = tell(Story::Passed, &[ReadyTarget::File(pipe)], NEVER).await;
    assert!(log.len() == 3 && log.iter().all(|line| line["sent"] == false), "{log:?}");
}

#[tokio::test]
async fn a_target_that_is_not_there_holds_nobody_up() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", gone.local_addr().unwrap());
    drop(gone);
    let notifier = Notifier::start(&[ReadyTarget::Webhook(url)], Path::new("/nowhere/run"));
    let mut watch = notifier.of_drill(NEVER);
    events_of(Story::Passed).iter().for_each(|event| watch.on_event(event));
    let began = std::time::Instant::now();
    let unsent = notifier.finish(Duration::from_millis(50), &CancellationToken::new()).await;
    assert_eq!(unsent, [("webhook:127.0.0.1".to_string(), 3)], "what was not sent is told");
    assert!(began.elapsed() < Duration::from_secs(30), "its retries are not waited for");
}

#[tokio::test]
async fn a_game_day_is_one_incident() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("said.jsonl");
    let notifier = Notifier::start(&[ReadyTarget::File(file.clone())], &dir.path().join("day"));
    let sink = DaySink::new(None, vec![notifier.of_day()]);
    let plan = DayPlan { id: "d".into(), title: "Nightly".into(), ..DayPlan::default() };
    sink.emit(DayEvent::DayAnnounced(Box::new(plan)));
    sink.emit(DayEvent::DayEnded);
    notifier.finish(Duration::from_secs(60), &CancellationToken::new()).await;
    let said = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["headline"], "DRILL opened: game day Nightly");
    assert!(lines.iter().all(|line| line["incident"] == "d"));
}
