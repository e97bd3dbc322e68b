//! Topics on the cluster: making them, and what is known of them.

use std::collections::BTreeMap;
use std::time::Duration;

use barid_record::Topic;
use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use super::client::{self, Context, KafkaConsumer, Names, REQUEST, failed};
use super::config::{KafkaConfig, StateTopic, TopicOutcome, TopicPlan};
use super::sync::lock;
use crate::LogError;

/// Settings of a topic by name.
type Settings = Vec<(&'static str, String)>;

/// One topic as planned.
struct Planned {
    name: String,
    partitions: u32,
    settings: Settings,
}

/// Creates what is missing and compares the rest with the plan.
pub(crate) fn create(
    config: &KafkaConfig,
    names: &Names,
    plan: &TopicPlan,
    states: &[StateTopic<'_>],
) -> Result<Vec<TopicOutcome>, LogError> {
    let admin = admin(config)?;
    let planned = planned(config, names, plan, states);
    let replication = if plan.replication == 0 { -1 } else { i32::from(plan.replication) };
    let new: Vec<_> = planned
        .iter()
        .map(|topic| NewTopic {
            name: &topic.name,
            num_partitions: topic.partitions.cast_signed(),
            replication: TopicReplication::Fixed(replication),
            config: topic.settings.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        })
        .collect();
    let options = options();
    let made =
        block_on(admin.create_topics(&new, &options)).map_err(|error| failed("create", "topics", &error))?;
    let mut outcomes = Vec::new();
    for (topic, made) in planned.iter().zip(made) {
        let created = match made {
            Ok(_) => true,
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => false,
            Err((name, code)) => {
                let what = code.to_string();
                return Err(LogError::Kafka { operation: "create", object: name, what, transient: false });
            }
        };
        outcomes.push(TopicOutcome {
            name: topic.name.clone(),
            partitions: topic.partitions,
            created,
            differs: Vec::new(),
        });
    }
    compare(&admin, &planned, &mut outcomes)?;
    Ok(outcomes)
}

/// Notes where a topic that was there already is not as planned.
fn compare(
    admin: &AdminClient<Context>,
    planned: &[Planned],
    outcomes: &mut [TopicOutcome],
) -> Result<(), LogError> {
    for (topic, outcome) in planned.iter().zip(outcomes).filter(|(_, outcome)| !outcome.created) {
        let found = settings(admin, &topic.name)?;
        for (name, wanted) in &topic.settings {
            let have = found.get(*name).cloned().unwrap_or_default();
            if have != *wanted {
                outcome.differs.push(((*name).to_owned(), have, wanted.clone()));
            }
        }
        let metadata = admin.inner().fetch_metadata(Some(&topic.name), REQUEST);
        let metadata = metadata.map_err(|error| failed("describe", &topic.name, &error))?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len() as u32);
        outcome.partitions = partitions;
        if partitions != topic.partitions {
            outcome.differs.push((
                "partitions".to_owned(),
                partitions.to_string(),
                topic.partitions.to_string(),
            ));
        }
    }
    Ok(())
}

/// Every topic barid uses.
fn planned(config: &KafkaConfig, names: &Names, plan: &TopicPlan, states: &[StateTopic<'_>]) -> Vec<Planned> {
    let bytes = (config.message_bytes + client::OVERHEAD_BYTES).to_string();
    let common = |settings: &mut Settings| {
        settings.push(("max.message.bytes", bytes.clone()));
        // Clocks of collectors may be ahead; a refused timestamp would stop the pipeline.
        settings.push(("message.timestamp.after.max.ms", i64::MAX.to_string()));
    };
    let mut all: Vec<Planned> = Topic::ALL
        .into_iter()
        .map(|topic| {
            let (partitions, kept) = layout(topic, plan);
            let kept = kept.map_or(-1, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
            let mut settings =
                vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", kept.to_string())];
            common(&mut settings);
            Planned { name: names.topic(topic), partitions, settings }
        })
        .collect();
    let scoped = |scope: &str| Names::new(&config.prefix, scope);
    let state = states.iter().map(|state| match *state {
        StateTopic::Changelog { table, scope, shards } => (scoped(scope).changelog(table), shards),
        StateTopic::Seats { group, scope, shards } => (scoped(scope).seats(group), shards),
    });
    all.extend(state.chain([(names.owners(), 1)]).map(|(name, partitions)| {
        let mut settings = vec![
            ("cleanup.policy", "compact".to_owned()),
            ("delete.retention.ms", TOMBSTONES.as_millis().to_string()),
        ];
        common(&mut settings);
        Planned { name, partitions, settings }
    }));
    all
}

/// How long a changelog tells of removed keys: a local copy older than this is made anew.
pub(crate) const TOMBSTONES: Duration = Duration::from_secs(7 * 24 * 3600);

/// Partitions and age of a topic.
fn layout(topic: Topic, plan: &TopicPlan) -> (u32, Option<Duration>) {
    match topic {
        Topic::Raw | Topic::Backfill | Topic::Articles | Topic::ArticlesBackfill => {
            (plan.partitions, Some(plan.retention))
        }
        Topic::Records => (plan.partitions, plan.records_retention),
        Topic::Rejected | Topic::Health => (1, plan.records_retention),
    }
}

fn admin(config: &KafkaConfig) -> Result<AdminClient<Context>, LogError> {
    AdminClient::from_config_and_context(&client::base_with_properties(config), Context::default())
        .map_err(|error| failed("connect", "an administrator", &error))
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST * 3)).operation_timeout(Some(REQUEST * 3))
}

/// A topic's settings as the broker tells them.
fn settings(admin: &AdminClient<Context>, name: &str) -> Result<BTreeMap<String, String>, LogError> {
    let resource = [ResourceSpecifier::Topic(name)];
    let found = block_on(admin.describe_configs(&resource, &options()))
        .map_err(|error| failed("describe", name, &error))?;
    let entries = found.into_iter().filter_map(Result::ok).flat_map(|resource| resource.entries);
    Ok(entries.filter_map(|entry| Some((entry.name, entry.value?))).collect())
}

/// Partitions of each topic that exists, and the largest message each takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    partitions: BTreeMap<String, u32>,
    limits: BTreeMap<String, usize>,
}

