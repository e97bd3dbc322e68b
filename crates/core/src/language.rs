//! The language of a body: by script where one script is one language, by tell-tale letters inside the Arabic script, by trigrams
//! for Latin, Cyrillic and Devanagari. A wrong language is worse than none, so short or mixed text is `und`.

use std::sync::LazyLock;

use whatlang::{Detector, Lang};

use crate::model::{Language, LanguageMethod};
use crate::pairs;

mod given;

pub use given::{GivenLanguage, weigh_language};

/// Scripts and letters settle within the first two thousand bytes of a body.
const SCRIPT_SAMPLE_BYTES: usize = 2048;
/// Trigrams need a few sentences, and cost some 60 ns a byte.
const TRIGRAM_SAMPLE_BYTES: usize = 512;
/// Fewer letters are a name or a number, not a language; an ideograph counts as three.
const MIN_LETTERS: u32 = 20;
/// Below this share of all letters the leading script does not speak for the body.
const MIN_SCRIPT_SHARE: f32 = 0.6;
/// Trigram confidence below which the answer is `und`.
const MIN_TRIGRAM_CONFIDENCE: f64 = 0.4;

/// Groups of scripts that are decided in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// One language writes it (nearly) alone.
    Sole(&'static str),
    Arabic,
    Hebrew,
    Kana,
    Han,
    /// Left to trigrams.
    Trigrams,
}

/// Finds the language of a body, `und` when unsure.
pub(crate) fn detect(body: &str) -> Language {
    let sample = prefix(body, SCRIPT_SAMPLE_BYTES);
    if is_plain_arabic(sample.as_bytes()) {
        return by_script("ar", SURELY_ARABIC);
    }
    detect_letter_by_letter(body, sample)
}

fn detect_letter_by_letter(body: &str, sample: &str) -> Language {
    let counts = Counts::of(sample);
    let Some((script, share)) = counts.leading() else { return unknown() };
    match script {
        Script::Sole(tag) => by_script(tag, share),
        Script::Arabic => arabic_script(sample).unwrap_or_else(unknown),
        Script::Hebrew if sample.contains(['װ', 'ױ', 'ײ', '\u{FB1E}']) => by_script("yi", share),
        Script::Hebrew => by_script("he", share),
        Script::Kana => by_script("ja", share),
        Script::Han => by_script("zh", share),
        Script::Trigrams => by_trigrams(prefix(body, TRIGRAM_SAMPLE_BYTES)),
    }
}

fn unknown() -> Language {
    Language { tag: "und", confidence: 0.0, method: LanguageMethod::None }
}

fn by_script(tag: &'static str, confidence: f32) -> Language {
    Language { tag, confidence, method: LanguageMethod::Script }
}

