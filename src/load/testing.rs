//! A load for the tests of this room, and one request of it.

use super::{Client, LoadSpec, RequestEnding};
use std::time::{Duration, Instant};

impl LoadSpec {
    /// One request a second of this address, with nothing in it.
    pub(super) fn sample(url: impl Into<String>) -> LoadSpec {
        LoadSpec {
            name: "shop".into(),
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            rate: 1.0,
            timeout: Duration::from_secs(20),
            connections: 1,
            keep_alive: true,
            ca: None,
            acknowledged: None,
            expect: Default::default(),
            then: Vec::new(),
        }
    }
}

impl Client {
    /// Sends request `i`, due at `due`, and says how it ended; the connection is kept for others where it can be.
    pub(super) async fn send(&self, i: u64, due: Instant) -> RequestEnding {
        let mut ended = None;
        self.made(i, due, |ending| ended = Some(ending)).await;
        ended.expect("a request that was made has ended")
    }
}