impl Known {
    /// Asks the brokers for every topic of ours.
    pub(crate) fn ask(config: &KafkaConfig, names: &Names, probe: &KafkaConsumer) -> Result<Self, LogError> {
        *lock(&probe.context().0.refusal) = None;
        let metadata = probe.fetch_metadata(None, REQUEST);
        let metadata = metadata.map_err(|error| client::unanswered(config, probe, &error))?;
        let count = |topic: &rdkafka::metadata::MetadataTopic| topic.partitions().len() as u32;
        let partitions: BTreeMap<_, _> =
            metadata.topics().iter().map(|topic| (topic.name().to_owned(), count(topic))).collect();
        let admin = admin(config)?;
        let mut limits = BTreeMap::new();
        for name in Topic::ALL.map(|topic| names.topic(topic)) {
            if partitions.contains_key(&name)
                && let Some(bytes) = settings(&admin, &name)?.get("max.message.bytes")
                && let Ok(bytes) = bytes.parse::<usize>()
            {
                limits.insert(name, bytes.saturating_sub(client::OVERHEAD_BYTES));
            }
        }
        Ok(Self { partitions, limits })
    }

    /// How many partitions a topic has.
    pub(crate) fn partitions(&self, name: &str) -> Result<u32, LogError> {
        match self.partitions.get(name) {
            Some(&count) if count > 0 => Ok(count),
            Some(_) | None => Err(LogError::TopicMissing { topic: name.to_owned() }),
        }
    }

    /// The largest message the topic takes, not above ours.
    pub(crate) fn limit(&self, name: &str, ours: usize) -> usize {
        self.limits.get(name).copied().unwrap_or(ours).min(ours)
    }
}
