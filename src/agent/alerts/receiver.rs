//! Takes every notification: those of the drill's Alertmanager, which alone knows the token of `/receiver/TOKEN/RECEIVER`, and pages that
//! anything else posts as webhooks to `/source/NAME/RECEIVER`.

use crate::agent::ability::Tell;
use crate::agent::clock::Clock;
use crate::agent::http_page::serve_http;
use crate::agent::protocol::Told;
use crate::record::{ALERT_NAME, AlertMoment, AlertStation, DrillTime};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A notification that is longer is not read.
const MAX_NOTIFICATION: usize = 4 * 1024 * 1024;

/// Listens as long as what is returned is held.
pub(super) async fn listen(port: u16, token: &str, clock: Clock, tell: Tell) -> Result<AbortOnDropHandle<()>, String> {
    let token: Arc<str> = token.into();
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
    let listener = listener.map_err(|error| format!("listen on port {port}: {error}"))?;
    // A peer that breaks its connection has delivered nothing.
    let takes = move |request, _| take(request, token.clone(), clock, tell.clone());
    Ok(AbortOnDropHandle::new(tokio::spawn(serve_http(listener, None, takes).map(|never| match never {}))))
}

async fn take(request: Request<Incoming>, token: Arc<str>, clock: Clock, tell: Tell) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_string();
    let body = Limited::new(request.into_body(), MAX_NOTIFICATION).collect().await;
    let at_us = DrillTime(clock.now_us());
    let body = body.map_err(|error| error.to_string());
    let read = body.and_then(|body| serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string()));
    let taken = read.and_then(|json: Value| notification(&path, &token, &json));
    let (status, said) = match taken {
        Ok(alerts) => {
            for (labels, station) in alerts {
                tell(Told::Alert(AlertMoment { at_us, labels, station }));
            }
            (StatusCode::OK, String::new())
        }
        Err(why) => {
            tell(Told::Note { text: format!("a notification to {path} cannot be read: {why}") });
            (StatusCode::BAD_REQUEST, why)
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(said)));
    *response.status_mut() = status;
    response
}

type Delivered = Vec<(BTreeMap<String, String>, AlertStation)>;

/// The alerts of a notification. That of Alertmanager has them in `alerts`, and so have those of Grafana; of anything else the
/// whole is one alert, by its `labels` and the first word for a name that it has.
fn notification(path: &str, token: &str, json: &Value) -> Result<Delivered, String> {
    let mut words = path.trim_matches('/').split('/').map(decoded);
    let (kind, first, second) = (words.next().unwrap_or_default(), words.next(), words.next());
    let (receiver, source) = match (kind.as_str(), first, second) {
        ("receiver", Some(given), Some(receiver)) if given == token => (receiver, None),
        ("source", Some(source), receiver) => (receiver.unwrap_or_default(), Some(source)),
        _ => return Err("post to /source/NAME/RECEIVER".into()),
    };
    let route = json["groupKey"].as_str().map(route_of).unwrap_or_default();
    let alerts = json["alerts"].as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
    let of = |alert: &Value| {
        let mut labels = texts(&alert["labels"]);
        if !labels.contains_key(ALERT_NAME) {
            let named = [ALERT_NAME, "alert", "alert_name", "rule", "title", "name"];
            let name = named.into_iter().find_map(|key| alert[key].as_str());
            labels.insert(ALERT_NAME.into(), name.ok_or("nothing in it names an alert")?.to_string());
        }
        let (receiver, source) = (receiver.clone(), source.clone());
        let station = match alert["status"].as_str() {
            Some("resolved" | "ok" | "OK" | "Recovered") => AlertStation::Resolved { receiver, source },
            _ => AlertStation::Delivered { receiver, route: route.clone(), source },
        };
        Ok((labels, station))
    };
    alerts.iter().map(of).collect()
}

/// The text that stands in a URL like this.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn texts(map: &Value) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_string()))).collect()
}

/// The route of a group's key, `{}/{team="payments"}:{alertname="X"}`, without the labels of the group.
pub(super) fn route_of(key: &str) -> String {
    key.rfind("}:{").and_then(|at| key.get(..=at)).unwrap_or(key).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_notification_of_alertmanager_has_an_alert_for_each_of_its_own() {
        let json = json!({ "receiver": "on call", "status": "firing",
            "groupKey": "{}/{team=\"payments\"}/{severity=\"page\"}:{alertname=\"Down\"}",
            "alerts": [
                { "status": "firing", "labels": { "alertname": "Down", "severity": "page" } },
                { "status": "resolved", "labels": { "alertname": "Slow" } },
            ] });
        let alerts = notification("/receiver/0123/on%20call", "0123", &json).unwrap();
        let route = "{}/{team=\"payments\"}/{severity=\"page\"}".to_string();
        assert_eq!(alerts[0].0["severity"], "page");
        assert_eq!(alerts[0].1, AlertStation::Delivered { receiver: "on call".into(), route, source: None });
        assert_eq!(alerts[1].1, AlertStation::Resolved { receiver: "on call".into(), source: None });
    }

    #[test]
    fn a_page_from_elsewhere_needs_a_name_and_no_more() {
        let alerts = notification("/source/datadog/oncall", "0123", &json!({ "title": "Down" })).unwrap();
        assert_eq!(alerts[0].0[ALERT_NAME], "Down");
        let source = Some("datadog".to_string());
        assert_eq!(alerts[0].1, AlertStation::Delivered { receiver: "oncall".into(), route: String::new(), source });
        for (path, json) in
            [("/", json!({ "title": "x" })), ("/receiver/0123/a", json!({ "x": 1 })), ("/source/a", json!([]))]
        {
            assert!(notification(path, "0123", &json).is_err(), "{path}");
        }
    }

    #[test]
    fn only_alertmanager_delivers_what_counts_as_alertmanagers() {
        let json = json!({ "title": "Down" });
        assert!(notification("/receiver/0123/oncall", "0123", &json).is_ok());
        for path in ["/receiver/oncall", "/receiver/0124/oncall", "/receiver//oncall", "/receiver/0123", "/receiver"] {
            assert!(notification(path, "0123", &json).is_err(), "{path}");
        }
    }
}
