//! A health check for images without a shell: asks one thing of the program beside it, and ends with 0 or 1.
//!
//! cargoship-probe [--timeout-ms N] http PORT PATH | tcp PORT | grpc PORT SERVICE | file PATH SECONDS
//!
//! It uses the standard library alone, writes nothing, and asks this container only: 127.0.0.1, then ::1. Docker
//! reserves every exit code but 0 and 1 (docs.docker.com, Dockerfile reference, HEALTHCHECK).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

const TIMEOUT_MS: u64 = 10_000;
const HEAD_BYTES_MAX: usize = 64 << 10;
const FRAME_BYTES_MAX: usize = 1 << 20;
const FRAMES_MAX: usize = 1000;

type Answer = Result<String, String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (said, code) = match probe(&words) {
        Ok(said) => (said, 0),
        Err(said) => (said, 1),
    };
    // nobody may be there to read it
    let _ = writeln!(io::stdout(), "{said}");
    ExitCode::from(code)
}

fn probe(words: &[&str]) -> Answer {
    let (timeout_ms, rest) = match words {
        ["--timeout-ms", text, rest @ ..] => (number(text)?, rest),
        rest => (TIMEOUT_MS, rest),
    };
    let deadline = Deadline { at: Instant::now() + Duration::from_millis(timeout_ms), timeout_ms };
    match rest {
        ["http", port, path] => http(port_of(port)?, path, &deadline),
        ["tcp", port] => connect(port_of(port)?, &deadline).map(|(_, at)| format!("{at} accepts connections")),
        ["grpc", port, service] => grpc(port_of(port)?, service, &deadline),
        ["file", path, seconds] => file(path, number(seconds)?),
        _ => Err("usage: [--timeout-ms N] http PORT PATH | tcp PORT | grpc PORT SERVICE | file PATH SECONDS".into()),
    }
}

fn number(text: &str) -> Result<u64, String> {
    // more would be beyond what clocks count
    text.parse::<u32>().map(u64::from).map_err(|_| format!("{text} is not a number"))
}

fn port_of(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text} is not a port"))
}

struct Deadline {
    at: Instant,
    timeout_ms: u64,
}

impl Deadline {
    fn left(&self) -> Result<Duration, String> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(format!("no answer within {} ms", self.timeout_ms)) } else { Ok(left) }
    }

    fn said(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("no answer within {} ms", self.timeout_ms),
            _ => error.to_string(),
        }
    }
}

/// A connection of which every read and write ends with the deadline.
struct Connection<'a> {
    stream: TcpStream,
    deadline: &'a Deadline,
}

impl Connection<'_> {
    fn send(&mut self, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            let left = self.deadline.left()?;
            self.stream.set_write_timeout(Some(left)).map_err(|error| error.to_string())?;
            match self.stream.write(data) {
                Ok(0) => return Err("the connection was closed".into()),
                Ok(count) => data = &data[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.deadline.said(&error)),
            }
        }
        Ok(())
    }

    /// Some bytes; none where the other side has closed.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        loop {
            let left = self.deadline.left()?;
            self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
            match self.stream.read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.deadline.said(&error)),
            }
        }
    }

    fn receive_all(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        let mut done = 0;
        while done < buffer.len() {
            match self.receive(&mut buffer[done..])? {
                0 => return Err("the connection was closed".into()),
                count => done += count,
            }
        }
        Ok(())
    }
}

fn connect(port: u16, deadline: &Deadline) -> Result<(Connection<'_>, SocketAddr), String> {
    let mut wrong = String::new();
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let at = SocketAddr::new(ip, port);
        match TcpStream::connect_timeout(&at, deadline.left()?) {
            Ok(stream) => return Ok((Connection { stream, deadline }, at)),
            Err(error) => {
                if !wrong.is_empty() {
                    wrong.push_str("; ");
                }
                wrong += &format!("{at}: {}", deadline.said(&error));
            }
        }
    }
    Err(wrong)
}

/// HTTP/1.1 (RFC 9112): healthy is what Kubernetes takes for it, a status from 200 to 399.
fn http(port: u16, path: &str, deadline: &Deadline) -> Answer {
    let (mut connection, at) = connect(port, deadline)?;
    let place = format!("http://{at}{path}");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: cargoship-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    connection.send(request.as_bytes()).map_err(|said| format!("{place}: {said}"))?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        // an answer may have interim ones before it (RFC 9110, 15.2)
        if let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") {
            let line = String::from_utf8_lossy(&head[..end]).into_owned();
            let status = status_of(&line).ok_or_else(|| format!("{place}: the answer is not HTTP"))?;
            if !(100..200).contains(&status) {
                let said = format!("{place}: status {status}");
                return if (200..400).contains(&status) { Ok(said) } else { Err(said) };
            }
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                head.drain(..end + 4);
                continue;
            }
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(format!("{place}: the answer is not HTTP"));
        }
        match connection.receive(&mut buffer).map_err(|said| format!("{place}: {said}"))? {
            0 => return Err(format!("{place}: the connection was closed without an answer")),
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
}

