//! What the workers of a process do: `barid_role_active` and their part of `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::{IntGaugeVec, Opts, Registry};

use crate::WebError;
use crate::cluster::add;

/// What one worker does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity {
    /// It has not come to join its group yet: it waits for brokers.
    Starting,
    /// It joins its group, or stands by while another process is the owner.
    StandingBy,
    /// It is a member, and works.
    Working,
    /// It failed, and joins again after a pause.
    Failed {
        /// Why.
        reason: String,
    },
    /// It has ended.
    Ended,
}

/// The workers of this process, by group. Clones show the same ones.
#[derive(Debug, Clone)]
pub struct Workers {
    active: IntGaugeVec,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug)]
struct Known {
    activities: Vec<(String, Activity)>,
    /// Shards that fail, with why: group and number.
    failing: BTreeMap<(String, u32), String>,
}

impl Workers {
    /// Registers `barid_role_active` for the workers of these groups; all are starting.
    ///
    /// # Errors
    /// [`WebError::Metric`] when the registry has it already.
    pub fn register(registry: &Registry, groups: &[&str]) -> Result<Self, WebError> {
        const ACTIVE: &str = "barid_role_active";
        let opts = Opts::new(
            ACTIVE,
            "A worker of this process works: 1 while it does, 0 while it stands by or joins.",
        );
        let active = add(registry, ACTIVE, IntGaugeVec::new(opts, &["worker"]))?;
        for group in groups {
            active.with_label_values(&[group]).set(0);
        }
        let activities = groups.iter().map(|&group| (group.to_owned(), Activity::Starting)).collect();
        let known = Known { activities, failing: BTreeMap::new() };
        Ok(Self { active, known: Arc::new(Mutex::new(known)) })
    }

    /// The worker of that group does something else now.
    pub fn now(&self, group: &str, activity: Activity) {
        self.active.with_label_values(&[group]).set(i64::from(activity == Activity::Working));
        if let Some((_, now)) = self.known().activities.iter_mut().find(|(known, _)| known == group) {
            *now = activity;
        }
    }

    /// A shard of that group's work failed, and is taken again after a pause.
    pub fn shard_fails(&self, group: &str, shard: u32, reason: String) {
        self.known().failing.insert((group.to_owned(), shard), reason);
    }

    /// A shard is worked on, or is not this process's any more.
    pub fn shard_is_well(&self, group: &str, shard: u32) {
        self.known().failing.remove(&(group.to_owned(), shard));
    }

    /// Why this process is not ready, as far as its workers go. Standing by is ready: whoever takes over must be.
    pub fn problems(&self) -> Vec<String> {
        let known = self.known();
        let problem = |(group, activity): &(String, Activity)| match activity {
            Activity::StandingBy | Activity::Working => None,
            Activity::Starting => Some(format!("worker {group} has not joined yet")),
            Activity::Failed { reason } => Some(format!("worker {group} joins again: {reason}")),
            Activity::Ended => Some(format!("worker {group} has ended")),
        };
        let of_shard = |((group, shard), reason): (&(String, u32), &String)| {
            format!("worker {group} takes shard {shard} again: {reason}")
        };
        let shards = known.failing.iter().map(of_shard);
        known.activities.iter().filter_map(problem).chain(shards).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