fn prefix(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Letters per script.
#[derive(Debug, Default)]
struct Counts {
    by_script: Vec<(Script, u32)>,
}

impl Counts {
    fn of(sample: &str) -> Self {
        let mut counts = Self::default();
        for c in sample.chars() {
            if let Some(script) = script_of(c) {
                counts.add(script);
            }
        }
        counts
    }

    fn add(&mut self, script: Script) {
        let weight = if script == Script::Han { 3 } else { 1 };
        match self.by_script.iter_mut().find(|(known, _)| *known == script) {
            Some((_, count)) => *count += weight,
            None => self.by_script.push((script, weight)),
        }
    }

    fn get(&self, script: Script) -> u32 {
        self.by_script.iter().find(|(known, _)| *known == script).map_or(0, |(_, count)| *count)
    }

    /// The leading script and its share of all letters, if there are enough of both.
    fn leading(&self) -> Option<(Script, f32)> {
        let total: u32 = self.by_script.iter().map(|(_, count)| count).sum();
        // Japanese mixes: a tenth of kana among ideographs is never Chinese.
        let (kana, han) = (self.get(Script::Kana), self.get(Script::Han));
        let (script, count) = if kana > 0 && kana * 10 >= han / 3 {
            (Script::Kana, kana + han)
        } else {
            *self.by_script.iter().max_by_key(|(_, count)| *count)?
        };
        let share = f32::from(u16::try_from(count).ok()?) / f32::from(u16::try_from(total).ok()?);
        (total >= MIN_LETTERS && share >= MIN_SCRIPT_SHARE).then_some((script, share))
    }
}

fn script_of(c: char) -> Option<Script> {
    match c {
        'ء'..='ي' | 'ٮ'..='ۓ' | 'ۮ'..='ۿ' | 'ݐ'..='ݿ' | 'ﭐ'..='ﷻ' | 'ﹰ'..='ﻼ' => {
            Some(Script::Arabic)
        }
        'a'..='z' | 'A'..='Z' | 'À'..='ɏ' | 'Ḁ'..='ỿ' | 'Ѐ'..='ӿ' | 'ऄ'..='ॡ' => {
            Some(Script::Trigrams)
        }
        '\0'..='¿' => None,
        'Ͱ'..='Ͽ' | 'ἀ'..='῾' => Some(Script::Sole("el")),
        'Ա'..='և' => Some(Script::Sole("hy")),
        'א'..='ײ' | '\u{FB1D}'..='\u{FB4F}' => Some(Script::Hebrew),
        'অ'..='ৡ' => Some(Script::Sole("bn")),
        'ਅ'..='ੴ' => Some(Script::Sole("pa")),
        'અ'..='ૡ' => Some(Script::Sole("gu")),
        'ଅ'..='ୡ' => Some(Script::Sole("or")),
        'அ'..='ௐ' => Some(Script::Sole("ta")),
        'అ'..='ౡ' => Some(Script::Sole("te")),
        'ಅ'..='ೡ' => Some(Script::Sole("kn")),
        'അ'..='ൡ' => Some(Script::Sole("ml")),
        'අ'..='ෆ' => Some(Script::Sole("si")),
        'ก'..='๛' => Some(Script::Sole("th")),
        'ກ'..='ໟ' => Some(Script::Sole("lo")),
        'က'..='ဿ' => Some(Script::Sole("my")),
        'Ⴀ'..='ჿ' => Some(Script::Sole("ka")),
        'ሀ'..='ፚ' => Some(Script::Sole("am")),
        'ក'..='ឳ' => Some(Script::Sole("km")),
        'ぁ'..='ヿ' => Some(Script::Kana),
        '㐀'..='䶿' | '一'..='鿿' => Some(Script::Han),
        'ᄀ'..='ᇿ' | 'ㄱ'..='ㆎ' | '가'..='힣' => Some(Script::Sole("ko")),
        _ => None,
    }
}

/// Letters that give away one language of the Arabic script, and the share of letters they must reach there, in thousandths.
const TELL_TALES: [(&str, &str, u32); 6] = [
    ("ug", "ۇۋڭ", 30),
    ("ckb", "ڕڵێۆەڤ", 40),
    ("sd", "ڄڃٻڀٺٿڊڌڍڳڱڻ", 15),
    ("ps", "ټډړږښڼۍېځڅګ", 20),
    ("ur", "ٹڈڑںےہھ", 30),
    ("fa", "پچژگ", 10),
];

/// Confidence in Arabic when both its letters and its article reach [`SURE_SHARE`], in thousandths of all letters.
const SURELY_ARABIC: f32 = 0.99;
const SURE_SHARE: u32 = 20;

/// True only where [`detect_letter_by_letter`] finds Arabic beyond doubt: few letters of other scripts, none of other languages,
/// enough of its own. Counts pairs of bytes instead of letters, because nearly all text that comes through here passes.
fn is_plain_arabic(sample: &[u8]) -> bool {
    // Hamza to yeh: D8 A1 to D9 8A, the Arabic alphabet. Other languages' letters: D9 AE to DB BF.
    let letters = pairs::count(sample, |a, b| ((a == 0xD8) & (b >= 0xA1)) | ((a == 0xD9) & (b <= 0x8A)));
    // Japanese is told by one kana (E3) among other letters.
    let is_foreign = |a: u8, b: u8| ((a == 0xD9) & (b >= 0xAE)) | (a == 0xDA) | (a == 0xDB) | (a >= 0xE3);
    // All other bytes are at most as many letters of other scripts, spaces counted with them.
    let others = sample.len().saturating_sub(2 * letters);
    if letters < 100 || others * 3 > letters * 2 || pairs::count(sample, is_foreign) > 0 {
        return false;
    }
    let is_own = |a: u8, b: u8| {
        ((a == 0xD8) & ((b == 0xA9) | (b == 0xA3) | (b == 0xA5))) | ((a == 0xD9) & (b == 0x89))
    };
    let own = pairs::count(sample, is_own);
    let articles = pairs::count_letters(sample, [0xD8, 0xA7], |a, b| (a == 0xD9) & (b == 0x84));
    let least = letters * usize::try_from(SURE_SHARE).unwrap_or(usize::MAX);
    own * 1000 >= least && articles * 1000 >= least
}

/// Which of the languages written in Arabic letters. Arabic itself has no letter of its own but teh marbuta (one letter in forty),
/// hamza on alef, and the article.
fn arabic_script(sample: &str) -> Option<Language> {
    let (mut letters, mut teh_marbuta, mut hamza, mut articles) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut hits = [0_u32; TELL_TALES.len()];
    let mut previous = ' ';
    for c in sample.chars().filter(|c| script_of(*c) == Some(Script::Arabic)) {
        letters += 1;
        match c {
            'ة' => teh_marbuta += 1,
            'أ' | 'إ' | 'ى' => hamza += 1,
            'ل' if previous == 'ا' => articles += 1,
            // Beyond the letters of Arabic: the tell-tales stand here.
            'ٮ'..='ۿ' => {
                for (hit, (_, own, _)) in hits.iter_mut().zip(TELL_TALES) {
                    *hit += u32::from(own.contains(c));
                }
            }
            _ => {}
        }
        previous = c;
    }
    let per_mille = |count: u32| count * 1000 / letters.max(1);
    let told = TELL_TALES.iter().zip(hits).find(|((tag, _, least), hit)| {
        // Arabic texts quote Persian names, and some keyboards type Persian letters: teh marbuta says Arabic.
        per_mille(*hit) >= *least && (*tag != "fa" || per_mille(teh_marbuta) < 8)
    });
    if let Some(((tag, _, least), hit)) = told {
        let confidence = if per_mille(hit) >= 2 * *least { 0.98 } else { 0.85 };
        return Some(by_script(tag, confidence));
    }
    let (own, articles) = (per_mille(teh_marbuta + hamza), per_mille(articles));
    match (own, articles) {
        (SURE_SHARE.., SURE_SHARE..) => Some(by_script("ar", SURELY_ARABIC)),
        (10.., 10..) | (_, 40..) => Some(by_script("ar", 0.85)),
        _ => None,
    }
}

/// Languages no news feed writes in, which short texts are mistaken for.
static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::with_denylist(vec![Lang::Epo, Lang::Lat, Lang::Aka, Lang::Jav]));

