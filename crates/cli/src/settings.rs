//! The configuration, as each crate wants it.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use barid_log::{
    Codec, Control, EmbeddedConfig, KafkaConfig, Required, Retention, StateTopic, Table, TopicPlan,
};
use barid_record::Topic;
use barid_sink::{JsonlConfig, Keep};
use barid_stage::StageConfig;
use barid_watcher::feeds::FeedsConfig;
use barid_watcher::feeds::address::Allowed;
use barid_watcher::feeds::engine::Feed;
use barid_watcher::feeds::fetch::Trust;
use barid_watcher::feeds::opml::{self, Outline};
use barid_watcher::feeds::websub::WebSubConfig;
use barid_watcher::{Fields, FilesConfig};

use crate::config::{Compression, Config, Delivery, FeedsSection, FileSource, Format, KafkaSection};
use crate::error::CliError;
use crate::input;
use crate::roles::Role;
use crate::run::RunError;

/// Most segments a full topic is cut into: retention works in whole segments.
const SEGMENTS: u64 = 16;

pub(crate) fn embedded(config: &Config) -> EmbeddedConfig {
    let defaults = EmbeddedConfig::new(&config.data_dir);
    let required = |group: &str, topic| Required { group: group.to_owned(), topic };
    let embedded = EmbeddedConfig {
        codec: match config.log.compression {
            Compression::None => Codec::None,
            Compression::Lz4 => Codec::Lz4,
            Compression::Zstd => Codec::Zstd,
        },
        segment_bytes: defaults.segment_bytes.min(config.log.retention_bytes / SEGMENTS).max(1 << 20),
        retention: Retention {
            topic_bytes: config.log.retention_bytes,
            age: config.log.retention_hours.map(|hours| Duration::from_secs(hours * 3600)),
        },
        required: vec![
            required(barid_stage::GROUP, Topic::Raw),
            required(barid_stage::GROUP, Topic::Backfill),
            required(barid_sink::GROUP, Topic::Records),
        ],
        ..defaults
    };
    if cfg!(feature = "failpoints") { small_borders(embedded) } else { embedded }
}

/// The build that tests kill has small segments and checkpoints, so that a short run crosses each border many times.
fn small_borders(embedded: EmbeddedConfig) -> EmbeddedConfig {
    EmbeddedConfig {
        block_bytes: 64 << 10,
        segment_bytes: 512 << 10,
        commit_bytes: 256 << 10,
        journal_bytes: 128 << 10,
        state_buffer_bytes: 1 << 20,
        retention: Retention { topic_bytes: 1 << 20, age: None },
        ..embedded
    }
}

/// The cluster at `brokers`, for a process whose local state is the folder `role` of the data folder.
pub(crate) fn kafka(config: &Config, brokers: &str, role: &str, control: Control) -> KafkaConfig {
    let KafkaSection {
        brokers: _,
        prefix,
        instance,
        delivery,
        session_timeout_seconds,
        static_membership,
        max_message_bytes,
        transaction_bytes,
        fetch_bytes,
        topics: _,
        properties,
    } = &config.kafka;
    KafkaConfig {
        prefix: prefix.clone(),
        scope: scope(config, role).to_owned(),
        standby_hint: standby_hint(role),
        instance: instance.clone(),
        delivery: match delivery {
            Delivery::ExactlyOnce => barid_log::Delivery::ExactlyOnce,
            Delivery::AtLeastOnce => barid_log::Delivery::AtLeastOnce,
        },
        session_timeout: Duration::from_secs(*session_timeout_seconds),
        static_membership: *static_membership,
        message_bytes: *max_message_bytes,
        transaction_bytes: *transaction_bytes,
        fetch_bytes: *fetch_bytes,
        properties: properties.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        control,
        ..KafkaConfig::new(brokers, config.data_dir.join(role))
    }
}

/// What stands behind the groups and the state of a role.
fn scope<'a>(config: &'a Config, role: &str) -> &'a str {
    if role == Role::Watch.name() { &config.watch.id } else { "" }
}

fn standby_hint(role: &str) -> &'static str {
    if role == Role::Watch.name() {
        "it watches its folders for both; where the two have different ones give each its own `watch.id` and run `barid topics create`"
    } else {
        "this process takes over when that one ends"
    }
}

/// The name under which a source's documents are counted.
fn writer(config: &Config, name: &str) -> String {
    if config.watch.id.is_empty() { name.to_owned() } else { format!("{name}.{}", config.watch.id) }
}

