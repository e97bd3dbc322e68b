//! Lists of feeds in and out.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use barid_watcher::feeds::engine::Feed;
use barid_watcher::feeds::opml::{self, Outline};

use super::told::latest;
use crate::args::ConfigArg;
use crate::commands::load;
use crate::error::CliError;
use crate::settings;

pub(super) fn import(file: &Path, config: &ConfigArg, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let loaded = load(config)?;
    let section = &loaded.config.feeds;
    let Some(list) = section.lists.first() else {
        let expected =
            "a file to add to: set `lists = [\"feeds.opml\"]` and `contact` below [feeds] first".to_owned();
        return Err(CliError::Argument { object: "feeds.lists", value: String::new(), expected });
    };
    let new = settings::list(file)?;
    let mut kept = if list.exists() { settings::list(list)? } else { Vec::new() };
    let mut known: HashSet<String> = kept.iter().map(|outline| outline.feed.url.clone()).collect();
    known.extend(section.feeds.iter().map(|feed| feed.url.clone()));
    let mut ids: HashSet<String> = kept.iter().map(|outline| outline.feed.id.clone()).collect();
    ids.extend(section.feeds.iter().map(|feed| feed.id.clone()));
    let (read, before) = (new.len(), kept.len());
    for mut outline in new.into_iter().filter(|outline| !known.contains(&outline.feed.url)) {
        if ids.contains(&outline.feed.id) {
            // Somebody else's name for another feed.
            outline.feed.id = opml::id_of(&outline.feed.url);
        }
        ids.insert(outline.feed.id.clone());
        kept.push(outline);
    }
    let write = |source| CliError::Write { path: list.clone(), source };
    let text = opml::write("Feeds polled by barid", &kept).map_err(write)?;
    // Whole or not at all: a poller may start meanwhile.
    let beside = list.with_extension("opml.new");
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, list)).map_err(write)?;
    let added = kept.len() - before;
    writeln!(out, "{read} feeds read, {added} added to {}, {} known already", list.display(), read - added)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn export(config: &ConfigArg, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let loaded = load(config)?;
    let latest = latest(&loaded.config)?;
    let outline = |feed: Feed| {
        let health = latest.get(&feed.id);
        let url = health.map_or(feed.url, |health| health.url.clone());
        Outline {
            title: health.and_then(|health| health.title.clone()),
            page: None,
            feed: Feed { url, ..feed },
        }
    };
    let outlines: Vec<Outline> = settings::feeds(&loaded.config)?.feeds.into_iter().map(outline).collect();
    out.write_all(&opml::write("Feeds polled by barid", &outlines)?)?;
    Ok(ExitCode::SUCCESS)
}
