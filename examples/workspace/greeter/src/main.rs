//! Greets everyone who asks: `GET /Ferris` answers `Hello, Ferris`.

fn main() -> std::io::Result<()> {
    let greeting = std::env::var("GREETING").unwrap_or_else(|_| "Good day".into());
    common::serve("greeter", |path| match path.trim_start_matches('/') {
        "" => format!("{greeting}\n"),
        name => format!("{greeting}, {name}\n"),
    })
}
