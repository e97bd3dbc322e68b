//! The grammar, line by line: each case is a page whose lines carry the kind that they must get.

use crate::parse::parse_bytes;

const PARAGRAPH: &str = "قال رئيس البلدية إن المكتبة ستفتح أبوابها كل يوم من الصباح حتى المساء.";

/// `(kind, owner, line)` for every line; `P` stands for a paragraph.
fn check(lines: &[(&str, u32, &str)]) {
    let text = |(number, (_, _, line)): (usize, &(&str, u32, &str))| match *line {
        "P" => format!("في اليوم {number} {PARAGRAPH}"),
        line => line.to_owned(),
    };
    let text = lines.iter().enumerate().map(text).collect::<Vec<_>>().join("\n");
    let parsed = parse_bytes(text.as_bytes(), None).unwrap();
    for (number, (kind, owner, line)) in (1..).zip(lines) {
        let section =
            parsed.sections.iter().find(|section| (section.line_start..=section.line_end).contains(&number));
        let section = section.unwrap();
        assert_eq!(
            (section.kind.name(), section.owner),
            (*kind, *owner),
            "line {number}: {line} by {}",
            section.rule
        );
    }
}

#[test]
fn a_marker_after_a_footer_opens_an_article_to_the_end() {
    check(&[
        ("headline", 0, "مدينة الرمال تفتح مكتبة"),
        ("body", 0, "P"),
        ("source", 0, "المصدر: جريدة المرفأ"),
        ("keywords", 0, "كلمات دلالية: المكتبة"),
        ("read_also_marker", 0, "إقرأ أيضاً:"),
        ("related_headline", 1, "الميناء الجديد يستقبل السفن"),
        ("related_body", 1, "P"),
        ("related_body", 1, "P"),
        ("read_also_marker", 1, "مقالات مشابهة"),
        ("related_item", 1, "السفن تعود إلى الميناء"),
        ("related_item", 1, "الميناء يغلق ليلا"),
    ]);
}

#[test]
fn a_marker_without_a_footer_opens_a_list_and_the_body_goes_on() {
    check(&[
        ("headline", 0, "مدينة الرمال تفتح مكتبة"),
        ("body", 0, "P"),
        ("read_also_marker", 0, "مواضيع ذات صلة"),
        ("related_item", 0, "الميناء الجديد يستقبل السفن"),
        ("related_item", 0, "السفن تعود إلى الميناء القديم"),
        ("body", 0, "P"),
        ("read_also_marker", 0, "اقرأ أيضا"),
        ("body", 0, "P"),
        ("inline_related", 0, "للمزيد: الميناء الجديد يستقبل السفن"),
        ("body", 0, "P"),
    ]);
}

#[test]
fn the_same_marker_again_opens_the_next_article() {
    check(&[
        ("headline", 0, "مدينة الرمال تفتح مكتبة"),
        ("body", 0, "P"),
        ("source", 0, "المصدر: جريدة المرفأ"),
        ("read_also_marker", 0, "إقرأ أيضاً:"),
        ("related_headline", 1, "الميناء الجديد يستقبل السفن"),
        ("related_body", 1, "P"),
        ("read_also_marker", 0, "إقرأ أيضاً:"),
        ("related_headline", 2, "السفن تعود إلى الميناء"),
        ("related_body", 2, "P"),
        ("source", 2, "المصدر: البحر"),
    ]);
}

#[test]
fn a_source_line_counts_in_the_header_and_at_the_end_only() {
    check(&[
        ("headline", 0, "مدينة الرمال تفتح مكتبة"),
        ("source", 0, "المصدر:المرفأ"),
        ("body", 0, "P"),
        ("body", 0, "المصدر: \"لن نعلق على ما جرى في الاجتماع قبل أن ينتهي التحقيق\""),
        ("body", 0, "P"),
        ("source", 0, "المصدر: جريدة المرفأ"),
        ("source", 0, "المصدر: البحر"),
    ]);
}

#[test]
fn prose_that_starts_like_a_marker_stays_body() {
    check(&[
        ("headline", 0, "شاهد.. مدينة الرمال تفتح مكتبة"),
        ("body", 0, "للمزيد سألنا مدير المكتبة عن الكتب التي أعيدت من الخارج فقال إنها خمسون."),
        ("body", 0, "كذلك، رفض المجلس طلب الشركة توسيع المصنع."),
        ("body", 0, "المزيد من القرى انضمت إلى الإضراب في اليوم التالي."),
        ("body", 0, "شارك آلاف العمال في المسيرة التي جابت شوارع المدينة."),
    ]);
}

#[test]
fn a_standfirst_is_a_paragraph_without_its_leading_waw() {
    let repeated = format!("و{PARAGRAPH}");
    check(&[
        ("headline", 0, "مدينة الرمال تفتح مكتبة"),
        ("standfirst", 0, PARAGRAPH),
        ("headline_repeat", 0, "مدينة الرمال تفتح مكتبة"),
        ("caption", 0, "باب المكتبة في محطة القطار (رويترز)"),
        ("body", 0, "وافق المجلس على المكتبة بعد عامين من الخلاف على مكانها في وسط المدينة."),
        ("body", 0, &repeated),
        ("comments", 0, "التعليقات"),
    ]);
}

#[test]
fn a_panel_with_the_same_story_takes_nothing_from_the_article() {
    check(&[
        ("headline", 0, "مدينة الرمال تفتح مكتبة"),
        ("body", 0, PARAGRAPH),
        ("source", 0, "المصدر: جريدة المرفأ"),
        ("read_also_marker", 0, "إقرأ أيضاً:"),
        ("related_headline", 1, "الميناء الجديد يستقبل السفن"),
        ("related_body", 1, PARAGRAPH),
    ]);
}

#[test]
fn a_first_paragraph_is_no_headline() {
    let long = PARAGRAPH.trim_end_matches('.').repeat(3);
    check(&[("body", 0, &long), ("body", 0, "P")]);
    check(&[("body", 0, "P"), ("body", 0, "P")]);
}
