//! robots.txt (RFC 9309): what a site asks programs to leave alone, and how slowly they shall come.

use std::collections::HashSet;

use memchr::memmem;
use serde::{Deserialize, Serialize};
use url::{Position, Url};

/// The name that groups of rules call us by.
pub(super) const TOKEN: &str = "barid";
/// The RFC wants at least so much of a file to be read; what comes after it is not.
pub(super) const MOST_BYTES: usize = 500 << 10;
/// Rules that are kept of one site, about. More of them than this are no site's that wants to be read by programs: then nothing is allowed, which
/// breaks no rule of theirs (RFC 9309 lets us read less than they allow, never more).
const MOST_KEPT_BYTES: usize = 64 << 10;
/// More of a line than this is no rule.
const MOST_LINE_BYTES: usize = 16 << 10;
/// A longer `Crawl-delay` is kept as this: at one request an hour no article would ever come.
pub(super) const MOST_DELAY_MS: i64 = 60_000;

/// What one file says to us. The default allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// `Crawl-delay`, in milliseconds; 0 for none.
    pub(super) delay_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rule {
    allows: bool,
    /// With `*` and a `$` at the end; else as [`normal`] spells it.
    pattern: String,
}

impl Rules {
    /// Reads a file: the groups that name us, or else those for everybody. What is no rule is read over, so no bytes are wrong.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut bytes = &bytes[..bytes.len().min(MOST_BYTES + 1)];
        if bytes.len() > MOST_BYTES {
            // The last line was cut: half a rule may say the opposite of the whole.
            let end = bytes.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(0);
            bytes = &bytes[..end];
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = Reader::default();
        bytes
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .filter_map(|line| record(&line[..line.len().min(MOST_LINE_BYTES)]))
            .for_each(|(key, value)| reader.take(key, &value));
        if reader.names_us { reader.ours.kept() } else { reader.everybody.kept() }
    }

    /// As it is kept: each rule once, and not without end.
    fn kept(mut self) -> Self {
        let mut seen = HashSet::new();
        self.rules.retain(|rule| seen.insert((rule.allows, rule.pattern.clone())));
        if self.rules.iter().map(|rule| rule.pattern.len() + size_of::<u32>()).sum::<usize>()
            > MOST_KEPT_BYTES
        {
            self.rules = vec![Rule { allows: false, pattern: "/".to_owned() }];
        }
        self
    }

    /// Whether the address may be asked: the longest rule that fits decides, and of two as long ones the kind one.
    pub(super) fn allows(&self, url: &Url) -> bool {
        let path = normal(&url[Position::BeforePath..Position::AfterQuery]);
        if path == "/robots.txt" {
            return true;
        }
        let fitting = self.rules.iter().filter(|rule| fits(&rule.pattern, &path));
        fitting.map(|rule| (rule.pattern.len(), rule.allows)).max().is_none_or(|(_, allows)| allows)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Agent,
    Allow,
    Disallow,
    Delay,
}

/// A line's name and value. A colon that was forgotten, and the usual misspellings, are read as what was meant.
fn record(line: &[u8]) -> Option<(Key, String)> {
    let line = String::from_utf8_lossy(line);
    let line = line.split('#').next().unwrap_or_default().trim();
    let (name, value) = line.split_once(':').or_else(|| line.split_once(char::is_whitespace))?;
    let key = match name.trim().to_ascii_lowercase().as_str() {
        "user-agent" | "useragent" | "user agent" => Key::Agent,
        "allow" => Key::Allow,
        "disallow" | "dissallow" | "dissalow" | "disalow" | "diasllow" | "disallaw" => Key::Disallow,
        "crawl-delay" | "crawldelay" => Key::Delay,
        _ => return None,
    };
    Some((key, value.trim().to_owned()))
}

#[derive(Debug, Default)]
struct Reader {
    ours: Rules,
    everybody: Rules,
    names_us: bool,
    /// Who the rules that follow are for.
    is_ours: bool,
    is_everybody: bool,
    /// A rule has come since the last name: the next name begins another group.
    is_closed: bool,
}

impl Reader {
    fn take(&mut self, key: Key, value: &str) {
        match key {
            Key::Agent => self.agent(value),
            // An empty one says nothing.
            Key::Allow | Key::Disallow => {
                self.is_closed = true;
                if !value.is_empty() {
                    let pattern = normal(value);
                    self.each(|rules| {
                        rules.rules.push(Rule { allows: key == Key::Allow, pattern: pattern.clone() });
                    });
                }
            }
            // No rule of the RFC's: it must not come between names and rules.
            Key::Delay => {
                let seconds = value.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
                // Casting keeps what is too large at the largest.
                let delay_ms = ((seconds.unwrap_or(0.0) * 1000.0) as i64).min(MOST_DELAY_MS);
                self.each(|rules| rules.delay_ms = rules.delay_ms.max(delay_ms));
            }
        }
    }

