//! Every form of date line met in the news, and the lines that only look like one. All texts are composed for this file.

use proptest::prelude::*;

use super::*;

/// `value` as `find_dates` gives it for `published`.
#[track_caller]
fn published(line: &str) -> Option<String> {
    find_dates(line).and_then(|found| found.published).map(|(value, range)| {
        assert_eq!(value.raw, line[range], "raw is the range");
        value.value
    })
}

#[track_caller]
fn assert_table(table: &[(&str, &str)]) {
    let wrong: Vec<_> =
        table.iter().filter(|(line, value)| published(line).as_deref() != Some(*value)).collect();
    let found: Vec<_> = wrong.iter().map(|(line, value)| (line, value, find_dates(line))).collect();
    assert!(wrong.is_empty(), "{} of {} wrong: {found:#?}", wrong.len(), table.len());
}

#[test]
fn arabic_forms() {
    assert_table(&[
        ("5th, September 2023 GMT", "2023-09-05"),
        ("21st, March 2024 GMT", "2024-03-21"),
        ("نوفمبر 21, 2024", "2024-11-21"),
        ("29 نوفمبر/تشرين الثاني 2021 الساعة . 09:07 ص   بتوقيت القدس", "2021-11-29T09:07:00"),
        ("29 تشرين الثاني/ نوفمبر 2021 09:07 م", "2021-11-29T21:07:00"),
        ("١٤ أب ٢٠٢٥", "2025-08-14"),
        ("السبت ٠٩ سبتمبر ٢٠٢٣", "2023-09-09"),
        ("السبت ٠٩ سبتمبر ٢٠٢٣ - ٠١:٥٦ بتوقيت غرينتش", "2023-09-09T01:56:00Z"),
        ("12:02 م الأربعاء 03 سبتمبر 2025", "2025-09-03T12:02:00"),
        ("03:27 ص 23/01/2026", "2026-01-23T03:27:00"),
        ("07-09-2025 | 23:01", "2025-09-07T23:01:00"),
        ("24-04-2021 11:47 AM", "2021-04-24T11:47:00"),
        ("الخميس 30-11-2017 23:18", "2017-11-30T23:18:00"),
        ("20 تشرين الثاني 2023", "2023-11-20"),
        ("7 تشرين الأول 2022", "2022-10-07"),
        ("3 كانون الاول 2022", "2022-12-03"),
        ("3 كانون الثاني 2022", "2022-01-03"),
        ("2023-08-07 00:00:00", "2023-08-07T00:00:00"),
        ("26 فيفري 2017", "2017-02-26"),
        ("2 افريل 2017", "2017-04-02"),
        ("8 أوت 2016", "2016-08-08"),
        ("7 ماي 2017", "2017-05-07"),
        ("12 جانفي 2019", "2019-01-12"),
        ("12 جويلية 2019", "2019-07-12"),
        ("5 غشت 2020", "2020-08-05"),
        ("30 شتنبر 2020", "2020-09-30"),
        ("1 نونبر 2020", "2020-11-01"),
        ("31 دجنبر 2020", "2020-12-31"),
        (
            "الخميس 7/3/1429 هـ - الموافق 13/3/2008 م الساعة 16:25 (مكة المكرمة)، 13:25 (غرينتش)",
            "2008-03-13T16:25:00+03:00",
        ),
        ("الثلاثاء 5 سبتمبر 2023 م الموافق 20 صفر 1445 هـ", "2023-09-05"),
        ("الثلاثاء 5 سبتمبر 2023 م الموافق 20 صفر 1445 هـ 10:30 ص", "2023-09-05T10:30:00"),
        ("5 سبتمبر 2023م - 1445هـ", "2023-09-05"),
        ("📅 5 سبتمبر 2023 🕒 10:30", "2023-09-05T10:30:00"),
        ("20 صفر 1445هـ - 5 سبتمبر 2023م", "2023-09-05"),
        ("الجمعة 12 رمضان 1445 هـ الموافق لـ 22 مارس 2024", "2024-03-22"),
        ("12 أيار 2024 16:00 مساء", "2024-05-12T16:00:00"),
        ("12 أيار 2024 الساعة 9 مساءً", "2024-05-12T21:00:00"),
        ("تاريخ النشر: 12 شباط 2024", "2024-02-12"),
        ("نشر بتاريخ 2024/02/12", "2024-02-12"),
        ("تم النشر في: الأحد 11 فبراير 2024 - 10:30 صباحاً", "2024-02-11T10:30:00"),
        ("نشر الخبر اول مرة بتاريخ: 11 حزيران 2024", "2024-06-11"),
        ("الاثنين، ۱۲ فبراير ۲۰۲۴", "2024-02-12"),
        ("الإثنين 12 فبراير 2024 08:05 بتوقيت السعودية", "2024-02-12T08:05:00+03:00"),
        ("\u{200F}12/02/2024\u{200F} 08:05 \u{200F}م", "2024-02-12T20:05:00"),
    ]);
}

