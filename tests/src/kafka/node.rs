//! The files, ports and command line of one broker.

use std::ffi::OsString;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{BrokerError, io};
use super::jars::{Runtime, run, runtime};
use super::ready::wait_until_ready;

const TEMPLATE: &str = include_str!("../../kafka/server.properties");

/// How much of the machine a broker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Starts fast and stays below about 400 MB: for tests.
    Small,
    /// The heap and collector Kafka's own start script gives it: for measurements.
    Stock,
}

impl Size {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Small => &[
                "-Xms256m",
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dorg.apache.logging.log4j.level=INFO",
            ],
            Self::Stock => &[
                "-Xms1G",
                "-Xmx1G",
                "-server",
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
                "-XX:+ExplicitGCInvokesConcurrent",
                "-Djava.awt.headless=true",
                "-Dorg.apache.logging.log4j.level=WARN",
            ],
        }
    }
}

/// Which node of its cluster a broker is.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// Its place in `ports`.
    pub(super) at: usize,
    /// The clients' port of every node; the one above is the controller's.
    pub(super) ports: Vec<u16>,
    /// The id of the cluster.
    pub(super) cluster: String,
}

impl Seat {
    /// Of a node that is the whole cluster.
    fn alone(port: u16) -> Self {
        Self { at: 0, ports: vec![port], cluster: cluster_id() }
    }

    /// One for each node of a cluster on free ports.
    pub(super) fn of(nodes: usize) -> Result<Vec<Self>, BrokerError> {
        let mut ports = Vec::new();
        while ports.len() < nodes {
            let port = free_ports()?;
            if ports.iter().all(|taken: &u16| taken.abs_diff(port) > 1) {
                ports.push(port);
            }
        }
        let cluster = cluster_id();
        Ok((0..nodes).map(|at| Self { at, ports: ports.clone(), cluster: cluster.clone() }).collect())
    }

    fn port(&self) -> u16 {
        self.ports[self.at]
    }

    /// Its `node.id`.
    fn id(&self) -> usize {
        self.at + 1
    }
}

/// A broker laid out on disk: its settings are written, its storage is formatted.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    seat: Seat,
    runtime: Runtime,
    command: Vec<OsString>,
}

impl Node {
    /// Lays a broker out in `folder`, on `port` for clients and `port + 1` for the controller. Data that is there already is kept.
    pub fn lay_out(folder: &Path, port: u16, size: Size) -> Result<Self, BrokerError> {
        Self::lay_out_as(folder, Seat::alone(port), size)
    }

    /// The same for one node of a cluster.
    pub(super) fn lay_out_as(folder: &Path, seat: Seat, size: Size) -> Result<Self, BrokerError> {
        fs::create_dir_all(folder).map_err(io("make", folder.display()))?;
        let folder = folder.canonicalize().map_err(io("find", folder.display()))?;
        let runtime = runtime()?;
        let command = match &runtime {
            Runtime::Java(jars) => plain(&folder, &seat, size, jars)?,
            Runtime::Container { engine, .. } if seat.ports.len() > 1 => {
                let missing =
                    format!("Java, for nodes that reach each other ({engine} gives each its own loopback)");
                return Err(BrokerError::Missing { missing });
            }
            Runtime::Container { engine, image } => contained(&folder, &seat, size, engine, image)?,
        };
        Ok(Self { folder, seat, runtime, command })
    }

    /// Its number in the cluster, from 1.
    pub fn id(&self) -> i32 {
        i32::try_from(self.seat.id()).unwrap_or(i32::MAX)
    }

    /// Where clients reach it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.seat.port())
    }

    /// Where its settings, data and log are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The command that runs it, in the foreground, until it is killed.
    pub fn command(&self) -> &[OsString] {
        &self.command
    }

    /// The container engine and the container's name, where it runs in one.
    pub fn container(&self) -> Option<(&'static str, String)> {
        match &self.runtime {
            Runtime::Java(_) => None,
            Runtime::Container { engine, .. } => Some((engine, container_name(&self.folder))),
        }
    }

    /// Waits until it is ready: a transaction commits. `is_alive` says whether its process is still there.
    pub fn wait_until_ready(&self, is_alive: &dyn Fn() -> bool) -> Result<(), BrokerError> {
        let error = || BrokerError::Died { address: self.address(), log: self.log_tail() };
        let died = || (!is_alive()).then(error);
        wait_until_ready(&self.address(), self.cluster_id().as_deref(), &died, &|| self.log_tail())
    }

    /// The id its storage was formatted with; unknown where that happens inside a container.
    pub(super) fn cluster_id(&self) -> Option<String> {
        let meta = fs::read_to_string(self.folder.join("data/meta.properties")).ok()?;
        meta.lines().find_map(|line| line.strip_prefix("cluster.id=")).map(str::to_owned)
    }

    /// The last lines of its log.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// True when it could not start because something else has one of its ports.
    pub(super) fn port_was_taken(&self) -> bool {
        self.log_tail().contains("Address already in use")
    }
}

fn properties(seat: &Seat, bind: &str, data: &str) -> String {
    let nodes = seat.ports.len();
    let voter = |(at, port): (usize, &u16)| format!("{}@127.0.0.1:{}", at + 1, port + 1);
    let voters: Vec<String> = seat.ports.iter().enumerate().map(voter).collect();
    let words = [
        ("@NODE@", seat.id().to_string()),
        ("@VOTERS@", voters.join(",")),
        ("@CONTROLLER_PORT@", (seat.port() + 1).to_string()),
        ("@PORT@", seat.port().to_string()),
        ("@COPIES@", nodes.to_string()),
        ("@IN_SYNC@", (nodes / 2 + 1).to_string()),
        ("@BIND@", bind.to_owned()),
        ("@DATA@", data.to_owned()),
    ];
    words.iter().fold(TEMPLATE.to_owned(), |text, (word, value)| text.replace(word, value))
}