fn status_of(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.")?;
    let mut words = rest.splitn(3, ' ');
    words.next()?;
    words.next()?.parse().ok()
}

/// grpc.health.v1, Check (github.com/grpc/grpc, doc/health-checking.md), over HTTP/2 without TLS (RFC 9113).
fn grpc(port: u16, service: &str, deadline: &Deadline) -> Answer {
    let (mut connection, at) = connect(port, deadline)?;
    let named = if service.is_empty() { format!("grpc {at}") } else { format!("grpc {at} {service}") };
    let status = grpc_status(&mut connection, port, service).map_err(|said| format!("{named}: {said}"))?;
    match status {
        Some(1) => Ok(format!("{named}: SERVING")),
        Some(2) => Err(format!("{named}: NOT_SERVING")),
        Some(3) => Err(format!("{named}: SERVICE_UNKNOWN")),
        Some(_) => Err(format!("{named}: UNKNOWN")),
        None => Err(format!("{named}: an error instead of a status; does it serve grpc.health.v1?")),
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

fn grpc_status(connection: &mut Connection, port: u16, service: &str) -> Result<Option<u64>, String> {
    let mut fields = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", &format!("localhost:{port}")),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "cargoship-probe"),
    ] {
        // a literal without indexing, with a new name (RFC 7541, 6.2.2); all are shorter than 127 bytes
        fields.push(0);
        for text in [name, value] {
            fields.push(text.len() as u8);
            fields.extend_from_slice(text.as_bytes());
        }
    }
    // HealthCheckRequest: the service is field 1
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        varint(service.len(), &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let mut body = vec![0];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(&message);
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(SETTINGS, 0, 0, &[]));
    request.extend(frame(HEADERS, END_HEADERS, 1, &fields));
    request.extend(frame(DATA, END_STREAM, 1, &body));
    connection.send(&request)?;

    let mut answer = Vec::new();
    for _ in 0..FRAMES_MAX {
        let mut head = [0; 9];
        connection.receive_all(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if length > FRAME_BYTES_MAX {
            return Err("the answer is not HTTP/2".into());
        }
        let (kind, flags, stream) = (head[3], head[4], u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]));
        let mut payload = vec![0; length];
        connection.receive_all(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => connection.send(&frame(SETTINGS, ACK, 0, &[]))?,
            PING if flags & ACK == 0 => connection.send(&frame(PING, ACK, 0, &payload))?,
            GOAWAY => return Err("the server goes away".into()),
            RST_STREAM if stream == 1 => return Ok(None),
            DATA if stream == 1 => {
                let padding = if flags & PADDED != 0 { payload.first().map_or(0, |count| 1 + usize::from(*count)) } else { 0 };
                let from = usize::from(flags & PADDED != 0);
                let to = payload.len().saturating_sub(padding.saturating_sub(from));
                answer.extend_from_slice(payload.get(from..to).unwrap_or_default());
                if answer.len() > FRAME_BYTES_MAX {
                    return Err("the answer is too long".into());
                }
            }
            _ => {}
        }
        if let Some(found) = status_in(&answer) {
            return Ok(Some(found));
        }
        if stream == 1 && (kind == DATA || kind == HEADERS) && flags & END_STREAM != 0 {
            return Ok(None);
        }
    }
    Err("the answer has no end".into())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut made = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    made.extend_from_slice(&[kind, flags]);
    made.extend_from_slice(&stream.to_be_bytes());
    made.extend_from_slice(payload);
    made
}

fn varint(mut value: usize, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// The field 1 of a HealthCheckResponse, once all of the message is there; 0 (UNKNOWN) where it is left out.
fn status_in(answer: &[u8]) -> Option<u64> {
    let length = u32::from_be_bytes(answer.get(1..5)?.try_into().ok()?) as usize;
    let message = answer.get(5..5usize.checked_add(length)?)?;
    match message {
        [0x08, value, ..] if *value < 0x80 => Some(u64::from(*value)),
        _ => Some(0),
    }
}

fn file(path: &str, seconds: u64) -> Answer {
    let changed = std::fs::metadata(path).and_then(|found| found.modified()).map_err(|error| format!("{path}: {error}"))?;
    // a time to come is none that is too long ago
    let age = SystemTime::now().duration_since(changed).unwrap_or_default();
    let said = format!("{path}: changed {} s ago", age.as_secs());
    if age <= Duration::from_secs(seconds) { Ok(said) } else { Err(format!("{said}, which is more than {seconds} s")) }
}
