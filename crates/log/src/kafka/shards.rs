//! State that several processes share: each shard of it belongs to one of them at a time, and moves when they come and go.
//!
//! ```text
//! barid.<group>: one partition a shard --rebalance--> Seat --> seat_worker: new producers of the shard's id, its partition of each changelog --> work
//!       ^ asked back: the seat's control says so, and the rebalance waits until the seat is dropped, half a session at most
//! ```
//! Who has the partition decides who works; what keeps a second one out is the shard's transactional id. A member that slept through its session finds
//! its producers refused, whatever it believes to have.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::client::{Barrier, Events, KafkaConsumer, Moved, failed};
use super::cluster::{Cluster, Place};
use super::join::member;
use super::leave::Farewell;
use super::sync::{lock, wait_for};
use super::worker::serve_member;
use crate::{Control, LogError, Wish};

/// A membership in a group whose state is shared out. Fields are dropped in this order: the member leaves when nobody holds it any more.
pub struct Shards {
    member: Arc<KafkaConsumer>,
    cluster: Arc<Cluster>,
    group: String,
    of: u32,
    events: Arc<Events>,
    seats: Arc<Seats>,
    _farewell: Farewell,
    _place: Place,
}

impl std::fmt::Debug for Shards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shards").field("group", &self.group).field("of", &self.of).finish_non_exhaustive()
    }
}

impl Shards {
    pub(crate) fn join(cluster: &Arc<Cluster>, group: &str) -> Result<Self, LogError> {
        let place = cluster.enter(group, &[])?;
        cluster.refresh()?;
        let topic = cluster.names.seats(group);
        let of = lock(&cluster.known).partitions(&topic)?;
        let events = Arc::<Events>::default();
        let seats = Arc::new(Seats {
            held: Mutex::default(),
            left: Condvar::new(),
            patience: cluster.config.session_timeout / 2,
        });
        *lock(&events.barrier) = Some(Arc::clone(&seats) as Arc<dyn Barrier>);
        let (farewell, member) = Farewell::new(member(cluster, group, &events, 1)?, group);
        member.subscribe(&[&topic]).map_err(|error| failed("join", group, &error))?;
        Ok(Self {
            member,
            cluster: Arc::clone(cluster),
            group: group.to_owned(),
            of,
            events,
            seats,
            _farewell: farewell,
            _place: place,
        })
    }

    /// How many shards there are.
    pub fn count(&self) -> u32 {
        self.of
    }

    /// Serves the membership for about that long; returns the shards that came to this process. A shard that is asked back says so by its
    /// [`Seat::control`], and this call waits then until the seat was dropped. Call it all the time: others wait for the answer.
    ///
    /// # Errors
    ///
    /// When the membership cannot go on. The seats are given back by dropping them, then this.
    pub fn turn(&mut self, wait: Duration) -> Result<Vec<Seat>, LogError> {
        let served = serve_member(&self.member, &self.cluster, &self.group, wait);
        let mut came = BTreeMap::new();
        for moved in std::mem::take(&mut *lock(&self.events.moved)) {
            let number = moved.partition.cast_unsigned();
            if moved.given {
                let held = Arc::new(Held {
                    group: self.group.clone(),
                    number,
                    of: self.of,
                    control: Control::default(),
                    is_gone: AtomicBool::new(false),
                });
                came.insert(number, Seat { held, seats: Arc::clone(&self.seats) });
            } else {
                came.remove(&number);
            }
        }
        served?;
        let mut held = lock(&self.seats.held);
        held.extend(came.iter().map(|(number, seat)| (*number, Arc::clone(&seat.held))));
        Ok(came.into_values().collect())
    }

    /// Asks every shard's worker to end.
    pub fn stop(&self) {
        lock(&self.seats.held).values().for_each(|held| held.control.ask(Wish::Stop));
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        lock(&self.seats.held).values().for_each(|held| held.give_up());
    }
}

/// A shard that this process has: until it is dropped, which gives it back when it was asked for.
pub struct Seat {
    pub(crate) held: Arc<Held>,
    seats: Arc<Seats>,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seat({} of {})", self.held.number, self.held.of)
    }
}

impl Seat {
    /// Which shard, from 0.
    pub fn number(&self) -> u32 {
        self.held.number
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.held.of
    }

