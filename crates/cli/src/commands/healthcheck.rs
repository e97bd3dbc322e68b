//! `barid healthcheck`: asks the running process whether it is ready, for containers.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::args::HealthcheckArgs;
use crate::error::{CliError, exit};
use crate::output;

/// A process that takes longer than this is not well.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than any answer has.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Prints what it answers: to standard output when it is ready, else why not. Container engines know 0 and 1 only, so a configuration
/// that cannot be read is 1 too.
pub(super) fn run(args: &HealthcheckArgs, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let listen = match args.listen {
        Some(listen) => Some(listen),
        None => match super::load(&args.config) {
            Ok(loaded) => loaded.config.web.listen,
            Err(error) => {
                output::report(&error);
                return Ok(exit::FOUND.into());
            }
        },
    };
    let said = match listen {
        None => Err("web.listen is \"\": nothing is served that could be asked".to_owned()),
        Some(listen) => ask(reached(listen)),
    };
    match said {
        Ok(said) => {
            writeln!(out, "{}", said.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            why.lines().for_each(|line| output::message(&output::harmless(line)));
            Ok(exit::FOUND.into())
        }
    }
}

/// Where a process that listens there is reached from the same machine.
fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// What `/readyz` says; why it is not ready otherwise.
fn ask(address: SocketAddr) -> Result<String, String> {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = exchange().map_err(|error| format!("http://{address}/readyz: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let mut words = head.split([' ', '\r']);
    match (words.next().is_some_and(|word| word.starts_with("HTTP/1.")), words.next()) {
        (true, Some("200")) => Ok(body.to_owned()),
        (true, Some("503")) => Err(body.to_owned()),
        _ => Err(format!("http://{address}/readyz: that is not barid: {}", output::shortened(head, 80))),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_of_all_interfaces_is_reached_at_this_machine() {
        for (listen, expected) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("127.0.0.5:1", "127.0.0.5:1"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ] {
            assert_eq!(reached(listen.parse().unwrap()).to_string(), expected);
        }
    }

    /// What is made of an answer that somebody sends.
    fn judged(answer: &'static [u8]) -> Result<String, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 1024];
                let length = stream.read(&mut asked).unwrap();
                assert!(asked[..length].starts_with(b"GET /readyz HTTP/1.1\r\n"));
                // Whoever has heard enough may be gone.
                let _ = stream.write_all(answer);
            });
            ask(address)
        })
    }

    #[test]
    fn only_200_is_ready_and_the_rest_is_told() {
        assert_eq!(judged(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n"), Ok("ok\n".to_owned()));
        let full = judged(b"HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready: the disk is full\n");
        assert_eq!(full, Err("not ready: the disk is full\n".to_owned()));
        for strange in
            [&b""[..], b"SSH-2.0-x\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"\xff\xfe"]
        {
            let said = judged(strange).expect_err("not barid");
            assert!(said.contains("that is not barid"), "{said}");
        }
    }

    #[test]
    fn nobody_there_is_told_with_the_address() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let said = ask(address).expect_err("nobody listens");
        assert!(said.contains(&address.to_string()) && said.contains("refused"), "{said}");
    }
}
