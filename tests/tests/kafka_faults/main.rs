//! The Kafka backend's own fault tests, on a real broker: owners that hand over, freeze and are shut out, members that come, go and are killed,
//! brokers that are away, local copies that are gone.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

mod bounds;
mod lab;
mod outage;
mod owners;
mod shards;
mod shared;
mod state;
