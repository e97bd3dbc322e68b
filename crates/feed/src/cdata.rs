//! CDATA sections whose marks became text: software that writes XML escaped what was wrapped already, or wrapped it twice.

use std::borrow::Cow;

use memchr::memmem;

use crate::entities::Entities;
use crate::fault::{Fault, Faults};
use crate::model::TextKind;

const OPEN: &str = "<![CDATA[";
const CLOSE: &str = "]]>";

/// The text without such marks; `None` where it has none. Plain text is a section from its start or not at all: elsewhere the marks are
/// its subject.
pub(crate) fn unwrapped(text: &str, kind: TextKind, faults: &mut Faults) -> Option<String> {
    let text = twice_escaped(text);
    if !starts_with(&text, OPEN) && kind == TextKind::Plain {
        return None;
    }
    let opens = memmem::find_iter(text.as_bytes(), b"<![").filter(|at| starts_with(&text[*at..], OPEN));
    let mut out = String::new();
    let (mut done, mut open) = (0, 0);
    for at in opens {
        without_ends(&text[done..at], &mut open, &mut out);
        open += 1;
        done = at + OPEN.len();
        faults.note(Fault::EscapedCdata);
    }
    if done == 0 {
        return None;
    }
    without_ends(&text[done..], &mut open, &mut out);
    Some(out.trim().to_owned())
}

/// Appends a piece without the ends of the sections that are open. An end without a beginning is text.
fn without_ends(mut piece: &str, open: &mut u64, out: &mut String) {
    while *open > 0 {
        let Some((before, after)) = piece.split_once(CLOSE) else { break };
        out.push_str(before);
        piece = after;
        *open -= 1;
    }
    out.push_str(piece);
}

/// `&lt;![CDATA[...]]&gt;`, still: one more level of escapes goes first.
fn twice_escaped(text: &str) -> Cow<'_, str> {
    if !starts_with(text, "&lt;![CDATA[") {
        return Cow::Borrowed(text);
    }
    // Its faults are of a text that nobody wrote so.
    Entities::default().unescape(text, &mut Faults::default())
}

fn starts_with(text: &str, mark: &str) -> bool {
    text.as_bytes().get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()))
}