/// The topics of the state of every role, and that of `barid rejected retry`.
pub(crate) fn state_topics<'a>(config: &'a Config, retried: Table) -> Vec<StateTopic<'a>> {
    let scope = scope(config, Role::Watch.name());
    let alone = |scope: &'a str| move |table| StateTopic::Changelog { table, scope, shards: 1 };
    let shards = config.feeds.shards;
    let parts = move |table| StateTopic::Changelog { table, scope, shards };
    let mut topics: Vec<StateTopic<'a>> =
        barid_watcher::worker_spec().tables.into_iter().map(alone(scope)).collect();
    topics.extend(barid_watcher::feeds::worker_spec().tables.into_iter().map(parts));
    topics.push(StateTopic::Seats { group: barid_watcher::feeds::GROUP, scope, shards });
    let others = [barid_stage::parse_spec(), barid_stage::decide_spec(), barid_sink::spec()];
    let others = others.into_iter().flat_map(|spec| spec.tables).chain([retried]);
    topics.extend(others.map(alone("")));
    topics
}

/// How topics are laid out.
pub(crate) fn topic_plan(config: &Config) -> TopicPlan {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let topics = &config.kafka.topics;
    TopicPlan {
        partitions: topics.partitions,
        replication: topics.replication,
        retention: hours(topics.retention_hours),
        records_retention: topics.records_retention_hours.map(hours),
    }
}

pub(crate) fn stage(config: &Config) -> StageConfig {
    let defaults = StageConfig::default();
    let batch_documents = if cfg!(feature = "failpoints") { 32 } else { defaults.batch_documents };
    StageConfig {
        parser_threads: config.stage.parser_threads.unwrap_or(defaults.parser_threads),
        batch_documents,
        // Partitions of a parser that was killed stand still for a session; an order must not be given up for that.
        order_wait: defaults.order_wait.max(Duration::from_secs(config.kafka.session_timeout_seconds * 3)),
        ..defaults
    }
}

pub(crate) fn sink(config: &Config) -> JsonlConfig {
    JsonlConfig {
        dir: config.jsonl.dir.clone(),
        rotate_bytes: if cfg!(feature = "failpoints") { 400 << 10 } else { config.jsonl.rotate_bytes },
        rotate_after: Duration::from_secs(config.jsonl.rotate_seconds),
        zstd_level: config.jsonl.zstd_level,
        layout: config.jsonl.layout,
        keep: keep(config),
        ..JsonlConfig::default()
    }
}

/// Which record files are kept.
pub(crate) fn keep(config: &Config) -> Keep {
    Keep { age: config.jsonl.keep_days.and_then(days), bytes: config.jsonl.keep_bytes }
}

/// So many days; 0 is for ever.
pub(crate) fn days(days: u64) -> Option<Duration> {
    (days > 0).then(|| Duration::from_secs(days.saturating_mul(86_400)))
}

pub(crate) fn watcher(config: &Config) -> barid_watcher::Config {
    let defaults = barid_watcher::Config::default();
    barid_watcher::Config {
        sources: config.files.iter().map(source).collect(),
        writer: writer(config, &defaults.writer),
        batch_documents: if cfg!(feature = "failpoints") { 16 } else { defaults.batch_documents },
        ..defaults
    }
}

/// The feeds, with those of the lists.
///
/// # Errors
/// A list that cannot be read.
pub(crate) fn feeds(config: &Config) -> Result<FeedsConfig, CliError> {
    let (section, defaults) = (&config.feeds, FeedsConfig::default());
    let written = section.feeds.iter().map(|feed| Feed {
        id: feed.id.clone(),
        url: feed.url.clone(),
        is_listed: feed.fast,
    });
    let mut feeds: Vec<Feed> = written.collect();
    let full_text = section.feeds.iter().filter(|feed| feed.full_text);
    let mut full_text: Vec<String> = full_text.map(|feed| feed.id.clone()).collect();
    let own: HashSet<&str> = section.feeds.iter().map(|feed| feed.id.as_str()).collect();
    for path in &section.lists {
        let listed = list(path)?.into_iter().map(|outline| outline.feed);
        let first = feeds.len();
        feeds.extend(listed);
        if section.full_text {
            // A feed's own table goes before a list.
            let listed = feeds[first..].iter().filter(|feed| !own.contains(feed.id.as_str()));
            full_text.extend(listed.map(|feed| feed.id.clone()));
        }
    }
    Ok(FeedsConfig {
        feeds,
        watch: section.watch.clone(),
        full_text,
        agent: agent(section),
        allowed: Allowed(section.allow_addresses.clone()),
        trust: trust(section)?,
        websub: section.websub.as_ref().map(|websub| WebSubConfig {
            listen: websub.listen,
            callback: websub.callback.clone(),
            random,
        }),
        max_in_flight: section.max_in_flight,
        writer: writer(config, &defaults.writer),
        batch_bytes: if cfg!(feature = "failpoints") { 16 << 10 } else { defaults.batch_bytes },
        ..defaults
    })
}

