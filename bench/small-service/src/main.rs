//! Counts its visitors: one connection at a time, one row in SQLite.

use std::io::{Read, Write};
use std::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::var("DATABASE").unwrap_or_else(|_| ":memory:".into());
    let database = rusqlite::Connection::open(path)?;
    database.execute_batch("CREATE TABLE IF NOT EXISTS visits (at INTEGER DEFAULT CURRENT_TIMESTAMP)")?;
    for stream in TcpListener::bind("0.0.0.0:8080")?.incoming() {
        let mut stream = stream?;
        let _ = stream.read(&mut [0; 4096])?;
        database.execute("INSERT INTO visits DEFAULT VALUES", [])?;
        let visits: i64 = database.query_row("SELECT count(*) FROM visits", [], |row| row.get(0))?;
        let body = serde_json::json!({ "visits": visits }).to_string();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}
