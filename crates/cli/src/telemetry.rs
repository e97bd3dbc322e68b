//! Logs on standard error: readable or JSON, safe to print, and no flood.
//!
//! ```text
//! event -> EnvFilter -> limiter (10 alike in 10 s) -> text or JSON -> bars step aside -> stderr
//! ```

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::MultiProgress;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{self, Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::args::Global;
use crate::config::{Loaded, LogFormat, TelemetryConfig, is_usable_level};
use crate::output;

mod limiter;

use limiter::{Admission, Limiter};

/// Starts logging for the whole process. Log lines and `bars` share the terminal. Call it once; a second call changes nothing.
pub(crate) fn start(config: &TelemetryConfig, global: &Global, bars: &MultiProgress) {
    let filter = filter(config, global, std::env::var("BARID_LOG").ok());
    let format = global.log_format.unwrap_or(config.format);
    output::lines::choose(format);
    let layer = layer(format, output::stderr_color(), BesideBars(bars.clone()));
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer.with_filter(filter)));
}

/// Logs what is odd about a configuration, once there is a log.
pub(crate) fn tell_warnings(loaded: &Loaded) {
    for warning in &loaded.warnings {
        // An absent hint is left out, not shown empty.
        tracing::warn!(code = warning.code, hint = warning.hint.as_deref(), "{warning}");
    }
}

/// What turns events into lines.
fn layer<W>(format: LogFormat, color: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer.json().map_event_format(|format| Limited::new(format, true)).boxed(),
        LogFormat::Text => {
            let fields = format::debug_fn(|writer, field, value| {
                let value = format!("{value:?}");
                let value = output::harmless(&value);
                if field.name() == "message" {
                    write!(writer, "{value}")
                } else {
                    write!(writer, "{field}={value}")
                }
            });
            let fields = tracing_subscriber::field::MakeExt::delimited(fields, " ");
            let layer = layer.with_ansi(color).fmt_fields(fields);
            layer.map_event_format(|format| Limited::new(format, false)).boxed()
        }
    }
}

/// `-v` and `-q` go before BARID_LOG, which goes before the configuration.
fn filter(config: &TelemetryConfig, global: &Global, from_env: Option<String>) -> EnvFilter {
    let directives = match (global.quiet, global.verbose) {
        (0, 0) => from_env.filter(|level| is_usable_level(level)).unwrap_or_else(|| config.level.clone()),
        (1, _) => "error".into(),
        (2.., _) => "off".into(),
        (0, 1) => "debug".into(),
        (0, 2..) => "trace".into(),
    };
    EnvFilter::try_new(&directives).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Standard error, with progress bars out of the way while a line is written.
#[derive(Debug, Clone)]
struct BesideBars(MultiProgress);

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Formats an event unless the limiter hides it.
struct Limited<F> {
    inner: Format<F>,
    json: bool,
    limiter: Mutex<Limiter>,
}

impl<F> Limited<F> {
    fn new(inner: Format<F>, json: bool) -> Self {
        Self { inner, json, limiter: Mutex::new(Limiter::default()) }
    }
}

impl<F, S, N> FormatEvent<S, N> for Limited<F>
where
    Format<F>: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Whoever asks for debug output wants all of it.
        if *event.metadata().level() > Level::INFO {
            return self.inner.format_event(context, writer, event);
        }
        let admission = {
            let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
            limiter.admit(event.metadata().callsite(), Instant::now())
        };
        match admission {
            Admission::Show => self.inner.format_event(context, writer, event),
            Admission::Hide => Ok(()),
            Admission::ShowAfter { hidden } => {
                self.inner.format_event(context, writer.by_ref(), event)?;
                self.note(&mut writer, hidden, event)
            }
        }
    }
}

impl<F> Limited<F> {
    /// One more line: how many like the last one were hidden before it.
    fn note(&self, writer: &mut Writer<'_>, hidden: u64, event: &Event<'_>) -> fmt::Result {
        let target = event.metadata().target();
        if self.json {
            let now = barid_record::rfc3339(crate::commands::now_ms());
            let fields = serde_json::json!({ "message": "lines like the last one were hidden before it", "hidden": hidden });
            let level = event.metadata().level().as_str();
            let line =
                serde_json::json!({ "timestamp": now, "level": level, "fields": fields, "target": target });
            writeln!(writer, "{line}")
        } else {
            writeln!(writer, "  {hidden} lines like this one ({target}) were hidden before it")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `body` runs.
    fn logged(format: LogFormat, body: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = Registry::default().with(layer(format, false, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, body);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const SCRAPED: &str = "خبر\x1b[2J\u{202e}\nfake line";

    #[test]
    fn scraped_text_stays_on_its_line_and_out_of_the_terminal() {
        let text = logged(LogFormat::Text, || tracing::warn!(headline = %SCRAPED, "read {SCRAPED}"));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("خبر") && !text.contains(['\x1b', '\u{202e}']), "{text}");
        let json = logged(LogFormat::Json, || tracing::warn!(headline = %SCRAPED, "read"));
        let line: serde_json::Value = serde_json::from_str(&json).expect("one object");
        assert_eq!(line["fields"]["headline"].as_str(), Some(SCRAPED));
    }

    #[test]
    fn a_flood_from_one_place_is_cut_to_ten_lines_but_not_for_debugging() {
        let flood = |count: u32| (0..count).for_each(|_| tracing::warn!("again"));
        assert_eq!(logged(LogFormat::Text, || flood(100)).lines().count(), 10);
        let debug = || (0..100).for_each(|_| tracing::debug!("again"));
        assert_eq!(logged(LogFormat::Json, debug).lines().count(), 100);
    }

    #[test]
    fn options_go_before_the_environment_and_that_before_the_file() {
        let config = TelemetryConfig { level: "warn".into(), format: LogFormat::Text };
        let global =
            |verbose, quiet| Global { log_format: None, color: crate::args::Color::Auto, verbose, quiet };
        let shown = |verbose, quiet, env: Option<&str>| {
            filter(&config, &global(verbose, quiet), env.map(str::to_owned)).to_string()
        };
        assert_eq!(shown(0, 0, None), "warn");
        assert_eq!(shown(0, 0, Some("barid_log=debug")), "barid_log=debug");
        assert_eq!(shown(1, 0, Some("info")), "debug");
        assert_eq!(shown(0, 2, Some("info")), "off");
    }
}
