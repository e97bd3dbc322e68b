//! What runs a broker on this machine: Java with the jars that Maven fetches once, or else a container engine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{BrokerError, io};

/// The Apache Kafka that everything is shown on.
pub const VERSION: &str = "4.3.1";

/// Kafka 4 needs it.
const OLDEST_JAVA: u32 = 17;

/// The means found.
#[derive(Debug, Clone)]
pub(super) enum Runtime {
    /// `java` on the path, and the folder of the jars.
    Java(PathBuf),
    /// A container engine that answers, and the image.
    Container { engine: &'static str, image: String },
}

/// Looks for Java and the jars, fetching them if need be; then for a container engine.
pub(super) fn runtime() -> Result<Runtime, BrokerError> {
    let tools = tools_dir()?;
    let dir = tools.join(format!("kafka-{VERSION}"));
    let missing = match (java(), dir.exists() || answers("mvn", "--version")) {
        (Ok(()), true) => return fetch(&tools, &dir).map(|()| Runtime::Java(dir)),
        (Ok(()), false) => "mvn does not answer".to_owned(),
        (Err(java), _) => java,
    };
    match ["docker", "podman"].into_iter().find(|engine| answers(engine, "info")) {
        // Where it comes from is the engine's setting: podman needs `unqualified-search-registries`, or the image pulled before.
        Some(engine) => Ok(Runtime::Container { engine, image: format!("apache/kafka:{VERSION}") }),
        None => Err(BrokerError::Missing {
            missing: format!("{missing}, and neither `docker info` nor `podman info` succeeds"),
        }),
    }
}

/// Cargo's target folder, whichever package's test or task is running.
pub fn target_dir() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // An absolute setting replaces the root.
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

fn tools_dir() -> Result<PathBuf, BrokerError> {
    let dir = target_dir().join("tools");
    fs::create_dir_all(&dir).map_err(io("make", dir.display()))?;
    Ok(dir)
}

fn answers(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Says what is wrong with `java`, if anything.
fn java() -> Result<(), String> {
    let output = Command::new("java").arg("-version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("java does not start ({error})"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match java_version(&said) {
        Some(version) if version >= OLDEST_JAVA => Ok(()),
        Some(version) => Err(format!("java is version {version}, Kafka {VERSION} needs {OLDEST_JAVA}")),
        None => Err(format!("`java -version` said {said:?}")),
    }
}

/// The 17 of `openjdk version "17.0.15" 2025-04-15`.
fn java_version(said: &str) -> Option<u32> {
    let quoted = said.split('"').nth(1)?;
    quoted.split(['.', '-', '+']).next()?.parse().ok()
}

/// Copies the jars to `dir` unless they are there. Two processes may do so at once: one fetches, the other waits for it; and a fetch that was cut
/// short leaves nothing that looks complete.
fn fetch(tools: &Path, dir: &Path) -> Result<(), BrokerError> {
    if dir.exists() {
        return Ok(());
    }
    let lock = tools.join(format!("kafka-{VERSION}.lock"));
    let held = File::create(&lock).map_err(io("create", lock.display()))?;
    held.lock().map_err(io("lock", lock.display()))?;
    if dir.exists() {
        return Ok(());
    }
    let part = tools.join(format!("kafka-{VERSION}.part"));
    if part.exists() {
        fs::remove_dir_all(&part).map_err(io("remove", part.display()))?;
    }
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/pom.xml");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-f"]).arg(pom).args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    let mut output = std::ffi::OsString::from("-DoutputDirectory=");
    output.push(&part);
    maven.arg(output);
    run(&mut maven)?;
    fs::rename(&part, dir).map_err(io("rename", part.display()))
}

/// Runs a program of the set-up to its end; what it printed goes into the error.
pub(super) fn run(command: &mut Command) -> Result<String, BrokerError> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let shown = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let failed = |outcome: String| BrokerError::Command { command: shown.clone(), outcome };
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    Err(failed(format!("{}\n{}\n{}", output.status, said(&output.stdout), said(&output.stderr))))
}

#[cfg(test)]
mod tests {
    use super::{VERSION, java_version};

    #[test]
    fn the_pom_asks_for_the_version_the_tests_name() {
        let pom = include_str!("../../kafka/pom.xml");
        assert!(pom.contains(&format!("<kafka.version>{VERSION}</kafka.version>")));
    }

    #[test]
    fn a_java_version_is_read_in_every_form_it_comes_in() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(java_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(java_version("openjdk version \"22-ea\" 2024-03-19"), Some(22));
        assert_eq!(java_version("java version \"1.8.0_411\""), Some(1));
        assert_eq!(java_version("no java here"), None);
    }
}