fn by_trigrams(sample: &str) -> Language {
    let found = DETECTOR.detect(sample).filter(|info| info.confidence() >= MIN_TRIGRAM_CONFIDENCE);
    let Some(info) = found else { return unknown() };
    #[expect(clippy::cast_possible_truncation, reason = "0 to 1 loses digits only")]
    let confidence = info.confidence() as f32;
    Language { tag: bcp47(info.lang()), confidence, method: LanguageMethod::Trigrams }
}

/// ISO 639-3 to ISO 639-1.
const TAGS: &str = "\
        eng=en rus=ru cmn=zh spa=es por=pt ita=it ben=bn fra=fr deu=de ukr=uk kat=ka \
        ara=ar hin=hi jpn=ja heb=he yid=yi pol=pl amh=am jav=jv kor=ko nob=nb dan=da \
        swe=sv fin=fi tur=tr nld=nl hun=hu ces=cs ell=el bul=bg bel=be mar=mr kan=kn \
        ron=ro slv=sl hrv=hr srp=sr mkd=mk lit=lt lav=lv est=et tam=ta vie=vi urd=ur \
        tha=th guj=gu uzb=uz pan=pa aze=az ind=id tel=te pes=fa mal=ml ori=or mya=my \
        nep=ne sin=si khm=km tuk=tk zul=zu sna=sn afr=af slk=sk cat=ca tgl=tl hye=hy";