    /// Asks for a stop when the shard goes to another process.
    pub fn control(&self) -> &Control {
        &self.held.control
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = lock(&self.seats.held);
        if held.get(&self.held.number).is_some_and(|held| Arc::ptr_eq(held, &self.held)) {
            held.remove(&self.held.number);
        }
        drop(held);
        self.seats.left.notify_all();
    }
}

/// What the membership and a shard's worker know of each other.
pub(crate) struct Held {
    pub(crate) group: String,
    pub(crate) number: u32,
    pub(crate) of: u32,
    control: Control,
    is_gone: AtomicBool,
}

impl Held {
    /// Whether it is another member's, or may be.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// An error when nobody waits for its worker any more.
    pub(crate) fn check(&self, group: &str) -> Result<(), LogError> {
        let group = group.to_owned();
        if self.is_gone() {
            return Err(LogError::Lost { group, cause: "another member has the shard".to_owned() });
        }
        if self.control.wish() != Wish::Run {
            return Err(LogError::Stopped { operation: "take over", cause: "asked to end".to_owned() });
        }
        Ok(())
    }

    fn give_up(&self) {
        self.control.ask(Wish::Stop);
        self.is_gone.store(true, Ordering::Release);
    }
}

/// The shards of this process that were not dropped yet.
struct Seats {
    held: Mutex<BTreeMap<u32, Arc<Held>>>,
    left: Condvar,
    patience: Duration,
}

impl Barrier for Seats {
    /// Lets the workers of these shards finish what is under way. Whoever takes longer is shut out by its successor.
    fn settle(&self, taken: &[Moved], are_lost: bool) {
        let numbers: Vec<u32> = taken.iter().map(|moved| moved.partition.cast_unsigned()).collect();
        let mut held = lock(&self.held);
        let leaving: Vec<_> = numbers.iter().filter_map(|number| held.get(number).cloned()).collect();
        leaving.iter().for_each(|held| held.control.ask(Wish::Stop));
        let deadline = Instant::now() + self.patience;
        while !are_lost && numbers.iter().any(|number| held.contains_key(number)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(shards = ?numbers, "shards go to other processes before their work is finished");
                break;
            }
            held = wait_for(&self.left, held, left);
        }
        numbers.iter().for_each(|number| drop(held.remove(number)));
        leaving.iter().for_each(|held| held.give_up());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(patience: Duration) -> (Arc<Seats>, Seat) {
        let seats = Arc::new(Seats { held: Mutex::default(), left: Condvar::new(), patience });
        let (control, is_gone) = (Control::default(), AtomicBool::new(false));
        let held = Arc::new(Held { group: "feeds".into(), number: 3, of: 8, control, is_gone });
        lock(&seats.held).insert(3, Arc::clone(&held));
        (Arc::clone(&seats), Seat { held, seats })
    }

    fn taken() -> Vec<Moved> {
        vec![Moved { topic: "barid.feeds".into(), partition: 3, given: false }]
    }

    #[test]
    fn a_shard_that_is_asked_back_goes_when_its_seat_is_dropped() {
        let (seats, seat) = seats(Duration::from_secs(600));
        let control = seat.control().clone();
        let worker = std::thread::spawn(move || {
            while control.wish() == Wish::Run {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(!seat.held.is_gone(), "it may still commit what it has in hand");
            let held = Arc::clone(&seat.held);
            drop(seat);
            held
        });
        seats.settle(&taken(), false);
        let held = worker.join().unwrap();
        assert!(held.is_gone() && lock(&seats.held).is_empty());
        assert!(held.check("feeds.3").unwrap_err().is_lost());
    }

    #[test]
    fn a_shard_that_is_lost_or_kept_too_long_is_gone_at_once() {
        for are_lost in [true, false] {
            let patience = if are_lost { Duration::from_secs(600) } else { Duration::ZERO };
            let (seats, seat) = seats(patience);
            seats.settle(&taken(), are_lost);
            assert!(seat.held.is_gone() && seat.control().wish() == Wish::Stop);
        }
    }

    #[test]
    fn other_shards_stay() {
        let (seats, seat) = seats(Duration::ZERO);
        seats.settle(&[Moved { partition: 4, ..taken().remove(0) }], false);
        assert!(seat.held.check("feeds.3").is_ok());
    }
}
