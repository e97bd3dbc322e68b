//! WebSub: a hub brings what is new in a feed as soon as it is there, and polling goes on beside it, slower.
//!
//! ```text
//! poll --hub and topic--> Subscription --asked, durable--> POST to the hub --> the hub asks back: GET callback --> lease
//!                              ^     renewed in time, asked again after failures <-------------------------------+
//! hub --POST callback--> signature --> the engine's own intake --> Unit { items, FeedState } durable --> 2xx
//! poll --what no push brought--> distrust: the usual interval until push has proved itself
//! ```
//! What is decided is pure and takes time and randomness from outside: `discover`, `search`, `lease`, `trust`, `sign`. `server` hears the network and `subscriber`
//! carries between it, the log and the decisions.

mod agenda;
pub mod discover;
pub mod lease;
mod metrics;
pub mod search;
mod server;
pub mod sign;
mod subscriber;
pub mod trust;

use std::io;
use std::net::SocketAddr;

use barid_log::Table;

pub(super) use metrics::{Brought, WebSubMetrics};
pub(super) use server::{Doors, Push, Visit};
pub(super) use subscriber::{Ask, Subscriber};

/// The table of subscriptions: `<token, 20 bytes> -> form 1, Subscription`. Its rows are secrets.
pub const WEBSUB: Table = Table("feeds.websub");

/// The crash point between a pushed document that is durable and the answer to its hub.
pub const PUSHED: &str = "feeds.pushed.after";

/// Names a subscription in the address of its callback: nobody can guess it.
pub(super) type Token = [u8; 20];

/// What a subscriber is told.
#[derive(Debug, Clone)]
pub struct WebSubConfig {
    /// Where hubs are heard.
    pub listen: SocketAddr,
    /// The address under which that is reached from outside; each feed has a path of its own below it.
    pub callback: String,
    /// 32 bytes that nobody can guess, at each call.
    pub random: fn() -> io::Result<[u8; 32]>,
}
