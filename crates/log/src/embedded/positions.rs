//! How far every group has read.

use std::collections::BTreeMap;

use barid_record::Topic;

/// The next offset of each group and topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Positions(BTreeMap<String, BTreeMap<Topic, u64>>);

impl Positions {
    pub(crate) fn get(&self, group: &str, topic: Topic) -> Option<u64> {
        self.0.get(group)?.get(&topic).copied()
    }

    pub(crate) fn set(&mut self, group: &str, topic: Topic, next_offset: u64) {
        match self.0.get_mut(group) {
            Some(topics) => topics.insert(topic, next_offset),
            None => self.0.entry(group.to_owned()).or_default().insert(topic, next_offset),
        };
    }

    /// Registers a group that has not read anything yet.
    pub(crate) fn register(&mut self, group: &str, topic: Topic) {
        self.0.entry(group.to_owned()).or_default().entry(topic).or_insert(0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Topic, u64)> {
        self.0
            .iter()
            .flat_map(|(group, topics)| topics.iter().map(|(&topic, &next)| (group.as_str(), topic, next)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}
