//! Notes in a database, over HTTP, and pages that are fetched for them.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use clap::Parser;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::trace::TraceLayer;
use uuid::Uuid;

#[derive(Parser)]
#[command(version, about)]
struct Options {
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    #[arg(long, env = "DATABASE", default_value = "sqlite::memory:")]
    database: String,
}

#[derive(Clone)]
struct Service {
    pool: SqlitePool,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct New {
    url: String,
}

#[derive(Serialize, sqlx::FromRow)]
struct Note {
    id: Uuid,
    url: String,
    length: i64,
    at: DateTime<Utc>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the page: {0}")]
    Page(#[from] reqwest::Error),
    #[error("there is no such note")]
    Unknown,
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        let status = match self {
            Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Page(_) => StatusCode::BAD_GATEWAY,
            Self::Unknown => StatusCode::NOT_FOUND,
        };
        (status, Json(serde_json::json!({ "error": self.to_string() }))).into_response()
    }
}

async fn create(State(service): State<Service>, Json(new): Json<New>) -> Result<Json<Note>, Failure> {
    let page = service.client.get(&new.url).send().await?.bytes().await?;
    let note = Note { id: Uuid::new_v4(), url: new.url, length: page.len() as i64, at: Utc::now() };
    sqlx::query("INSERT INTO notes (id, url, length, at) VALUES (?, ?, ?, ?)")
        .bind(note.id)
        .bind(&note.url)
        .bind(note.length)
        .bind(note.at)
        .execute(&service.pool)
        .await?;
    tracing::info!(id = %note.id, "kept");
    Ok(Json(note))
}

async fn read(State(service): State<Service>, Path(id): Path<Uuid>) -> Result<Json<Note>, Failure> {
    sqlx::query_as("SELECT id, url, length, at FROM notes WHERE id = ?")
        .bind(id)
        .fetch_optional(&service.pool)
        .await?
        .map(Json)
        .ok_or(Failure::Unknown)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tracing_subscriber::fmt().json().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let pool = SqlitePoolOptions::new().connect(&options.database).await.context("cannot open the database")?;
    sqlx::query("CREATE TABLE IF NOT EXISTS notes (id BLOB PRIMARY KEY, url TEXT, length INTEGER, at TEXT)")
        .execute(&pool)
        .await?;
    let router = Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/notes", post(create))
        .route("/notes/{id}", get(read))
        .layer((TraceLayer::new_for_http(), CompressionLayer::new(), CorsLayer::permissive()))
        .with_state(Service { pool, client: reqwest::Client::new() });
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    axum::serve(listener, router).await?;
    Ok(())
}
