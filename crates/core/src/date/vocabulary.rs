//! The words of dates in the languages of the feeds, one table; entries and text go through the same small fold.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::token::Kind;

/// What a word does in a date line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A month of the Gregorian year, 1 to 12, under any of its names.
    Month(i8),
    /// First half of a Levantine name; the number is the month when `الثاني` follows `كانون` (1) or `تشرين` (11); the first is the one before.
    MonthStem(i8),
    /// `الأول` after a stem, or part of a Hijri month name.
    First,
    /// `الثاني`, likewise.
    Second,
    /// A month of another calendar, or a word of its name.
    OtherMonth,
    /// 1 Monday to 7 Sunday.
    Weekday(i8),
    Am,
    Pm,
    /// `ليلا`: before midnight or after, by the hour.
    Night,
    /// `م`: "pm" after a time, "A.D." after a year.
    PmOrEra,
    /// The year is Hijri or Jalali.
    OtherEra,
    /// What follows is the same day in another calendar (`الموافق`).
    SameDay,
    /// A zone by name; minutes east of Greenwich where it has one meaning.
    Zone(Option<i32>),
    /// `بتوقيت`: a place follows.
    ZoneIntro,
    /// A place that names a zone only after [`Word::ZoneIntro`], minutes east.
    Place(i32),
    /// `T` of ISO 8601.
    IsoT,
    /// A word before or after an hour (`الساعة`, `Uhr`, `h`).
    Hour,
    /// A unit in relative forms.
    Unit,
    /// A word for exactly two units (`يومين`): a unit that needs no number.
    TwoUnits,
    Ago,
    /// `4 hours ago`, and August in Spanish and Italian.
    AgoOrAugust,
    /// `today`, `yesterday`.
    Today,
    Published,
    Modified,
    /// Word of a label that goes with either.
    LabelFiller,
    /// Says nothing by itself (`of`, `le`, `st`).
    Filler,
}

/// Looks a folded word up.
pub(super) fn find(folded: &str) -> Option<Word> {
    TABLE.get(folded).copied()
}

/// Lower case, Latin accents and Arabic spelling variants away; marks and tatweel dropped.
pub(super) fn fold(word: &str, folded: &mut String) {
    folded.clear();
    for c in word.chars().filter(|c| !is_ignored(*c) && *c != '.') {
        match c {
            'A'..='Z' => folded.push(c.to_ascii_lowercase()),
            'a'..='z' => folded.push(c),
            'أ' | 'إ' | 'آ' | 'ٱ' => folded.push('ا'),
            'ى' | 'ی' | 'ئ' => folded.push('ي'),
            'ک' => folded.push('ك'),
            'ة' | 'ہ' | 'ە' | 'ۀ' | 'ھ' => folded.push('ه'),
            'ؤ' => folded.push('و'),
            '\u{0621}'..='\u{064A}' => folded.push(c),
            other => folded.extend(other.to_lowercase().filter(|c| !is_ignored(*c)).map(bare)),
        }
    }
}

fn bare(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' | 'ı' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ş' => 's',
        'ğ' => 'g',
        'ё' => 'е',
        other => other,
    }
}

/// Harakat, tatweel, combining accents, bidi and zero-width marks.
pub(super) fn is_ignored(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0610}'..='\u{061A}' | '\u{061C}' | '\u{0640}' | '\u{064B}'..='\u{065F}' | '\u{0670}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FE0F}' | '\u{00AD}')
}

/// `2023年9月5日` is `2023/9/5`.
pub(super) fn cjk_sign(c: char) -> Option<Kind> {
    match c {
        '年' | '月' | '년' | '월' => Some(Kind::Punct('/')),
        '日' | '일' => Some(Kind::Word(Word::Filler)),
        _ => None,
    }
}

static TABLE: LazyLock<HashMap<String, Word>> = LazyLock::new(|| entries().rev().collect());

/// Every spelling, folded, with its meaning.
fn entries() -> impl DoubleEndedIterator<Item = (String, Word)> {
    let months = (1..).zip(MONTHS).map(|(month, words)| (Word::Month(month), words));
    let weekdays = (1..).zip(WEEKDAYS).map(|(day, words)| (Word::Weekday(day), words));
    let all: Vec<_> = months.chain(weekdays).chain(WORDS.iter().copied()).collect();
    all.into_iter()
        .flat_map(|(word, words)| words.split_whitespace().map(move |spelling| (spelling, word)))
        .map(|(spelling, word)| {
            let mut folded = String::new();
            fold(spelling, &mut folded);
            (folded, word)
        })
}

