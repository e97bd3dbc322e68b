//! Retention: whole segments go, oldest first, never above what a required group has read. First the journal says so, then the files go.

use std::sync::atomic::Ordering;

use super::disk;
use super::journal::{Frame, Journal};
use super::shared::{Shared, lock};
use super::topic::TopicLog;
use crate::LogError;

/// What is to be done with a topic.
struct Decision {
    /// The first segment that stays, when older ones go.
    new_start: Option<u64>,
    /// At the limit, and a required group is the reason.
    blocked: bool,
}

/// Retires what may go, and sets who has to wait.
pub(crate) fn run(shared: &Shared, journal: &mut Journal) -> Result<(), LogError> {
    let mut frame = Frame::new();
    let mut starts = Vec::new();
    for topic in shared.topics.iter() {
        let decision = decide(shared, topic);
        if let Some(segment_base) = decision.new_start {
            frame.start(topic.topic.name(), segment_base);
            starts.push((topic, segment_base));
        }
        if topic.blocked.swap(decision.blocked, Ordering::AcqRel) != decision.blocked {
            let name = topic.topic.name();
            tracing::info!(
                topic = name,
                blocked = decision.blocked,
                "producers wait while a required group has not read enough"
            );
            shared.metrics.back_pressure.set(i64::from(shared.topics.iter().any(TopicLog::is_blocked)));
            drop(lock(&shared.queue));
            shared.room.notify_all();
        }
    }
    if starts.is_empty() {
        return Ok(());
    }
    journal.append(&mut frame)?;
    crate::failpoint("log.retention.middle");
    for (topic, segment_base) in starts {
        remove_before(shared, topic, segment_base)?;
    }
    Ok(())
}

fn remove_before(shared: &Shared, topic: &TopicLog, segment_base: u64) -> Result<(), LogError> {
    let mut gone = Vec::new();
    let mut view = topic.view_mut();
    while let Some(segment) = view.segments.pop_front_if(|segment| segment.base_offset < segment_base) {
        gone.push(segment.base_offset);
    }
    drop(view);
    for base in gone {
        disk::remove(&topic.segment_path(base))?;
        shared.metrics.retired_segments.with_label_values(&[topic.topic.name()]).inc();
    }
    Ok(())
}

fn decide(shared: &Shared, topic: &TopicLog) -> Decision {
    let retention = &shared.config.retention;
    let read_by_all = read_by_required(shared, topic);
    let view = topic.view();
    let newest_ms = view.segments.iter().map(|segment| segment.newest_timestamp_ms).max().unwrap_or(0);
    let mut bytes = view.bytes();
    let mut decision = Decision { new_start: None, blocked: false };
    for (index, segment) in view.segments.iter().enumerate() {
        let too_many = bytes > retention.topic_bytes;
        let too_old = retention.age.is_some_and(|age| {
            i128::from(newest_ms) - i128::from(segment.newest_timestamp_ms) > age.as_millis() as i128
        });
        let next = view.segments.get(index + 1);
        let end_offset = next.map_or(view.end_offset, |next| next.base_offset);
        if !too_many && !too_old {
            break;
        }
        if read_by_all.is_some_and(|read| read < end_offset) {
            decision.blocked = too_many;
            break;
        }
        let Some(next) = next else { break };
        decision.new_start = Some(next.base_offset);
        bytes -= segment.bytes;
    }
    decision
}

/// The lowest position of the groups that must have read the topic; `None` when there is no such group.
fn read_by_required(shared: &Shared, topic: &TopicLog) -> Option<u64> {
    let progress = lock(&shared.progress);
    let required = shared.config.required.iter().filter(|required| required.topic == topic.topic);
    required.map(|required| progress.positions.get(&required.group, topic.topic).unwrap_or(0)).min()
}
