//! The other side: what each feed's server answers, in all the ways servers have.

use barid_tests::Random;
use barid_watcher::feeds::engine::{Answer, Came, Failure, Feed, Request};
use barid_watcher::feeds::reading::{Content, Item, Reading};

use super::writer::{DAY, HOUR, Rhythm, Writer};

/// How a server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Validators and nothing else.
    Plain,
    /// `max-age`, in seconds.
    Cached(u32),
    /// `ttl`, in seconds.
    Ttl(u32),
    /// Skip windows: hours and days.
    Windows(u32, u8),
    /// Now and then 429 with `Retry-After`.
    Strict,
    /// Now and then 503 with `Retry-After`.
    Weak,
    /// Down for days at a time.
    Broken,
    /// Says "not modified" for ever from a moment on.
    Liar,
    /// A 302 to another path.
    Detour,
    /// Moves for good at a moment.
    Moving,
    /// Another's content at a moment.
    Hijacked,
    /// Gone for a month: 404, then 410.
    Vanishing,
}

impl Manner {
    pub(crate) fn draw(random: &mut Random) -> Self {
        match random.below(24) {
            0..=6 => Self::Plain,
            7..=9 => Self::Cached([300, 900, 1800, 5400, 200_000][random.below(5) as usize]),
            10..=11 => Self::Ttl([900, 1800, 3600, 10_800][random.below(4) as usize]),
            12..=13 => Self::Windows(0b111_1111 << random.below(17), 1 << random.below(7)),
            14 => Self::Strict,
            15 => Self::Weak,
            16..=17 => Self::Broken,
            18 => Self::Liar,
            19 => Self::Detour,
            20..=21 => Self::Moving,
            22 => Self::Hijacked,
            _ => Self::Vanishing,
        }
    }
}

/// One feed with its server.
pub(crate) struct Site {
    pub(crate) feed: Feed,
    pub(crate) manner: Manner,
    pub(crate) writer: Writer,
    random: Random,
    /// When its story begins.
    turn_ms: i64,
}

/// What a site says about polling beside its answer, for the judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) max_age_s: u32,
    pub(crate) ttl_s: u32,
    pub(crate) skip_hours: u32,
    pub(crate) skip_days: u8,
}

impl Site {
    pub(crate) fn new(number: usize, start_ms: i64, random: &mut Random) -> Self {
        // A third of the feeds share registered domains.
        let domain = if number.is_multiple_of(3) {
            format!("shared{}.example", number % 21)
        } else {
            format!("site{number}.example")
        };
        let url = format!("https://www{}.{domain}/{number}/feed", number % 5);
        let rhythm = Rhythm::ALL[random.below(5) as usize];
        Self {
            feed: Feed { id: format!("f{number}"), url, is_listed: number % 50 == 7 },
            manner: Manner::draw(random),
            writer: Writer::new(rhythm, number.is_multiple_of(2), start_ms, random.next_u64()),
            random: Random::new(random.next_u64()),
            turn_ms: start_ms + i64::try_from(random.below(60)).unwrap_or(0) * DAY,
        }
    }

    pub(crate) fn words(&self) -> Words {
        match self.manner {
            Manner::Cached(max_age_s) => Words { max_age_s, ..Words::default() },
            Manner::Ttl(ttl_s) => Words { ttl_s, ..Words::default() },
            Manner::Windows(skip_hours, skip_days) => Words { skip_hours, skip_days, ..Words::default() },
            Manner::Plain
            | Manner::Strict
            | Manner::Weak
            | Manner::Broken
            | Manner::Liar
            | Manner::Detour
            | Manner::Moving
            | Manner::Hijacked
            | Manner::Vanishing => Words::default(),
        }
    }

    /// Whether the address it was configured with leads elsewhere for good.
    pub(crate) fn has_moved(&self, now_ms: i64) -> bool {
        self.manner == Manner::Moving && now_ms >= self.turn_ms
    }