#[test]
fn forms_of_other_languages() {
    assert_table(&[
        ("Published: 5 September 2023", "2023-09-05"),
        ("Published on Tuesday, September 5, 2023 at 8:15 a.m. EDT", "2023-09-05T08:15:00-04:00"),
        ("Sept. 5, 2023", "2023-09-05"),
        ("Publié le 14 février 2023 à 18h30", "2023-02-14T18:30:00"),
        ("mardi 1er août 2023", "2023-08-01"),
        ("Veröffentlicht am 5. März 2023 um 18:30 Uhr", "2023-03-05T18:30:00"),
        ("Stand: 05.03.2023 18.30 Uhr", "2023-03-05T18:30:00"),
        ("Publicado el 5 de septiembre de 2023", "2023-09-05"),
        ("5 de ago. de 2023", "2023-08-05"),
        ("Publicado em 5 de março de 2023 às 18h30", "2023-03-05T18:30:00"),
        ("Pubblicato il 5 dicembre 2023 ore 18:30", "2023-12-05T18:30:00"),
        ("5 Eylül 2023 Salı 14:20", "2023-09-05T14:20:00"),
        ("5 сентября 2023 г. 14:20", "2023-09-05T14:20:00"),
        ("انتشار: 5 سپتامبر 2023", "2023-09-05"),
        ("5 ستمبر 2023", "2023-09-05"),
        ("۵ اگست ۲۰۲۳", "2023-08-05"),
        ("Selasa, 5 Agustus 2023 18:30 WIB", "2023-08-05T18:30:00+07:00"),
        ("2023年9月5日(火) 08:15", "2023-09-05T08:15:00"),
        ("2023년 9월 5일 화요일", "2023-09-05"),
        ("5 במרץ 2023", "2023-03-05"),
        ("5 मार्च 2023", "2023-03-05"),
        ("2023年9月5日 08:15", "2023-09-05T08:15:00"),
        ("2023년 9월 5일", "2023-09-05"),
    ]);
}

#[test]
fn a_glued_pair_gives_both_dates_and_the_label() {
    let line = "نوفمبر 21, 2024آخر تحديث: نوفمبر 22, 2024";
    let found = find_dates(line).unwrap();
    let (published, range) = found.published.unwrap();
    assert_eq!((published.value.as_str(), &line[range]), ("2024-11-21", "نوفمبر 21, 2024"));
    let (modified, range) = found.modified.unwrap();
    assert_eq!((modified.value.as_str(), &line[range]), ("2024-11-22", "نوفمبر 22, 2024"));
    assert_eq!(&line[found.label.unwrap()], "آخر تحديث");
    let line = "Published 5 September 2023 10:00 | Last updated 6 September 2023 11:30 GMT";
    let found = find_dates(line).unwrap();
    assert_eq!(found.published.unwrap().0.value, "2023-09-05T10:00:00");
    assert_eq!(found.modified.unwrap().0.value, "2023-09-06T11:30:00Z");
    let found = find_dates("آخر تحديث: 2023-09-06").unwrap();
    assert_eq!((found.published, found.modified.unwrap().0.value.as_str()), (None, "2023-09-06"));
}

