//! What the server tells of itself: for a scraper in the text format of
//! Prometheus, and for an administrator who asks why it is slow.

use crate::{
    App,
    caller::Caller,
    problem::Problem,
    reply::{Answer, Reply},
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use platform::{
    Platform,
    clock::Standing,
    meter::{Counter, Distribution, Reading, TIMES},
    posting,
    verification::Outcome,
};
use serde::Serialize;
use std::fmt::Write;
use utoipa::ToSchema;
use uuid::Uuid;

/// What is counted of requests; classes of status, and how long they took.
pub(crate) struct Requests {
    classes: [Counter; 5],
    took: Distribution,
}

impl Requests {
    /// None yet.
    pub(crate) fn none() -> Self {
        Self { classes: Default::default(), took: Distribution::of(TIMES) }
    }

    /// Notes one that was answered.
    pub(crate) fn note(&self, status: u16, took: std::time::Duration) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(counter) = self.classes.get(class) {
            counter.add(1);
        }
        self.took.note_time(took);
    }
}

/// The server's metrics
///
/// Counters, distributions and gauges of this process, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", operation_id = "get_metrics", tag = "Health", security(()),
    responses((status = 200, description = "In the text format 0.0.4", body = String, content_type = "text/plain")),
)]
pub(crate) async fn scrape(State(app): State<App>) -> Response {
    let text = Page::of(&app).text;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn of(app: &App) -> Self {
        let mut page = Self::default();
        let version = env!("CARGO_PKG_VERSION");
        page.head("wallstreet_build_info", "gauge", "Which version runs.");
        page.line("wallstreet_build_info", &format!("{{version=\"{version}\"}}"), 1);
        let requests = &app.requests;
        page.head(
            "wallstreet_http_requests_total",
            "counter",
            "Requests answered, by class of status.",
        );
        for (class, counter) in (1..).zip(&requests.classes) {
            let label = format!("{{status=\"{class}xx\"}}");
            page.line("wallstreet_http_requests_total", &label, counter.get());
        }
        page.seconds(
            "wallstreet_http_request_seconds",
            "How long requests took.",
            &requests.took.read(),
        );
        let road = app.platform.contention();
        let counters = [
            ("wallstreet_posting_orders_total", "Orders begun by a writer.", road.orders),
            ("wallstreet_posting_shed_total", "Orders refused because too many waited.", road.shed),
            ("wallstreet_posting_retries_total", "Batches tried again.", road.retries),
            (
                "wallstreet_posting_in_doubt_total",
                "Batches whose COMMIT got no answer.",
                road.in_doubt,
            ),
        ];
        for (name, help, value) in counters {
            page.head(name, "counter", help);
            page.line(name, "", value);
        }
        page.gauge(
            "wallstreet_posting_waiting_orders",
            "Orders that wait for a writer.",
            road.waiting,
        );
        page.plain("wallstreet_posting_batch_orders", "Orders a database transaction.", &road.fill);
        page.seconds(
            "wallstreet_posting_wait_seconds",
            "How long jobs waited for a writer.",
            &road.wait,
        );
        page.seconds("wallstreet_posting_batch_seconds", "How long batches took.", &road.took);
        let last = app.platform.last_check();
        let failed = matches!(last, Some(Outcome::Failed(_)));
        page.gauge(
            "wallstreet_ledger_check_failed",
            "1 when the last check of the ledger broke off: it is not checked.",
            u64::from(failed),
        );
        if let Some(Outcome::Found(report)) = last {
            let differences = u64::try_from(report.differences()).unwrap_or(u64::MAX);
            let name = "wallstreet_ledger_check_differences";
            page.gauge(name, "What the last check of the ledger found to differ.", differences);
            let at = u64::try_from(report.at.as_second()).unwrap_or_default();
            let name = "wallstreet_ledger_check_timestamp_seconds";
            page.gauge(name, "When the ledger was last checked by this server.", at);
        }
        if let Some(standing) = app.platform.time() {
            page.time(&standing);
        }
        if let Some(bytes) = resident_memory() {
            page.gauge("process_resident_memory_bytes", "Memory of the process.", bytes);
        }
        page
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, label: &str, value: u64) {
        let _ = writeln!(self.text, "{name}{label} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        self.line(name, "", value);
    }

    /// How time stands.
    fn time(&mut self, standing: &Standing) {
        let doubt = u64::from(!standing.doubts.is_empty());
        self.gauge("wallstreet_clock_in_doubt", "Whether the clocks disagree.", doubt);
        let since = u64::try_from(standing.since.as_second()).unwrap_or_default();
        let name = "wallstreet_clock_since_timestamp_seconds";
        self.gauge(name, "Since when time has been sure, or in doubt.", since);
        let name = "wallstreet_clock_waiting";
        self.head(name, "gauge", "Whether it waits until time is sure.");
        for (what, waits) in [
            ("deletions", standing.deletions_wait),
            ("expiry", standing.acts_wait),
            ("schedules", standing.acts_wait),
        ] {
            self.line(name, &format!("{{what=\"{what}\"}}"), waits.into());
        }
        let name = "wallstreet_clock_ahead_seconds";
        self.head(name, "gauge", "By how much a clock is ahead of the server's time.");
        let _ = writeln!(self.text, "{name}{{clock=\"machine\"}} {:.6}", standing.machine_ahead);
        if let Some(ahead) = standing.database_ahead {
            let _ = writeln!(self.text, "{name}{{clock=\"database\"}} {ahead:.6}");
        }
        let recorded = standing.recorded_until.map_or(0, jiff::Timestamp::as_second);
        let name = "wallstreet_clock_recorded_until_timestamp_seconds";
        let help = "Up to when something is recorded that still lies ahead; 0: nothing is.";
        self.gauge(name, help, u64::try_from(recorded).unwrap_or_default());
    }

    fn plain(&mut self, name: &str, help: &str, reading: &Reading) {
        self.histogram(name, help, reading, |value| value.to_string());
    }

    /// Of microseconds, told in seconds.
    fn seconds(&mut self, name: &str, help: &str, reading: &Reading) {
        self.histogram(name, help, reading, |value| {
            format!("{}.{:06}", value / 1_000_000, value % 1_000_000)
        });
    }

    fn histogram(&mut self, name: &str, help: &str, reading: &Reading, unit: fn(u64) -> String) {
        self.head(name, "histogram", help);
        let mut below = 0;
        for (bound, count) in &reading.buckets {
            below += count;
            let bound = if *bound == u64::MAX { "+Inf".to_owned() } else { unit(*bound) };
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(self.text, "{name}_sum {}\n{name}_count {below}", unit(reading.sum));
    }
}

/// As Linux tells it; elsewhere it is left out.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Who waits for whom on the posting road of this server.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contention {
    /// Orders that wait at this moment.
    waiting: u64,
    /// Orders begun since the start.
    orders: u64,
    /// Orders refused since the start, because too many waited.
    shed: u64,
    /// Batches tried again since the start.
    retries: u64,
    /// Batches since the start whose COMMIT got no answer, and that were settled.
    in_doubt: u64,
    /// Orders a database transaction.
    batch_orders: Spread,
    /// How long jobs waited for a writer, in microseconds.
    wait_micros: Spread,
    /// How long batches took, in microseconds.
    batch_micros: Spread,
    /// The accounts that most orders touched, busiest first, within about a minute.
    hot_accounts: Vec<HotAccount>,
}

/// How values spread since the start; a bound is one under which they lie, and
/// absent when there is none.
#[derive(Serialize, ToSchema)]
pub(crate) struct Spread {
    /// How many there were.
    count: u64,
    /// Their mean, rounded down.
    mean: u64,
    /// Half of them are at most this.
    #[schema(required)]
    p50: Option<u64>,
    /// 99 of 100 are at most this.
    #[schema(required)]
    p99: Option<u64>,
}

/// How often one account was touched.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HotAccount {
    account_id: Uuid,
    /// Orders that touched it.
    orders: u64,
}

