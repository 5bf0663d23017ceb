//! What rules make of answers: given in the place of the service, with other headers, with another body, cut short or slow.

use super::rule_list::{ActiveRule, RuleList};
use super::rules::{HttpAction, HttpRule};
use super::stream::StreamEnd;
use crate::load::PreciseTimer;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING,
};
use hyper::{Response, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bodies are read up to this size before another takes their place, so that the connection can be used again.
const MAX_DRAINED: u64 = 8 * 1024 * 1024;
/// How long a body that another one replaces may go on: a stream of events has no end.
const DRAINED_WITHIN: Duration = Duration::from_secs(1);
/// How long what was sent has to reach the client before its connection is cut.
const BEFORE_THE_CUT: Duration = Duration::from_millis(20);
/// Into how many pieces a second's bytes of a slow body are cut.
const PER_SECOND: u64 = 20;

type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, BodyError>;
/// An answer.
pub(super) type ProxyAnswer = Response<AnswerBody>;

fn whole(body: &str) -> AnswerBody {
    Full::new(Bytes::copy_from_slice(body.as_bytes())).map_err(BodyError::from).boxed_unsync()
}

/// Reads a body to its end; one that is too long is left, and its connection is then closed.
pub(super) async fn drain(mut body: impl Body<Data = Bytes> + Unpin) {
    let mut seen = 0u64;
    while let Some(Ok(frame)) = body.frame().await {
        seen = seen.saturating_add(frame.data_ref().map_or(0, |data| data.len() as u64));
        if seen > MAX_DRAINED {
            return;
        }
    }
}

/// The answer that a rule gives, if it gives one.
pub(super) fn given(rule: &ActiveRule<HttpRule>) -> Option<ProxyAnswer> {
    let HttpAction::Status { status, body, retry_after } = &rule.rule.action else { return None };
    rule.note();
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let bodiless = has_none(status);
    let body = body.clone().unwrap_or_else(|| format!("{status}\n"));
    let mut response = Response::new(whole(if bodiless { "" } else { &body }));
    *response.status_mut() = status;
    if !bodiless {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*seconds));
    }
    Some(response)
}

/// Whether answers of this status have no body.
fn has_none(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// What a rule makes of the service's answer; `bodiless` is one to a request whose answers have no body.
pub(super) async fn altered(
    answer: ProxyAnswer,
    rule: &Arc<ActiveRule<HttpRule>>,
    rules: &Arc<RuleList<HttpRule>>,
    bodiless: bool,
    ending: &StreamEnd,
) -> ProxyAnswer {
    let (mut head, mut body) = answer.into_parts();
    let has_body = !bodiless && !has_none(head.status);
    match &rule.rule.action {
        HttpAction::Headers { set, remove } => {
            rule.note();
            for name in remove {
                head.headers.remove(name);
            }
            for (name, value) in set {
                // Both were looked at when the rule was put in.
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    head.headers.insert(name, value);
                }
            }
        }
        HttpAction::ReplaceBody { body: text } if has_body => {
            rule.note();
            let _ = tokio::time::timeout(DRAINED_WITHIN, drain(body)).await;
            for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING] {
                head.headers.remove(name);
            }
            body = whole(text);
        }
        HttpAction::CutBody { after, reset } if has_body => {
            body = cut(body, *after, rule.clone(), reset.then(|| ending.clone()));
        }
        HttpAction::SlowBody { rate } if has_body => body = slow(body, *rate, rule.clone(), rules.clone()),
        _ => {}
    }
    Response::from_parts(head, body)
}

/// The first bytes of a body; then the connection is closed, or reset.
fn cut(body: AnswerBody, after: u64, rule: Arc<ActiveRule<HttpRule>>, reset: Option<StreamEnd>) -> AnswerBody {
    let frames = stream::unfold(Some((body, after)), move |state| {
        let (rule, reset) = (rule.clone(), reset.clone());
        async move {
            let (mut body, left) = state?;
            if left == 0 {
                rule.note();
                tokio::time::sleep(BEFORE_THE_CUT).await;
                if let Some(ending) = reset {
                    ending.reset();
                }
                return Some((Err(BodyError::from("cut short by a rule")), None));
            }
            match body.frame().await?.map(Frame::into_data) {
                Ok(Ok(mut data)) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    let data = data.split_to(data.len().min(most));
                    let left = left - data.len() as u64;
                    Some((Ok(Frame::data(data)), Some((body, left))))
                }
                Ok(Err(trailers)) => Some((Ok(trailers), Some((body, left)))),
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// A body at so many bytes a second, as long as the rule is in force.
fn slow(body: AnswerBody, rate: u64, rule: Arc<ActiveRule<HttpRule>>, rules: Arc<RuleList<HttpRule>>) -> AnswerBody {
    let piece = usize::try_from(rate / PER_SECOND).unwrap_or(usize::MAX).max(1);
    let frames = stream::unfold((body, Bytes::new(), true), move |(mut body, mut rest, mut is_first)| {
        let (rule, rules) = (rule.clone(), rules.clone());
        async move {
            if rest.is_empty() {
                match body.frame().await?.map(Frame::into_data) {
                    Ok(Ok(data)) => rest = data,
                    Ok(Err(trailers)) => return Some((Ok(trailers), (body, rest, is_first))),
                    Err(error) => return Some((Err(error), (body, rest, is_first))),
                }
            }
            if std::mem::take(&mut is_first) {
                rule.note();
            }
            let data = rest.split_to(rest.len().min(piece));
            let time = Duration::from_secs_f64(data.len() as f64 / rate as f64);
            let mut timer = PreciseTimer::default();
            tokio::select! {
                () = timer.until(Instant::now() + time) => {}
                () = rules.until_gone(&rule) => {}
            }
            Some((Ok(Frame::data(data)), (body, rest, is_first)))
        }
    });
    StreamBody::new(frames).boxed_unsync()
}
