//! Takes values out of a TOML document one by one, with the environment laid over it, and never stops at the first problem.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};

use barid_log::LogError;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declared::{Declared, Kind};
use super::problem::{Problem, Severity, nearest};
use super::said::{as_list, hint_for, kind};

/// Environment variables by name.
pub(crate) type Env = BTreeMap<String, String>;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The file, at these bytes.
    File(Range<usize>),
    /// This environment variable.
    Env(String),
}

/// One key as it took effect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    /// Such as `log.retention_bytes` or `files[0].id`.
    pub(crate) path: String,
    /// In TOML.
    pub(crate) value: toml::Value,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// The bytes of a list's texts, where the file has them.
    pub(crate) items: Vec<Range<usize>>,
}

impl Setting {
    fn new(path: String, value: toml::Value, origin: Origin) -> Self {
        Self { path, value, origin, items: Vec::new() }
    }
}

/// A table being read. [`Reader::end`] refuses the keys nobody asked for.
#[derive(Debug)]
pub(crate) struct Section<'t> {
    path: String,
    table: Option<&'t DeTable<'t>>,
    span: Option<Range<usize>>,
    asked: Vec<&'static str>,
}

/// Collects settings and problems while a configuration is read.
#[derive(Debug)]
pub(crate) struct Reader<'e> {
    env: &'e Env,
    env_asked: BTreeSet<String>,
    /// Every key read so far.
    pub(crate) settings: Vec<Setting>,
    /// Every problem met so far.
    pub(crate) problems: Vec<Problem>,
    /// Every key asked for so far, with what it takes.
    pub(crate) declared: Vec<Declared>,
}

impl<'e> Reader<'e> {
    pub(crate) fn new(env: &'e Env) -> Self {
        Self {
            env,
            env_asked: BTreeSet::new(),
            settings: Vec::new(),
            problems: Vec::new(),
            declared: Vec::new(),
        }
    }

    /// The document's root.
    pub(crate) fn root<'t>(&self, table: &'t DeTable<'t>) -> Section<'t> {
        Section { path: String::new(), table: Some(table), span: None, asked: Vec::new() }
    }

    /// The table under `key`; an absent one is read as if it were empty.
    pub(crate) fn table<'t>(&mut self, parent: &mut Section<'t>, key: &'static str) -> Section<'t> {
        let path = parent.key_path(key);
        let found = parent.take(key);
        let table = found.and_then(|found| found.get_ref().as_table());
        if let (Some(found), None) = (found, table) {
            self.wrong_type(&path, "a table", found);
        }
        Section { path, table, span: found.map(Spanned::span), asked: Vec::new() }
    }

    /// The tables of the array under `key`.
    pub(crate) fn tables<'t>(&mut self, parent: &mut Section<'t>, key: &'static str) -> Vec<Section<'t>> {
        let path = parent.key_path(key);
        let Some(found) = parent.take(key) else { return Vec::new() };
        let Some(items) = found.get_ref().as_array() else {
            self.wrong_type(&path, "an array of tables", found);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match item.get_ref().as_table() {
                Some(table) => {
                    sections.push(Section {
                        path,
                        table: Some(table),
                        span: Some(item.span()),
                        asked: Vec::new(),
                    });
                }
                None => self.wrong_type(&path, "a table", item),
            }
        }
        sections
    }

    /// A text.
    pub(crate) fn text(&mut self, section: &mut Section<'_>, key: &'static str, default: &str) -> String {
        self.required_text(section, key, Some(default))
    }

    /// A text that somebody must have set when there is no default.
    pub(crate) fn required_text(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        default: Option<&str>,
    ) -> String {
        let path = section.key_path(key);
        self.declare(&path, Kind::Text { default: default.map(str::to_owned) });
        // Asked for also where the environment has it: a key of the file that nobody asks for is reported as unknown.
        let from_file = section.take(key);
        let (value, origin) = if let Some((name, value)) = self.env_value(section, key) {
            (value, Origin::Env(name))
        } else if let Some(found) = from_file {
            match found.get_ref().as_str() {
                Some(value) => (value.to_owned(), Origin::File(found.span())),
                None => {
                    self.wrong_type(&path, "a text in quotes", found);
                    (default.unwrap_or_default().to_owned(), Origin::File(found.span()))
                }
            }
        } else {
            if default.is_none() {
                self.problem(
                    "E0106",
                    format!("`{path}` is missing"),
                    section.span.clone(),
                    Some(format!("add `{key} = \"...\"`")),
                );
            }
            (default.unwrap_or_default().to_owned(), Origin::Default)
        };
        self.settings.push(Setting::new(path, toml::Value::String(value.clone()), origin));
        value
    }

