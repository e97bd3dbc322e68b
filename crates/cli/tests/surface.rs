//! The command line as a surface that scripts rely on: every help page is a golden, completions and manual pages name everything.
//!
//! `BLESS=1 cargo test -p barid --test surface` rewrites the goldens.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{code, run, stderr, stdout};

/// Every page of help, by the words before `--help`.
const PAGES: [&[&str]; 41] = [
    &[],
    &["run"],
    &["watch"],
    &["stage"],
    &["sink"],
    &["web"],
    &["topics"],
    &["topics", "create"],
    &["topics", "list"],
    &["parse"],
    &["feed"],
    &["feed", "parse"],
    &["feed", "lint"],
    &["feed", "list"],
    &["feed", "check"],
    &["feed", "history"],
    &["feed", "import"],
    &["feed", "export"],
    &["explain"],
    &["rejected"],
    &["rejected", "list"],
    &["rejected", "show"],
    &["rejected", "retry"],
    &["log"],
    &["log", "list"],
    &["log", "verify"],
    &["records"],
    &["records", "list"],
    &["records", "prune"],
    &["records", "rewrite"],
    &["backup"],
    &["restore"],
    &["check-config"],
    &["config"],
    &["config", "show"],
    &["config", "schema"],
    &["init"],
    &["completions"],
    &["man"],
    &["schema"],
    &["--version"],
];

fn help(page: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = page.to_vec();
    if page != ["--version"] {
        arguments.push("--help");
    }
    let output = run(folder.path(), &arguments);
    assert_eq!(code(&output), 0, "{page:?}: {}", stderr(&output));
    stdout(&output)
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/help")
}

fn golden_name(page: &[&str]) -> String {
    let words: Vec<_> = page.iter().map(|word| word.trim_start_matches('-')).collect();
    format!("barid{}{}.txt", if words.is_empty() { "" } else { "-" }, words.join("-"))
}

#[test]
fn every_help_page_is_its_golden() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for page in PAGES {
        let (path, actual) = (goldens().join(golden_name(page)), help(page));
        if bless {
            std::fs::write(&path, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if expected != actual {
            wrong.push(format!("--- {}\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as in the goldens; BLESS=1 rewrites them:\n{}", wrong.join("\n"));
    let expected: BTreeSet<_> = PAGES.iter().map(|page| golden_name(page)).collect();
    let there =
        std::fs::read_dir(goldens()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), expected, "an orphan golden, or a page without one");
}

/// The commands that a page of help lists.
fn listed(page: &str) -> Vec<String> {
    let commands =
        page.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_has_a_page_and_an_example() {
    let mut met = BTreeSet::new();
    for command in listed(&help(&[])) {
        met.insert(vec![command.clone()]);
        for inner in listed(&help(&[&command])) {
            met.insert(vec![command.clone(), inner]);
        }
    }
    let pages = PAGES.iter().filter(|page| !page.is_empty() && **page != ["--version"]);
    let known: BTreeSet<Vec<String>> =
        pages.map(|page| page.iter().map(|&word| word.to_owned()).collect()).collect();
    assert_eq!(met, known);
    for page in PAGES.iter().filter(|page| !page.is_empty() && **page != ["--version"]) {
        let text = help(page);
        assert!(text.contains("Examples:\n  barid ") || text.contains("Commands:"), "no example: {page:?}");
    }
}

/// Every long option that help shows.
fn options() -> BTreeSet<String> {
    let pages: String = PAGES.iter().map(|page| help(page)).collect();
    let words =
        pages.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(str::split_whitespace);
    let long = words.filter(|word| word.starts_with("--")).map(|word| word.trim_end_matches([',', '.', ':']));
    long.map(str::to_owned).collect()
}

#[test]
fn completions_name_every_command_and_option() {
    let folder = tempfile::tempdir().unwrap();
    let options = options();
    assert!(options.len() > 12, "{options:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(folder.path(), &["completions", shell]);
        assert_eq!(code(&output), 0);
        let script = stdout(&output);
        for command in listed(&help(&[])) {
            assert!(script.contains(&command), "{shell}: {command} is missing");
        }
        for option in &options {
            let bare = option.trim_start_matches('-');
            assert!(script.contains(bare), "{shell}: {option} is missing");
        }
    }
}

#[test]
fn bash_completes_commands_with_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.sh"), run(folder.path(), &["completions", "bash"]).stdout).unwrap();
    let ask = "source ./c.sh; COMP_WORDS=(barid rejected l); COMP_CWORD=2; _barid barid l rejected; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").current_dir(folder.path()).args(["-c", ask]).output().expect("bash");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "list",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["man", "--out", "."]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    for page in PAGES.iter().filter(|page| **page != ["--version"]) {
        let name = if page.is_empty() { "barid.1".to_owned() } else { format!("barid-{}.1", page.join("-")) };
        let text = std::fs::read_to_string(folder.path().join(&name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains(".SH NAME"), "{name}");
    }
    let main = stdout(&run(folder.path(), &["man"]));
    assert!(main.contains("Exit status"), "exit codes belong into the manual");
}