/// ISO 639-1 where it exists, as BCP-47 wants.
fn bcp47(lang: Lang) -> &'static str {
    let of = |pair: &'static str| pair.strip_prefix(lang.code())?.strip_prefix('=');
    TAGS.split_ascii_whitespace().find_map(of).unwrap_or(lang.code())
}

#[cfg(test)]
mod tests {
    //! All texts are composed for this table.

    use proptest::prelude::*;

    use super::*;

    const BODIES: &[(&str, &str)] = &[
        (
            "ar",
            "افتتحت بلدية الواحة أمس معرض الكتاب السنوي، وقال مدير المعرض إن الدورة الحالية تستقبل الزوار صباحا ومساء.",
        ),
        (
            "ar",
            "نقلت وكالة «پرس» عن مسؤول في طهران قوله إن المحادثات حول جزيرة النخيل سوف تستأنف الأسبوع المقبل في العاصمة.",
        ),
        (
            "fa",
            "نمایشگاه کتاب دیروز در مرکز شهر گشایش یافت و مدیر آن گفت که چند هزار نفر از آن دیدن می‌کنند و پذیرایی رایگان است.",
        ),
        (
            "ur",
            "کتاب میلہ کل شہر کے مرکز میں شروع ہوا اور منتظم نے بتایا کہ یہ ہر روز صبح سے شام تک کھلا رہے گا۔",
        ),
        ("ckb", "پێشانگای کتێب دوێنێ لە ناوەندی شار کرایەوە و بەڕێوەبەرەکەی وتی کە هەموو ڕۆژێک کراوە دەبێت."),
        (
            "ps",
            "د کتابونو نندارتون پرون د ښار په مرکز کې پرانیستل شو او مشر یې وویل چې هره ورځ به پرانیستی وي او ټول خلک راتلای شي.",
        ),
        (
            "ug",
            "كىتاب كۆرگەزمىسى تۈنۈگۈن شەھەر مەركىزىدە ئېچىلدى، مەسئۇل ئۇنىڭ ھەر كۈنى ئوچۇق بولىدىغانلىقىنى ئېيتتى.",
        ),
        (
            "en",
            "The book fair opened yesterday in the centre of the town, and its director said that it would be open every day.",
        ),
        (
            "fr",
            "La foire du livre a ouvert hier ses portes au centre de la ville, et son directeur a déclaré qu'elle serait ouverte.",
        ),
        (
            "de",
            "Die Buchmesse wurde gestern in der Stadtmitte eröffnet, und der Leiter sagte, sie werde jeden Tag geöffnet sein.",
        ),
        (
            "es",
            "La feria del libro abrió ayer sus puertas en el centro de la ciudad y su director dijo que estará abierta todos los días.",
        ),
        (
            "pt",
            "A feira do livro abriu ontem as suas portas no centro da cidade e o diretor disse que não vai fechar até ao fim do mês.",
        ),
        (
            "it",
            "La fiera del libro è stata inaugurata ieri nel centro della città e il direttore ha detto che sarà aperta ogni giorno.",
        ),
        (
            "tr",
            "Kitap fuarı dün şehir merkezinde açıldı ve müdür, fuarın her gün sabahtan akşama kadar açık olacağını söyledi.",
        ),
        (
            "id",
            "Pameran buku dibuka kemarin di pusat kota dan direkturnya mengatakan bahwa pameran akan dibuka setiap hari untuk umum.",
        ),
        (
            "ru",
            "Книжная ярмарка открылась вчера в центре города, и её директор сказал, что она будет работать каждый день.",
        ),
        (
            "uk",
            "Книжковий ярмарок відкрився вчора в центрі міста, і його директор сказав, що він працюватиме щодня для всіх.",
        ),
        ("he", "יריד הספרים נפתח אתמול במרכז העיר, והמנהל אמר כי היריד יהיה פתוח בכל יום."),
        (
            "el",
            "Η έκθεση βιβλίου άνοιξε χθες στο κέντρο της πόλης και ο διευθυντής είπε ότι θα είναι ανοιχτή.",
        ),
        ("hi", "पुस्तक मेला कल शहर के केंद्र में शुरू हुआ और निदेशक ने कहा कि यह हर दिन सुबह से शाम तक खुला रहेगा।"),
        ("th", "งานหนังสือเปิดเมื่อวานนี้ที่ใจกลางเมือง"),
        ("ja", "図書展示会が昨日市内で開幕しました。館長は毎日開いていると述べました。"),
        ("zh", "图书展览会昨天在城市中心开幕，馆长表示展览会每天开放。"),
        ("ko", "도서전이 어제 시내에서 열렸으며 관장은 매일 문을 연다고 말했습니다."),
        ("und", "خبر عاجل"),
        ("und", "12345 67890 -- 2023/09/05"),
        ("und", ""),
        ("und", "OK Reuters"),
    ];

