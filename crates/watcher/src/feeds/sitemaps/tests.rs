//! Which sitemaps are asked when, and what of a long index is known.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_693_785_600_000;

fn at() -> Url {
    Url::parse("https://estuary.example/index.xml").expect("a URL")
}

fn listed(url: &str, modified_ms: i64) -> Listed {
    Listed { url: url.to_owned(), modified_ms: (modified_ms != 0).then_some(modified_ms) }
}

fn path(number: usize) -> String {
    format!("https://estuary.example/{number}.xml")
}

fn take(maps: &mut Sitemaps, list: Vec<Listed>, now_ms: i64) -> Named {
    maps.take(list, 0, &at(), &Allowed::default(), now_ms)
}

/// One poll: what it asks, each read with something new.
fn poll(maps: &mut Sitemaps, now_ms: i64) -> Vec<String> {
    let mut asked = Vec::new();
    for left in (1..=MOST_A_POLL).rev() {
        let Some(Pick { key, url }) = maps.pick(now_ms, left, HOUR, now_ms) else { break };
        maps.read(key, Some((9, None)), true, now_ms);
        asked.push(url.trim_start_matches("https://estuary.example/").trim_end_matches(".xml").to_owned());
    }
    asked
}

#[test]
fn the_newest_come_first_four_a_poll_and_only_what_changed_comes_again() {
    let mut maps = Sitemaps::default();
    let list = |changed: usize| -> Vec<Listed> {
        let modified = |number| NOW + if number == changed { DAY } else { 0 } - (10 - number as i64) * HOUR;
        (0..10).map(|number| listed(&path(number), modified(number))).collect()
    };
    assert!(take(&mut maps, list(99), NOW).has_news);
    assert_eq!(poll(&mut maps, NOW), ["9", "8", "7", "0"], "one place is for who has waited longest");
    assert_eq!((maps.waiting(), maps.has_work()), (6, true));
    assert_eq!(poll(&mut maps, NOW + HOUR), ["6", "5", "4", "1"]);
    assert_eq!(poll(&mut maps, NOW + 2 * HOUR), ["3", "2"]);
    assert_eq!(poll(&mut maps, NOW + 3 * HOUR), Vec::<String>::new());
    assert!(!take(&mut maps, list(99), NOW + 4 * HOUR).has_news && !maps.has_work());
    assert!(take(&mut maps, list(3), NOW + 5 * HOUR).has_news);
    assert_eq!(poll(&mut maps, NOW + 5 * HOUR), ["3"]);
    let before = maps.clone();
    take(&mut maps, list(3), NOW + 6 * HOUR);
    assert_eq!(maps, before);
}

#[test]
fn what_says_nothing_of_when_it_changed_is_asked_in_turn_and_what_has_news_first() {
    let mut maps = Sitemaps::default();
    take(&mut maps, (0..6).map(|number| listed(&path(number), 0)).collect(), NOW);
    let mut asked = HashSet::new();
    for hour in 0..2 {
        asked.extend(poll(&mut maps, NOW + hour * HOUR));
    }
    assert_eq!(asked.len(), 6, "each once before any comes twice");
    assert_eq!(maps.waiting(), 0, "all were read");
    // From now on only 5 has news.
    let mut last = vec![0; 6];
    for hour in 2..50 {
        let now_ms = NOW + hour * HOUR;
        for left in (1..=MOST_A_POLL).rev() {
            let Some(Pick { key, url }) = maps.pick(now_ms, left, HOUR, now_ms) else { break };
            let number = (0..6).find(|number| path(*number) == url).expect("ours");
            maps.read(key, Some((hour as u64, None)), number == 5, now_ms);
            last[number] += 1;
        }
    }
    assert!(last[5] >= 47, "at every poll: {last:?}");
    assert!(last[..5].iter().all(|count| *count >= 15), "the others in turn: {last:?}");
}