/// English, Arabic (Gregorian, Levantine, Maghreb, Moroccan), French, German, Spanish, Portuguese, Italian, Turkish, Russian,
/// Persian, Urdu, Indonesian, Hebrew, Hindi; abbreviations where they are in use.
const MONTHS: [&str; 12] = [
    "january jan janv يناير ينايير جانفي janvier januar jänner enero ene janeiro gennaio gen ocak oca январь января янв ژانویه جنوری januari ינואר בינואר जनवरी",
    "february feb febr fev fév févr فبراير فيفري شباط février februar febrero fevereiro febbraio şubat şub февраль февраля фев февр فوریه فروری februari פברואר בפברואר फरवरी",
    "march mar مارس آذار mars märz mrz marzo março marco mart март марта мар مارچ maret מרץ במרץ मार्च",
    "april apr أبريل إبريل افريل نيسان avril avr abril abr aprile nisan nis апрель апреля апр آوریل اپریل אפריל באפריל अप्रैल",
    "may مايو ماي أيار مايس mai mayo maio maggio mag mayıs май мая مه مئی mei מאי במאי मई",
    "june jun يونيو يونيه جوان حزيران juin juni junio junho giugno giu haziran haz июнь июня июн ژوئن جون יוני ביוני जून",
    "july jul يوليو يوليه جويلية يوليوز تموز juillet juil juli julio julho luglio lug temmuz tem июль июля июл ژوئیه جولائی יולי ביולי जुलाई",
    "august aug أغسطس اغسطس أوت غشت أغشت آب août aout agosto ağustos ağu август августа авг اوت اگست agustus agu אוגוסט באוגוסט अगस्त",
    "september sep sept سبتمبر شتنبر شتمبر أيلول septembre septiembre setiembre setembro set settembre eylül eyl сентябрь сентября сен сент سپتامبر ستمبر ספטמבר בספטמבר सितंबर",
    "october oct أكتوبر اكتوبر octobre oktober okt octubre outubro out ottobre ott ekim eki октябрь октября окт اکتبر اکتوبر אוקטובר באוקטובר अक्टूबर",
    "november nov نوفمبر نونبر نوفمر novembre noviembre novembro kasım kas ноябрь ноября ноя нояб نوامبر نومبر נובמבר בנובמבר नवंबर",
    "december dec ديسمبر دجنبر دجمبر décembre déc dezember dez diciembre dic dezembro dicembre aralık ara декабрь декабря дек دسامبر دسمبر desember des דצמבר בדצמבר दिसंबर",
];

const WEEKDAYS: [&str; 7] = [
    "monday mon الاثنين الإثنين اثنين lundi lun montag lunes segunda lunedì pazartesi понедельник пн دوشنبه پیر senin 周一 星期一",
    "tuesday tue tues الثلاثاء الثلاثا ثلاثاء mardi dienstag martes terça martedì salı вторник вт selasa منگل 火 周二 星期二 화 화요",
    "wednesday wed الأربعاء الاربعا أربعاء mercredi mer mittwoch miércoles mié quarta mercoledì çarşamba среда ср چهارشنبه rabu بدھ 水 周三 星期三 수 수요",
    "thursday thu thur thurs الخميس خميس jeudi jeu donnerstag jueves jue quinta giovedì gio perşembe четверг чт پنجشنبه kamis جمعرات 木 周四 星期四 목 목요",
    "friday fri الجمعة جمعة vendredi ven freitag viernes vie sexta venerdì cuma пятница пт جمعه jumat 金 周五 星期五 금 금요",
    "saturday sat السبت سبت samedi sam samstag sábado sab sabato cumartesi суббота сб شنبه sabtu 土 周六 星期六 토 토요",
    "sunday sun الأحد الاحد أحد dimanche dim sonntag domingo dom domenica pazar воскресенье вс یکشنبه minggu اتوار",
];

