//! Every charset round trip, the byte ranges that must tile, and what is refused. All texts are composed for this file.

use encoding_rs::Encoding;
use proptest::prelude::*;

use super::*;

const ARABIC: &str = "افتتح معرض الكتاب في مدينة الواحة\nقال المدير إن المعرض يستقبل الزوار صباحا ومساء، وأضاف: \
    سوف نعلن عن الأسماء غدا.\nواختتم الحفل بقراءة شعرية.";
const RUSSIAN: &str =
    "Книжная ярмарка открылась в городе\nДиректор сказал, что ярмарка будет работать каждый день.\n";
const FRENCH: &str =
    "La foire du livre a ouvert ses portes à côté du théâtre.\nL'été dernier, elle avait été annulée.\n";
const TURKISH: &str =
    "Kitap fuarı şehir merkezinde açıldı.\nMüdür, fuarın her gün açık olacağını söyledi ve teşekkür etti.\n";
const HEBREW: &str = "יריד הספרים נפתח השבוע במרכז העיר.\nהמנהל אמר כי היריד יהיה פתוח בכל יום.\n";
const JAPANESE: &str = "図書展示会が市内で開幕しました。\n館長は毎日開いていると述べました。\n";
const CHINESE: &str = "图书展览会在城市中心开幕。\n馆长表示展览会每天开放，欢迎大家参观。\n";
const TAIWAN: &str = "圖書展覽會在城市中心開幕。\n館長表示展覽會每天開放，歡迎大家參觀。\n";
const KOREAN: &str = "도서전이 시내에서 열렸습니다.\n관장은 매일 문을 연다고 말했습니다.\n";

fn label(name: &str) -> &'static Encoding {
    Encoding::for_label(name.as_bytes()).unwrap()
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    text.encode_utf16()
        .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
        .collect()
}

#[track_caller]
fn assert_tiles(bytes: &[u8], decoded: &Decoded<'_>) {
    let mut at = (0, 0);
    for line in &decoded.lines {
        assert_eq!(line.byte_start, at.0, "bytes tile");
        assert_eq!(line.text_start, at.1, "text tiles");
        assert!(line.byte_end > line.byte_start && line.text_end >= line.text_start);
        let rest = &decoded.text[line.text_end..];
        let terminator = match rest.as_bytes() {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => 0,
        };
        at = (line.byte_end, line.text_end + terminator);
        assert!(!decoded.line_text(line).contains(['\n', '\r']));
    }
    assert_eq!(at, (bytes.len(), decoded.text.len()));
}

#[track_caller]
fn check(bytes: &[u8], declared: Option<&str>, text: &str, charset: &str, source: CharsetSource) {
    let decoded = decode(bytes, declared).unwrap();
    assert_eq!(decoded.text, text);
    assert_eq!((decoded.charset, decoded.charset_source, decoded.replaced), (charset, source, 0));
    assert_tiles(bytes, &decoded);
}

#[test]
fn clean_utf8_is_borrowed_whatever_was_declared() {
    for declared in [None, Some("windows-1256"), Some("utf-16"), Some("iso-8859-1"), Some("no-such-charset")]
    {
        check(ARABIC.as_bytes(), declared, ARABIC, "utf-8", CharsetSource::Utf8);
        assert!(matches!(decode(ARABIC.as_bytes(), declared).unwrap().text, Cow::Borrowed(_)));
    }
}

#[test]
fn byte_order_marks_belong_to_the_first_line_and_not_to_the_text() {
    check(format!("\u{FEFF}{ARABIC}").as_bytes(), None, ARABIC, "utf-8", CharsetSource::Bom);
    check(&utf16(&format!("\u{FEFF}{ARABIC}"), false), None, ARABIC, "utf-16le", CharsetSource::Bom);
    check(&utf16(&format!("\u{FEFF}{ARABIC}"), true), Some("utf-8"), ARABIC, "utf-16be", CharsetSource::Bom);
}

#[test]
fn utf16_without_a_mark_shows_by_its_zero_bytes() {
    for text in [ARABIC, RUSSIAN, FRENCH, HEBREW, JAPANESE] {
        check(&utf16(text, false), None, text, "utf-16le", CharsetSource::Detected);
        check(&utf16(text, true), Some("utf-8"), text, "utf-16be", CharsetSource::Detected);
    }
}

#[test]
fn statistics_find_the_charsets_of_the_news() {
    let table = [
        ("windows-1256", ARABIC),
        ("iso-8859-6", ARABIC),
        ("windows-1251", RUSSIAN),
        ("windows-1252", FRENCH),
        ("windows-1254", TURKISH),
        ("windows-1255", HEBREW),
        ("shift_jis", JAPANESE),
        ("euc-jp", JAPANESE),
        ("iso-2022-jp", JAPANESE),
        ("gbk", CHINESE),
        ("big5", TAIWAN),
        ("euc-kr", KOREAN),
    ];
    for (charset, text) in table {
        let (bytes, _, unmappable) = label(charset).encode(text);
        assert!(!unmappable, "{charset}");
        check(&bytes, None, text, charset, CharsetSource::Detected);
        check(&bytes, Some("utf-8"), text, charset, CharsetSource::Detected);
        check(&bytes, Some("iso-8859-1"), text, charset, CharsetSource::Detected);
    }
}