impl From<&Reading> for Spread {
    fn from(reading: &Reading) -> Self {
        Self {
            count: reading.count,
            mean: reading.sum.checked_div(reading.count).unwrap_or_default(),
            p50: reading.quantile(0.5),
            p99: reading.quantile(0.99),
        }
    }
}

/// Where the posting road is crowded
///
/// Hot accounts, how full batches are, and how long orders wait, on this server.
#[utoipa::path(
    get, path = "/admin/ledger/contention", operation_id = "admin_get_contention", tag = "Admin",
    responses((status = 200, description = "As it is now", body = Contention)),
)]
pub(crate) async fn contention(
    State(platform): State<Platform>,
    Caller(actor): Caller,
) -> Answer<Contention> {
    let road = posting::contention(&platform, &actor).map_err(Problem::from)?;
    let hot =
        |(account, orders): (ledger::AccountId, u64)| HotAccount { account_id: account.0, orders };
    let contention = Contention {
        waiting: road.waiting,
        orders: road.orders,
        shed: road.shed,
        retries: road.retries,
        in_doubt: road.in_doubt,
        batch_orders: (&road.fill).into(),
        wait_micros: (&road.wait).into(),
        batch_micros: (&road.took).into(),
        hot_accounts: road.hot.into_iter().map(hot).collect(),
    };
    Ok(Reply::ok("Contention retrieved successfully", contention))
}
