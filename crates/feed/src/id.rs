//! Ids for entries that bring none: functions of what the entry says, so that every parse gives the same one.

use sha2::{Digest, Sha256};

use crate::model::{Entry, IdSource};

/// Gives the entry an id if it has none: from its link, else from title, date and text. The fragment counts: entries of a live page differ by nothing else.
pub(crate) fn settle(entry: &mut Entry) {
    if !entry.id.is_empty() {
        entry.id_source = IdSource::Guid;
        return;
    }
    let mut hash = Sha256::new();
    if let Some(link) = &entry.link {
        part(&mut hash, "link", link);
        entry.id_source = IdSource::Link;
    } else {
        part(&mut hash, "title", entry.title.as_deref().unwrap_or_default());
        let date = entry.published.as_ref().or(entry.updated.as_ref());
        part(&mut hash, "date", date.map_or("", |date| date.raw.as_str()));
        let text = entry.content.first().or(entry.summary.as_ref());
        part(&mut hash, "text", text.map_or("", |text| text.value.as_str()));
        if let Some(file) = entry.enclosures.first() {
            part(&mut hash, "file", &file.href);
        }
        entry.id_source = IdSource::Computed;
    }
    entry.id = format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash.finalize()));
}

/// Length first, so that no two lists of parts give the same bytes.
fn part(hash: &mut Sha256, name: &str, value: &str) {
    hash.update(name.as_bytes());
    hash.update((value.len() as u64).to_le_bytes());
    hash.update(value.as_bytes());
}

/// Whether an id has no visible character: blanks of any script, and characters without width.
pub(crate) fn is_blank(id: &str) -> bool {
    id.chars().all(|c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    })
}