#[test]
fn an_index_whose_dates_are_always_now_starves_nobody() {
    let mut maps = Sitemaps::default();
    let mut asked = HashSet::new();
    for hour in 0..40 {
        let now_ms = NOW + hour * HOUR;
        // Made anew at each request: each a second later than the one before it.
        let list = (0..40).map(|number| listed(&path(number), now_ms + number as i64 * 1000)).collect();
        take(&mut maps, list, now_ms);
        asked.extend(poll(&mut maps, now_ms));
    }
    assert_eq!(asked.len(), 40, "all were read");
}

#[test]
fn one_that_fails_waits_longer_each_time_and_is_never_given_up() {
    let mut maps = Sitemaps::default();
    take(&mut maps, vec![listed(&path(1), NOW)], NOW);
    let mut tries = Vec::new();
    for hour in 0..200 {
        let now_ms = NOW + hour * HOUR;
        if let Some(pick) = maps.pick(now_ms, 4, HOUR, now_ms) {
            maps.fail(pick.key, now_ms);
            tries.push(hour);
        }
    }
    assert_eq!(&tries[..7], [0, 4, 12, 24, 40, 60, 84]);
    assert!(tries.len() >= 11, "once a day: {tries:?}");
    assert_eq!((maps.failing(), maps.waiting()), (1, 1));
    let key = maps.maps[0].key;
    maps.read(key, Some((1, None)), true, NOW);
    assert_eq!((maps.failing(), maps.waiting(), maps.has_work()), (0, 0, false));
}

#[test]
fn none_is_asked_twice_in_a_poll_nor_within_a_floor() {
    let mut maps = Sitemaps::default();
    take(&mut maps, vec![listed(&path(1), 0)], NOW);
    assert_eq!(poll(&mut maps, NOW), ["1"]);
    assert_eq!(poll(&mut maps, NOW + HOUR - 1), Vec::<String>::new());
    assert_eq!(poll(&mut maps, NOW + HOUR), ["1"]);
}

#[test]
fn addresses_that_must_not_be_asked_are_refused_by_name_and_old_http_is_asked_by_https() {
    let mut maps = Sitemaps::default();
    let urls = [
        "http://10.0.0.1/a.xml",
        "https://localhost/a.xml",
        "ftp://estuary.example/a.xml",
        "https://me:pw@estuary.example/a.xml",
        "http://estuary.example:8080/a.xml",
        "https://estuary.example/index.xml#top",
        "http://estuary.example/old.xml",
        "https://other.example/a.xml.gz",
        "https://estuary.example/old.xml",
    ];
    let named = take(&mut maps, urls.iter().map(|url| listed(url, NOW)).collect(), NOW);
    let refused: Vec<(&str, &str)> =
        named.refused.iter().map(|(url, why)| (url.as_str(), why.as_str())).collect();
    assert_eq!(
        refused,
        [
            (urls[0], "it names an address that is not public"),
            (urls[1], "it names a host of no public network"),
            (urls[2], "only http: and https: are asked"),
            (urls[3], "it carries a user name or password"),
            (urls[4], "it leads from https: to http:"),
            (urls[5], "it is the index itself"),
        ]
    );
    assert_eq!((maps.count(), maps.refused), (2, 6));
    let mut asked = poll(&mut maps, NOW);
    asked.sort();
    assert_eq!(asked, ["https://other.example/a.xml.gz", "old"]);
}

