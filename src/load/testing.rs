//! A load for the tests of this room, and one request of it.

use super::LoadSpec;
use std::time::Duration;

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
