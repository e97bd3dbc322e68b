//! barid under a service manager and in a container: what it tells them, what it answers, and how it ends when its configuration is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;
use support::daemon::Daemon;
use support::{barid, code, run, stderr, stdout};

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path: path.to_str().unwrap().to_owned() }
    }

    /// Variables that name it, with a watchdog of a tenth of a second.
    fn variables(&self) -> [(&str, &str); 3] {
        [("NOTIFY_SOCKET", &self.path), ("WATCHDOG_USEC", "100000"), ("BARID_WEB_LISTEN", "127.0.0.1:0")]
    }

    /// The next message that starts so.
    fn hears(&self, start: &str) -> String {
        loop {
            let mut bytes = [0; 512];
            let length = self.socket.recv(&mut bytes).unwrap();
            let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if said.starts_with(start) {
                return said;
            }
        }
    }
}

#[test]
fn the_manager_hears_when_it_is_ready_that_it_lives_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::new(folder.path());
    let daemon = Daemon::serving(folder.path(), &["run"], &manager.variables());
    assert!(manager.hears("READY=1\n").contains("STATUS="));
    assert_eq!(daemon.get("/readyz").0, 200, "it is what it says");
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
    daemon.signal(Signal::TERM);
    manager.hears("STOPPING=1\n");
    let (said, code) = daemon.end();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_role_is_started_while_it_waits_for_brokers() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::new(folder.path());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let variables = [&manager.variables()[..], &[("BARID_KAFKA_BROKERS", nobody.as_str())]].concat();
    let daemon = Daemon::serving(folder.path(), &["stage"], &variables);
    assert_eq!(manager.hears("READY=1\n"), "READY=1\nSTATUS=Waiting for Kafka");
    assert_eq!(daemon.get("/readyz").0, 503, "started is not ready: that is what the probe tells");
    daemon.signal(Signal::TERM);
    manager.hears("STOPPING=1\n");
    assert_eq!(daemon.end().1, Some(0));
}

#[test]
fn a_socket_that_is_none_is_said_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(
        folder.path(),
        &["run"],
        &[("NOTIFY_SOCKET", "vsock:2:99"), ("BARID_WEB_LISTEN", "127.0.0.1:0")],
    );
    daemon.wait_for("the service manager cannot be told anything");
    daemon.serves();
    // Ready is later than hearing signals.
    while daemon.get("/readyz").0 != 200 {}
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().1, Some(0));
}

#[test]
fn a_wrong_configuration_ends_every_process_with_78_so_that_its_unit_is_not_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("barid.toml");
    let path = configuration.to_str().unwrap();
    let wrong = ["data_dirr = \"x\"\n", "[web]\nlisten = \"everywhere\"\n", "not TOML at all"];
    for (text, is_there) in wrong.into_iter().map(|text| (text, true)).chain([("", false)]) {
        if is_there {
            fs::write(&configuration, text).unwrap();
        } else {
            fs::remove_file(&configuration).unwrap();
        }
        for command in ["run", "watch", "stage", "sink", "web"] {
            let output = run(folder.path(), &["--log-format", "json", command, "--config", path]);
            assert_eq!(code(&output), 78, "{command} with {text:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_healthcheck_asks_the_process_and_knows_only_yes_and_no() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::serving(folder.path(), &["run"], &[("BARID_WEB_LISTEN", "127.0.0.1:0")]);
    let ask = |arguments: &[&str]| run(folder.path(), &[&["healthcheck"], arguments].concat());
    let mut answer = ask(&["--listen", daemon.address()]);
    // The loops may be starting still.
    while code(&answer) != 0 {
        assert!(stderr(&answer).contains("loops"), "{}", stderr(&answer));
        answer = ask(&["--listen", daemon.address()]);
    }
    assert_eq!(stdout(&answer), "ok\n");
    // The configuration's own address, of all interfaces.
    let (_, port) = daemon.address().rsplit_once(':').unwrap();
    let everywhere = format!("0.0.0.0:{port}");
    let mut command = barid(folder.path(), &["healthcheck"]);
    assert_eq!(code(&command.env("BARID_WEB_LISTEN", everywhere).output().unwrap()), 0);
    let address = daemon.address().to_owned();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().1, Some(0));
    let gone = ask(&["--listen", &address]);
    assert!(code(&gone) == 1 && stderr(&gone).contains("refused"), "{}", stderr(&gone));
    fs::write(folder.path().join("barid.toml"), "[web]\nlisten = \"\"\n").unwrap();
    let nothing = ask(&[]);
    assert!(code(&nothing) == 1 && stderr(&nothing).contains("web.listen"), "{}", stderr(&nothing));
    fs::write(folder.path().join("barid.toml"), "[web\n").unwrap();
    assert_eq!(code(&ask(&[])), 1, "engines know no other no");
}