#[test]
fn koi8_is_read_right_though_its_two_national_forms_look_alike() {
    let (bytes, _, _) = label("koi8-r").encode(RUSSIAN);
    check(&bytes, None, RUSSIAN, "koi8-u", CharsetSource::Detected);
    check(&bytes, Some("KOI8-R"), RUSSIAN, "koi8-r", CharsetSource::Declared);
}

#[test]
fn a_declared_charset_settles_what_statistics_cannot() {
    let (bytes, _, _) = label("windows-1256").encode("خبر\nعاجل");
    check(&bytes, Some("windows-1256"), "خبر\nعاجل", "windows-1256", CharsetSource::Declared);
    // Mac Arabic and IBM 720 keep these letters at these places.
    check(
        b"\xCE\xC8\xD1\r\nA\xC7",
        Some("x-mac-arabic"),
        "خبر\r\nAا",
        "x-mac-arabic",
        CharsetSource::Declared,
    );
    check(b"\xA6\xA0\xA9", Some("cp720"), "خبر", "ibm720", CharsetSource::Declared);
    assert_eq!(decode(b"\xC7\xE1 \xC7", Some("cp864")).unwrap().charset, "ibm864");
}

#[test]
fn a_few_pairs_that_happen_to_be_utf8_do_not_make_a_text_utf8() {
    // A letter before a comma is UTF-8 for U+01E1.
    for text in ["ا،ا", "bulletin ا،ا", "ا،ب،ت ثم"] {
        let (bytes, _, _) = label("windows-1256").encode(text);
        check(&bytes, Some("windows-1256"), text, "windows-1256", CharsetSource::Declared);
    }
}

#[test]
fn one_bad_byte_costs_one_character() {
    for bad in [&b"\xFF"[..], b"\xD8", b"\xE2\x80"] {
        let mut bytes = ARABIC.as_bytes().to_vec();
        let at = ARABIC.find(' ').unwrap();
        bytes.splice(at..at, bad.iter().copied());
        let decoded = decode(&bytes, Some("windows-1256")).unwrap();
        assert_eq!(decoded.text, format!("{}\u{FFFD}{}", &ARABIC[..at], &ARABIC[at..]));
        assert_eq!((decoded.charset, decoded.replaced), ("utf-8", 1));
        assert_tiles(&bytes, &decoded);
    }
}

#[test]
fn lines_end_with_lf_crlf_or_a_lone_cr() {
    let text = "أ\r\nب\rج\n\n\rد";
    for bytes in [text.as_bytes().to_vec(), utf16(&format!("\u{FEFF}{text}"), true)] {
        let decoded = decode(&bytes, None).unwrap();
        let lines: Vec<_> = decoded.lines.iter().map(|line| decoded.line_text(line)).collect();
        assert_eq!(lines, ["أ", "ب", "ج", "", "", "د"]);
        assert_tiles(&bytes, &decoded);
    }
}

#[test]
fn offsets_map_back_exactly_where_the_charset_allows() {
    let text = "خبر first\r\nسطر ثان";
    let word = text.find("ثان").unwrap();
    let utf8 = format!("\u{FEFF}{text}");
    let decoded = decode(utf8.as_bytes(), None).unwrap();
    assert_eq!(decoded.input_range(0..6), 3..9);
    assert_eq!(decoded.input_range(word..text.len()), word + 3..utf8.len());
    let (bytes, _, _) = label("windows-1256").encode(text);
    let decoded = decode(&bytes, Some("windows-1256")).unwrap();
    assert_eq!(decoded.input_range(word..text.len()), bytes.len() - 3..bytes.len());
    assert_eq!(decoded.input_offset(text.find("first").unwrap()), 4);
    let bytes = utf16(&utf8, false);
    let decoded = decode(&bytes, None).unwrap();
    assert_eq!(decoded.input_range(word..text.len()), bytes.len() - 6..bytes.len());
    let (bytes, _, _) = label("shift_jis").encode(JAPANESE);
    let decoded = decode(&bytes, None).unwrap();
    let second = decoded.lines[1];
    let inside = second.text_start + 3..second.text_start + 6;
    assert_eq!(decoded.input_range(inside), second.byte_start..second.byte_end);
}

#[test]
fn a_damaged_line_maps_to_its_start_and_leaves_the_others_exact() {
    let bytes = b"one \xFF two\nthree four";
    let decoded = decode(bytes, Some("utf-8")).unwrap();
    assert_eq!(decoded.charset, "windows-1252");
    let bytes = "سطر معطوب\u{FFFD}\nسطر سليم".replace('\u{FFFD}', "\u{1}").into_bytes();
    let bytes: Vec<u8> = bytes.into_iter().map(|b| if b == 1 { 0xFF } else { b }).collect();
    let decoded = decode(&bytes, None).unwrap();
    assert_eq!(decoded.input_offset(7), 0);
    let at = decoded.text.find("سليم").unwrap();
    assert_eq!(decoded.input_range(at..at + 8), bytes.len() - 8..bytes.len());
}

