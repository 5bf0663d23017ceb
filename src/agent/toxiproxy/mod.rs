//! A server with the HTTP API of Toxiproxy (<https://github.com/Shopify/toxiproxy>, version 2): proxies for TCP, each with
//! toxics that do something to the bytes of one direction, on connections that are open already as well, or about HTTP requests.

mod api;
mod proxies;

pub use api::{ToxiproxyApi, serve};
pub use proxies::{ToxicProxies, listen};
