//! What the workers of a process do: `barid_role_active` and their part of `/readyz`.

use std::sync::{Arc, Mutex, PoisonError};

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
    activities: Arc<Mutex<Vec<(String, Activity)>>>,
}

impl Workers {
    /// Registers `barid_role_active` for the workers of these groups; all are starting.
    ///
    /// # Errors
    /// [`WebError::Metric`] when the registry has it already.
    pub fn register(registry: &Registry, groups: &[&str]) -> Result<Self, WebError> {
        const ACTIVE: &str = "barid_role_active";
        let opts =
            Opts::new(ACTIVE, "1 while a worker of this process works, 0 while it stands by or joins.");
        let active = add(registry, ACTIVE, IntGaugeVec::new(opts, &["worker"]))?;
        for group in groups {
            active.with_label_values(&[group]).set(0);
        }
        let activities = groups.iter().map(|&group| (group.to_owned(), Activity::Starting)).collect();
        Ok(Self { active, activities: Arc::new(Mutex::new(activities)) })
    }

    /// The worker of that group does something else now.
    pub fn now(&self, group: &str, activity: Activity) {
        self.active.with_label_values(&[group]).set(i64::from(activity == Activity::Working));
        let mut activities = self.activities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, now)) = activities.iter_mut().find(|(known, _)| known == group) {
            *now = activity;
        }
    }

    /// Why this process is not ready, as far as its workers go. Standing by is ready: whoever takes over must be.
    pub fn problems(&self) -> Vec<String> {
        let activities = self.activities.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = |(group, activity): &(String, Activity)| match activity {
            Activity::StandingBy | Activity::Working => None,
            Activity::Starting => Some(format!("worker {group} has not joined yet")),
            Activity::Failed { reason } => Some(format!("worker {group} joins again: {reason}")),
            Activity::Ended => Some(format!("worker {group} has ended")),
        };
        activities.iter().filter_map(problem).collect()
    }
}