    pub(crate) fn answer(&mut self, request: &Request, now_ms: i64) -> Answer {
        let turned = now_ms >= self.turn_ms;
        let days = (now_ms - self.turn_ms) / DAY;
        let hours = |hours: u64| Some(i64::try_from(hours).unwrap_or(1) * HOUR);
        let url = request.url.as_str();
        match self.manner {
            Manner::Strict if self.random.below(20) == 0 => {
                let after = hours(1 + self.random.below(10)).filter(|_| self.random.below(3) > 0);
                Answer::Came(Came { retry_after_ms: after, ..came(429) })
            }
            Manner::Weak if self.random.below(20) == 0 => {
                Answer::Came(Came { retry_after_ms: hours(1 + self.random.below(10)), ..came(503) })
            }
            Manner::Broken if turned && days % 9 < 2 => match self.random.below(4) {
                0 => Answer::Failed(Failure::Timeout),
                1 => Answer::Failed(Failure::Connect),
                2 => Answer::Failed(Failure::Tls),
                _ => Answer::Came(came(502)),
            },
            Manner::Vanishing if turned && days < 30 => Answer::Came(came(if days < 10 { 404 } else { 410 })),
            Manner::Detour if url.ends_with("/feed") => redirect(302, url.replace("/feed", "/real")),
            Manner::Moving if turned && url.ends_with("/feed") => redirect(301, url.replace("/feed", "/new")),
            Manner::Hijacked if turned && !url.contains("parked") => {
                redirect(302, format!("https://parked{}.example/x", self.turn_ms % 97))
            }
            Manner::Liar if turned && (request.etag.is_some() || request.last_modified.is_some()) => {
                Answer::Came(came(304))
            }
            Manner::Plain
            | Manner::Cached(_)
            | Manner::Ttl(_)
            | Manner::Windows(..)
            | Manner::Strict
            | Manner::Weak
            | Manner::Broken
            | Manner::Liar
            | Manner::Detour
            | Manner::Moving
            | Manner::Hijacked
            | Manner::Vanishing => self.document(request, now_ms),
        }
    }

    fn document(&mut self, request: &Request, now_ms: i64) -> Answer {
        self.writer.write_until(now_ms);
        let words = self.words();
        let is_parked = request.url.as_str().contains("parked");
        let offset = if is_parked { 1 << 40 } else { 0 };
        let version = self.writer.written + offset + 1;
        let etag = format!("W/\"{}-{version}\"", self.feed.id).into_bytes();
        let last_modified = Some(format!("version {version}").into_bytes());
        let base = Came { max_age_s: words.max_age_s, ..came(200) };
        if request.etag.as_ref() == Some(&etag) {
            return Answer::Came(Came { status: 304, ..base });
        }
        let item = |(number, time): &(u64, i64)| Item {
            id_hash: (number + offset).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            content_hash: *number,
            published_ms: Some(*time),
            ..Item::default()
        };
        let reading = Reading {
            ttl_s: words.ttl_s,
            skip_hours: words.skip_hours,
            skip_days: words.skip_days,
            title_hash: if is_parked { 2 } else { 1 },
            arabic_percent: if is_parked { 0 } else { 95 },
            items: self.writer.window.iter().rev().map(item).collect(),
            ..Reading::default()
        };
        let content = Some(Content::Feed { hash: version, reading: Box::new(reading) });
        Answer::Came(Came { etag: Some(etag), last_modified, content, ..base })
    }
}

fn came(status: u16) -> Came {
    Came {
        status,
        etag: None,
        last_modified: None,
        max_age_s: 0,
        retry_after_ms: None,
        location: None,
        is_challenge: false,
        is_cut: false,
        cookies: Vec::new(),
        content: None,
    }
}

fn redirect(status: u16, to: String) -> Answer {
    Answer::Came(Came { location: Some(to), ..came(status) })
}
