//! The word list files, embedded so that parsing needs no file system.

/// Language tag and text of every word list, the richest first.
pub(super) const ALL: [(&str, &str); 24] = [
    ("ar", include_str!("../../lexicon/ar.toml")),
    ("en", include_str!("../../lexicon/en.toml")),
    ("de", include_str!("../../lexicon/de.toml")),
    ("fr", include_str!("../../lexicon/fr.toml")),
    ("es", include_str!("../../lexicon/es.toml")),
    ("pt", include_str!("../../lexicon/pt.toml")),
    ("it", include_str!("../../lexicon/it.toml")),
    ("ro", include_str!("../../lexicon/ro.toml")),
    ("pl", include_str!("../../lexicon/pl.toml")),
    ("cs", include_str!("../../lexicon/cs.toml")),
    ("nl", include_str!("../../lexicon/nl.toml")),
    ("no", include_str!("../../lexicon/no.toml")),
    ("fi", include_str!("../../lexicon/fi.toml")),
    ("ru", include_str!("../../lexicon/ru.toml")),
    ("uk", include_str!("../../lexicon/uk.toml")),
    ("tr", include_str!("../../lexicon/tr.toml")),
    ("fa", include_str!("../../lexicon/fa.toml")),
    ("ur", include_str!("../../lexicon/ur.toml")),
    ("he", include_str!("../../lexicon/he.toml")),
    ("id", include_str!("../../lexicon/id.toml")),
    ("hi", include_str!("../../lexicon/hi.toml")),
    ("zh", include_str!("../../lexicon/zh.toml")),
    ("ja", include_str!("../../lexicon/ja.toml")),
    ("ko", include_str!("../../lexicon/ko.toml")),
];
