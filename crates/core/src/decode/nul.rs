//! Zero characters, which no text means: scrapers, databases and broken disks leave them.

use std::borrow::Cow;

use super::Line;
use crate::model::Note;

/// Takes them out of the text, and notes each line that had some (`nul_removed`); input ranges stay.
pub(super) fn remove(text: &mut Cow<'_, str>, lines: &mut [Line], notes: &mut Vec<Note>) {
    if memchr::memchr(0, text.as_bytes()).is_none() {
        return;
    }
    let old = std::mem::take(text);
    let mut new = String::with_capacity(old.len());
    let starts: Vec<usize> = lines.iter().skip(1).map(|line| line.text_start).chain([old.len()]).collect();
    for (index, (line, next)) in lines.iter_mut().zip(starts).enumerate() {
        let text_start = new.len();
        let content = old.get(line.text_start..line.text_end).unwrap_or_default();
        new.extend(content.split('\0'));
        if new.len() - text_start < content.len() {
            notes.push(Note {
                code: "nul_removed",
                line: u32::try_from(index + 1).unwrap_or(u32::MAX),
                byte_start: line.byte_start,
                byte_end: line.byte_end,
            });
        }
        let terminator = old.get(line.text_end..next).unwrap_or_default();
        (line.text_start, line.text_end) = (text_start, new.len());
        new.push_str(terminator);
    }
    *text = Cow::Owned(new);
}
