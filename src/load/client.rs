//! One request from the instant it is due to its end.

use super::journey::{LONGEST_BODY, StepAnswer};
use super::pool::{Conn, Pool};
use super::template::{self, RequestTemplate};
use super::trust::Tls;
use super::{AnswerPlace, Ca, EventClient, ExpectedAnswer, Failure, LoadSpec, RequestEnding, Sent};
use crate::slis::EventAnswer;
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout_at;

/// Sends the requests of one load. Nothing is ever tried again and no redirect is followed: what a user would have
/// got is what is counted.
pub struct Client {
    name: String,
    seed: u64,
    requests: Vec<RequestSender>,
    timeout: Duration,
    expect: ExpectedAnswer,
}

/// One request of a load: its only one, or one of a journey.
struct RequestSender {
    template: RequestTemplate,
    pool: Pool,
    /// What it takes from the answer before.
    take: BTreeMap<String, AnswerPlace>,
}

/// What is left to do when a request has ended: its connection, and the right to use one.
type Rest = (Option<Conn>, Option<OwnedSemaphorePermit>);

#[async_trait]
impl EventClient for Client {
    async fn event(&self, number: u64, due: Instant, sent: Sent) {
        let mut rest = Vec::new();
        let result = self.attempt(number, due, &mut rest).await;
        sent.end(RequestEnding::of(result, due, self.timeout));
        // The connections are given back, and the right to use them.
        for (sender, (conn, _slot)) in self.requests.iter().zip(rest) {
            if let Some(conn) = conn {
                sender.pool.give_back(conn).await;
            }
        }
    }
}

impl Client {
    /// Checks a load's requests; says in plain words what cannot be sent. `seed` makes the ids.
    pub fn new(spec: &LoadSpec, seed: u64) -> Result<Client, String> {
        if spec.timeout.is_zero() {
            return Err("a time-out of 0 fails every request".into());
        }
        let requests = spec.requests().into_iter().map(|(spec, take, known)| RequestSender::new(&spec, take, &known));
        let requests = requests.collect::<Result<_, _>>()?;
        Ok(Client { name: spec.name.clone(), seed, requests, timeout: spec.timeout, expect: spec.expect.clone() })
    }

    /// Sends request `i`, due at `due`, and says how it ended; the connection is kept for others where it can be.
    pub async fn send(&self, i: u64, due: Instant) -> RequestEnding {
        let (ended, mut endings) = unbounded_channel();
        self.event(i, due, Sent::new(i, 0, due, ended)).await;
        let ended = endings.recv().await.map(|ended| ended.ending);
        ended.unwrap_or_else(|| RequestEnding::of(Err(Failure::Internal), due, self.timeout))
    }

    /// The last answer.
    async fn attempt(&self, i: u64, due: Instant, rest: &mut Vec<Rest>) -> Result<EventAnswer, Failure> {
        let deadline = tokio::time::Instant::from_std(due + self.timeout);
        let id = template::id(self.seed, &self.name, i);
        let mut taken = BTreeMap::new();
        let mut answer: Option<StepAnswer> = None;
        for (at, sender) in self.requests.iter().enumerate() {
            if let Some(before) = &answer {
                before.take(&sender.take, &mut taken)?;
            }
            let slot = timeout_at(deadline, sender.pool.slot()).await.map_err(|_| Failure::NoConnection)?;
            rest.push((None, slot));
            // The first was tried when the load was checked; what a later one takes comes from the server.
            let cannot = if at == 0 { Failure::Internal } else { Failure::Incomplete };
            let request = sender.template.request(i, &id, &taken).map_err(|_| cannot)?;
            let next = self.requests.get(at + 1);
            let body_is_read = match next {
                Some(next) => next.take.values().any(|place| matches!(place, AnswerPlace::Json(_))),
                None => self.expect.reads_body(),
            };
            // A connection that is dropped here, by the deadline or an error, is closed at once.
            let exchange = timeout_at(deadline, sender.exchange(request, body_is_read)).await;
            let (answered, conn) = exchange.map_err(|_| Failure::Timeout)??;
            if let Some(rest) = rest.last_mut() {
                rest.0 = Some(conn);
            }
            answer = Some(answered);
        }
        let answer = answer.ok_or(Failure::Internal)?;
        if answer.says(&self.expect) { Ok(answer.seen()) } else { Err(Failure::Unexpected) }
    }
}

impl RequestSender {
    fn new(spec: &LoadSpec, take: BTreeMap<String, AnswerPlace>, known: &[String]) -> Result<RequestSender, String> {
        let template = RequestTemplate::new(spec, known)?;
        let tls = match (&spec.ca, template.tls) {
            (None, false) => None,
            (Some(Ca::Pem { pem }), true) => Some(Tls::new(pem, &template.host)?),
            (Some(Ca::Service { service, .. }), true) => {
                return Err(format!("the certificate authority in `{service}` was not read"));
            }
            (Some(_), false) => return Err(format!("`{}` is not https, and has nothing to verify", spec.url)),
            (None, true) => return Err(format!("`{}` cannot be verified without `tls.ca`", spec.url)),
        };
        let pool = Pool::new(template.host.clone(), template.port, spec.connections, spec.keep_alive, tls);
        Ok(RequestSender { template, pool, take })
    }

    /// Sends a request and reads its whole answer, whose body is kept where it is read and short enough.
    async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
        body_is_read: bool,
    ) -> Result<(StepAnswer, Conn), Failure> {
        let mut conn = match self.pool.idle() {
            Some(conn) => conn,
            None => self.pool.connect().await?,
        };
        let response = loop {
            match conn.sender.try_send_request(request).await {
                Ok(response) => break response,
                Err(mut error) => match error.take_message() {
                    // The server had closed this idle connection and not a byte of the request was written: that
                    // we wanted to use it is our doing, so it is no failure of the service.
                    Some(unsent) if conn.reused => {
                        request = unsent;
                        conn = self.pool.connect().await?;
                    }
                    _ => return Err(Failure::of_http(error.error())),
                },
            }
        };
        let (head, mut body) = response.into_parts();
        let (mut kept, mut length) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::of_http(&error))?;
            length += frame.data_ref().map_or(0, |data| data.len() as u64);
            let data = frame.data_ref().filter(|data| body_is_read && kept.len() + data.len() <= LONGEST_BODY);
            kept.extend_from_slice(data.map_or(&[], |data| data));
        }
        Ok((StepAnswer { status: head.status.as_u16(), headers: head.headers, body: kept.into(), length }, conn))
    }
}