#[test]
fn refusals_carry_stable_codes() {
    let code = |bytes: &[u8]| decode(bytes, None).unwrap_err().code();
    assert_eq!(code(b""), "empty");
    assert_eq!(code(b"%PDF-1.7\n1 0 obj"), "binary");
    assert_eq!(code(b"\x1F\x8B\x08\0\0\0\0\0"), "binary");
    let noise: Vec<u8> = (0..4000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(code(&noise), "binary");
    assert_eq!(code(" \r\n\t\u{FEFF}\u{200F}\u{A0}".as_bytes()), "no_text");
    assert_eq!(code(b"\xEF\xBB\xBF"), "no_text");
    assert_eq!(code(b"\xFF\xFE"), "no_text");
    assert_eq!(code(b"\xFF\xFE\0\0a\0\0\0"), "undecodable");
    let message = decode(b"", None).unwrap_err().to_string();
    assert!(message.contains("hint:") && message.contains("retry"));
}

#[test]
fn a_stray_zero_byte_costs_itself_whatever_the_length() {
    let short = [
        "Port\0",
        "\0خبر",
        "Port \0closed until noon.",
        "Ferry 4 delayed\nFog at sea.\0",
        "Port closed as storm nears, ferries stay until noon.\0",
    ];
    let long = ARABIC.replacen(' ', "\0", 1);
    for text in short.into_iter().chain([long.as_str()]) {
        let decoded = decode(text.as_bytes(), None).unwrap();
        assert_eq!(decoded.text, text.replace('\0', ""), "{text:?}");
        assert_eq!(
            (decoded.charset, decoded.notes[0].code, decoded.notes.len()),
            ("utf-8", "nul_removed", 1)
        );
        assert_tiles(text.as_bytes(), &decoded);
        assert_eq!(decode(text.as_bytes(), Some("utf-8")).unwrap(), decoded);
    }
}

#[test]
fn zeros_at_every_place_cost_themselves() {
    for text in ["Port closed until noon.\nFerries stay.", ARABIC, JAPANESE] {
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let with = format!("{}\0{}", &text[..at], &text[at..]);
            let decoded = decode(with.as_bytes(), None).unwrap();
            assert_eq!((&*decoded.text, decoded.charset), (text, "utf-8"), "{at}");
        }
    }
    let (mut bytes, _, _) = label("windows-1256").encode(ARABIC);
    bytes.to_mut().insert(20, 0);
    assert_eq!(decode(&bytes, None).unwrap().text, ARABIC);
}

#[test]
fn zeros_that_a_disk_left_at_the_end_are_no_text() {
    for zeros in [4, 5, 500, 4096] {
        for charset in ["utf-8", "windows-1256"] {
            let (bytes, _, _) = label(charset).encode(ARABIC);
            let padded = [&bytes[..], &vec![0; zeros]].concat();
            let decoded = decode(&padded, None).unwrap();
            assert_eq!((&*decoded.text, decoded.charset), (ARABIC, charset), "{zeros}");
            assert_tiles(&padded, &decoded);
        }
        let padded = [utf16(ARABIC, false), vec![0; zeros & !1]].concat();
        assert_eq!((&*decode(&padded, None).unwrap().text, zeros), (ARABIC, zeros));
    }
    assert_eq!(decode(&[0; 40], None).unwrap_err().code(), "binary");
}

proptest! {
    #[test]
    fn whatever_is_read_tiles(bytes in prop::collection::vec(prop_oneof![8 => 0x80_u8.., 8 => b' '..0x7F, 1 => Just(b'\n'), 1 => Just(b'\r')], 0..120), label in 0..6_usize) {
        let declared = [None, Some("windows-1256"), Some("utf-16be"), Some("iso-2022-jp"), Some("gb18030"), Some("cp864")][label];
        if let Ok(decoded) = decode(&bytes, declared) {
            assert_tiles(&bytes, &decoded);
            let mut previous = 0;
            for (at, _) in decoded.text.char_indices() {
                let offset = decoded.input_offset(at);
                prop_assert!(offset <= bytes.len());
                prop_assert!(decoded.lines.iter().any(|line| (line.byte_start..line.byte_end).contains(&offset)));
                prop_assert!(offset >= previous);
                previous = offset;
            }
            prop_assert_eq!(decoded.input_offset(decoded.text.len()), bytes.len());
        }
    }

    #[test]
    fn text_with_any_line_ends_tiles_in_every_charset(words in "([a-zابتثجح،]{1,8}[ \r\n]{1,3}){1,30}") {
        for charset in ["utf-8", "windows-1256", "iso-8859-6"] {
            let (bytes, _, _) = label(charset).encode(&words);
            let decoded = decode(&bytes, Some(charset)).unwrap();
            assert_tiles(&bytes, &decoded);
        }
        for big_endian in [false, true] {
            let bytes = utf16(&format!("\u{FEFF}{words}"), big_endian);
            let decoded = decode(&bytes, None).unwrap();
            prop_assert_eq!(&decoded.text, &words);
            assert_tiles(&bytes, &decoded);
        }
    }
}
