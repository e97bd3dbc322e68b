//! The embedded log against what every backend must do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use barid_log::conformance::{CASES, Subject};
use barid_log::{Codec, Embedded, EmbeddedConfig, Log};
use prometheus::Registry;
use tempfile::TempDir;

struct Folder {
    dir: TempDir,
    settings: fn(EmbeddedConfig) -> EmbeddedConfig,
}

impl Subject for Folder {
    fn open(&self) -> Box<dyn Log> {
        let config = (self.settings)(EmbeddedConfig::new(self.dir.path()));
        Box::new(Embedded::open(config, &Registry::new()).unwrap())
    }
}

fn run(settings: fn(EmbeddedConfig) -> EmbeddedConfig) {
    for (_, case) in CASES {
        case(&Folder { dir: tempfile::tempdir().unwrap(), settings });
    }
}

#[test]
fn with_the_defaults() {
    run(|config| config);
}

/// Every reader goes to the disk, every unit makes new blocks and segments, and checkpoints come all the time.
#[test]
fn with_everything_tiny() {
    run(|config| EmbeddedConfig {
        codec: Codec::Zstd,
        block_bytes: 64,
        segment_bytes: 300,
        queue_bytes: 2_000,
        commit_bytes: 500,
        tail_bytes: 0,
        state_cache_bytes: 1 << 16,
        state_buffer_bytes: 2_000,
        journal_bytes: 2_000,
        ..config
    });
}
