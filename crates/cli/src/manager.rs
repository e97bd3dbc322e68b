//! Tells the service manager how this process is doing, in systemd's protocol (`Type=notify`): a datagram to the socket that
//! `NOTIFY_SOCKET` names. Without one nothing is told, and nothing is different.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// The service manager. Clones tell the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manager {
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that started us, if any.
    pub(crate) fn of_environment() -> Self {
        let variable = std::env::var_os;
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match connect(&name) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                tracing::warn!(%error, socket = %name.display(), "the service manager cannot be told anything");
                None
            }
        });
        let watchdog = watchdog(
            variable("WATCHDOG_USEC").as_deref(),
            variable("WATCHDOG_PID").as_deref(),
            std::process::id(),
        );
        Self { watchdog: watchdog.filter(|_| socket.is_some()), socket }
    }

    /// Everything runs; what is done now, in a few words.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// What is done now, in a few words without a line break.
    pub(crate) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}"));
    }

    /// The orderly end has begun.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Finishing what is in hand");
    }

    /// Whoever calls this still runs.
    pub(crate) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How often [`Manager::alive`] is wanted: twice as often as the manager insists on.
    pub(crate) fn pulse(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    fn tell(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        let (socket, address) = socket.as_ref();
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(%error, told = message, "the service manager was not told");
        }
    }
}

/// A path, or after `@` a name in the abstract name space.
fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => return Err(io::Error::other("neither a path nor an abstract name")),
    };
    Ok((UnixDatagram::unbound()?, address))
}

/// How long we may be silent, if that is asked of this process.
fn watchdog(microseconds: Option<&OsStr>, pid: Option<&OsStr>, ours: u32) -> Option<Duration> {
    let number = |text: &OsStr| text.to_str()?.parse::<u64>().ok();
    let is_ours = pid.is_none_or(|pid| number(pid) == Some(ours.into()));
    let microseconds = microseconds.and_then(number).filter(|&microseconds| microseconds > 0 && is_ours)?;
    // Two microseconds are no time: an interval of none would never end.
    Some(Duration::from_micros(microseconds.max(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = listener.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    fn manager(name: &OsStr) -> Manager {
        Manager { socket: Some(Arc::new(connect(name).unwrap())), watchdog: None }
    }

    #[test]
    fn a_path_and_an_abstract_name_are_told_and_nothing_else_is_an_address() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("barid-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let listeners = [
            (UnixDatagram::bind(&path).unwrap(), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&by_name).unwrap(), format!("@{abstract_name}").into()),
        ];
        for (listener, name) in listeners {
            let manager = manager(&name);
            manager.ready("It works");
            assert_eq!(heard(&listener), "READY=1\nSTATUS=It works");
            manager.stopping();
            assert!(heard(&listener).starts_with("STOPPING=1\n"));
            manager.alive();
            assert_eq!(heard(&listener), "WATCHDOG=1");
        }
        for name in ["", "relative/path", "vsock:2:1234"] {
            assert!(connect(OsStr::new(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_manager_that_went_away_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = manager(path.as_os_str());
        manager.ready("It works");
        Manager::default().ready("It works");
    }

    #[test]
    fn the_watchdog_is_that_of_this_process() {
        let asked = |microseconds, pid: Option<&'static str>| {
            watchdog(Some(OsStr::new(microseconds)), pid.map(OsStr::new), 7)
        };
        assert_eq!(asked("30000000", None), Some(Duration::from_secs(30)));
        assert_eq!(asked("30000000", Some("7")), Some(Duration::from_secs(30)));
        for (microseconds, pid) in
            [("30000000", Some("8")), ("30000000", Some("x")), ("0", None), ("", None), ("-1", None)]
        {
            assert_eq!(asked(microseconds, pid), None, "{microseconds} {pid:?}");
        }
        assert_eq!(watchdog(None, None, 7), None);
        assert_eq!(asked("1", None), Some(Duration::from_micros(2)));
    }
}
