//! A line as numbers, known words and punctuation; digits of every script the news uses become numbers.

use std::ops::Range;

use super::vocabulary::{self, Word};
use crate::letters;

/// Date lines have at most some thirty tokens; more is prose.
const MAX_TOKENS: usize = 64;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number { value: u64, digits: usize },
    Word(Word),
    Unknown,
    Punct(char),
}

/// One token and its bytes in the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    /// White space stands before it (or the start of the line).
    pub(super) spaced: bool,
}

/// The tokens of a line; `None` when there are too many for a date line, or more than `max_unknown` foreign words.
pub(super) fn tokens(line: &str, max_unknown: usize) -> Option<Vec<Token>> {
    let mut unknown = 0;
    let mut tokens = Vec::with_capacity(16);
    let mut folded = String::new();
    let mut spaced = true;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let start = line.len() - rest.len();
        let (kind, len) = if c.is_whitespace() {
            spaced = true;
            rest = &rest[c.len_utf8()..];
            continue;
        } else if vocabulary::is_ignored(c) {
            rest = &rest[c.len_utf8()..];
            continue;
        } else if digit(c).is_some() {
            number(rest)
        } else if let Some(kind) = vocabulary::cjk_sign(c) {
            (kind, c.len_utf8())
        } else if letters::is_letter(c) {
            let len = word_len(rest);
            vocabulary::fold(&rest[..len], &mut folded);
            (vocabulary::find(&folded).map_or(Kind::Unknown, Kind::Word), len)
        } else {
            (Kind::Punct(plain(c)), c.len_utf8())
        };
        unknown += usize::from(kind == Kind::Unknown);
        if tokens.len() == MAX_TOKENS || unknown > max_unknown {
            return None;
        }
        tokens.push(Token { kind, range: start..start + len, spaced });
        spaced = false;
        rest = &rest[len..];
    }
    Some(tokens)
}

/// True at a sign that separates a date from a name: `|`, `•`, or a dash with space on both sides.
pub(super) fn is_strong_separator(tokens: &[Token], at: usize) -> bool {
    match tokens[at].kind {
        Kind::Punct('|' | '•') => true,
        Kind::Punct('-') => tokens[at].spaced && tokens.get(at + 1).is_none_or(|next| next.spaced),
        Kind::Punct(_) | Kind::Number { .. } | Kind::Word(_) | Kind::Unknown => false,
    }
}

fn digit(c: char) -> Option<u64> {
    let zero = match c {
        '0'..='9' => '0',
        '٠'..='٩' => '٠',
        '۰'..='۹' => '۰',
        '०'..='९' => '०',
        '\u{FF10}'..='\u{FF19}' => '\u{FF10}',
        _ => return None,
    };
    Some(u64::from(u32::from(c) - u32::from(zero)))
}

fn number(text: &str) -> (Kind, usize) {
    let (mut value, mut digits, mut len) = (0_u64, 0, 0);
    for c in text.chars() {
        let Some(next) = digit(c) else { break };
        value = value.saturating_mul(10).saturating_add(next);
        digits += 1;
        len += c.len_utf8();
    }
    (Kind::Number { value, digits }, len)
}

/// Letters with their marks (Devanagari's count as letters); a dot joins single letters (`a.m`).
fn word_len(text: &str) -> usize {
    let (mut len, mut letters) = (0, 0);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let joins = c == '.' && letters == 1 && chars.peek().is_some_and(|next| letters::is_letter(*next));
        if joins {
            letters = 0;
        } else if (letters::is_letter(c) || ('\u{0900}'..='\u{0963}').contains(&c))
            && vocabulary::cjk_sign(c).is_none()
        {
            letters += 1;
        } else if !vocabulary::is_ignored(c) {
            break;
        }
        len += c.len_utf8();
    }
    len
}

/// One sign for all dashes, bullets and full-width forms.
fn plain(c: char) -> char {
    match c {
        '–' | '—' | '−' | '‐' | '‑' => '-',
        '·' | '●' | '▪' | '∙' => '•',
        '｜' | '¦' => '|',
        '：' => ':',
        '／' | '⁄' => '/',
        '，' => ',',
        other => other,
    }
}
