//! What was said of the feeds on `barid.health`.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

use barid_record::{FeedHealth, Topic};
use barid_watcher::feeds::health::State;

use crate::args::ConfigArg;
use crate::commands::{load, store};
use crate::config::{self, Config};
use crate::error::CliError;
use crate::settings;

/// A feed that was configured and not asked yet.
const UNASKED: &str = "unasked";
/// Not a state but a question: which feeds should have said something and did not?
const SILENT: &str = "silent";

/// Whether a feed in that state answers the question, which is a state or [`SILENT`].
fn is_meant(asked: &str, state: &str) -> bool {
    if asked != SILENT {
        return asked == state;
    }
    match State::from_name(state) {
        Some(State::Late | State::Stale | State::SilentEmpty | State::Dead) => true,
        Some(
            State::Fresh
            | State::Moved
            | State::Undated
            | State::ClockSkewed
            | State::Malformed
            | State::Churning
            | State::Throttled
            | State::Flapping
            | State::WrongContent
            | State::Gone,
        )
        | None => false,
    }
}

/// The last word on every feed, by id. Empty where there is no log yet.
pub(super) fn latest(config: &Config) -> Result<BTreeMap<String, FeedHealth>, CliError> {
    let mut latest = BTreeMap::new();
    visit(config, &mut |health| drop(latest.insert(health.feed.clone(), health)))?;
    Ok(latest)
}

fn visit(config: &Config, see: &mut dyn FnMut(FeedHealth)) -> Result<(), CliError> {
    let log = match store::reader(config) {
        Ok(log) => log,
        Err(CliError::NoLog { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    store::each(log.as_ref(), Topic::Health, &mut |message| {
        see(FeedHealth::from_json(&message.value)?);
        Ok(ControlFlow::Continue(()))
    })
}

pub(super) fn list(
    state: Option<&str>,
    json: bool,
    config: &ConfigArg,
    out: &mut impl Write,
) -> Result<ExitCode, CliError> {
    let is_known = |state: &str| [UNASKED, SILENT].contains(&state) || State::from_name(state).is_some();
    if let Some(wanted) = state.filter(|state| !is_known(state)) {
        let names = State::ALL.map(State::name);
        let near = config::nearest(wanted, names.iter().copied());
        let expected = near.map_or_else(
            || format!("one of: {SILENT}, {}, {UNASKED}", names.join(", ")),
            |near| format!("a state; did you mean `{near}`?"),
        );
        return Err(CliError::Argument { object: "--state", value: wanted.to_owned(), expected });
    }
    let loaded = load(config)?;
    let latest = latest(&loaded.config)?;
    for feed in settings::feeds(&loaded.config)?.feeds {
        let health = latest.get(&feed.id).cloned().unwrap_or_else(|| FeedHealth {
            feed: feed.id.clone(),
            state: UNASKED.to_owned(),
            reason: "it was not asked yet".to_owned(),
            url: feed.url.clone(),
            ..FeedHealth::default()
        });
        if state.is_some_and(|asked| !is_meant(asked, &health.state)) {
            continue;
        }
        tell(&health, json, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn history(
    id: &str,
    json: bool,
    config: &ConfigArg,
    out: &mut impl Write,
) -> Result<ExitCode, CliError> {
    let loaded = load(config)?;
    let mut said = Vec::new();
    visit(&loaded.config, &mut |health| {
        if health.feed == id {
            said.push(health);
        }
    })?;
    if said.is_empty() {
        let expected = "a feed that something was said of: see `barid feed list`".to_owned();
        return Err(CliError::Argument { object: "ID", value: id.to_owned(), expected });
    }
    for health in said {
        tell(&health, json, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(health: &FeedHealth, json: bool, out: &mut impl Write) -> Result<(), CliError> {
    if json {
        out.write_all(&health.to_json()?)?;
        writeln!(out)?;
        return Ok(());
    }
    let at = health.at.get(..16).unwrap_or("-");
    let was = health.previous.as_ref().map(|was| format!(", was {was}")).unwrap_or_default();
    let push = health.push.as_ref().map(|push| format!("; push by its hub: {push}")).unwrap_or_default();
    writeln!(out, "{:<14} {:<40} {at:<17} {}{was}{push}", health.state, health.feed, health.reason)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_feeds_are_those_that_should_have_said_something() {
        let silent: Vec<&str> =
            State::ALL.map(State::name).into_iter().filter(|state| is_meant(SILENT, state)).collect();
        assert_eq!(silent, ["late", "stale", "silent_empty", "dead"]);
        assert!(is_meant("late", "late") && !is_meant("late", "stale") && !is_meant(SILENT, UNASKED));
    }
}
