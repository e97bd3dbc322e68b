//! HTML that takes the libraries that read it too long: told before they see it.

use memchr::{memchr, memchr_iter};

/// Whether reading this would take more time than any article is worth.
pub(super) fn is_hostile(html: &str) -> bool {
    depth(html) > DEEPEST || has_endless_tag(html.as_bytes())
}

/// Laying HTML out takes time by the square of its depth; no article is deeper.
const DEEPEST: usize = 400;

/// How deep elements may lie in one another, roughly. Those that close themselves do not count, nor what scripts and styles hold.
fn depth(html: &str) -> usize {
    const FLAT: [&str; 14] =
        ["p", "li", "br", "img", "hr", "td", "tr", "th", "dd", "dt", "input", "source", "wbr", "option"];
    let is = |name: &str, names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    // In drawings and formulas a script is markup like any other.
    let (mut drawings, mut script) = (0_usize, None::<&str>);
    for part in html.split('<').skip(1) {
        let closes = part.starts_with('/');
        let name = part.trim_start_matches('/').split(|letter: char| !letter.is_ascii_alphanumeric()).next();
        let name = name.unwrap_or_default();
        if let Some(open) = script {
            script = (!closes || !name.eq_ignore_ascii_case(open)).then_some(open);
            continue;
        }
        if name.is_empty() || is(name, &FLAT) {
            continue;
        }
        if is(name, &["svg", "math"]) {
            drawings = if closes { drawings.saturating_sub(1) } else { drawings + 1 };
        } else if drawings == 0 && !closes && is(name, &["script", "style"]) {
            script = Some(name);
            continue;
        }
        depth = if closes { depth.saturating_sub(1) } else { depth + 1 };
        deepest = deepest.max(depth);
    }
    deepest
}

/// A tag's attributes are compared with each other: that takes time by the square of their number.
const MOST_ATTRIBUTES: usize = 2000;

/// Whether any tag has more attributes. Every place where a tag may begin is looked at, also those inside of scripts and comments: what those are
/// is a matter of the whole page, and a page may be made to be taken for another.
fn has_endless_tag(html: &[u8]) -> bool {
    // Tags that begin in each other are looked at again and again, up to here.
    let mut room = 16 * html.len();
    for start in memchr_iter(b'<', html) {
        let rest = &html[start + 1..];
        let name = rest.strip_prefix(b"/").unwrap_or(rest);
        if !name.first().is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let (attributes, bytes) = tag(name);
        if attributes > MOST_ATTRIBUTES || bytes > room {
            return true;
        }
        room -= bytes;
    }
    false
}

/// Counts the attributes of a tag, its name first, as HTML's tokenizer separates them; and the bytes up to its end.
fn tag(bytes: &[u8]) -> (usize, usize) {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c);
    let skip = |from: usize, is_part: &dyn Fn(&u8) -> bool| {
        from + bytes.get(from..).unwrap_or_default().iter().take_while(|byte| is_part(byte)).count()
    };
    let mut at = skip(0, &|byte| !is_space(byte) && !matches!(byte, b'/' | b'>'));
    for attributes in 0..=MOST_ATTRIBUTES {
        at = skip(at, &|byte| is_space(byte) || *byte == b'/');
        if matches!(bytes.get(at), None | Some(b'>')) {
            return (attributes, at);
        }
        // Its first byte may be anything, also a `=`.
        at = skip(at + 1, &|byte| !is_space(byte) && !matches!(byte, b'/' | b'>' | b'='));
        let next = skip(at, &is_space);
        if bytes.get(next) != Some(&b'=') {
            continue;
        }
        at = skip(next + 1, &is_space);
        at = match bytes.get(at) {
            Some(quote @ (b'"' | b'\'')) => match memchr(*quote, &bytes[at + 1..]) {
                Some(end) => at + end + 2,
                None => return (attributes + 1, bytes.len()),
            },
            Some(_) | None => skip(at, &|byte| !is_space(byte) && *byte != b'>'),
        };
    }
    (MOST_ATTRIBUTES + 1, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_counted_as_html_separates_them() {
        for (text, attributes) in [
            ("p>", 0),
            ("p a>b c", 1),
            ("p a b=1 c='> d' e=\">\"f/g/h=/i j>", 8),
            ("p a = 1 b= '2' =c>", 3),
            ("br/>", 0),
            ("p a=>b", 1),
            ("p < a< <b", 3),
            ("p a='never ends > b c d", 1),
            ("p", 0),
            ("p a", 1),
            ("p a=", 1),
        ] {
            assert_eq!(tag(text.as_bytes()).0, attributes, "{text}");
        }
    }

    #[test]
    fn what_scripts_hold_is_no_depth_but_in_drawings() {
        let deep = "<div>".repeat(500);
        for (text, is_deep) in [
            (deep.clone(), true),
            (format!("<script>{deep}</script>"), false),
            (format!("<STYLE>{deep}</style>{deep}"), true),
            (format!("<svg><style>{deep}</style></svg>"), true),
            (format!("<svg></svg><script>{deep}"), false),
            ("<p><br><li>".repeat(500), false),
            ("<b>x</b>".repeat(500), false),
        ] {
            assert_eq!(is_hostile(&text), is_deep, "{text:.40}");
        }
    }

    #[test]
    fn a_tag_without_an_end_is_found_wherever_it_hides() {
        let many = |format: &dyn Fn(usize) -> String| (0..=MOST_ATTRIBUTES).map(format).collect::<String>();
        let plain = many(&|number| format!(" a{number}"));
        let quoted = many(&|number| format!("a{number}='>'"));
        let nested = many(&|number| format!(" <a{number}<"));
        for hidden in [
            format!("<p{plain}>"),
            format!("</p{plain}>"),
            format!("<p {quoted}>"),
            format!("<p{nested}>"),
            format!("<!-- <script> --><p{plain}>"),
            format!("<svg><style><p{plain}></style></svg>"),
            format!("<script>a<b=\"</script><p{plain}>"),
        ] {
            assert!(is_hostile(&hidden), "{:.60}", hidden);
        }
        assert!(is_hostile(&"<a ".repeat(100_000)), "each begins in all before it");
        let page = format!(
            "<p class='a b' data-x=1>{}</p><img src='{}'>",
            "word ".repeat(10_000),
            "x".repeat(1_000_000)
        );
        assert!(!is_hostile(&page));
        let script = "<script>for (i = 0; i < n; i++) { if (a<b && c > d) e(); }</script>".repeat(500);
        assert!(!is_hostile(&script));
    }
}
