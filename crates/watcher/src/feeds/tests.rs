//! The whole poller against a real server on the loopback interface and the real embedded log, with a clock that can be set.

pub(crate) mod server;
mod stories;
