//! Pull and push against a real registry (Debian's `docker-registry`): over http and https, with every way to log in,
//! through proxies that cut connections, and against servers that refuse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test they are the assertion")]

mod authority;
mod endless;
#[allow(dead_code, reason = "other tests use other parts")]
mod lab;
mod pull;
mod push;
mod refusal;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod token;
mod token_service;
