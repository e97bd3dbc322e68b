//! Manifests of Kubernetes and scrape configurations. Whether they are what the API takes, `cargo xtask lint` says.

use std::fs;

use serde_json::Value;

use super::started::parses;
use super::support::{code, run, stderr};
use super::{files, promtool, read, root, yaml};

fn all() -> Vec<(String, Value)> {
    let documents = files("deploy/kubernetes", ".yaml").into_iter().flat_map(|file| {
        yaml(&file).into_iter().map(move |document| (format!("{file}: {}", document["kind"]), document))
    });
    documents.collect()
}

/// The templates of pods: what they are for, and the template.
fn pods() -> Vec<(String, Value)> {
    let with_pods = all().into_iter().filter(|(_, document)| document["spec"].get("template").is_some());
    with_pods.map(|(name, document)| (name, document["spec"]["template"].clone())).collect()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn configurations_in_them_can_be_used_as_they_are() {
    let mut seen = 0;
    for (name, document) in all().into_iter().filter(|(_, document)| document["kind"] == "ConfigMap") {
        for (file, text) in document["data"].as_object().unwrap() {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(file), text.as_str().unwrap()).unwrap();
            let output = run(folder.path(), &["check-config", file]);
            assert_eq!(code(&output), 0, "{name}: {}", stderr(&output));
            assert!(output.stderr.is_empty(), "{name}: {}", stderr(&output));
            // The image says the same in its environment, which goes before the file.
            for line in [
                "data_dir = \"/var/lib/barid\"",
                "dir = \"/var/lib/barid/records\"",
                "listen = \"0.0.0.0:9464\"",
            ] {
                assert!(text.as_str().unwrap().contains(line), "{name}: {line}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn pods_run_what_exists_as_nobody_and_are_asked_where_they_answer() {
    let pods = pods();
    assert_eq!(pods.len(), 6);
    for (name, pod) in &pods {
        let spec = &pod["spec"];
        assert_eq!(spec["enableServiceLinks"], false, "{name}: variables of services look like keys");
        assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        let container = &spec["containers"][0];
        parses(&words(&container["args"]));
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(words(&security["capabilities"]["drop"]), ["ALL"], "{name}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        // Everything that is written to is mounted.
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["mountPath"] == "/var/lib/barid"), "{name}");
        if words(&container["args"])[0] == "topics" {
            continue;
        }
        assert!(spec["terminationGracePeriodSeconds"].as_u64().unwrap() > 60, "{name}");
        for (probe, path) in
            [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            assert_eq!(container[probe]["httpGet"]["path"], path, "{name}");
            assert_eq!(container[probe]["httpGet"]["port"], container["ports"][0]["name"], "{name}");
        }
        assert_eq!(container["ports"][0]["containerPort"], 9464, "{name}");
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/scrape"], "true", "{name}");
        assert_eq!(annotations["prometheus.io/port"], "9464", "{name}");
        let job = pod["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap();
        assert!(job.starts_with("barid"), "{name}: the alerts look for jobs that start so");
    }
}

#[test]
fn selectors_find_their_pods_and_claims_are_mounted() {
    let labels: Vec<Value> = pods().into_iter().map(|(_, pod)| pod["metadata"]["labels"].clone()).collect();
    for (name, document) in all() {
        let spec = &document["spec"];
        let selector = match document["kind"].as_str().unwrap() {
            "Service" => &spec["selector"],
            "StatefulSet" | "Deployment" => &spec["selector"]["matchLabels"],
            _ => continue,
        };
        assert_eq!(labels.iter().filter(|labels| *labels == selector).count(), 1, "{name}");
        for claim in spec["volumeClaimTemplates"].as_array().into_iter().flatten() {
            let mounts = spec["template"]["spec"]["containers"][0]["volumeMounts"].as_array().unwrap();
            assert!(mounts.iter().any(|mount| mount["name"] == claim["metadata"]["name"]), "{name}");
        }
    }
}

#[test]
fn every_way_of_running_has_its_scrape_configuration_with_rules_and_jobs_that_they_know() {
    let configurations = files("deploy", ".yml");
    let expected = ["", "-compose", "-kubernetes", "-roles"].map(|way| format!("deploy/prometheus{way}.yml"));
    // Sorted as paths are: "-" before ".".
    assert_eq!(configurations.len(), expected.len());
    for file in expected {
        let configuration = yaml(&file).remove(0);
        assert_eq!(words(&configuration["rule_files"]), ["rules/*.rules.yml"], "{file}");
        for job in configuration["scrape_configs"].as_array().unwrap() {
            assert!(job["job_name"].as_str().unwrap().starts_with("barid"), "{file}");
        }
        // Debian's promtool knows no Kubernetes: the rest is looked at without asking it for targets.
        let text = read(&file).replace(
            "kubernetes_sd_configs:\n      - role: pod",
            "static_configs:\n      - targets: [\"127.0.0.1:9464\"]",
        );
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        for rules in files("deploy/rules", ".rules.yml") {
            fs::copy(
                root().join(&rules),
                folder.path().join("rules").join(rules.rsplit('/').next().unwrap()),
            )
            .unwrap();
        }
        fs::write(folder.path().join("prometheus.yml"), text).unwrap();
        promtool(&["check", "config"], &folder.path().join("prometheus.yml"));
    }
    // The one for `barid run` alone: what is never there would be an alert that never ends.
    let alone = yaml("deploy/prometheus.yml").remove(0);
    assert_eq!(alone["scrape_configs"].as_array().unwrap().len(), 1);
}