    /// A whole number within `range`.
    pub(crate) fn integer(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let path = section.key_path(key);
        self.declare(&path, Kind::Integer { default, range: range.clone() });
        let from_env = self.env_value(section, key);
        let from_file = section.take(key);
        let (digits, origin) = match (&from_env, from_file) {
            (Some((name, value)), _) => (value.replace('_', "").parse().ok(), Origin::Env(name.clone())),
            (None, Some(found)) => {
                let Some(number) = found.get_ref().as_integer() else {
                    self.wrong_type(&path, "a whole number", found);
                    return default;
                };
                (u64::from_str_radix(number.as_str(), number.radix()).ok(), Origin::File(found.span()))
            }
            (None, None) => (Some(default), Origin::Default),
        };
        let value = digits.filter(|value| range.contains(value)).unwrap_or_else(|| {
            let place = origin.named_in_message();
            let message =
                format!("`{path}`{place} must be a whole number from {} to {}", range.start(), range.end());
            self.problem("E0105", message, origin.span(), None);
            default
        });
        // TOML's integers end at 2^63 - 1; every range here ends below.
        let shown = i64::try_from(value).unwrap_or(i64::MAX);
        self.settings.push(Setting::new(path, toml::Value::Integer(shown), origin));
        value
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, section: &mut Section<'_>, key: &'static str, default: bool) -> bool {
        let path = section.key_path(key);
        self.declare(&path, Kind::Boolean { default });
        let from_env = self.env_value(section, key);
        let from_file = section.take(key);
        let (value, origin) = match (from_env, from_file) {
            (Some((name, value)), _) => (value.parse().ok(), Origin::Env(name)),
            (None, Some(found)) => {
                let Some(value) = found.get_ref().as_bool() else {
                    self.wrong_type(&path, "true or false", found);
                    return default;
                };
                (Some(value), Origin::File(found.span()))
            }
            (None, None) => (Some(default), Origin::Default),
        };
        let value = value.unwrap_or_else(|| {
            let message = format!("`{path}`{} must be true or false", origin.named_in_message());
            self.problem("E0105", message, origin.span(), None);
            default
        });
        self.settings.push(Setting::new(path, toml::Value::Boolean(value), origin));
        value
    }

    /// A table of names that are not ours, such as another library's properties: texts, whole numbers and truths, all as text, sorted by
    /// name. Dotted names may be written with or without quotes. `BARID_<TABLE>_<NAME>` sets one, with `_` for each dot.
    pub(crate) fn properties(
        &mut self,
        parent: &mut Section<'_>,
        key: &'static str,
    ) -> BTreeMap<String, String> {
        let section = self.table(parent, key);
        self.declare(&section.path, Kind::Properties);
        let mut found = BTreeMap::new();
        if let Some(table) = section.table {
            self.flatten(&section.path, "", table, &mut found);
        }
        let prefix = format!("BARID_{}_", section.path.replace('.', "_").to_uppercase());
        for (variable, value) in self.env {
            let Some(name) = variable.strip_prefix(&prefix) else { continue };
            self.env_asked.insert(variable.clone());
            let value = toml::Value::String(value.clone());
            found.insert(name.to_lowercase().replace('_', "."), (value, Origin::Env(variable.clone())));
        }
        let texts: BTreeMap<_, _> =
            found.iter().map(|(name, (value, _))| (name.clone(), plain(value))).collect();
        for (name, (value, origin)) in found {
            self.settings.push(Setting::new(property_path(&section.path, &name), value, origin));
        }
        for (name, value) in &texts {
            if let Err(LogError::BadProperty { what, .. }) = barid_log::check_property(name, value) {
                let hint = "librdkafka's CONFIGURATION.md lists them all".to_owned();
                self.refuse("E0105", &property_path(&section.path, name), what, Some(hint));
            }
        }
        texts
    }

