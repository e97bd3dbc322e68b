//! The configuration, as each crate wants it.

use std::time::Duration;

use barid_log::{Codec, EmbeddedConfig, Required, Retention};
use barid_record::Topic;
use barid_sink::JsonlConfig;
use barid_stage::StageConfig;
use barid_watcher::{Fields, FilesConfig};

use crate::config::{Compression, Config, FileSource, Format};

/// Most segments a full topic is cut into: retention works in whole segments.
const SEGMENTS: u64 = 16;

pub(super) fn embedded(config: &Config) -> EmbeddedConfig {
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

pub(super) fn stage(config: &Config) -> StageConfig {
    let defaults = StageConfig::default();
    let batch_documents = if cfg!(feature = "failpoints") { 32 } else { defaults.batch_documents };
    StageConfig {
        parser_threads: config.stage.parser_threads.unwrap_or(defaults.parser_threads),
        batch_documents,
        ..defaults
    }
}

pub(super) fn sink(config: &Config) -> JsonlConfig {
    JsonlConfig {
        dir: config.jsonl.dir.clone(),
        rotate_bytes: if cfg!(feature = "failpoints") { 400 << 10 } else { config.jsonl.rotate_bytes },
        rotate_after: Duration::from_secs(config.jsonl.rotate_seconds),
        zstd_level: config.jsonl.zstd_level,
    }
}

pub(super) fn watcher(config: &Config) -> barid_watcher::Config {
    let defaults = barid_watcher::Config::default();
    barid_watcher::Config {
        sources: config.files.iter().map(source).collect(),
        batch_documents: if cfg!(feature = "failpoints") { 16 } else { defaults.batch_documents },
        ..defaults
    }
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
        max_document_bytes: usize::try_from(source.max_document_bytes).unwrap_or(usize::MAX),
        ..FilesConfig::default()
    }
}
