//! `http_status`: a proxy in front of a service answers in its place.
