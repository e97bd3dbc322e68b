//! Arabic code pages the WHATWG list leaves out. They are read when declared and never guessed: their letters stand where those of
//! ISO-8859-6 or windows-1256 stand, or as presentation forms, so that statistics would confuse them.
//!
//! Source: the mapping tables of the Unicode consortium (`VENDORS/APPLE/ARABIC.TXT`, `VENDORS/MICSFT/PC/CP864.TXT`) and Microsoft's 720.

/// One byte, one character; the lower half is ASCII.
#[derive(Debug)]
pub(super) struct CodePage {
    pub(super) name: &'static str,
    labels: &'static [&'static str],
    /// The 128 characters from 0x80 on; U+FFFD where there is none.
    pub(super) high: &'static str,
}

/// The code page of a label, if it is one of these.
pub(super) fn for_label(label: &str) -> Option<&'static CodePage> {
    PAGES.iter().find(|page| page.labels.iter().any(|known| known.eq_ignore_ascii_case(label)))
}

static PAGES: [CodePage; 3] = [
    CodePage {
        name: "x-mac-arabic",
        labels: &["x-mac-arabic", "x-macarabic", "macarabic", "mac-arabic"],
        high: "\
            Ä\u{00A0}ÇÉÑÖÜá\
            àâä\u{06BA}«çéè\
            êëí\u{2026}îïñó\
            »ôö÷úùûü\
            \u{0020}!\u{0022}#$\u{066A}&'\
            ()*+\u{060C}-./\
            \u{0660}\u{0661}\u{0662}\u{0663}\u{0664}\u{0665}\u{0666}\u{0667}\
            \u{0668}\u{0669}:\u{061B}<=>\u{061F}\
            \u{274A}\u{0621}\u{0622}\u{0623}\u{0624}\u{0625}\u{0626}\u{0627}\
            \u{0628}\u{0629}\u{062A}\u{062B}\u{062C}\u{062D}\u{062E}\u{062F}\
            \u{0630}\u{0631}\u{0632}\u{0633}\u{0634}\u{0635}\u{0636}\u{0637}\
            \u{0638}\u{0639}\u{063A}[\u{005C}]^_\
            \u{0640}\u{0641}\u{0642}\u{0643}\u{0644}\u{0645}\u{0646}\u{0647}\
            \u{0648}\u{0649}\u{064A}\u{064B}\u{064C}\u{064D}\u{064E}\u{064F}\
            \u{0650}\u{0651}\u{0652}\u{067E}\u{0679}\u{0686}\u{06D5}\u{06A4}\
            \u{06AF}\u{0688}\u{0691}{|}\u{0698}\u{06D2}",
    },
    CodePage {
        name: "ibm720",
        labels: &["ibm720", "cp720", "dos-720"],
        high: "\
            \u{0080}\u{0081}éâ\u{0084}à\u{0086}ç\
            êëèïî\u{008D}\u{008E}\u{008F}\
            \u{0090}\u{0651}\u{0652}ô¤\u{0640}ûù\
            \u{0621}\u{0622}\u{0623}\u{0624}£\u{0625}\u{0626}\u{0627}\
            \u{0628}\u{0629}\u{062A}\u{062B}\u{062C}\u{062D}\u{062E}\u{062F}\
            \u{0630}\u{0631}\u{0632}\u{0633}\u{0634}\u{0635}«»\
            \u{2591}\u{2592}\u{2593}\u{2502}\u{2524}\u{2561}\u{2562}\u{2556}\
            \u{2555}\u{2563}\u{2551}\u{2557}\u{255D}\u{255C}\u{255B}\u{2510}\
            \u{2514}\u{2534}\u{252C}\u{251C}\u{2500}\u{253C}\u{255E}\u{255F}\
            \u{255A}\u{2554}\u{2569}\u{2566}\u{2560}\u{2550}\u{256C}\u{2567}\
            \u{2568}\u{2564}\u{2565}\u{2559}\u{2558}\u{2552}\u{2553}\u{256B}\
            \u{256A}\u{2518}\u{250C}\u{2588}\u{2584}\u{258C}\u{2590}\u{2580}\
            \u{0636}\u{0637}\u{0638}\u{0639}\u{063A}\u{0641}µ\u{0642}\
            \u{0643}\u{0644}\u{0645}\u{0646}\u{0647}\u{0648}\u{0649}\u{064A}\
            \u{2261}\u{064B}\u{064C}\u{064D}\u{064E}\u{064F}\u{0650}\u{2248}\
            °\u{2219}·\u{221A}\u{207F}²\u{25A0}\u{00A0}",
    },
    CodePage {
        name: "ibm864",
        labels: &["ibm864", "cp864", "csibm864", "ibm-864"],
        high: "\
            °·\u{2219}\u{221A}\u{2592}\u{2500}\u{2502}\u{253C}\
            \u{2524}\u{252C}\u{251C}\u{2534}\u{2510}\u{250C}\u{2514}\u{2518}\
            β\u{221E}φ±½¼\u{2248}«\
            »\u{FEF7}\u{FEF8}\u{FFFD}\u{FFFD}\u{FEFB}\u{FEFC}\u{FFFD}\
            \u{00A0}\u{00AD}\u{FE82}£¤\u{FE84}\u{FFFD}\u{FFFD}\
            \u{FE8E}\u{FE8F}\u{FE95}\u{FE99}\u{060C}\u{FE9D}\u{FEA1}\u{FEA5}\
            \u{0660}\u{0661}\u{0662}\u{0663}\u{0664}\u{0665}\u{0666}\u{0667}\
            \u{0668}\u{0669}\u{FED1}\u{061B}\u{FEB1}\u{FEB5}\u{FEB9}\u{061F}\
            ¢\u{FE80}\u{FE81}\u{FE83}\u{FE85}\u{FECA}\u{FE8B}\u{FE8D}\
            \u{FE91}\u{FE93}\u{FE97}\u{FE9B}\u{FE9F}\u{FEA3}\u{FEA7}\u{FEA9}\
            \u{FEAB}\u{FEAD}\u{FEAF}\u{FEB3}\u{FEB7}\u{FEBB}\u{FEBF}\u{FEC1}\
            \u{FEC5}\u{FECB}\u{FECF}¦¬÷×\u{FEC9}\
            \u{0640}\u{FED3}\u{FED7}\u{FEDB}\u{FEDF}\u{FEE3}\u{FEE7}\u{FEEB}\
            \u{FEED}\u{FEEF}\u{FEF3}\u{FEBD}\u{FECC}\u{FECE}\u{FECD}\u{FEE1}\
            \u{FE7D}\u{0651}\u{FEE5}\u{FEE9}\u{FEEC}\u{FEF0}\u{FEF2}\u{FED0}\
            \u{FED5}\u{FEF5}\u{FEF6}\u{FEDD}\u{FED9}\u{FEF1}\u{25A0}\u{FFFD}",
    },
];