    fn agent(&mut self, value: &str) {
        if std::mem::take(&mut self.is_closed) {
            (self.is_ours, self.is_everybody) = (false, false);
        }
        let is_everybody = value
            .strip_prefix('*')
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        let is_token = |letter: char| letter.is_ascii_alphabetic() || matches!(letter, '-' | '_');
        let name = value.split(|letter| !is_token(letter)).next().unwrap_or_default();
        self.is_everybody |= is_everybody;
        if name.eq_ignore_ascii_case(TOKEN) {
            (self.is_ours, self.names_us) = (true, true);
        }
    }

    fn each(&mut self, change: impl Fn(&mut Rules)) {
        if self.is_ours {
            change(&mut self.ours);
        }
        if self.is_everybody {
            change(&mut self.everybody);
        }
    }
}

/// One spelling for paths and patterns: what no address may hold as `%XX`, `%xx` in capitals, and what need not be escaped as itself.
fn normal(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut normal = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let escaped = digit(at).zip(digit(at + 1)).filter(|_| byte == b'%');
        let (byte, is_escaped) = match escaped {
            Some((high, low)) => {
                at += 2;
                (u8::try_from(high * 16 + low).unwrap_or(b'%'), true)
            }
            None => (byte, false),
        };
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let is_allowed = byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        if is_plain || is_allowed && !is_escaped {
            normal.push(char::from(byte));
        } else {
            normal.push_str(&format!("%{byte:02X}"));
        }
    }
    normal
}