#[test]
fn date_like_without_an_instant_has_no_value() {
    for line in [
        "منذ 4 ساعات",
        "منذ يومين",
        "منذ ساعة واحدة",
        "قبل 20 دقيقة",
        "4 hours ago",
        "vor 3 Stunden",
        "hace 4 horas",
        "4 saat önce",
        "4 часа назад",
        "Published yesterday",
        "الخميس",
        "اليوم السبت",
        "السبت 20:30",
        "٠١:٥٦ بتوقيت غرينتش",
        "11/22 09:09",
        "5 سبتمبر",
        "شنبه 1404/09/29 ساعت 11:55",
        "۱۲ آبان ۱۴۰۲",
        "12 رمضان 1445 هـ",
        "7/3/1429 هـ",
        "31 فبراير 2024",
        "32/13/2024",
        "05-09-23 10:00",
        "5-6 سبتمبر 2023",
        "تاريخ النشر: منذ يومين",
    ] {
        let found = find_dates(line);
        assert!(found.is_some(), "{line} is a date line");
        let found = found.unwrap();
        assert_eq!((found.published, found.modified), (None, None), "{line}");
    }
}

#[test]
fn lines_that_are_no_date_lines() {
    for line in [
        "",
        "قال الوزير يوم 5 سبتمبر 2023 إن الجسر سيفتح",
        "الواحة - النخيل 20:00",
        "الأحد 12 مايو 2024: الواحة × النخيل",
        "12/05/2024 | الواحة - النخيل",
        "1984",
        "2023",
        "20:00",
        "3/4",
        "1/2/3",
        "2-1",
        "10.5",
        "10.5 - 12.3",
        "2-1 3-0",
        "مايو",
        "May",
        "اليوم",
        "المزيد",
        "رمضان",
        "الأولى",
        "آخر تحديث:",
        "Read more",
        "5 أيام في الصحراء",
        "4 hours",
        "The March 5, 2023 agreement was signed here",
        "حصيلة 2023: 12 مشروعا",
        "هاتف: 0123-456-789",
        "+966 11 123 4567",
        "192.168.1.1",
        "1693901700",
        "أسعار الذهب اليوم الثلاثاء 5 سبتمبر 2023",
    ] {
        assert_eq!(find_dates(line), None, "{line}");
    }
}

