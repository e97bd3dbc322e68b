//! Every form of an address that must not get through, and some that must.

use super::*;

/// Addresses as text; each also stands in a URL below.
const REFUSED: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.1.2.3",
    "127.255.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::2",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.1.1.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "2002:c0a8:101::1",
    "2620:4f:8000::1",
    "3ffe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2001:200::1",
    "2606:4700::1111",
    "2a00:1450:4001::1",
];

#[test]
fn no_address_that_is_not_public_gets_through_in_any_form() {
    let none = Allowed::default();
    for text in REFUSED {
        let address: IpAddr = text.parse().expect(text);
        assert!(!none.permits(address), "{text}");
        let url = if address.is_ipv6() { format!("http://[{text}]/f") } else { format!("http://{text}/f") };
        assert_eq!(check_url(&url, &none), Err(BadUrl::NotPublic), "{url}");
    }
    assert!(REFUSED.len() >= 60);
    for text in PUBLIC {
        assert!(none.permits(text.parse().expect(text)), "{text}");
    }
}

#[test]
fn odd_spellings_mean_what_they_mean() {
    let none = Allowed::default();
    for spelling in [
        "2130706433",
        "0x7f000001",
        "0X7F.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "0x0",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "169.16689662",
        "0xa9fea9fe",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "%31%32%37.0.0.1",
    ] {
        let url = format!("http://{spelling}/feed");
        assert_eq!(check_url(&url, &none), Err(BadUrl::NotPublic), "{url}");
    }
    for (url, why) in [
        ("file:///etc/passwd", BadUrl::Scheme),
        ("gopher://news.example/", BadUrl::Scheme),
        ("feed:https://news.example/", BadUrl::Scheme),
        ("//news.example/feed", BadUrl::Unreadable),
        ("http://", BadUrl::Unreadable),
        ("http://256.256.256.256/", BadUrl::Unreadable),
        ("http://[::1/", BadUrl::Unreadable),
        ("http://[fe80::1%25eth0]/", BadUrl::Unreadable),
        ("http://user@news.example/", BadUrl::Credentials),
        ("http://:secret@news.example/", BadUrl::Credentials),
        ("http://news.example@127.0.0.1/", BadUrl::Credentials),
        ("http://127.0.0.1\\@news.example/", BadUrl::NotPublic),
        ("http://localhost/", BadUrl::LocalName),
        ("http://LOCALHOST./", BadUrl::LocalName),
        ("http://a.localhost/", BadUrl::LocalName),
        ("http://ｌｏｃａｌｈｏｓｔ/", BadUrl::LocalName),
        ("http://printer.local/", BadUrl::LocalName),
        ("http://metadata.google.internal/", BadUrl::LocalName),
    ] {
        assert_eq!(check_url(url, &none), Err(why), "{url}");
    }
}

#[test]
fn no_address_is_longer_than_servers_take_and_no_host_than_names_can_be() {
    let none = Allowed::default();
    for (bytes, is_taken) in [(253, true), (254, false), (65_000, false), (70_000, false)] {
        for end in ["", "."] {
            let host = format!("{}.example", "a".repeat(bytes - ".example".len()));
            let refusal = check_url(&format!("http://{host}{end}/a"), &none).err();
            assert_eq!(refusal, (!is_taken).then_some(BadUrl::TooLong), "{bytes}{end}");
        }
    }
    let with = |path: &str| check_url(&format!("https://news.example/{path}"), &none).map(drop);
    let room = MOST_URL_BYTES - "https://news.example/".len();
    assert_eq!((with(&"a".repeat(room)), with(&"a".repeat(room + 1))), (Ok(()), Err(BadUrl::TooLong)));
    assert_eq!(with(&"خ".repeat(room / 4)), Err(BadUrl::TooLong), "as it is sent");
    let from = Url::parse("https://news.example/a").expect("a URL");
    assert_eq!(check_redirect(&from, &"b".repeat(9000), &none), Err(BadUrl::TooLong));
}

#[test]
fn what_is_public_is_kept_as_it_is_written() {
    let none = Allowed::default();
    for (given, kept) in [
        (" https://News.Example/Feed?q=%D8%A3#top ", "https://news.example/Feed?q=%D8%A3"),
        ("http://أخبار.example/تغذية", "http://xn--igbicxr.example/%D8%AA%D8%BA%D8%B0%D9%8A%D8%A9"),
        ("http://news.example:8080/", "http://news.example:8080/"),
        ("http://mylocal.example/", "http://mylocal.example/"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
    ] {
        assert_eq!(check_url(given, &none).map(String::from).as_deref(), Ok(kept));
    }
}

#[test]
fn only_the_operator_opens_a_block_and_only_that_block() {
    let allowed = Allowed(vec!["127.0.0.0/8".parse().expect("a block")]);
    for (text, permitted) in [
        ("127.9.9.9", true),
        ("::ffff:127.0.0.1", true),
        ("::1", false),
        ("10.0.0.1", false),
        ("8.8.8.8", true),
    ] {
        assert_eq!(allowed.permits(text.parse().expect(text)), permitted, "{text}");
    }
    assert!(check_url("http://127.0.0.1:81/", &allowed).is_ok());
    assert!(check_url("http://localhost/", &allowed).is_ok(), "judged when it is resolved");
}

#[test]
fn a_redirect_is_checked_like_any_address_and_never_loses_its_lock() {
    let none = Allowed::default();
    let from = Url::parse("https://news.example/a/feed").expect("a URL");
    for (location, wanted) in [
        ("../b", Ok("https://news.example/b")),
        ("//other.example/x", Ok("https://other.example/x")),
        ("http://news.example/feed", Err(BadUrl::Downgrade)),
        ("http://127.0.0.1/", Err(BadUrl::NotPublic)),
        ("//169.254.169.254/latest/meta-data", Err(BadUrl::NotPublic)),
        ("https://[::ffff:a00:1]/", Err(BadUrl::NotPublic)),
        ("https://2130706433/", Err(BadUrl::NotPublic)),
        ("file:///etc/passwd", Err(BadUrl::Scheme)),
        ("https://me:me@news.example/", Err(BadUrl::Credentials)),
    ] {
        let to = check_redirect(&from, location, &none);
        assert_eq!(to.as_ref().map(Url::as_str).map_err(|why| *why), wanted, "{location}");
    }
}

proptest::proptest! {
    #[test]
    fn an_ipv4_address_is_judged_the_same_in_every_dress(bits: u32) {
        let four = Ipv4Addr::from_bits(bits);
        let public = is_public(IpAddr::V4(four));
        proptest::prop_assert_eq!(is_public(IpAddr::V6(four.to_ipv6_mapped())), public);
        let nat64 = Ipv6Addr::from_bits((0x64_ff9b_u128 << 96) | u128::from(bits));
        proptest::prop_assert_eq!(is_public(IpAddr::V6(nat64)), public);
        // And in each spelling that a URL may have.
        for text in [four.to_string(), bits.to_string(), format!("0x{bits:x}"), format!("0{bits:o}")] {
            let url = check_url(&format!("http://{text}/"), &Allowed::default());
            proptest::prop_assert_eq!(url.is_ok(), public, "{}", text);
        }
        let six_to_four = Ipv6Addr::from_bits((0x2002_u128 << 112) | (u128::from(bits) << 80));
        proptest::prop_assert!(!is_public(IpAddr::V6(six_to_four)));
    }
}
