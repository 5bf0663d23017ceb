//! `stop_when` of a scenario: conditions that end a drill at once, each read as what it resembles: an impact, a page, an
//! invariant.

use super::outcome::{read_floor, read_page_url};
use super::probe::{one_of, written};
use super::services::service;
use super::windows::{LONGEST, deadline, window};
use super::{Expectation, ServiceScript, StopCondition, StopWhen};
use crate::faults::read_question;
use crate::slis::Ratio;
use crate::source::{At, MapReader, TextForm, did_you_mean, tidy};
use serde_json::json;
use std::time::Duration;

const A_THRESHOLD: TextForm = TextForm::new("a percentage like `10%`", Ratio::shape);
const WINDOW: Duration = Duration::from_secs(5);
const SCRIPT_WITHIN: Duration = Duration::from_secs(10);
/// What says of which kind a condition is, what it must have, and what it may have.
const KINDS: [(&str, &[&str], &[&str]); 4] = [
    ("sli", &["below"], &["for"]),
    ("file", &[], &[]),
    ("http", &["status"], &[]),
    ("service", &["run"], &["within", "output", "value"]),
];
const HELP: &str = "write it like `{ sli: availability, below: 10%, for: 5s }`, `{ file: ./STOP }`, \
                    `{ http: http://checkout:8080/stop, status: 500 }` or `{ service: db, run: test -e /stop }`";

/// Reads the conditions; `slis` are the names of the SLIs.
pub fn read_stop_when(at: &mut At<'_>, slis: &[&str]) -> Vec<StopCondition> {
    at.items("a list of conditions", HELP, |at| read_condition(at, slis))
}

fn read_condition(at: &mut At<'_>, slis: &[&str]) -> Option<StopCondition> {
    let (line, span) = (at.line(), at.node.span);
    let base = at.source.path.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
    let mut map = at.map("a condition of `stop_when`")?.of_section("stop_when");
    let kinds = KINDS.map(|(kind, must, _)| {
        let required = [&[kind], must].concat();
        json!({ "required": required })
    });
    map.also(json!({ "oneOf": kinds }));
    let sli = map.optional_by("sli", |at| {
        let name: String = at.value()?;
        if !slis.contains(&name.as_str()) {
            at.error(format!("there is no SLI {}", at.node.describe())).help(did_you_mean(&name, slis.iter().copied()));
        }
        Some(name)
    });
    let below = map.optional_by("below", |at| read_floor(at, A_THRESHOLD));
    let window = map.optional_by("for", window).unwrap_or(WINDOW);
    let file: Option<String> = map.optional("file");
    let http = map.optional_by("http", |at| read_page_url(at, "`stop_when`"));
    let status = map.optional_by("status", |at| {
        let status: u16 = at.value()?;
        let is_one = (100..600).contains(&status);
        is_one.then_some(status).or_else(|| at.expected("the status of an answer, like `500`"))
    });
    let service = map.optional_by("service", |at| service(at, "a condition of `stop_when`"));
    let run = map.optional_by("run", |at| read_question(at, "one that held", "ask for what is meant: `test -e /stop`"));
    let within = map.optional_by("within", |at| deadline(at, LONGEST)).unwrap_or(SCRIPT_WITHIN);
    let all = written(&mut map);
    let expected = one_of(&mut map, all).unwrap_or(Expectation::Success);
    one_kind(&mut map);
    map.finish()?;
    let what = match (sli, file, http, service) {
        (Some(sli), ..) => StopWhen::Below { sli, below: below?, window },
        (_, Some(file), ..) => StopWhen::File(tidy(&base.join(file))),
        (.., Some(url), _) => StopWhen::Answer { url, status: status? },
        (.., Some(service)) => StopWhen::Probe { probe: ServiceScript { service, run: run?, within, line }, expected },
        _ => return None,
    };
    Some(StopCondition { what, line, span })
}

/// A condition is of one kind, and has what that takes.
fn one_kind(map: &mut MapReader<'_>) {
    let named: Vec<_> = KINDS.into_iter().filter(|(kind, ..)| map.has(kind)).collect();
    let &[(kind, must, may)] = named.as_slice() else {
        map.error(map.head(), "a condition is about one of `sli`, `file`, `http` and `service`").help(HELP);
        return;
    };
    for key in must.iter().filter(|key| !map.has(key)).collect::<Vec<_>>() {
        map.error(map.head(), format!("a condition about `{kind}` needs `{key}`")).help(HELP);
    }
    let others = KINDS.into_iter().flat_map(|(_, must, may)| must.iter().chain(may));
    for key in others.filter(|key| !must.contains(key) && !may.contains(key)) {
        if map.has(key) {
            map.wrong(key, format!("`{key}` says nothing about `{kind}`")).help(HELP);
        }
    }
}
