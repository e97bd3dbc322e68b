//! Every section of the file, key by key: this is the list of what can be configured, with defaults and limits.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use barid_sink::Layout;
use toml::de::DeTable;

use super::declared::Declared;
use super::problem::Problem;
use super::reader::{Env, Origin, Reader, Section, Setting};
use super::{
    Compression, Config, JsonlConfig, LogConfig, LogFormat, StageConfig, TelemetryConfig, WatchConfig,
    WebConfig, feeds, files, kafka,
};

/// Variables with another use than overriding a key.
const RESERVED_ENV: [&str; 7] = [
    "BARID_CONFIG",
    "BARID_LOG",
    "BARID_FAILPOINT",
    "BARID_CLOCK_AHEAD_SECONDS",
    "BARID_CLOCK_AHEAD_FILE",
    "BARID_PROMTOOL",
    "BARID_TEST_KAFKA",
];
/// The largest number TOML can hold.
const MAX: u64 = i64::MAX as u64;

/// What was read. `config` is only good when no problem is an error.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) config: Config,
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
    pub(super) declared: Vec<Declared>,
}

/// Reads a whole file.
pub(super) fn read(text: &str, env: &Env) -> Read {
    let mut reader = Reader::new(env);
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        let hint = "texts stand in quotes, a table's name in brackets, and each key stands once, on a line of its own";
        reader.problem("E0102", error.message().to_owned(), error.span(), Some(hint.to_owned()));
    }
    let mut root = reader.root(document.get_ref());
    let data_dir = reader.text(&mut root, "data_dir", "barid-data");
    if data_dir.is_empty() {
        reader.refuse("E0105", "data_dir", "must not be empty".into(), None);
    }
    let has_feeds = root.has("feed") || root.has("feeds");
    let config = Config {
        files: files::read(&mut reader, &mut root, has_feeds),
        feeds: feeds::read(&mut reader, &mut root),
        watch: watch(&mut reader, &mut root),
        log: log(&mut reader, &mut root),
        stage: stage(&mut reader, &mut root),
        jsonl: jsonl(&mut reader, &mut root, &data_dir),
        web: web(&mut reader, &mut root),
        telemetry: telemetry(&mut reader, &mut root),
        kafka: kafka::read(&mut reader, &mut root),
        data_dir: data_dir.into(),
    };
    // What the parser skipped after a syntax error would be reported again as missing or unknown.
    if syntax.is_empty() {
        reader.end(&root);
    } else {
        let line_of = |span: &Option<Range<usize>>| {
            span.as_ref().map(|span| text.get(..span.start).map_or(0, |before| before.matches('\n').count()))
        };
        let broken: Vec<_> = syntax.iter().map(|error| line_of(&error.span())).collect();
        let is_sure = |problem: &Problem| {
            problem.code == "E0102"
                || problem.span.is_some()
                    && problem.code != "E0106"
                    && !broken.contains(&line_of(&problem.span))
        };
        reader.problems.retain(is_sure);
    }
    reader.end_env(&RESERVED_ENV);
    Read { config, settings: reader.settings, problems: reader.problems, declared: reader.declared }
}

fn watch(reader: &mut Reader<'_>, root: &mut Section<'_>) -> WatchConfig {
    let mut section = reader.table(root, "watch");
    let id = reader.text(&mut section, "id", "");
    reader.end(&section);
    if !id.is_empty() && !barid_watcher::feeds::opml::is_id(&id) {
        let hint = "it becomes part of the names of groups and topics".to_owned();
        reader.refuse("E0105", "watch.id", "use at most 64 of a-z 0-9 - _".into(), Some(hint));
    }
    WatchConfig { id }
}

fn log(reader: &mut Reader<'_>, root: &mut Section<'_>) -> LogConfig {
    let mut section = reader.table(root, "log");
    let hours = |hours| if hours == 0 { None } else { Some(hours) };
    let compressions = [("lz4", Compression::Lz4), ("zstd", Compression::Zstd), ("none", Compression::None)];
    let config = LogConfig {
        retention_bytes: reader.integer(&mut section, "retention_bytes", 16 << 30, 256 << 20..=MAX),
        retention_hours: hours(reader.integer(&mut section, "retention_hours", 0, 0..=1_000_000)),
        compression: reader.choice(&mut section, "compression", &compressions),
    };
    reader.end(&section);
    config
}

fn stage(reader: &mut Reader<'_>, root: &mut Section<'_>) -> StageConfig {
    let mut section = reader.table(root, "stage");
    let threads = reader.integer(&mut section, "parser_threads", 0, 0..=256);
    reader.end(&section);
    StageConfig { parser_threads: usize::try_from(threads).ok().filter(|&threads| threads > 0) }
}

fn jsonl(reader: &mut Reader<'_>, root: &mut Section<'_>, data_dir: &str) -> JsonlConfig {
    let mut sink = reader.table(root, "sink");
    let mut section = reader.table(&mut sink, "jsonl");
    let default_dir = Path::new(data_dir).join("records").to_string_lossy().into_owned();
    let dir = reader.text(&mut section, "dir", &default_dir);
    if dir.is_empty() {
        reader.refuse("E0105", "sink.jsonl.dir", "must not be empty".into(), None);
    }
    let rotate_bytes = reader.integer(&mut section, "rotate_bytes", 64 << 20, 4096..=1 << 40);
    let rotate_seconds = reader.integer(&mut section, "rotate_seconds", 60, 1..=86_400);
    let level = reader.integer(&mut section, "zstd_level", 0, 0..=19);
    let layout = reader.choice(&mut section, "layout", &[("flat", Layout::Flat), ("date", Layout::ByDate)]);
    let keep_days = reader.integer(&mut section, "keep_days", 0, 0..=36_500);
    let keep_bytes = reader.integer(&mut section, "keep_bytes", 0, 0..=MAX);
    reader.end(&section);
    reader.end(&sink);
    let wanted = |number: u64| (number > 0).then_some(number);
    let zstd_level = i32::try_from(level).ok().filter(|&level| level > 0);
    JsonlConfig {
        dir: dir.into(),
        rotate_bytes,
        rotate_seconds,
        zstd_level,
        layout,
        keep_days: wanted(keep_days),
        keep_bytes: wanted(keep_bytes),
    }
}

fn web(reader: &mut Reader<'_>, root: &mut Section<'_>) -> WebConfig {
    let mut section = reader.table(root, "web");
    let listen = files::optional(reader.text(&mut section, "listen", "127.0.0.1:9464"));
    let chosen = reader.settings.last().is_some_and(|setting| setting.origin != Origin::Default);
    reader.end(&section);
    let listen = listen.and_then(|address| match address.parse::<SocketAddr>() {
        Ok(address) => Some(address),
        Err(_) => {
            let hint = "address and port, such as \"127.0.0.1:9464\" or \"[::]:9464\"; \"\" serves nothing"
                .to_owned();
            reader.refuse(
                "E0110",
                "web.listen",
                format!("`{address}` is not an address to listen on"),
                Some(hint),
            );
            None
        }
    });
    WebConfig { listen, chosen }
}

fn telemetry(reader: &mut Reader<'_>, root: &mut Section<'_>) -> TelemetryConfig {
    let mut section = reader.table(root, "telemetry");
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let level = reader.text(&mut section, "level", "info");
    let format = reader.choice(&mut section, "format", &formats);
    reader.end(&section);
    TelemetryConfig { level, format }
}
