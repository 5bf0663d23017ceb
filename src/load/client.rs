//! One request from the instant it is due to its end.

use super::pool::Pool;
use super::template::{self, RequestTemplate};
use super::trust::Tls;
use super::{Ca, EventClient, Failure, LoadSpec, RequestEnding, Sent};
use crate::slis::EventAnswer;
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

/// Sends the requests of one load. Nothing is ever tried again and no redirect is followed: what a user would have
/// got is what is counted.
#[derive(Debug)]
pub struct Client {
    name: String,
    seed: u64,
    template: RequestTemplate,
    pool: Pool,
    timeout: Duration,
}

/// What is left to do when a request has ended: its connection, and the right to use one.
struct Rest {
    conn: Option<super::pool::Conn>,
    slot: Option<OwnedSemaphorePermit>,
}

#[async_trait]
impl EventClient for Client {
    async fn event(&self, number: u64, due: Instant, sent: Sent) {
        let (ending, rest) = self.begin(number, due).await;
        sent.end(ending);
        self.finish(rest).await;
    }
}

impl Client {
    /// Checks a load's request; says in plain words what cannot be sent. `seed` makes the ids.
    pub fn new(spec: &LoadSpec, seed: u64) -> Result<Client, String> {
        let template = RequestTemplate::new(spec)?;
        if spec.timeout.is_zero() {
            return Err("a time-out of 0 fails every request".into());
        }
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
        Ok(Client { name: spec.name.clone(), seed, template, pool, timeout: spec.timeout })
    }

    /// Sends request `i`, due at `due`, and says how it ended; the connection is kept for others where it can be.
    pub async fn send(&self, i: u64, due: Instant) -> RequestEnding {
        let (ending, rest) = self.begin(i, due).await;
        self.finish(rest).await;
        ending
    }

    /// As `send`, but returns as soon as the end is known; `finish` must follow.
    async fn begin(&self, i: u64, due: Instant) -> (RequestEnding, Rest) {
        let mut rest = Rest { conn: None, slot: None };
        let result = self.attempt(i, due, &mut rest).await;
        (RequestEnding::of(result.map(EventAnswer::Status), due, self.timeout), rest)
    }

    /// Gives the connection back, then the right to use one.
    async fn finish(&self, rest: Rest) {
        if let Some(conn) = rest.conn {
            self.pool.give_back(conn).await;
        }
        drop(rest.slot);
    }

    async fn attempt(&self, i: u64, due: Instant, rest: &mut Rest) -> Result<u16, Failure> {
        let deadline = tokio::time::Instant::from_std(due + self.timeout);
        let slot = timeout_at(deadline, self.pool.slot()).await.map_err(|_| Failure::NoConnection)?;
        rest.slot = slot;
        // It was tried when the load was checked.
        let request =
            self.template.request(i, &template::id(self.seed, &self.name, i)).map_err(|_| Failure::Internal)?;
        // A connection that is dropped here, by the deadline or an error, is closed at once.
        let (status, conn) = timeout_at(deadline, self.exchange(request)).await.map_err(|_| Failure::Timeout)??;
        rest.conn = Some(conn);
        Ok(status)
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<(u16, super::pool::Conn), Failure> {
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
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| Failure::of_http(&error))?;
        }
        Ok((status, conn))
    }
}
