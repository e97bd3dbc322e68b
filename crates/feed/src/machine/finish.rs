//! End tags: what an element said, now that its text is whole.

use std::borrow::Cow;

use super::capture::Capture;
use super::{Machine, markup, relative};
use crate::cdata;
use crate::date;
use crate::draft::some;
use crate::entities::from_1252;
use crate::fault::Fault;
use crate::id::is_blank;
use crate::model::{Enclosure, Instant, Link, TextKind};
use crate::names::Element;
use crate::surrogates;

/// Seconds of the periods of `sy:updatePeriod`.
const PERIODS: [(&str, u32); 5] = [
    ("hourly", 3_600),
    ("daily", 86_400),
    ("weekly", 604_800),
    ("monthly", 2_592_000),
    ("yearly", 31_536_000),
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Machine<'_, '_> {
    /// Keeps what the element said. Its frame is off the stack already.
    pub(super) fn finish(&mut self, element: Element, raw: &str) {
        if element.holds_markup() {
            self.finish_markup(element, raw);
            return;
        }
        match element {
            Element::Item => self.emit(),
            Element::Source => self.finish_source(raw),
            Element::Image | Element::TextInput => self.finish_aside(element),
            _ => {
                let raw = raw.trim();
                let unwrapped = cdata::unwrapped(raw, TextKind::Plain, &mut self.faults);
                let text = self.mended(unwrapped.as_deref().map_or(raw, str::trim));
                self.finish_text(element, &text);
            }
        }
    }

    fn depth(&self) -> usize {
        self.frames.len() + 1
    }

    pub(super) fn instant(&mut self, raw: &str) -> Option<Instant> {
        date::instant(raw, &mut self.faults)
    }

    fn finish_text(&mut self, element: Element, text: &str) {
        let depth = self.depth();
        match element {
            Element::Link => self.finish_link(text),
            Element::Loc => {
                let href = self.resolve(text);
                self.draft().links.push(Link {
                    href: href.clone(),
                    rel: "alternate".to_owned(),
                    media_type: Some("text/html".to_owned()),
                    ..Link::default()
                });
                self.draft().link = Some(href);
            }
            Element::Guid => self.finish_guid(text),
            Element::Author => {
                let draft = self.draft();
                if !text.is_empty() {
                    draft.author.set(text, depth);
                }
                draft.sync_author(depth);
            }
            Element::Name | Element::Email | Element::Uri | Element::SchemaPublication => {
                self.finish_person(element, text);
            }
            Element::Published | Element::Updated | Element::Created => {
                let date = self.instant(text);
                let draft = self.draft();
                let slot = match element {
                    Element::Published => &mut draft.published,
                    Element::Created => &mut draft.created,
                    _ => &mut draft.updated,
                };
                // An empty or unreadable date does not undo one that was read.
                if date.as_ref().is_some_and(|date| date.ms.is_some()) || slot.is_none() {
                    *slot = date;
                }
            }
            Element::Category => self.draft().tag(text),
            Element::Keywords => {
                for tag in text.split([',', '،']) {
                    self.draft().tag(tag);
                }
            }
            Element::DcPublisher => self.draft().publisher = some(text),
            Element::Language => self.draft().language = some(text),
            Element::Generator => self.draft().generator = some(text),
            Element::Comments => {
                let href = self.resolve(text);
                self.draft().comments = some(&href);
            }
            Element::Icon | Element::Logo => {
                let href = self.resolve(text);
                self.draft().image = some(&href);
            }
            Element::License => {
                let href = self.resolve(text);
                self.draft().links.push(Link { href, rel: "license".to_owned(), ..Link::default() });
            }
            Element::MediaThumbnail if !text.is_empty() => {
                let href = self.resolve(text);
                self.draft().media.push(Enclosure { href, ..Enclosure::default() });
            }
            _ => self.finish_schedule(element, text),
        }
    }

    /// What the feed says about being polled.
    fn finish_schedule(&mut self, element: Element, text: &str) {
        if self.item.is_some() || self.in_aside > 0 {
            return;
        }
        let lower = text.to_ascii_lowercase();
        match element {
            Element::Ttl => self.meta.schedule.ttl_minutes = text.parse().ok(),
            Element::Hour => {
                // Some write 24 for midnight.
                if let Ok(hour @ 0..=24) = text.parse::<u8>() {
                    let hours = &mut self.meta.schedule.skip_hours;
                    if !hours.contains(&(hour % 24)) {
                        hours.push(hour % 24);
                    }
                }
            }
            Element::Day => {
                let day = (0_u8..).zip(DAYS).find(|(_, name)| lower.starts_with(name)).map(|(day, _)| day);
                let days = &mut self.meta.schedule.skip_days;
                if let Some(day) = day.filter(|day| !days.contains(day)) {
                    days.push(day);
                }
            }
            Element::SyPeriod => {
                let known = PERIODS.iter().find(|(name, _)| *name == lower);
                self.meta.schedule.sy_period_seconds = known.map(|(_, seconds)| *seconds);
            }
            Element::SyFrequency => {
                self.meta.schedule.sy_frequency = text.parse().ok().filter(|times| *times > 0);
            }
            Element::SyBase => self.meta.schedule.sy_base = self.instant(text),
            _ => {}
        }
    }

    fn finish_link(&mut self, text: &str) {
        let is_alternate = std::mem::take(&mut self.is_alternate);
        if text.is_empty() {
            return;
        }
        // Escaped once too often: `?a=1&amp;b=2` in the text itself.
        let text = text.replace("&amp;", "&");
        let href = self.resolve(&text);
        let in_aside = self.in_aside > 0;
        let draft = self.draft();
        if let Some(last) = draft.links.last_mut().filter(|last| last.href.is_empty() && !in_aside) {
            last.href.clone_from(&href);
        }
        if is_alternate || draft.link.is_none() {
            draft.link = Some(href);
        }
    }

    fn finish_guid(&mut self, text: &str) {
        let depth = self.depth();
        let is_link = self.guid_is_link;
        if is_blank(text) {
            // Resolved it would be the feed's own address: one id for all.
            self.draft().has_blank_id = true;
            return;
        }
        let id = if is_link { self.resolve(text) } else { text.to_owned() };
        let draft = self.draft();
        draft.id.set(&id, depth);
        if is_link && draft.link.as_ref().is_none_or(String::is_empty) {
            draft.link = Some(id);
        }
    }

    /// Name, address or page of whoever the element around it is about.
    fn finish_person(&mut self, element: Element, text: &str) {
        let depth = self.depth();
        let around = self.frames.iter().rev().take(4).map(|frame| frame.element).find(|element| {
            matches!(
                element,
                Element::Author
                    | Element::Contributor
                    | Element::Owner
                    | Element::Image
                    | Element::TextInput
                    | Element::Item
            )
        });
        match (around, element) {
            (Some(Element::Author), _) => {
                let value = some(text);
                let value = if element == Element::Uri { value.map(|uri| self.resolve(&uri)) } else { value };
                let draft = self.draft();
                if let Some(person) = draft.authors.last_mut() {
                    match element {
                        Element::Name => person.name = value,
                        Element::Email => person.email = value,
                        _ => person.uri = value,
                    }
                }
                draft.sync_author(depth);
            }
            (Some(Element::Image), Element::Uri) => {
                let href = self.resolve(text);
                self.aside.image = some(&href);
            }
            (_, Element::SchemaPublication) if !text.is_empty() => {
                // The house, not a byline.
                self.draft().publisher = some(text);
            }
            _ => {}
        }
    }

    fn finish_source(&mut self, raw: &str) {
        if self.in_source == 0 {
            return;
        }
        self.in_source -= 1;
        if self.in_source > 0 {
            return;
        }
        let title = self.mended(raw.trim()).into_owned();
        if !title.is_empty() && self.source.title.get().is_none() {
            self.source.title.set(&title, 0);
        }
        let origin = std::mem::take(&mut self.source).into_origin();
        self.draft().source = Some(origin);
    }

    fn finish_aside(&mut self, element: Element) {
        if self.in_aside == 0 {
            return;
        }
        self.in_aside -= 1;
        let aside = std::mem::take(&mut self.aside);
        if element == Element::Image && aside.image.is_some() {
            self.draft().image = aside.image;
        }
    }

    fn finish_markup(&mut self, element: Element, raw: &str) {
        let Some(capture) = self.capture.take() else { return };
        if !capture.is_balanced() && self.faults.count(Fault::UnclosedTag) == 0 {
            self.faults.note(Fault::UnclosedTag);
        }
        let is_atom10 = self.meta.version == "atom10";
        let mut kind = capture.kind(element, is_atom10);
        let mut text = Cow::Borrowed(raw.trim());
        if capture.is_xhtml() && is_atom10 {
            text = Cow::Borrowed(markup::without_div(raw).trim());
        }
        if capture.is_base64() && !text.is_empty() {
            match self.decode_base64(&text) {
                Some(decoded) => text = Cow::Owned(decoded),
                None => kind = TextKind::Data,
            }
        }
        if let Some(unwrapped) = cdata::unwrapped(&text, kind, &mut self.faults) {
            kind = if kind == TextKind::Plain { TextKind::Unknown } else { kind };
            text = Cow::Owned(unwrapped);
        }
        if let Some(paired) = surrogates::pair_up(&text, &mut self.faults) {
            text = Cow::Owned(paired);
        }
        if capture.is_html(&text, self.meta.version.starts_with("atom")) {
            text = Cow::Owned(match relative::resolved(&text, self.base()) {
                Cow::Borrowed(_) => return self.keep_mended(element, &text, kind, &capture),
                Cow::Owned(resolved) => resolved,
            });
        }
        self.keep_mended(element, &text, kind, &capture);
    }

    fn keep_mended(&mut self, element: Element, text: &str, kind: TextKind, capture: &Capture) {
        let text = self.mended(text);
        self.keep_markup(element, &text, kind, capture);
    }

    fn keep_markup(&mut self, element: Element, text: &str, kind: TextKind, capture: &Capture) {
        let (as_content, is_readable) = (capture.as_content, capture.is_readable());
        let depth = self.depth();
        let in_item = self.in_item();
        let draft = self.draft();
        match element {
            Element::Title | Element::MediaTitle => {
                if draft.title_depth.is_some_and(|at| at <= depth) {
                    return;
                }
                draft.title.set_text(text, kind, depth);
                if element == Element::Title && !text.is_empty() {
                    draft.title_depth = Some(depth);
                }
            }
            Element::Content | Element::ContentEncoded | Element::Body => {
                draft.keep_content(text, kind, depth, is_readable);
            }
            Element::Description | Element::Summary if as_content => {
                draft.keep_content(text, kind, depth, is_readable);
            }
            Element::Description | Element::Abstract if in_item => draft.summary.set_text(text, kind, depth),
            Element::Description | Element::Abstract => draft.subtitle.set_text(text, kind, depth),
            Element::Summary => draft.summary.set_text(text, kind, depth),
            Element::Subtitle => draft.subtitle.set_text(text, kind, depth),
            Element::Rights => draft.rights.set_text(text, kind, depth),
            _ => {}
        }
    }

    fn decode_base64(&mut self, text: &str) -> Option<String> {
        let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let Ok(bytes) = data_encoding::BASE64.decode(&plain) else {
            self.faults.note(Fault::BadBase64);
            return None;
        };
        // A picture or another file: it stays as found.
        String::from_utf8(bytes).ok().map(|text| text.trim().to_owned())
    }

    /// Undoes what servers do to characters: text encoded twice, windows-1252 in the place of controls.
    fn mended<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        if text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let fixed = barid_core::repair_text(text).or_else(|| latin_twice(text));
        let fixed = match fixed {
            Some(fixed) => {
                self.faults.note(Fault::DoubleEncoded);
                Cow::Owned(fixed)
            }
            None => Cow::Borrowed(text),
        };
        if fixed.as_bytes().windows(2).any(|pair| pair[0] == 0xC2 && pair[1] < 0xA0) {
            return Cow::Owned(fixed.chars().map(from_1252).collect());
        }
        fixed
    }
}

/// UTF-8 read as Latin-1 and saved again: the whole text fits Latin-1, and its bytes are UTF-8.
fn latin_twice(text: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    String::from_utf8(bytes?).ok()
}
