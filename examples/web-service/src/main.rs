//! An HTTP service that does what services do: it answers, counts in a database, and asks another server.
//!
//! `GET /health`           ok
//! `GET /visits`           a counter in SQLite, one more each time
//! `GET /fetch?url=URL`    the status and length of what URL answers; certificates are verified
//!
//! Environment: `LISTEN` (0.0.0.0:8080), `DATABASE` (visits.sqlite), `SSL_CERT_FILE` (the system's certificates).

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Clone)]
struct Service {
    database: Arc<Mutex<Connection>>,
    client: reqwest::Client,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    arch: &'static str,
}

#[derive(Serialize)]
struct Visits {
    visits: i64,
}

#[derive(Deserialize)]
struct Fetch {
    url: String,
}

#[derive(Serialize)]
struct Fetched {
    status: u16,
    bytes: usize,
}

type Failure = (StatusCode, String);

async fn health() -> Json<Health> {
    Json(Health { status: "ok", arch: std::env::consts::ARCH })
}

async fn visits(State(service): State<Service>) -> Result<Json<Visits>, Failure> {
    let database = service.database.lock().unwrap_or_else(PoisonError::into_inner);
    let visits = database
        .query_row(
            "INSERT INTO visits (id, count) VALUES (1, 1)
             ON CONFLICT (id) DO UPDATE SET count = count + 1 RETURNING count",
            (),
            |row| row.get(0),
        )
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Json(Visits { visits }))
}

async fn fetch(State(service): State<Service>, Query(fetch): Query<Fetch>) -> Result<Json<Fetched>, Failure> {
    let response = service.client.get(fetch.url).send().await.map_err(bad_gateway)?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await.map_err(bad_gateway)?.len();
    Ok(Json(Fetched { status, bytes }))
}

/// The whole chain of causes: that a certificate is not trusted is reported by the innermost.
fn bad_gateway(error: reqwest::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    (StatusCode::BAD_GATEWAY, text)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // SIGTERM is listened to before the port is open: nobody can ask for the service and find it deaf to it
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "0.0.0.0:8080".into());
    let path = std::env::var("DATABASE").unwrap_or_else(|_| "visits.sqlite".into());
    let database = Connection::open(&path)?;
    database.execute_batch("CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY, count INTEGER NOT NULL)")?;

    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a TLS provider is installed twice")?;
    let service = Service { database: Arc::new(Mutex::new(database)), client: reqwest::Client::builder().build()? };

    let router = Router::new()
        .route("/health", get(health))
        .route("/visits", get(visits))
        .route("/fetch", get(fetch))
        .with_state(service);
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    println!(
        "{}",
        serde_json::json!({
            "message": "listening",
            "address": listener.local_addr()?.to_string(),
            "database": path,
            "arch": std::env::consts::ARCH,
        })
    );
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = terminate.recv() => {},
                _ = interrupt.recv() => {},
            }
        })
        .await?;
    Ok(())
}
