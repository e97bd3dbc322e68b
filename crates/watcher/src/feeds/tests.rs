//! The whole poller against a real server on the loopback interface and the real embedded log, with a clock that can be set.

mod asked;
mod dying;
mod hub;
mod indexes;
mod known_before;
pub(crate) mod place;
pub(crate) mod processor;
mod pushed;
mod secure;
pub(crate) mod secure_server;
pub(crate) mod server;
mod slower;
mod stories;
