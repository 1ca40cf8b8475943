//! A server for one-line answers, on the standard library alone.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

const REQUEST_LIMIT_BYTES: u64 = 8 * 1024;

/// Answers every HTTP request on `LISTEN` (0.0.0.0:8080) with what `answer` makes of its path.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(name: &str, mut answer: impl FnMut(&str) -> String) -> io::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "0.0.0.0:8080".into());
    let listener = TcpListener::bind(&listen)?;
    println!("{name} listens on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        // a client that goes away is no reason to end
        if let Err(error) = stream.and_then(|stream| reply(stream, &mut answer)) {
            eprintln!("{name}: {error}");
        }
    }
    Ok(())
}

fn reply(stream: TcpStream, answer: &mut impl FnMut(&str) -> String) -> io::Result<()> {
    let mut lines = BufReader::new((&stream).take(REQUEST_LIMIT_BYTES)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let body = answer(request.split(' ').nth(1).unwrap_or("/"));
    write!(
        &stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
