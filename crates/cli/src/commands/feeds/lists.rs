//! Lists of feeds in and out.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use barid_watcher::feeds::engine::Feed;
use barid_watcher::feeds::given;
use barid_watcher::feeds::opml::{self, List, Outline};

use super::told::latest;
use crate::args::ConfigArg;
use crate::commands::load;
use crate::error::{CliError, exit};
use crate::{lists, output, settings};

pub(super) fn import(file: &Path, config: &ConfigArg, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let loaded = load(config)?;
    let section = &loaded.config.feeds;
    let Some(list) = section.lists.first() else {
        let expected =
            "a file to add to: set `lists = [\"feeds.opml\"]` and `contact` below [feeds] first".to_owned();
        return Err(CliError::Argument { object: "feeds.lists", value: String::new(), expected });
    };
    let new = lists::read(file)?;
    let mut kept = if list.exists() { lists::read(list)? } else { List::default() };
    let own = section.feeds.iter();
    let addresses =
        kept.feeds.iter().map(|outline| &outline.feed.url).chain(own.clone().map(|feed| &feed.url));
    let known: HashSet<String> = addresses.map(|url| given::identity(url)).collect();
    let ids = kept.feeds.iter().map(|outline| outline.feed.id.clone()).chain(own.map(|feed| feed.id.clone()));
    let mut ids: HashSet<String> = ids.collect();
    let read = new.feeds.len() + new.repeated + new.refused.len();
    let before = kept.feeds.len();
    for mut outline in new.feeds {
        if known.contains(&given::identity(&outline.feed.url)) {
            continue;
        }
        if ids.contains(&outline.feed.id) {
            // Somebody else's name for another feed.
            outline.feed.id = opml::id_of(&outline.feed.url);
        }
        ids.insert(outline.feed.id.clone());
        kept.feeds.push(outline);
    }
    let added = kept.feeds.len() - before;
    // What the list has that cannot be asked is still the operator's to mend.
    kept.feeds.extend(kept.refused.into_iter().map(|refused| refused.outline));
    let write = |source| CliError::Write { path: list.clone(), source };
    let text = opml::write("Feeds polled by barid", &kept.feeds).map_err(write)?;
    // Whole or not at all: a poller may start meanwhile.
    let beside = list.with_extension("opml.new");
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, list)).map_err(write)?;
    let refused = new.refused.len();
    let known = read - added - refused;
    let shown = list.display();
    writeln!(out, "{read} feeds read, {added} added to {shown}, {known} known already, {refused} refused")?;
    for refused in &new.refused {
        writeln!(out, "{}", output::harmless(&refused.to_string()))?;
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FOUND) })
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
