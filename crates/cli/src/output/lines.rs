//! What is said on standard error as machines read it: one JSON object a line, in the form of the log's own lines.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};

use crate::config::{ConfigError, LogFormat, Problem, Severity};
use crate::error::CliError;

static JSON: AtomicBool = AtomicBool::new(false);

/// Settles how everything on standard error looks.
pub(crate) fn choose(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// True where each line is JSON.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// One line, with these fields beside the message.
pub(crate) fn line(level: &str, message: &str, fields: Map<String, Value>) -> String {
    let now_ms = crate::commands::now_ms();
    let mut all = Map::from_iter([("message".to_owned(), json!(message))]);
    all.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    json!({ "timestamp": barid_record::rfc3339(now_ms), "level": level, "fields": all, "target": "barid" })
        .to_string()
        + "\n"
}

/// An error: a line for each problem of a configuration, then one for itself.
pub(super) fn of_error(error: &CliError) -> String {
    let mut text = String::new();
    if let CliError::Config(ConfigError::Invalid { problems, source_code }) = error {
        let (name, source) = (source_code.name(), source_code.inner().as_str());
        text.extend(problems.iter().map(|problem| of_problem(problem, name, source)));
    }
    let fields = json!({ "code": error.stable_code(), "hint": error.hint() });
    text + &line("ERROR", &error.to_string(), object(fields))
}

/// A problem of a configuration, with its place.
pub(super) fn of_problem(problem: &Problem, file: &str, source: &str) -> String {
    let level = match problem.severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARN",
    };
    let place = problem.place(source);
    let fields = json!({
        "code": problem.code,
        "hint": problem.hint,
        "file": file,
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
    });
    line(level, &problem.message, object(fields))
}

/// The fields of an object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// A panic is told as everything else is. Elsewhere than in JSON the standard library's words stay.
pub(crate) fn tell_panics() {
    let plain = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_json() {
            return plain(panic);
        }
        let said = panic.payload();
        let said = said
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| said.downcast_ref::<&str>().copied());
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current().name().map(str::to_owned);
        let fields = json!({ "location": place, "thread": thread, "code": "E0701" });
        super::print(&line(
            "ERROR",
            &format!("panicked: {}", said.unwrap_or("without words")),
            object(fields),
        ));
    }));
}
