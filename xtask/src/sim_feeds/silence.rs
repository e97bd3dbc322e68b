//! How often a healthy feed is called late, and how long a dead one is not.

use barid_tests::Random;
use barid_watcher::feeds::address::Allowed;
use barid_watcher::feeds::engine::{self, Step};
use barid_watcher::feeds::health::State;
use barid_watcher::feeds::state::FeedState;

use super::poller::START;
use super::server::Site;
use super::writer::{DAY, HOUR, Rhythm, Writer};

const LEARNING_WEEKS: i64 = 8;
/// A feed that is not noticed for so long counts as noticed then.
const LONGEST: i64 = 60 * DAY;

/// What was found of one rhythm.
pub(crate) struct Row {
    rhythm: Rhythm,
    has_bursts: bool,
    feeds: usize,
    false_per_year: f64,
    hours: Vec<f64>,
}

pub(crate) fn run(feeds: usize, weeks: i64, seed: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for has_bursts in [false, true] {
        for rhythm in Rhythm::ALL {
            let mut row = Row { rhythm, has_bursts, feeds, false_per_year: 0.0, hours: Vec::new() };
            for number in 0..feeds {
                let (alarms, hours) = one(rhythm, has_bursts, weeks, seed * 10_007 + number as u64);
                row.false_per_year += alarms as f64 * 52.0 / weeks as f64 / feeds as f64;
                row.hours.push(hours);
            }
            row.hours.sort_by(f64::total_cmp);
            rows.push(row);
        }
    }
    rows
}

/// False alarms while it is healthy, and the hours from its last item until it is called late.
fn one(rhythm: Rhythm, has_bursts: bool, weeks: i64, seed: u64) -> (u32, f64) {
    let mut random = Random::new(seed);
    let mut site = Site::new(1, START, &mut random);
    site.manner = super::server::Manner::Plain;
    site.writer = Writer::new(rhythm, has_bursts, START, random.next_u64());
    let end = START + (LEARNING_WEEKS + weeks) * 7 * DAY;
    // Cut within the last week, at any time of it.
    let cut = end + i64::try_from(random.below(7 * 24)).unwrap_or(0) * HOUR;
    site.writer.stops_ms = cut;
    let mut state = FeedState::new(site.feed.url.clone(), site.feed.hash(), START, START);
    let mut alarms = 0;
    let mut now_ms = START;
    loop {
        now_ms = now_ms.max(state.next_ms);
        let Ok((poll, request)) = engine::begin(&state, now_ms, &Allowed::default(), false) else { break };
        let answer = site.answer(&request, now_ms);
        let step =
            engine::follow(&site.feed, &mut state, poll, answer, now_ms + 300, &Allowed::default(), false);
        let Step::Done(done) = step else { break };
        let is_alarm = done.left.is_some_and(|left| left < State::Late) && state.health.state >= State::Late;
        let is_learnt = now_ms > START + LEARNING_WEEKS * 7 * DAY;
        if now_ms < cut {
            alarms += u32::from(is_alarm && is_learnt);
        } else if state.health.state >= State::Late || now_ms - cut > LONGEST {
            break;
        }
    }
    (alarms, (now_ms - cut) as f64 / HOUR as f64)
}

/// Prints the rows; true when feeds with ten items a day or more are noticed too late, or called late too often.
pub(crate) fn print(rows: &[Row]) -> bool {
    println!("\nsilence: hysteresis of two polls included");
    println!(
        "  {:<40} {:>6} {:>20} {:>14} {:>10}",
        "rhythm", "feeds", "false a feed-year", "median hours", "90 %"
    );
    for row in rows {
        let name = format!("{}{}", row.rhythm.name(), if row.has_bursts { ", bursts" } else { "" });
        print_row(&name, row.feeds, row.false_per_year, &row.hours);
    }
    let busy: Vec<_> = rows.iter().filter(|row| row.rhythm.has_ten_a_day()).collect();
    let mut hours: Vec<f64> = busy.iter().flat_map(|row| row.hours.iter().copied()).collect();
    hours.sort_by(f64::total_cmp);
    let rate = busy.iter().map(|row| row.false_per_year).sum::<f64>() / busy.len().max(1) as f64;
    print_row("together: feeds with ten a day or more", hours.len(), rate, &hours);
    at(&hours, 50) > 10.0 || rate > 0.5
}

fn print_row(name: &str, feeds: usize, false_per_year: f64, hours: &[f64]) {
    println!(
        "  {name:<40} {feeds:>6} {false_per_year:>20.2} {:>14.1} {:>10.1}",
        at(hours, 50),
        at(hours, 90)
    );
}

/// Of sorted values, the one that so many of a hundred are below.
fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(0.0)
}