    /// `a.b = 1` without quotes is a table in a table to TOML: joins the names again.
    fn flatten(
        &mut self,
        path: &str,
        prefix: &str,
        table: &DeTable<'_>,
        into: &mut BTreeMap<String, (toml::Value, Origin)>,
    ) {
        for (key, found) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let full = property_path(path, &name);
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            if name.is_empty() || !name.bytes().all(valid) {
                let message = format!("`{full}`: a property's name is made of letters, digits and dots");
                self.problem("E0105", message, Some(key.span()), None);
                continue;
            }
            let value = match found.get_ref() {
                DeValue::Table(inner) => {
                    self.flatten(path, &format!("{name}."), inner, into);
                    continue;
                }
                DeValue::String(text) => Some(toml::Value::String(text.to_string())),
                DeValue::Boolean(truth) => Some(toml::Value::Boolean(*truth)),
                DeValue::Integer(number) => {
                    i64::from_str_radix(number.as_str(), number.radix()).ok().map(toml::Value::Integer)
                }
                DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) => None,
            };
            match value {
                Some(value) => drop(into.insert(name, (value, Origin::File(found.span())))),
                None => self.wrong_type(&full, "a text, a whole number, true or false", found),
            }
        }
    }

    /// One of the words in `choices`; the first is the default.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> T {
        let (default_word, default) = choices[0];
        let word = self.text(section, key, default_word);
        self.declared.pop();
        self.declare(
            &section.key_path(key),
            Kind::Choice { words: choices.iter().map(|(word, _)| *word).collect() },
        );
        if let Some((_, value)) = choices.iter().find(|(known, _)| *known == word) {
            return *value;
        }
        let words: Vec<_> = choices.iter().map(|(known, _)| *known).collect();
        let hint = match nearest(&word, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of: {}", words.join(", ")),
        };
        self.refuse("E0105", &section.key_path(key), format!("`{word}` is not known"), Some(hint));
        default
    }

    /// A list of texts. In the environment: commas between them, or as TOML writes it.
    pub(crate) fn list(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        default: &[&str],
    ) -> Vec<String> {
        let path = section.key_path(key);
        self.declare(&path, Kind::List { default: default.iter().map(|&item| item.to_owned()).collect() });
        let default = || default.iter().map(|&item| item.to_owned()).collect();
        let from_file = section.take(key);
        let mut items = Vec::new();
        let (values, origin) = match (self.env_value(section, key), from_file) {
            (Some((name, value)), _) => {
                let origin = Origin::Env(name);
                let values = as_list(&value).unwrap_or_else(|| {
                    let place = origin.named_in_message();
                    self.problem("E0104", format!("`{path}`{place} must be a list of texts"), None, None);
                    default()
                });
                (values, origin)
            }
            (None, Some(found)) => {
                let spans = found.get_ref().as_array().into_iter().flat_map(|list| list.iter());
                items = spans.map(Spanned::span).collect();
                (self.texts(&path, found).unwrap_or_else(default), Origin::File(found.span()))
            }
            (None, None) => (default(), Origin::Default),
        };
        let shown = values.iter().cloned().map(toml::Value::String).collect();
        self.settings.push(Setting { items, ..Setting::new(path, toml::Value::Array(shown), origin) });
        values
    }

    fn texts(&mut self, path: &str, found: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
        let Some(items) = found.get_ref().as_array() else {
            self.wrong_type(path, "a list of texts", found);
            return None;
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.wrong_type(&format!("{path}[{index}]"), "a text in quotes", item),
            }
        }
        (texts.len() == items.len()).then_some(texts)
    }

    /// Refuses the value that `path` took, wherever it came from.
    pub(crate) fn refuse(&mut self, code: &'static str, path: &str, why: String, hint: Option<String>) {
        let (place, span) = place_of(&self.settings, path);
        self.problem(code, format!("`{path}`{place}: {why}"), span, hint);
    }

    /// Refuses the keys that nobody asked for.
    pub(crate) fn end(&mut self, section: &Section<'_>) {
        let Some(table) = section.table else { return };
        for key in table.keys().filter(|key| !section.asked.contains(&key.get_ref().as_ref())) {
            let hint = match nearest(key.get_ref(), section.asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", section.asked.join(", ")),
            };
            let path = section.key_path(key.get_ref());
            self.problem(
                "E0103",
                format!("`{path}` is not a key of this version"),
                Some(key.span()),
                Some(hint),
            );
        }
    }

    /// Warns of `BARID_*` variables that set nothing. `reserved` names those with another use.
    pub(crate) fn end_env(&mut self, reserved: &[&str]) {
        for name in self
            .env
            .keys()
            .filter(|name| !reserved.contains(&name.as_str()) && !self.env_asked.contains(*name))
        {
            let near = nearest(name, self.env_asked.iter().map(String::as_str));
            self.problems.push(Problem {
                severity: Severity::Warning,
                code: "E0112",
                message: format!("the environment variable {name} sets no key"),
                span: None,
                hint: near.map(|near| format!("did you mean {near}?")),
            });
        }
    }

    /// Records an error.
    pub(crate) fn problem(
        &mut self,
        code: &'static str,
        message: String,
        span: Option<Range<usize>>,
        hint: Option<String>,
    ) {
        let hint = Some(hint.unwrap_or_else(|| format!("`barid explain {code}` tells more")));
        self.problems.push(Problem { severity: Severity::Error, code, message, span, hint });
    }

    fn wrong_type(&mut self, path: &str, wanted: &str, found: &Spanned<DeValue<'_>>) {
        let message = format!("`{path}` must be {wanted}, not {}", kind(found.get_ref()));
        self.problem("E0104", message, Some(found.span()), Some(hint_for(path, wanted, found.get_ref())));
    }

    fn declare(&mut self, path: &str, kind: Kind) {
        self.declared.push(Declared { path: path.to_owned(), kind });
    }

    /// The variable that overrides this key, if it is set. Keys of arrays have none.
    fn env_value(&mut self, section: &Section<'_>, key: &str) -> Option<(String, String)> {
        if section.path.contains('[') {
            return None;
        }
        let name = format!("BARID_{}", section.key_path(key).replace('.', "_").to_uppercase());
        self.env_asked.insert(name.clone());
        self.env.get(&name).map(|value| (name, value.clone()))
    }
}