#[test]
fn a_source_beside_the_date_is_the_rest() {
    for (line, value, rest) in [
        ("20 تشرين الثاني 2023 | وكالة الواحة", "2023-11-20", "وكالة الواحة"),
        ("5 سبتمبر 2023 10:30 - المصدر: جريدة النخيل", "2023-09-05T10:30:00", "المصدر: جريدة النخيل"),
        ("وكالة الواحة | 2023-09-05", "2023-09-05", "وكالة الواحة"),
        ("5 September 2023 • Oasis Post", "2023-09-05", "Oasis Post"),
    ] {
        let found = find_dates(line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(found.published.unwrap().0.value, value);
        assert_eq!(&line[found.rest.unwrap()], rest);
    }
}

#[test]
fn feed_dates() {
    let table = [
        ("Tue, 05 Sep 2023 08:15:00 GMT", "2023-09-05T08:15:00Z"),
        ("Tue, 5 Sep 2023 08:15:00 +0300", "2023-09-05T08:15:00+03:00"),
        ("Tue, 05 Sep 2023 08:15 +0000", "2023-09-05T08:15:00Z"),
        ("05 Sep 23 08:15:00 EST", "2023-09-05T08:15:00-05:00"),
        ("Tue,05 Sep 2023 08:15:00 PDT", "2023-09-05T08:15:00-07:00"),
        ("Tue, 05 Sep 2023 08:15:00 -0700 (PDT)", "2023-09-05T08:15:00-07:00"),
        ("Tue, 05 Sep 2023 08:15:00 +03:00", "2023-09-05T08:15:00+03:00"),
        ("Tue, 05 Sep 2023 08:15:00 GMT+3", "2023-09-05T08:15:00+03:00"),
        ("Tue, 05 Sep 2023 08:15:00 GMT+03:00", "2023-09-05T08:15:00+03:00"),
        ("Tue, 05 Sep 2023 08:15:00 UT", "2023-09-05T08:15:00Z"),
        ("Tue, 05 Sept 2023 08:15:00 Z", "2023-09-05T08:15:00Z"),
        ("Tuesday, 05 September 2023 08:15:00 UTC", "2023-09-05T08:15:00Z"),
        ("Tue Sep  5 08:15:00 2023", "2023-09-05T08:15:00"),
        ("Tue Sep 05 08:15:00 UTC 2023", "2023-09-05T08:15:00Z"),
        ("Tue Sep 05 2023 08:15:00 GMT+0300 (Arab Standard Time)", "2023-09-05T08:15:00+03:00"),
        ("05-Sep-2023 08:15:00", "2023-09-05T08:15:00"),
        ("Tue, 05-Sep-23 08:15:00 GMT", "2023-09-05T08:15:00Z"),
        ("2023-09-05", "2023-09-05"),
        ("2023-09-05T08:15:00Z", "2023-09-05T08:15:00Z"),
        ("2023-09-05T08:15Z", "2023-09-05T08:15:00Z"),
        ("2023-09-05T08:15:00.123456Z", "2023-09-05T08:15:00Z"),
        ("2023-09-05T08:15:00+03:00", "2023-09-05T08:15:00+03:00"),
        ("2023-09-05T08:15:00+0300", "2023-09-05T08:15:00+03:00"),
        ("2023-09-05T08:15:00+3", "2023-09-05T08:15:00+03:00"),
        ("2023-09-05T08:15:00-05:00", "2023-09-05T08:15:00-05:00"),
        ("2023-09-05T08:15-05:00", "2023-09-05T08:15:00-05:00"),
        ("2023-09-05 08:15:00 UTC", "2023-09-05T08:15:00Z"),
        ("2023-09-05 08:15:00-03", "2023-09-05T08:15:00-03:00"),
        ("2023-09-05 08:15 -03", "2023-09-05T08:15:00-03:00"),
        ("2023-09-05 08:15:00 +0300", "2023-09-05T08:15:00+03:00"),
        ("2023-09-05t08:15:00z", "2023-09-05T08:15:00Z"),
        ("20230905T081500Z", "2023-09-05T08:15:00Z"),
        ("20230905", "2023-09-05"),
        ("20230905081500", "2023-09-05T08:15:00"),
        ("2023/09/05", "2023-09-05"),
        ("2023.09.05 08:15", "2023-09-05T08:15:00"),
        ("1693901700", "2023-09-05T08:15:00Z"),
        ("1693901700000", "2023-09-05T08:15:00Z"),
        ("9/5/2023 8:15:00 AM", "2023-09-05T08:15:00"),
        ("Wed 10/11/2023 08:15", "2023-10-11T08:15:00"),
        ("September 5, 2023 8:15 AM", "2023-09-05T08:15:00"),
        ("Sep 5, 2023 08:15 PM", "2023-09-05T20:15:00"),
        ("الثلاثاء، 5 سبتمبر 2023 08:15:00 +0300", "2023-09-05T08:15:00+03:00"),
        ("الثلاثاء, 05 أيلول 2023 08:15:00 GMT", "2023-09-05T08:15:00Z"),
        ("٥ سبتمبر ٢٠٢٣ ٨:١٥ ص", "2023-09-05T08:15:00"),
        ("٢٠٢٣/٠٩/٠٥ ٠٨:١٥", "2023-09-05T08:15:00"),
        ("٢٠٢٣-٠٩-٠٥T٠٨:١٥:٠٠+٠٣:٠٠", "2023-09-05T08:15:00+03:00"),
    ];
    let wrong: Vec<_> = table
        .iter()
        .map(|(text, value)| (text, value, parse_date(text).map(|found| found.value)))
        .filter(|(_, value, found)| found.as_deref() != Some(**value))
        .collect();
    assert!(wrong.is_empty(), "{} of {} wrong: {wrong:#?}", wrong.len(), table.len());
}

#[test]
fn texts_that_state_no_one_instant_parse_to_nothing() {
    for text in
        ["", "soon", "2023", "2023-09", "2023-248", "Tue", "08:15", "2023-09-05T25:00:00", "00/00/0000"]
    {
        let found = parse_date(text).map(|found| found.value);
        let is_day_only = text == "2023-09-05T25:00:00" && found.as_deref() == Some("2023-09-05");
        assert!(found.is_none() || is_day_only, "{text}: {found:?}");
    }
    assert_eq!(parse_date("5 September 2023 - 7 September 2023"), None);
}

#[test]
fn precision_and_offset_say_where_they_come_from() {
    let of = |text| parse_date(text).map(|value| (value.precision, value.tz_source)).unwrap();
    assert_eq!(of("5th, September 2023 GMT"), (Precision::Day, TzSource::Stated));
    assert_eq!(of("5 September 2023"), (Precision::Day, TzSource::Unknown));
    assert_eq!(of("5 September 2023 10:30"), (Precision::Minute, TzSource::Unknown));
    assert_eq!(of("2023-09-05T10:30:00Z"), (Precision::Second, TzSource::Stated));
    assert_eq!(of("5 أيلول 2023 10:30 بتوقيت بيروت"), (Precision::Minute, TzSource::Unknown));
}

#[test]
fn the_day_stands_first_unless_only_the_other_order_exists() {
    assert_eq!(published("05/09/2023").as_deref(), Some("2023-09-05"));
    assert_eq!(published("09/25/2023").as_deref(), Some("2023-09-25"));
    assert_eq!(published("Wed 10/11/2023").as_deref(), Some("2023-10-11"));
    assert_eq!(published("الجمعة 10/11/2023").as_deref(), Some("2023-11-10"));
}

fn ranges_lie_in(line: &str) -> bool {
    let Some(found) = find_dates(line) else { return true };
    let dates = [found.published, found.modified].map(|date| date.map(|(_, range)| range));
    let ranges = [found.label, found.rest, Some(found.span)].into_iter().chain(dates).flatten();
    ranges.into_iter().all(|range| line.get(range).is_some_and(|text| !text.is_empty()))
}

proptest! {
    #[test]
    fn any_text_is_survived_and_ranges_lie_in_it(line in "[ 0-9٠-٩a-zا-ي/:.|+-]{0,60}|\\PC{0,80}") {
        prop_assert!(ranges_lie_in(&line));
        parse_date(&line);
    }

    #[test]
    fn any_mix_of_date_words_is_survived(words in prop::collection::vec(prop::sample::select(vec![
        "5", "12", "2023", "1445", "08:15", "5/9/2023", "سبتمبر", "تشرين", "الثاني", "صفر", "الموافق", "هـ", "م", "ص", "GMT", "+0300", "-",
        "|", "منذ", "ساعات", "آخر تحديث", "نشر", "بتوقيت", "القدس", "الخميس", "T", "ago", "Sep", "20230905", "2023-09",
    ]), 0..14)) {
        let line = words.join(" ");
        prop_assert!(ranges_lie_in(&line));
        if let Some(found) = parse_date(&line) {
            prop_assert!(found.value.len() >= 10 && line.contains(&found.raw));
        }
    }

    #[test]
    fn every_day_survives_a_round_trip(year in 1950..2090_i16, month in 1..=12_i8, day in 1..=28_i8, hour in 0..24_i8) {
        let day = jiff::civil::date(year, month, day);
        let value = format!("{day}T{hour:02}:07:00+03:00");
        prop_assert_eq!(parse_date(&value).map(|found| found.value), Some(value.clone()));
        let arabic = format!("{}/{}/{year} {hour:02}:07", day.day(), month);
        prop_assert_eq!(published(&arabic), Some(format!("{day}T{hour:02}:07:00")));
    }
}