    #[test]
    fn bodies_get_their_language() {
        let wrong: Vec<_> = BODIES
            .iter()
            .map(|(tag, body)| (tag, detect(body)))
            .filter(|(tag, found)| found.tag != **tag)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_looks_plain_is_arabic_letter_by_letter() {
        let mut plain = 0;
        for (articles, own) in [(0, 50), (50, 0), (3, 50), (50, 3), (10, 10), (20, 20), (50, 50), (90, 90)] {
            for (latin, told) in
                [(0, 0), (10, 0), (25, 0), (40, 0), (80, 0), (0, 1), (0, 4), (0, 20), (10, 4)]
            {
                for (letters, kana) in [("گگ ", ""), ("پپ ", ""), ("", "ノ")] {
                    let word = |at: usize| {
                        let (before, after) =
                            (if at < articles { "ال" } else { "" }, if at < own { "ى" } else { "" });
                        format!("{before}كتب{after} ")
                    };
                    let words: String = (0..100).map(word).collect();
                    let body = words + &"abcdefgh ".repeat(latin) + &letters.repeat(told) + kana;
                    assert!(body.len() <= SCRIPT_SAMPLE_BYTES);
                    if is_plain_arabic(body.as_bytes()) {
                        plain += 1;
                        assert_eq!(
                            detect_letter_by_letter(&body, &body),
                            by_script("ar", SURELY_ARABIC),
                            "{body}"
                        );
                    }
                }
            }
        }
        assert!(plain >= 8, "{plain}");
    }

    proptest! {
        #[test]
        fn arabic_prose_looks_plain(words in proptest::collection::vec("(ال)[بتجحدرسعفقكلمنهو]{3,5}(ة)? ", 30..120)) {
            prop_assert!(is_plain_arabic(words.concat().as_bytes()) || !words.concat().contains('ة'));
        }
    }

    #[test]
    fn the_method_is_told() {
        let arabic = detect("أعلنت البلدية أن الحديقة العامة سوف تفتح أبوابها للزوار في المدينة القديمة");
        assert_eq!(arabic.method, LanguageMethod::Script);
        assert!(arabic.confidence > 0.8);
        assert_eq!(
            detect("The garden will open its gates to visitors of the old town.").method,
            LanguageMethod::Trigrams
        );
        assert_eq!(detect("1").method, LanguageMethod::None);
    }

    #[test]
    fn half_of_each_script_is_neither() {
        assert_eq!(detect("open the garden gates أبواب الحديقة العامة").tag, "und");
    }
}