/// A plain Java process.
fn plain(folder: &Path, seat: &Seat, size: Size, jars: &Path) -> Result<Vec<OsString>, BrokerError> {
    let (settings, data) = (folder.join("server.properties"), folder.join("data"));
    let text = properties(seat, "127.0.0.1", &data.display().to_string());
    fs::write(&settings, text).map_err(io("write", settings.display()))?;
    let jars = jars.canonicalize().map_err(io("find", jars.display()))?.join("*").into_os_string();
    let java = |flags: &[&str], rest: &[&str]| -> Vec<OsString> {
        let words = std::iter::once("java").chain(flags.iter().copied()).map(OsString::from);
        words.chain(["-cp".into(), jars.clone()]).chain(rest.iter().map(OsString::from)).collect()
    };
    let settings_text = settings.display().to_string();
    if !data.join("meta.properties").exists() {
        let format = ["kafka.tools.StorageTool", "format", "-t", &seat.cluster, "-c", &settings_text];
        let words = java(&["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"], &format);
        run(Command::new(&words[0]).args(&words[1..]))?;
    }
    Ok(java(size.flags(), &["kafka.Kafka", &settings_text]))
}

/// A container of Kafka's own image. Data stay inside it: one that is killed and started again has them still, one that is laid out anew has not.
fn contained(
    folder: &Path,
    seat: &Seat,
    size: Size,
    engine: &str,
    image: &str,
) -> Result<Vec<OsString>, BrokerError> {
    const SCRIPT: &str = r#"
        settings=/tmp/barid/server.properties
        if [ ! -e "$settings" ]; then
            mkdir -p /tmp/barid && printf '%s' "$PROPERTIES" >"$settings"
            java -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format -t "$CLUSTER" -c "$settings" || exit 1
        fi
        exec java "$@" -cp '/opt/kafka/libs/*' kafka.Kafka "$settings""#;
    let (name, port) = (container_name(folder), seat.port());
    let text = properties(seat, "0.0.0.0", "/tmp/barid/data");
    let mut create = Command::new(engine);
    create.args(["create", "--name", &name, "--publish", &format!("127.0.0.1:{port}:{port}")]);
    create.args(["--env", &format!("PROPERTIES={text}"), "--env", &format!("CLUSTER={}", seat.cluster)]);
    create.args(["--entrypoint", "sh", image, "-c", SCRIPT, "sh"]).args(size.flags());
    // One of a former life would keep its settings and ports. Mostly there is none, which is an error to the engine.
    let _ = run(Command::new(engine).args(["rm", "--force", "--volumes", &name]));
    run(&mut create)?;
    Ok([engine, "start", "--attach", &name].map(OsString::from).to_vec())
}

/// One container a folder.
fn container_name(folder: &Path) -> String {
    let name = folder.display().to_string();
    format!("barid{}", name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-"))
}

/// A number nobody else has: the standard library's hasher is seeded by the system.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// 16 random bytes in Kafka's notation, 22 letters of base 64.
fn cluster_id() -> String {
    // The last letter carries two bits only: A is zero.
    format!("{:016x}{:05x}A", random(), random() & 0xF_FFFF)
}

/// Two neighbouring ports that nobody listens on. They lie below those the system gives to outgoing connections: while the broker is down, one of
/// those could take its place, or even connect to itself.
pub fn free_ports() -> Result<u16, BrokerError> {
    const TRIES: usize = 1000;
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let candidates = std::iter::repeat_with(|| 10_000 + u16::try_from(random() % 20_000).unwrap_or(0));
    candidates.take(TRIES).find(|port| is_free(*port) && is_free(*port + 1)).ok_or(BrokerError::Io {
        operation: "find",
        object: "two free ports between 10000 and 30000".to_owned(),
        source: std::io::ErrorKind::AddrInUse.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Seat, cluster_id, properties};

    #[test]
    fn every_blank_of_the_settings_is_filled_in() {
        let text = properties(&Seat::alone(20_000), "127.0.0.1", "/data");
        let settings: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(settings.iter().all(|line| !line.contains('@') || line.contains("1@127.0.0.1:20001")));
        assert!(settings.contains(&"listeners=PLAINTEXT://127.0.0.1:20000,CONTROLLER://127.0.0.1:20001"));
        assert!(settings.contains(&"log.dirs=/data"));
        assert!(settings.contains(&"min.insync.replicas=1"));
    }

    #[test]
    fn nodes_of_a_cluster_know_each_other_and_need_a_majority() {
        let seats = Seat::of(3).unwrap();
        let texts = seats.iter().map(|seat| properties(seat, "127.0.0.1", "/data"));
        let texts: Vec<String> = texts.collect();
        let lines = |name: &str| -> Vec<&str> {
            texts.iter().flat_map(|text| text.lines().filter(|line| line.starts_with(name))).collect()
        };
        assert_eq!(lines("node.id="), ["node.id=1", "node.id=2", "node.id=3"]);
        let voters = lines("controller.quorum.voters=");
        assert!(voters[0].contains(&format!("3@127.0.0.1:{}", seats[2].port() + 1)));
        assert!(voters.iter().all(|line| *line == voters[0]));
        assert_eq!(lines("min.insync.replicas="), ["min.insync.replicas=2"; 3]);
        assert_eq!(lines("default.replication.factor="), ["default.replication.factor=3"; 3]);
    }

    #[test]
    fn a_cluster_id_is_22_letters_and_new_each_time() {
        assert_eq!(cluster_id().len(), 22);
        assert_ne!(cluster_id(), cluster_id());
    }
}
