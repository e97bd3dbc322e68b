//! One article's page, explained: what its site allows, what came, and whose text its item would be delivered with.

use std::io::Write;

use barid_watcher::feeds::pages::PageOutcome;
use barid_watcher::feeds::pages::check::{PageCheck, SiteCheck};
use serde_json::{Value, json};

use super::check::{hop_json, hop_words};
use crate::error::CliError;

pub(super) fn in_json(page: &PageCheck) -> Value {
    let site = |site: &SiteCheck| {
        json!({
            "origin": site.origin, "robots": site.robots.name(), "status": site.status,
            "crawl_delay_seconds": site.delay_ms as f64 / 1000.0,
        })
    };
    let PageCheck { item, link, hops, sites, outcome, is_tried_again, letters, own_letters, canonical } =
        page;
    json!({
        "item": item,
        "link": link,
        "requests": hops.iter().map(hop_json).collect::<Vec<Value>>(),
        "sites": sites.iter().map(site).collect::<Vec<Value>>(),
        "outcome": outcome.name(),
        "tried_again": is_tried_again,
        "letters": letters,
        "own_letters": own_letters,
        "canonical_url": canonical,
    })
}

pub(super) fn in_words(page: &PageCheck, out: &mut impl Write) -> Result<(), CliError> {
    writeln!(out, "\nfull text of its newest item with a link")?;
    writeln!(out, "item        {}", page.item)?;
    for hop in &page.hops {
        hop_words(hop, out)?;
    }
    for site in &page.sites {
        let status = site.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let delay = match site.delay_ms {
            0 => String::new(),
            delay_ms => format!(", {} s between two requests", delay_ms as f64 / 1000.0),
        };
        writeln!(out, "robots.txt  {} of {} ({status}){delay}", site.robots.name(), site.origin)?;
    }
    writeln!(out, "page        {}: {}", page.outcome.name(), meaning(page.outcome))?;
    if page.outcome != PageOutcome::Page {
        writeln!(out, "            the item comes with the feed's own text")?;
    }
    if page.is_tried_again {
        writeln!(out, "            before that the poller tries four times within six hours")?;
    }
    let own = page.own_letters;
    match page.letters {
        Some(letters) => writeln!(out, "characters  {letters} of the page's article, {own} in the feed")?,
        None => writeln!(out, "characters  {own} in the feed, none of a page")?,
    }
    if let Some(canonical) = &page.canonical {
        writeln!(out, "canonical   {canonical}")?;
    }
    Ok(())
}

/// What would become of the item, and why.
fn meaning(outcome: PageOutcome) -> &'static str {
    match outcome {
        PageOutcome::Page => "the item comes with the text of its page",
        PageOutcome::Robots => "robots.txt asks to leave it alone",
        PageOutcome::RobotsUnreachable => "robots.txt cannot be had, so nothing is allowed",
        PageOutcome::Gone => "it is not there, or leads to the front page",
        PageOutcome::Refused => "the site refuses it",
        PageOutcome::Challenge => "the site asks for a browser",
        PageOutcome::Paywall => "the page says that it is not free to read",
        PageOutcome::NotHtml => "it is no HTML",
        PageOutcome::NoArticle => "no article was found in it",
        PageOutcome::Shorter => "its article is shorter than the feed's own text",
        PageOutcome::TooBig => "more than 2 MiB sent or 4 MiB unpacked",
        PageOutcome::ServerError => "the server failed",
        PageOutcome::Timeout => "it came too late or too slowly",
        PageOutcome::Dns => "the name has no address",
        PageOutcome::Tls => "the certificate is not good",
        PageOutcome::RefusedAddress => "it is at an address that must not be asked",
        PageOutcome::Redirects => "redirects without end",
        PageOutcome::Throttled => "the site says that it is asked too often",
        PageOutcome::NoLink => "the item links to nothing",
        PageOutcome::Fault => "a fault in barid, please report it",
        PageOutcome::OwnText => "the feed has a megabyte of text itself",
        PageOutcome::NotReached => "its turn did not come in time",
        PageOutcome::Interrupted => "the process ended during each of its tries",
        PageOutcome::Superseded => "the item changed before its page came",
        PageOutcome::FeedRemoved => "the feed is not in the configuration any more",
    }
}