impl<'t> Section<'t> {
    /// The full path of one of its keys.
    pub(crate) fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether a key is written.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.get(key).is_some())
    }

    fn take(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.table?.get(key)
    }

    /// A section that nobody wrote: every key takes its default.
    pub(crate) fn unwritten(path: &str) -> Self {
        Self { path: path.to_owned(), table: None, span: None, asked: Vec::new() }
    }
}

impl Origin {
    /// The bytes of the file, if that is where.
    pub(crate) fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::File(span) => Some(span.clone()),
            Self::Default | Self::Env(_) => None,
        }
    }

    fn named_in_message(&self) -> String {
        match self {
            Self::Env(name) => format!(" (from {name})"),
            Self::Default | Self::File(_) => String::new(),
        }
    }
}

/// The path of a property: its name stands in quotes, since it has dots of its own.
fn property_path(table: &str, name: &str) -> String {
    format!("{table}.\"{name}\"")
}

/// A value as a property's text.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(_)
        | toml::Value::Boolean(_)
        | toml::Value::Float(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => value.to_string(),
    }
}

/// Where the value of a key, or of a list's text such as `feeds.watch[2]`, came from: words for a message, and the bytes of the file.
pub(super) fn place_of(settings: &[Setting], path: &str) -> (String, Option<Range<usize>>) {
    let of = |path: &str| settings.iter().rev().find(|setting| setting.path == path);
    if let Some(setting) = of(path) {
        return (setting.origin.named_in_message(), setting.origin.span());
    }
    let item = path.strip_suffix(']').and_then(|open| open.rsplit_once('['));
    let Some((list, index)) = item else { return (String::new(), None) };
    let Some(setting) = of(list) else { return (String::new(), None) };
    let span = index.parse().ok().and_then(|index: usize| setting.items.get(index).cloned());
    (setting.origin.named_in_message(), span.or(setting.origin.span()))
}
