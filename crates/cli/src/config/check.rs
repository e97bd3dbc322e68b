//! What a configuration says of itself cannot work, whatever machine it is for: seen without opening anything.
//!
//! Each part looks at values that were read; a key whose value was refused before has its default here, which is never refused again.

mod addresses;
mod globs;
mod levels;
mod listeners;

use super::Config;
use super::findings::Findings;
use super::problem::Problem;
use super::reader::{Env, Setting};

pub(super) use addresses::unknown_id;
pub(super) use globs::shared_file;
pub(crate) use levels::is_usable as is_usable_level;
pub(crate) use listeners::is_same as is_same_listener;

/// Everything wrong between the keys of a configuration.
pub(super) fn check(config: &Config, settings: &[Setting], env: &Env) -> Vec<Problem> {
    let mut found = Findings::new(settings);
    addresses::check(config, &mut found);
    globs::check(&config.files, &mut found);
    levels::check(&config.telemetry.level, env, &mut found);
    listeners::check(config, &mut found);
    found.problems
}
