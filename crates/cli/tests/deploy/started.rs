//! What starts barid: units, image and compose file. Each starts a command that exists, ends for good where a restart does not help, and can be
//! stopped in order.

use std::collections::BTreeMap;

use super::support::{barid, code, run, stderr};
use super::{read, yaml};

/// barid drains for so long, and whoever stops it must wait for longer.
const DRAIN_SECONDS: u64 = 60;

const ROLES: [&str; 4] = ["watch", "stage", "sink", "web"];

/// `--help` behind a command: it parses, or says why not.
pub(crate) fn parses(command: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
    words.push("--help");
    let output = run(folder.path(), &words);
    assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
}

/// The keys of a unit's `[Service]`, each with its values.
fn service(path: &str) -> BTreeMap<String, Vec<String>> {
    let text = read(path);
    let (_, section) = text.split_once("[Service]\n").expect(path);
    let section = section.split("\n[").next().unwrap_or_default();
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    for line in section.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{path}: {line}"));
        keys.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    keys
}

#[test]
fn units_start_what_exists_tell_how_it_goes_and_end_for_good_where_a_restart_does_not_help() {
    for (path, roles) in [("deploy/barid.service", &["run"][..]), ("deploy/barid@.service", &ROLES)] {
        let unit = service(path);
        let one = |key: &str| -> &str {
            let values = unit.get(key).unwrap_or_else(|| panic!("{path}: no {key}"));
            assert_eq!(values.len(), 1, "{path}: {key}");
            &values[0]
        };
        // A failure before the main process is none of its exit statuses: it would be started again for ever.
        assert!(!unit.contains_key("ExecStartPre"), "{path}");
        // It hides /proc/stat, and the time of the start with it.
        assert!(!unit.contains_key("ProcSubset"), "{path}");
        let statuses: Vec<&str> = one("RestartPreventExitStatus").split(' ').collect();
        assert!(statuses.contains(&"64") && statuses.contains(&"78"), "{path}: {statuses:?}");
        assert_eq!((one("Type"), one("NotifyAccess"), one("Restart")), ("notify", "main", "on-failure"));
        assert!(one("TimeoutStopSec").parse::<u64>().unwrap() > DRAIN_SECONDS, "{path}");
        assert!(one("WatchdogSec").parse::<u64>().unwrap() >= 30, "{path}");
        let unit_text = read(path);
        for line in ["Wants=network-online.target", "After=local-fs.target network-online.target"] {
            assert!(unit_text.contains(&format!("\n{line}\n")), "{path}: {line}");
        }
        let command = one("ExecStart").strip_prefix("/usr/local/bin/barid ").expect(path);
        for role in roles {
            parses(&command.split(' ').map(|word| word.replace("%i", role)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_image_can_be_reached_asked_and_told_what_it_runs() {
    let text = read("deploy/Dockerfile").replace("\\\n", " ");
    let instructions = |name: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        lines.map(str::to_owned).collect()
    };
    assert!(
        instructions("HEALTHCHECK").iter().any(|check| check.ends_with("CMD [\"barid\", \"healthcheck\"]"))
    );
    parses(&["healthcheck".to_owned()]);
    assert_eq!(instructions("ENTRYPOINT"), ["[\"barid\"]"]);
    assert_eq!(instructions("CMD"), ["[\"run\"]"]);
    assert_eq!(instructions("STOPSIGNAL"), ["SIGTERM"]);
    // By number, or `runAsNonRoot` cannot be judged.
    let users = instructions("USER");
    assert!(users.last().unwrap().split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{users:?}");
    let labels = instructions("LABEL").join(" ");
    for label in ["title", "description", "licenses", "version", "revision"] {
        assert!(labels.contains(&format!("org.opencontainers.image.{label}=")), "{label}");
    }
    // Its variables are keys, and make it serve where others reach it.
    let environment = instructions("ENV").join(" ");
    let folder = tempfile::tempdir().unwrap();
    let mut command = barid(folder.path(), &["config", "show"]);
    for variable in environment.split_whitespace().filter(|word| word.starts_with("BARID_")) {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value);
    }
    let output = command.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!stderr(&output).contains("E0112"), "a variable that sets no key: {}", stderr(&output));
    for line in
        ["data_dir = \"/var/lib/barid\"", "listen = \"0.0.0.0:9464\"", "dir = \"/var/lib/barid/records\""]
    {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert_eq!(instructions("EXPOSE"), ["9464"]);
}

#[test]
fn compose_starts_what_exists_and_its_prometheus_finds_it_with_the_rules() {
    let compose = yaml("deploy/compose.yaml").remove(0);
    let services = compose["services"].as_object().unwrap();
    let words = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let ours: Vec<&String> =
        services.iter().filter(|(_, service)| service["image"] == "barid").map(|(name, _)| name).collect();
    assert_eq!(ours.len(), 5, "{ours:?}");
    for (name, service) in services.iter().filter(|(_, service)| service["image"] == "barid") {
        parses(&words(&service["command"]));
        let grace = service["stop_grace_period"].as_str().unwrap().trim_end_matches('s');
        assert!(grace.parse::<u64>().unwrap() > DRAIN_SECONDS, "{name}");
    }
    let mounted = words(&services["prometheus"]["volumes"]);
    for mount in
        ["./rules:/etc/prometheus/rules:ro", "./prometheus-compose.yml:/etc/prometheus/prometheus.yml:ro"]
    {
        assert!(mounted.iter().any(|mounted| mounted == mount), "{mounted:?}");
    }
    let scraped = yaml("deploy/prometheus-compose.yml").remove(0);
    let mut found: Vec<String> = scraped["scrape_configs"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|job| words(&job["dns_sd_configs"][0]["names"]))
        .collect();
    found.sort();
    assert_eq!(found, ["sink", "stage", "watch", "web"]);
    assert!(
        words(&services["grafana"]["volumes"])
            .contains(&"./grafana/dashboards:/var/lib/barid-dashboards:ro".to_owned())
    );
}