const WORDS: &[(Word, &str)] = &[
    (Word::MonthStem(1), "كانون"),
    (Word::MonthStem(11), "تشرين"),
    (Word::First, "الأول الاول أول"),
    (Word::Second, "الثاني ثاني"),
    (
        Word::OtherMonth,
        "محرم صفر ربيع الآخر الاخرة الآخرة جمادى الأولى الاولى الثانية رجب شعبان رمضان شوال ذو ذي القعدة الحجة القعده قعدة حجة \
         فروردین اردیبهشت خرداد تیر مرداد شهریور مهر آبان آذر دی بهمن اسفند muharram safar rajab shaban ramadan shawwal",
    ),
    (Word::Am, "am ص صباحا صباح الصباح فجرا"),
    (Word::Pm, "pm مساء مساءا ظهرا عصرا مغربا عشاء"),
    (Word::Night, "ليلا"),
    (Word::PmOrEra, "م"),
    (Word::OtherEra, "هـ هجري هجرية هجريا ھ ق ش"),
    (Word::SameDay, "الموافق موافق الموافقة"),
    (Word::Zone(Some(0)), "gmt utc ut z zulu غرينتش جرينتش غرينيتش جرينيتش گرينتش غرينيش wet"),
    (Word::Zone(Some(-300)), "est cdt"),
    (Word::Zone(Some(-240)), "edt"),
    (Word::Zone(Some(-360)), "cst mdt"),
    (Word::Zone(Some(-420)), "mst pdt"),
    (Word::Zone(Some(-480)), "pst"),
    (Word::Zone(Some(60)), "cet mez west wat"),
    (Word::Zone(Some(120)), "cest mesz eet cat sast"),
    (Word::Zone(Some(180)), "eest eat ksa مكة مكه"),
    (Word::Zone(Some(300)), "pkt"),
    (Word::Zone(Some(420)), "wib"),
    (Word::Zone(Some(480)), "wita hkt sgt awst"),
    (Word::Zone(Some(540)), "jst kst"),
    (Word::Zone(Some(600)), "aest"),
    (Word::Zone(Some(660)), "aedt"),
    (Word::Zone(Some(720)), "nzst"),
    (Word::Zone(Some(780)), "nzdt"),
    (Word::Zone(None), "ist bst ast msk мск trt gst"),
    (Word::ZoneIntro, "بتوقيت توقيت وبتوقيت"),
    (Word::Place(180), "السعودية الرياض الكويت الدوحة قطر البحرين المنامة"),
    (Word::Place(240), "دبي الإمارات أبوظبي"),
    (Word::Place(60), "الجزائر"),
    (Word::IsoT, "t"),
    (Word::Hour, "الساعة ساعة ساعت saat uhr h hs hrs heures heure horas hora ore ora jam pukul klo بجے"),
    (
        Word::Unit,
        "ساعات دقيقة دقائق دقيقه ثانية ثواني ثوان يوما أيام أسبوع أسابيع شهر أشهر شهور سنوات أعوام واحدة واحد \
         hour hours hr minute minutes min mins second seconds sec secs day days week weeks month months year years \
         stunde stunden minuten tag tagen woche wochen monat monaten jahr jahren jours semaine semaines mois ans \
         día días minuto minutos semana semanas meses mes dia dias giorni giorno minuti settimane mesi \
         dakika gün hafta час часа часов минут минуты минуту день дня дней неделю недели недель \
         دقیقه روز هفته ماه گھنٹے گھنٹہ دن منٹ menit hari",
    ),
    (Word::TwoUnits, "يومين ساعتين دقيقتين ثانيتين أسبوعين شهرين سنتين عامين ساعتان يومان"),
    (Word::AgoOrAugust, "ago"),
    (Word::Ago, "منذ قبل hace vor há fa önce назад پیش پہلے lalu"),
    (
        Word::Today,
        "اليوم أمس الآن today yesterday now just heute gestern aujourd hui hier hoy ayer hoje ontem oggi ieri bugün dün \
         сегодня вчера امروز دیروز آج",
    ),
    (
        Word::Published,
        "النشر نشر نشرت ونشر published publish posted publié publiée veröffentlicht erschienen publicado publicada pubblicato yayınlanma \
         yayın yayınlandı опубликовано опубликован انتشار منتشر شائع diterbitkan פורסם प्रकाशित الإضافة أضيف created الإنشاء",
    ),
    (
        Word::Modified,
        "تحديث التحديث حدث تحديثه محدث updated update modified edited actualisé aktualisiert geändert actualizado atualizado \
         aggiornato güncelleme güncellendi обновлено изменено jour modifié modifiée تعديل التعديل diperbarui بروزرسانی עודכן עדכון अपडेट",
    ),
    (
        Word::LabelFiller,
        "تاريخ آخر اخر تم الخبر المقال مرة بتاريخ تاریخ last date stand zuletzt datum dernière mise mis última ultima ultimo \
         actualización atualização data fecha tarihi tarih son дата",
    ),
    (
        Word::Filler,
        "في يوم ل من الى عند المكرمة المكرمه و عام سنة at on the of em de del le la les el los il a à às um den der dem d del do da na st nd rd th \
         er º ª г года год в о alle dal time زمان standard arab daylight 曜 요",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_means_one_thing() {
        let mut seen: HashMap<String, Word> = HashMap::new();
        let clashes: Vec<_> = entries()
            .filter_map(|(spelling, word)| {
                let before = seen.insert(spelling.clone(), word).filter(|before| *before != word)?;
                Some((spelling, before, word))
            })
            .collect();
        assert_eq!(clashes, []);
    }
}