/// Whether a pattern fits the beginning of a path, or all of it where it ends in `$`. Takes time in line with both, however many stars there are.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, is_whole) = pattern.strip_suffix('$').map_or((pattern, false), |rest| (rest, true));
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        // The part before this one is not the last: it may stand at its first place.
        if let Some(before) = last.replace(part) {
            let Some(at) = memmem::find(rest.as_bytes(), str::as_bytes(before)) else { return false };
            rest = &rest[at + before.len()..];
        }
    }
    match (last, is_whole) {
        (None, is_whole) => !is_whole || rest.is_empty(),
        (Some(last), true) => rest.ends_with(last),
        (Some(last), false) => memmem::find(rest.as_bytes(), last.as_bytes()).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::tests::processor;

    fn allows(file: &str, path: &str) -> bool {
        let url = Url::parse("https://news.example").and_then(|base| base.join(path)).expect("an address");
        Rules::parse(file.as_bytes()).allows(&url)
    }

    #[test]
    fn the_group_that_names_us_counts_and_else_that_for_everybody() {
        let file = "user-agent: *\ndisallow: /all\n\nUSER-AGENT: Barid/1.0 (news)\nDisallow: /ours\n\nuser-agent: other\nallow: /ours\nuser-agent: barid\ndisallow: /again\n";
        for (path, is_allowed) in [("/all", true), ("/ours", false), ("/again", false), ("/x", true)] {
            assert_eq!(allows(file, path), is_allowed, "{path}");
        }
        let others = "user-agent: baridbot\nuser-agent: bar\ndisallow: /\nuser-agent: * \ndisallow: /all";
        assert!(allows(others, "/x") && !allows(others, "/all"), "a longer or shorter name is another's");
        assert!(allows("disallow: /", "/x"), "rules of nobody");
        assert!(
            allows("user-agent: *\ndisallow: /\nuser-agent: barid\n", "/x"),
            "a group of ours without rules"
        );
        assert!(allows("", "/") && allows("<html>nothing here</html>", "/"));
    }

    #[test]
    fn names_in_a_row_share_what_follows_and_other_lines_do_not_part_them() {
        let file = "user-agent: other\nsitemap: https://news.example/s\ncrawl-delay: 4\nuser-agent: barid\n\nunknown: x\ndisallow: /a\nuser-agent: third\ndisallow: /b";
        assert!(!allows(file, "/a") && allows(file, "/b"));
        assert_eq!(Rules::parse(file.as_bytes()).delay_ms, 0, "that delay was for another");
    }

    #[test]
    fn lines_are_read_as_they_were_meant() {
        for line in
            ["disallow: /x # not there", "DisAllow:/x", "disallow /x", " disallow : /x ", "disalow: /x"]
        {
            for end in ["\n", "\r\n", "\r"] {
                let file = format!("\u{feff}user-agent: barid{end}{line}{end}");
                assert!(!allows(&file, "/x/y") && allows(&file, "/y"), "{file:?}");
            }
        }
        assert!(allows("user-agent: barid\ndisallow:\n", "/x"), "an empty rule forbids nothing");
        assert!(allows("user-agent: barid\ndisallow: /X\n", "/x"), "paths have cases");
        assert!(allows("user-agent: *\ndisallow: /\n", "/robots.txt"));
    }

    #[test]
    fn the_longest_rule_that_fits_decides_and_of_two_as_long_the_kind_one() {
        for (rules, path, is_allowed) in [
            ("disallow: /x/page.html\nallow: /x/", "/x/page.html", false),
            ("disallow: /x/\nallow: /x/page.html", "/x/page.html", true),
            ("disallow: /x/\nallow: /x/page.html", "/x/", false),
            ("disallow: /x\nallow: /x", "/x", true),
            ("allow: /page\ndisallow: /*.html", "/page.html", false),
            ("allow: /x/page.\ndisallow: /*.html", "/x/page.html", true),
            ("disallow: /page\nallow: /*.ht*l", "/page.html", true),
            ("disallow: /x?id=", "/x?id=7", false),
            ("disallow: /x?id=", "/x?a=1&id=7", true),
        ] {
            assert_eq!(allows(&format!("user-agent: barid\n{rules}"), path), is_allowed, "{rules} {path}");
        }
    }

    #[test]
    fn stars_and_the_end_mark() {
        for (pattern, fit, unfit) in [
            ("/fish", &["/fish", "/fish.html", "/fishheads?x"][..], &["/Fish", "/catfish", "/?id=fish"][..]),
            ("/fish/", &["/fish/", "/fish/?id=1"], &["/fish", "/fish.html"]),
            ("/*.php", &["/a.php", "/a/b.php?x", "/a.php/", "/.php"], &["/", "/a.PHP"]),
            ("/*.php$", &["/a.php", "/a/b.php"], &["/a.php?x", "/a.php/", "/a.php5"]),
            ("/fish*.php", &["/fish.php", "/fishheads/cat.php?x"], &["/Fish.php", "/fish"]),
            ("*/end$", &["/end", "/a/end", "/end/end"], &["/end/", "/ends"]),
            ("/$", &["/"], &["/a"]),
            ("/a*b*c$", &["/abc", "/axbxc", "/abcbc"], &["/ac", "/abcd", "/acb"]),
            ("/ab*ba$", &["/abba", "/abxba"], &["/aba"]),
            ("/**x", &["/x", "/ax"], &["/a"]),
            ("/a$b", &["/a$b"], &["/a"]),
            ("fish", &[], &["/fish"]),
        ] {
            for path in fit {
                assert!(fits(pattern, path), "{pattern} {path}");
            }
            for path in unfit {
                assert!(!fits(pattern, path), "{pattern} {path}");
            }
        }
    }

    /// What a pattern means, word by word and slowly.
    fn means(pattern: &[u8], path: &[u8]) -> bool {
        match pattern {
            [] => true,
            b"$" => path.is_empty(),
            [b'*', rest @ ..] => (0..=path.len()).any(|at| means(rest, &path[at..])),
            [first, rest @ ..] => path.first() == Some(first) && means(rest, &path[1..]),
        }
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_fits_what_it_means(pattern in "[ab*]{0,8}\\$?", path in "[ab]{0,10}") {
            proptest::prop_assert_eq!(fits(&pattern, &path), means(pattern.as_bytes(), path.as_bytes()));
        }
    }

    #[test]
    fn a_letter_is_the_same_however_it_is_escaped_and_a_reserved_one_is_not() {
        for (pattern, path, is_allowed) in [
            ("/أخبار", "/أخبار/1", false),
            ("/%D8%A3%d8%ae", "/أخبار", false),
            ("/أخ", "/%d8%a3%D8%AE", false),
            ("/%62%61z", "/baz", false),
            ("/baz", "/%62az", false),
            ("/a%2Fb", "/a/b", true),
            ("/a%2fb", "/a%2Fb", false),
            ("/a%", "/a%", false),
            ("/a b{c", "/a%20b{c", false),
        ] {
            assert_eq!(allows(&format!("user-agent: *\ndisallow: {pattern}"), path), is_allowed, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_takes_time_in_line_with_its_length() {
        let cost = |letters: usize| {
            let (pattern, path) =
                (format!("/{}x$", "*a".repeat(letters / 2)), format!("/{}", "a".repeat(letters)));
            let (is_fit, cost) = processor::cost(|| fits(&pattern, &path));
            assert!(!is_fit);
            cost
        };
        let (short, long) = (cost(20_000), cost(400_000));
        // By the square of the length it would be 400 times.
        assert!(long < 100 * short, "{long} ns for 20 times what takes {short} ns");
    }

    #[test]
    fn a_delay_is_kept_up_to_a_minute() {
        let delay =
            |value: &str| Rules::parse(format!("user-agent: *\ncrawl-delay: {value}").as_bytes()).delay_ms;
        let found = ["5", "0.5", "3600", "-1", "soon", "1e400", "NaN"].map(delay);
        assert_eq!(found, [5000, 500, MOST_DELAY_MS, 0, 0, MOST_DELAY_MS, 0]);
    }

    #[test]
    fn more_rules_than_are_kept_allow_nothing_and_the_same_one_is_kept_once() {
        let file = |count: usize, pattern: &dyn Fn(usize) -> String| {
            let rules: String = (0..count).map(|number| format!("disallow: {}\n", pattern(number))).collect();
            format!("user-agent: *\ncrawl-delay: 5\n{rules}allow: /open\n")
        };
        let rules = |file: &str| Rules::parse(file.as_bytes());
        let same = rules(&file(20_000, &|_| "/closed".to_owned()));
        assert_eq!((same.rules.len(), same.delay_ms), (2, 5000));
        let many = file(4000, &|number| format!("/closed/{number:04}"));
        assert!(allows(&many, "/open") && !allows(&many, "/closed/3999"), "4000 are kept");
        let more = file(5000, &|number| format!("/closed/{number:04}/and-so-on"));
        assert!(!allows(&more, "/open") && !allows(&more, "/"), "too many");
        assert_eq!(
            rules(&more),
            Rules { rules: vec![Rule { allows: false, pattern: "/".into() }], delay_ms: 5000 }
        );
    }

    #[test]
    fn a_file_counts_up_to_its_limit_and_a_cut_rule_does_not() {
        let mut file = b"user-agent: *\n".to_vec();
        file.resize(MOST_BYTES - 20, b'#');
        file.extend_from_slice(b"\ndisallow: /early\ndisallow: /a-late-one\n");
        let rules = Rules::parse(&file);
        assert_eq!(rules.rules, [Rule { allows: false, pattern: "/early".into() }]);
        assert_eq!(Rules::parse(&[0xff; 1000]), Rules::default());
    }
}
