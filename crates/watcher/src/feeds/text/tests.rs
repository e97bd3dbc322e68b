//! Plain text, HTML, and text of which nobody says which of them it is.

use super::*;

#[track_caller]
fn assert_words(value: &str, kind: TextKind, expected: &str) -> Mends {
    let mut mends = Mends::default();
    let text = Text { value: value.to_owned(), kind };
    assert_eq!(words(&text, &mut mends), expected, "{kind:?}: {value}");
    mends
}

#[test]
fn plain_text_is_never_read_as_html() {
    for text in [
        "Why Box<T> and <script> matter",
        "A<B beats C",
        "<unk>",
        "R&amp;D",
        "<b>bold</b>",
        "3 < 4 > 2",
        "<![CDATA[x",
    ] {
        assert_eq!(assert_words(text, TextKind::Plain, text), Mends::default());
    }
}

#[test]
fn what_proves_nothing_is_text() {
    for text in [
        "Lions A<Tigers B 3-1 after penalties",
        "Quays <closed",
        "a < b and c > d",
        "Use Box<T> or Map<K, V>",
        "Vec<i> is a type",
        "if x<b and y>c",
        "<unk> said the model",
        "How <script> came to be",
        "A <title> without a page",
        "write to <desk@news.example> or <https://news.example/a?x=1>",
        "I <3 ports",
        "x<y",
        "ends in <",
        "use <b> for bold",
        "</3 and </unk>",
        "<-- this way",
        "<!important>",
    ] {
        let mends = assert_words(text, TextKind::Unknown, text);
        assert_eq!(mends, Mends::default(), "{text}");
    }
    assert_words("Quays <closed> &amp; Box<T>", TextKind::Unknown, "Quays <closed> & Box<T>");
    assert_words("line one\nline two &amp; more", TextKind::Unknown, "line one\nline two & more");
    assert_words("see /a?b=1&copy=2&region=3", TextKind::Unknown, "see /a?b=1&copy=2&region=3");
}

#[test]
fn what_proves_itself_is_html() {
    for (html, expected) in [
        ("<p>Crane <em>back</em></p>", "Crane back"),
        ("<b>Crane</b> back", "Crane back"),
        ("one<br>two", "one\ntwo"),
        ("one<br/>two", "one\ntwo"),
        ("<p>one<p>two", "one\n\ntwo"),
        ("Crane <img src='a.png' alt=''> back", "Crane back"),
        ("<!-- new -->Crane", "Crane"),
        ("<!-- never ends Crane", "never ends Crane"),
        ("<?php echo 1 ?>Crane", "Crane"),
        ("<script>x(1<2)</script>Crane", "Crane"),
        ("<style>p{}</style>Crane", "Crane"),
        ("<a href='x'>Crane</a> &gt; quay", "Crane > quay"),
        ("<a href=\"/x\" target=_blank>Crane</a>", "Crane"),
        ("<o:p>Crane</o:p> <st1:place w:st='on'>quay</st1:place>", "Crane quay"),
        ("<my-box>Crane</my-box><br>", "Crane"),
        ("<p>Crane <a href=\"https://news.example/lo", "Crane"),
        ("<P ALIGN=center>Crane</P>", "Crane"),
    ] {
        let mends = assert_words(html, TextKind::Unknown, expected);
        assert_eq!(mends.kept, 0, "{html}");
    }
}

#[test]
fn text_inside_of_html_stays_too() {
    for (html, expected) in [
        ("<p>Lions A<Tigers B 3-1</p>", "Lions A<Tigers B 3-1"),
        ("<p>a < b, Box<T> and A<B beats C</p>", "a < b, Box<T> and A<B beats C"),
        ("<p>one <unk> two</p>", "one <unk> two"),
        ("<p>unclosed <script> here</p>", "unclosed <script> here"),
        ("<p>a <iframe src='x'> b</p>", "a b"),
        ("<p>x?a=1&copy=2 &copy; &hellip;</p>", "x?a=1&copy=2 © …"),
        ("<p>a <img alt=\"x>y\" src='z'> b</p>", "a x>y b"),
        ("<p><a href=\"x>Crane</a> is back</p>", "Crane is back"),
        ("<p class=\"a\"id=\"b\">Crane</p>", "Crane"),
    ] {
        assert_words(html, TextKind::Html, expected);
        assert_words(html, TextKind::Unknown, expected);
    }
}

#[test]
fn where_most_letters_would_go_the_text_is_kept() {
    for (html, expected) in [
        ("<title>Crane back</title>", "Crane back"),
        ("<template>Crane is back</template>", "Crane is back"),
        ("<svg><title>Crane is back</title></svg>", "Crane is back"),
    ] {
        let mends = assert_words(html, TextKind::Unknown, expected);
        assert_eq!(mends.kept, 1, "{html}");
    }
    for html in [
        "<script>var words = 'that nobody should read';</script>",
        "<img src='https://news.example/a/long/name/of/a/picture.jpg'/>",
        "<!-- a comment of many words --><hr>",
        "<style>.a { color: red }</style>",
    ] {
        let mends = assert_words(html, TextKind::Html, "");
        assert_eq!(mends.kept, 0, "{html}");
    }
}

#[test]
fn what_was_escaped_once_too_often_is_read_once_more() {
    for (text, kind, expected) in [
        ("It&amp;#8217;s &amp;quot;back&amp;quot;", TextKind::Unknown, "It’s \"back\""),
        ("<p>It&amp;#x2019;s back</p>", TextKind::Html, "It’s back"),
        ("&lt;p&gt;Crane &amp;amp; quay&lt;/p&gt;", TextKind::Unknown, "Crane & quay"),
    ] {
        assert_eq!(assert_words(text, kind, expected).escaped, 1, "{text}");
    }
    for (text, kind, expected) in [
        ("<p>write &amp;nbsp; there</p>", TextKind::Html, "write &nbsp; there"),
        ("&lt;b&gt; is bold", TextKind::Unknown, "<b> is bold"),
        ("AT&amp;T", TextKind::Unknown, "AT&T"),
    ] {
        assert_eq!(assert_words(text, kind, expected).escaped, 0, "{text}");
    }
}

#[test]
fn other_files_are_no_text_and_endless_text_is_counted() {
    assert_words("R0lGODlhAQAB", TextKind::Data, "");
    let endless = "a".repeat(MOST_TEXT_BYTES + 1);
    assert_eq!(assert_words(&endless, TextKind::Plain, &endless[1..]).cut, 1);
}

/// Openings of each kind, again and again: what takes the square of that does not end.
#[test]
fn hostile_text_takes_linear_time() {
    for piece in [
        "<",
        "<a",
        "<a ",
        "<a b",
        "<a b=",
        "<a b=\"",
        "<a b='<c d=\"",
        "</a",
        "</zz>",
        "<zz>",
        "<!--",
        "<!-->",
        "<![",
        "<?a ",
        "<script>",
        "<script></script",
        "<title>",
        "&",
        "&a",
        "&lt;",
        "&lt;p",
        "<b>",
        "<p>",
        "<x:y>",
        "<a b=\"x\"c='",
    ] {
        for end in ["", ">", "\"", "'>", "-->", "</script>"] {
            let text = format!("<p>{}{end}", piece.repeat(400_000 / piece.len()));
            for is_html in [false, true] {
                let marks = tags::take_apart(&text, is_html);
                assert!(marks.plain.len() <= text.len() + marks.tags, "{piece} {end}");
            }
        }
    }
}