/// The `User-Agent`.
pub(crate) fn agent(section: &FeedsSection) -> String {
    let name = concat!("barid/", env!("CARGO_PKG_VERSION"));
    section.contact.as_ref().map_or_else(|| name.to_owned(), |contact| format!("{name} (+{contact})"))
}

/// 32 bytes that nobody can guess.
fn random() -> std::io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Who vouches for servers beside the authorities of the system.
///
/// # Errors
/// A file that cannot be read, or without certificates.
pub(crate) fn trust(section: &FeedsSection) -> Result<Trust, CliError> {
    let Some(path) = &section.extra_ca else { return Ok(Trust::default()) };
    let pem = input::bytes(path, input::OF_CONFIG);
    let pem = pem.map_err(|source| CliError::Read { path: path.clone(), source })?;
    Ok(Trust::default().with_pem(&pem).map_err(RunError::from)?)
}

/// Reads a list of feeds.
pub(crate) fn list(path: &Path) -> Result<Vec<Outline>, CliError> {
    let text = input::text(path, input::OF_LIST)
        .map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    opml::parse(&text).map_err(|source| CliError::FeedList { path: path.to_owned(), source })
}

fn source(source: &FileSource) -> FilesConfig {
    let fields = &source.fields;
    FilesConfig {
        id: source.id.clone(),
        root: source.path.clone(),
        include: source.include.clone(),
        exclude: source.exclude.clone(),
        format: match source.format {
            Format::Text => barid_watcher::Format::Text,
            Format::Jsonl => barid_watcher::Format::JsonLines(Fields {
                text: fields.text.clone(),
                headline: fields.headline.clone(),
                published: fields.published.clone(),
                url: fields.url.clone(),
                id: fields.id.clone(),
                author: fields.author.clone(),
                publisher: fields.publisher.clone(),
                language: fields.language.clone(),
            }),
        },
        charset: source.charset.clone(),
        settle_ms: i64::try_from(source.settle_ms).unwrap_or(i64::MAX),
        rescan_seconds: u32::try_from(source.rescan_seconds).unwrap_or(u32::MAX),
        backfill: source.backfill,
        max_document_bytes: usize::try_from(source.max_document_bytes).unwrap_or(usize::MAX),
        ..FilesConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn every_kafka_key_reaches_the_log() {
        let text = "data_dir = \"/srv/barid\"\n[kafka]\nbrokers = \"a:1,b:2\"\nprefix = \"p.\"\ninstance = \"i\"\ndelivery = \"at_least_once\"\nsession_timeout_seconds = 30\nstatic_membership = false\nmax_message_bytes = 100000\ntransaction_bytes = 200000\nfetch_bytes = 300000\n[kafka.topics]\npartitions = 3\nreplication = 2\nretention_hours = 5\nrecords_retention_hours = 7\n[kafka.properties]\nclient.id = \"c\"\n";
        let loaded = config::parse(None, text.to_owned(), &config::Env::new()).unwrap();
        let kafka = kafka(&loaded.config, loaded.brokers().unwrap(), "stage", Control::default());
        assert_eq!(kafka.brokers, "a:1,b:2");
        assert_eq!((kafka.prefix.as_str(), kafka.instance.as_deref()), ("p.", Some("i")));
        assert_eq!(kafka.dir, std::path::Path::new("/srv/barid/stage"));
        assert_eq!(kafka.delivery, barid_log::Delivery::AtLeastOnce);
        assert_eq!((kafka.session_timeout, kafka.static_membership), (Duration::from_secs(30), false));
        assert_eq!(
            (kafka.message_bytes, kafka.transaction_bytes, kafka.fetch_bytes),
            (100_000, 200_000, 300_000)
        );
        assert_eq!(kafka.properties, [("client.id".to_owned(), "c".to_owned())]);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let plan = TopicPlan {
            partitions: 3,
            replication: 2,
            retention: hours(5),
            records_retention: Some(hours(7)),
        };
        assert_eq!(topic_plan(&loaded.config), plan);
    }

    #[test]
    fn the_defaults_of_the_file_are_those_of_the_log() {
        let loaded = config::parse(None, String::new(), &config::Env::new()).unwrap();
        let ours = kafka(&loaded.config, "b:1", "web", Control::default());
        let theirs = KafkaConfig::new("b:1", "barid-data/web");
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        assert_eq!(topic_plan(&loaded.config), TopicPlan::default());
    }
}
