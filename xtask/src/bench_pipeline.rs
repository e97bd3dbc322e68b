//! A folder of articles to enriched records on disk, and rsyslog's file reader on the same files in the same run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use barid_tests::Stand;

use crate::bench::{bench_dir, corpus, mib};
use crate::error::{TaskError, io};
use crate::tools::{barid, run as run_command};
use crate::usage::{Usage, sample, watch};

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Articles of about 6 KB.
    #[arg(long, default_value_t = 100_000)]
    articles: usize,
    /// Runs of barid; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Leave rsyslog out.
    #[arg(long)]
    alone: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let binary = barid("release", &[])?;
    let (input, bytes) = corpus(options.articles)?;
    println!("\npipeline: {} articles, {:.0} MiB", options.articles, mib(bytes));
    let mut runs = Vec::new();
    for index in 0..options.runs.max(1) {
        let usage = one_run(&binary, &input, options.articles)?;
        report(&format!("barid run {}", index + 1), usage, options.articles, bytes);
        runs.push(usage);
    }
    runs.sort_by_key(|usage| usage.wall);
    report("barid, median", runs[runs.len() / 2], options.articles, bytes);
    if options.alone { Ok(()) } else { beside_rsyslog(&binary) }
}

/// rsyslog holds every file open, and this many fit the usual limit of open files.
const BESIDE_RSYSLOG: usize = 6_000;

/// Both on the same files, in turn: the share of a processor is what is compared, not the wall clock.
fn beside_rsyslog(binary: &Path) -> Result<(), TaskError> {
    let (input, bytes) = corpus(BESIDE_RSYSLOG)?;
    println!("\nbeside rsyslog: {BESIDE_RSYSLOG} articles, {:.0} MiB", mib(bytes));
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let ours = one_run(binary, &input, BESIDE_RSYSLOG)?;
        report("barid", ours, BESIDE_RSYSLOG, bytes);
        let (theirs, read) = rsyslog(&input, bytes)?;
        report("rsyslog imfile", theirs, BESIDE_RSYSLOG, read);
        // Per byte that each of them carried: rsyslog leaves lines without a newline unread.
        ratios.push((bytes as f64 / ours.cpu.as_secs_f64()) / (read as f64 / theirs.cpu.as_secs_f64()));
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "MiB per CPU-second, barid to rsyslog: {:.2}x (median of {:.2?}; goal: >= 3x)",
        ratios[1], ratios
    );
    Ok(())
}

fn report(name: &str, usage: Usage, articles: usize, bytes: u64) {
    println!(
        "{name:<16} {:>7.2} s wall  {:>7.2} s CPU ({:.2} user)  {:>7.0} articles/s  {:>6.1} MiB/CPU-s  {:>5.1} us CPU/article  peak RSS {:>4.0} MiB  written {:>5.0} MiB",
        usage.wall.as_secs_f64(),
        usage.cpu.as_secs_f64(),
        usage.user.as_secs_f64(),
        articles as f64 / usage.wall.as_secs_f64(),
        mib(bytes) / usage.cpu.as_secs_f64(),
        usage.cpu.as_secs_f64() * 1e6 / articles as f64,
        mib(usage.peak_rss_bytes),
        mib(usage.written_bytes),
    );
}

fn one_run(binary: &Path, input: &Path, articles: usize) -> Result<Usage, TaskError> {
    let root = bench_dir("pipeline")?;
    let _ = fs::remove_dir_all(&root);
    let stand = Stand::new(binary, &root, input, "").map_err(io("preparing a run"))?;
    warm(input)?;
    let mut child = stand.start(true, None).map_err(io("starting barid"))?;
    let usage = watch(&mut child)?;
    // The documents' own records plus those of their related articles.
    let records = stand.output().map_err(io("reading the output"))?;
    let documents =
        records.iter().map(|line| &line.document).collect::<std::collections::BTreeSet<_>>().len();
    if documents != articles {
        return Err(TaskError::Said(format!("{documents} documents came out of {articles}")));
    }
    Ok(usage)
}

/// Reads every input once, so that neither program waits for the disk to find what the operating system forgot.
fn warm(input: &Path) -> Result<(), TaskError> {
    for folder in fs::read_dir(input).map_err(io("listing the input"))?.flatten() {
        for file in fs::read_dir(folder.path()).map_err(io("listing the input"))?.flatten() {
            fs::read(file.path()).map_err(io("reading the input"))?;
        }
    }
    Ok(())
}

/// rsyslog reads the same files line by line into one file; returns what it used and how many bytes it wrote. It never ends by itself: it is done when its output stops growing.
fn rsyslog(input: &Path, bytes: u64) -> Result<(Usage, u64), TaskError> {
    if Command::new("rsyslogd").arg("-v").stdout(Stdio::null()).status().is_err() {
        println!("installing Debian's rsyslog (needs root)");
        let install = || {
            run_command(Command::new("apt-get").args([
                "-q",
                "-y",
                "install",
                "--no-install-recommends",
                "rsyslog",
            ]))
        };
        if install().is_err() {
            run_command(Command::new("apt-get").args(["-q", "update"]))?;
            install()?;
        }
    }
    let root = bench_dir("rsyslog")?;
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).map_err(io("making the rsyslog folder"))?;
    let output = root.join("out.log");
    let config = format!(
        "module(load=\"imfile\" mode=\"inotify\")\nglobal(workDirectory={root:?})\n\
         template(name=\"line\" type=\"string\" string=\"%msg%\\n\")\n\
         input(type=\"imfile\" file=\"{}/*/*.txt\" tag=\"barid\" ruleset=\"out\")\n\
         ruleset(name=\"out\") {{ action(type=\"omfile\" file={output:?} template=\"line\") }}\n",
        input.display(),
    );
    fs::write(root.join("rsyslog.conf"), config).map_err(io("writing the rsyslog config"))?;
    // One open file and one watch for every article.
    let _ = fs::write("/proc/sys/fs/inotify/max_user_watches", "1000000");
    let script = format!(
        "ulimit -n 1000000 2>/dev/null || ulimit -n $(ulimit -Hn); exec rsyslogd -n -f {} -i {}",
        root.join("rsyslog.conf").display(),
        root.join("pid").display()
    );
    warm(input)?;
    let started = Instant::now();
    let mut child = Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(io("starting rsyslogd"))?;
    let (mut size, mut grown, mut usage) = (0, Instant::now(), Usage::default());
    while grown.elapsed() < Duration::from_secs(8) {
        std::thread::sleep(Duration::from_millis(100));
        let now = fs::metadata(&output).map_or(0, |meta| meta.len());
        if now > size {
            (size, grown) = (now, Instant::now());
            usage = sample(child.id()).unwrap_or(usage);
            usage.wall = started.elapsed();
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    if size < bytes / 2 {
        return Err(TaskError::Said(
            "rsyslog read less than half of the input: no fair comparison".to_owned(),
        ));
    }
    Ok((usage, size))
}