#[test]
fn of_a_very_long_index_the_newest_are_known_and_the_rest_is_counted() {
    let mut maps = Sitemaps::default();
    let list = || {
        let dated = (0..3000).map(|number| listed(&path(number), NOW - (3000 - number as i64) * HOUR));
        let undated = (10_000..10_600).map(|number| listed(&path(number), 0));
        dated.chain(undated).collect()
    };
    take(&mut maps, list(), NOW);
    assert_eq!((maps.count(), maps.left_out), (MOST_KNOWN, 2600));
    assert_eq!(poll(&mut maps, NOW)[0], "2999");
    let has = |number: usize| {
        let key = key_of(&Url::parse(&path(number)).expect("a URL"));
        maps.maps.iter().any(|map| map.key == key)
    };
    assert!(has(2999) && has(2250) && !has(2249), "750 dated ones");
    assert!(
        has(10_000) && has(10_124) && !has(10_125) && has(10_475) && has(10_599),
        "either end of the others"
    );
    // All are read, at four a poll, and what is read takes little room.
    let mut hour = 0;
    while maps.waiting() > 0 {
        hour += 1;
        poll(&mut maps, NOW + hour * HOUR);
    }
    assert!(hour <= 800, "{hour}");
    take(&mut maps, list(), NOW + 900 * HOUR);
    let bytes = postcard::to_extend(&maps, Vec::new()).expect("in memory").len();
    assert!(bytes < 96 << 10, "{bytes} bytes");
    let long = |number: usize| listed(&format!("{}{}", path(number), "a".repeat(2000)), NOW);
    let mut maps = Sitemaps::default();
    take(&mut maps, (0..1000).map(long).collect(), NOW);
    assert!(maps.count() < 140 && maps.left_out > 860, "{} by their bytes", maps.count());
}

#[test]
fn an_index_within_an_index_has_its_own_and_takes_them_with_it() {
    let mut maps = Sitemaps::default();
    let top = || vec![listed(&path(1), NOW), listed(&path(2), NOW)];
    take(&mut maps, top(), NOW);
    let key = key_of(&Url::parse(&path(1)).expect("a URL"));
    let inner = Url::parse(&path(1)).expect("a URL");
    maps.take(vec![listed(&path(11), NOW), listed(&path(12), NOW)], key, &inner, &Allowed::default(), NOW);
    let nested = |number: usize| key_of(&Url::parse(&path(number)).expect("a URL"));
    assert!(maps.is_nested(nested(11)) && !maps.is_nested(key));
    take(&mut maps, top(), NOW + HOUR);
    assert_eq!(maps.count(), 4, "the top index knows nothing of them, and they stay");
    take(&mut maps, vec![listed(&path(2), NOW)], NOW + HOUR);
    assert_eq!(maps.count(), 1, "their index is gone");
}

proptest! {
    /// Whatever an index says over time: each version of each sitemap is read, none sooner than the floor, at most four a poll.
    #[test]
    fn every_change_is_read(
        changes in prop::collection::vec((0_usize..12, any::<bool>()), 1..40),
        dated in 1_usize..12,
    ) {
        let mut maps = Sitemaps::default();
        let mut versions = [1_i64; 12];
        let mut read = [0_i64; 12];
        let mut asked_ms = [0_i64; 12];
        let mut now_ms = NOW;
        let polls = changes.len() + 60;
        for step in 0..polls {
            now_ms += HOUR;
            if let Some((number, _)) = changes.get(step) {
                versions[*number] += 1;
            }
            // Every other time the index is not modified.
            if changes.get(step).is_none_or(|(_, is_seen)| *is_seen) {
                let modified = |number: usize| if number < dated { NOW + versions[number] * 1000 } else { 0 };
                let list = (0..12).map(|number| listed(&path(number), modified(number))).collect();
                take(&mut maps, list, now_ms);
            }
            let mut count = 0;
            for left in (1..=MOST_A_POLL).rev() {
                let Some(Pick { key, url }) = maps.pick(now_ms, left, HOUR, now_ms) else { break };
                let number = (0..12).find(|number| path(*number) == url).expect("ours");
                prop_assert!(now_ms - asked_ms[number] >= HOUR);
                let has_news = read[number] != versions[number];
                (asked_ms[number], read[number]) = (now_ms, versions[number]);
                maps.read(key, Some((versions[number].unsigned_abs(), None)), has_news, now_ms);
                count += 1;
            }
            prop_assert!(count <= usize::from(MOST_A_POLL));
        }
        prop_assert_eq!(read, versions);
        prop_assert_eq!(maps.waiting(), 0);
    }
}
