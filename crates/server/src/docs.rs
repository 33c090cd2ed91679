//! `/api-docs`: the API document to read and to try, served from this binary
//! alone. The page loads nothing from anywhere else and sends nothing anywhere.

use crate::{App, openapi};
use axum::{
    Router,
    body::Bytes,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use std::sync::LazyLock;
use uuid::Uuid;

/// The reader, about 5 MB; unpacked once.
static READER: LazyLock<Bytes> =
    LazyLock::new(|| scalar_api_reference::get_asset("scalar.js").unwrap_or_default().into());
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::document().into());

const CONFIGURATION: &str = r#"{"theme":"default","withDefaultFonts":false,"telemetry":false,
"hideClientButton":true,"showDeveloperTools":"never","agent":{"disabled":true},
"mcp":{"disabled":true},"persistAuth":false}"#;

/// The routes of the documentation.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api-docs", get(page))
        .route("/api-docs/openapi.json", get(document))
        .route("/api-docs/scalar.js", get(reader))
}

async fn page() -> impl IntoResponse {
    // The reader puts its styles into the page; the nonce says that it may.
    let nonce = Uuid::now_v7().simple();
    let version = env!("CARGO_PKG_VERSION");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; \
         style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta property="csp-nonce" content="{nonce}">
<link rel="icon" href="data:,">
<title>Wallstreet API</title>
</head>
<body>
<noscript><p>This page needs JavaScript. The same in plain text:
<a href="/api-docs/openapi.json">openapi.json</a> (OpenAPI 3.1).</p></noscript>
<script id="api-reference" type="application/json" data-url="/api-docs/openapi.json"
 data-configuration='{CONFIGURATION}'></script>
<script src="/api-docs/scalar.js?v={version}"></script>
</body>
</html>
"#
    );
    (
        [(header::CONTENT_SECURITY_POLICY, policy), (header::CACHE_CONTROL, "no-store".to_owned())],
        Html(html),
    )
}

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

async fn reader() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, READER.clone())
}
