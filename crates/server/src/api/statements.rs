//! Statements, as JSON or CSV. They are written while they are read, a page at a
//! time: a statement of any length takes the memory of one page, and no connection
//! to the database while a slow client reads.
//!
//! Once the first page is on its way, a fault can only be told by breaking off:
//! the client sees an answer that does not end, never one that looks complete.

use crate::{
    api::entries::Entry,
    caller::Caller,
    csv::{Table, harmless},
    extract::PathId,
    fields::{AccountNumber, Basis, Begin, Currency, End, Id, Moment, Money, Turnover},
    problem::Problem,
    query::Query,
    reply,
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use jiff::Timestamp;
use ledger::{AccountId, Direction};
use platform::{
    Error, Platform,
    entries::{self, Counterparty},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt::Display;
use utoipa::ToSchema;
use uuid::Uuid;

/// Which statement.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatementQuery {
    /// The first moment of the period; of a day (UTC), its beginning. Absent: from
    /// the first entry on.
    from: Option<Begin>,
    /// The first moment behind the period; a day (UTC) is included, or as much of it
    /// as has passed. Absent: now.
    to: Option<End>,
    /// By which date entries belong to the period, and in which order they come.
    /// Absent: `recorded`.
    basis: Option<Basis>,
    /// Absent: JSON, unless `Accept` prefers `text/csv`.
    format: Option<Format>,
}

/// How a statement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Format {
    /// As every other answer.
    Json,
    /// As RFC 4180 has it.
    Csv,
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err(de::Error::custom("must be one of json, csv")),
        }
    }
}

/// A period of an account's history: its opening balance plus its entries is its
/// closing balance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statement {
    account_id: Uuid,
    account_number: AccountNumber,
    currency: Currency,
    basis: Basis,
    /// The first moment of the period; null: from the first entry on.
    #[schema(required)]
    from: Option<Moment>,
    /// The first moment behind the period.
    to: Moment,
    opening_balance: Money,
    /// In order, each with the balance after it.
    entries: Vec<Entry>,
    totals: Totals,
    closing_balance: Money,
    /// No entry behind this one was looked at: on the recorded basis the last one
    /// of the period, on the effective basis the newest there was.
    #[schema(minimum = 0)]
    last_sequence: i64,
}

/// What the entries came to.
#[derive(Serialize, ToSchema)]
#[schema(as = StatementTotals)]
pub(crate) struct Totals {
    #[schema(minimum = 0)]
    count: i64,
    r#in: Turnover,
    out: Turnover,
}

impl From<&entries::Statement> for Statement {
    /// All but the entries.
    fn from(statement: &entries::Statement) -> Self {
        let (account, totals) = (&statement.account, statement.totals);
        Self {
            account_id: account.id.0,
            account_number: AccountNumber(account.number.clone()),
            currency: Currency(account.currency),
            basis: Basis(statement.basis),
            from: statement.from.map(Moment),
            to: Moment(statement.to),
            opening_balance: statement.opening.into(),
            entries: Vec::new(),
            totals: Totals {
                count: totals.count,
                r#in: Turnover(totals.incoming),
                out: Turnover(totals.outgoing),
            },
            closing_balance: statement.closing.into(),
            last_sequence: statement.last_sequence,
        }
    }
}

/// A statement for a period
///
/// The opening balance, every entry in order with the balance after it, and the
/// closing balance, which is always the opening balance plus the entries. With
/// `basis=effective` entries are in the order of their business dates. A statement
/// has any length and is streamed; one that breaks off is not complete. The columns
/// of the CSV are described in `docs/statements.md`.
#[utoipa::path(
    get, path = "/accounts/{id}/statement", operation_id = "get_statement", tag = "Accounts",
    params(("id" = Id, Path), StatementQuery),
    responses((
        status = 200, description = "The statement",
        content((Statement = "application/json"), (String = "text/csv")),
    )),
)]
pub(crate) async fn draw(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
    Query(asked): Query<StatementQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at = platform.now();
    let (from, to) = (asked.from.map(|from| from.0), asked.to.and_then(|to| to.by(at)));
    let basis = asked.basis.map_or(entries::Basis::Recorded, |basis| basis.0);
    let format = asked.format.unwrap_or_else(|| preferred(&headers));
    let mut statement = entries::statement(&platform, &actor, id, from, to, basis).await?;
    // What goes wrong before anything is sent can still be told properly.
    let page = statement.next_page(&platform).await?;
    let media_type = match format {
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
    };
    let name = HeaderValue::try_from(file_name(&statement)).map_err(Problem::internal)?;
    let first = Step::First(page);
    let writing = Writing { platform, statement, format, at, step: first };
    let body = Body::from_stream(stream::try_unfold(writing, Writing::go_on));
    let mut response = ([(header::CONTENT_TYPE, media_type)], body).into_response();
    if format == Format::Csv {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn file_name(statement: &entries::Statement) -> String {
    let number = statement.account.number.to_string();
    let number = number.replace(|c: char| !c.is_ascii_alphanumeric(), "");
    let from = statement.from.map(|from| format!("-{}", from.strftime("%Y%m%dT%H%M%SZ")));
    let (from, to) = (from.unwrap_or_default(), statement.to.strftime("%Y%m%dT%H%M%SZ"));
    format!("attachment; filename=\"statement-{number}{from}-{to}.csv\"")
}

/// CSV for who names it in `Accept` and wants JSON less.
fn preferred(headers: &HeaderMap) -> Format {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = accepted.flat_map(|value| value.split(',')).filter_map(|range| {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight = parameters.split(';').find_map(|one| one.trim().strip_prefix("q="));
        Some((name.trim().to_ascii_lowercase(), weight.unwrap_or("1").parse::<f32>().ok()?))
    });
    let ranges: Vec<(String, f32)> = ranges.collect();
    let weight = |wanted: &str| {
        let named = ranges.iter().find(|(name, _)| name == wanted);
        named.map_or(0.0, |(_, weight)| *weight)
    };
    if weight("text/csv") > weight("application/json") { Format::Csv } else { Format::Json }
}

/// A statement on its way out.
struct Writing {
    platform: Platform,
    statement: entries::Statement,
    format: Format,
    at: Timestamp,
    step: Step,
}

/// What comes next.
enum Step {
    /// The beginning, with the first page.
    First(Vec<entries::Entry>),
    /// Another page, or the end.
    More,
    /// Nothing.
    Done,
}

impl Writing {
    /// The next piece.
    async fn go_on(mut self) -> Result<Option<(String, Self)>, Error> {
        let written = self.piece().await.inspect_err(|error| {
            let account = self.statement.account.id;
            tracing::error!(%account, %error, "a statement was broken off");
        });
        Ok(written?.map(|piece| (piece, self)))
    }

    async fn piece(&mut self) -> Result<Option<String>, Error> {
        let first = matches!(self.step, Step::First(_));
        let page = match std::mem::replace(&mut self.step, Step::More) {
            Step::First(page) => page,
            Step::More => self.statement.next_page(&self.platform).await?,
            Step::Done => return Ok(None),
        };
        // An empty page is the end, also if it is the first.
        if page.is_empty() {
            self.step = Step::Done;
        }
        let (statement, end) = (&self.statement, page.is_empty());
        match self.format {
            Format::Json => json(statement, page, self.at, first, end),
            Format::Csv => Ok(csv(statement, &page, first, end)),
        }
        .map(Some)
    }
}

/// The frame is cut open where the entries go.
fn json(
    statement: &entries::Statement,
    page: Vec<entries::Entry>,
    at: Timestamp,
    first: bool,
    end: bool,
) -> Result<String, Error> {
    const GAP: &str = "\"entries\":[]";
    let frame = || {
        reply::written("Statement retrieved successfully", &Statement::from(statement), at)
            .map_err(Error::internal)
    };
    let mut text = String::new();
    if first {
        text.push_str(frame()?.split(GAP).next().unwrap_or_default());
        text.push_str("\"entries\":[");
    }
    for (place, entry) in page.into_iter().enumerate() {
        if place > 0 || !first {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(&Entry::from(entry)).map_err(Error::internal)?);
    }
    if end {
        text.push(']');
        text.push_str(frame()?.split(GAP).nth(1).unwrap_or_default());
    }
    Ok(text)
}

fn csv(statement: &entries::Statement, page: &[entries::Entry], first: bool, end: bool) -> String {
    let mut table = Table::default();
    let currency = statement.account.currency.code();
    if first {
        table.line(COLUMNS);
        let (at, balance) = (statement.from.map(moment), statement.opening.to_string());
        let at = at.unwrap_or_default();
        table.line(["opening", "", &at, &at, "", "", "", "", currency, &balance, "", "", "", ""]);
    }
    for entry in page {
        line(&mut table, entry);
    }
    if end {
        let (at, balance) = (moment(statement.to), statement.closing.to_string());
        let totals = statement.totals;
        let (incoming, outgoing) = (totals.incoming.to_string(), totals.outgoing.to_string());
        let (incoming, outgoing) = (&*incoming, &*outgoing);
        table.line([
            "closing", "", &at, &at, "", "", incoming, outgoing, currency, &balance, "", "", "", "",
        ]);
    }
    table.text()
}

/// The first line of a table.
const COLUMNS: [&str; 14] = [
    "line",
    "sequence",
    "recordedAt",
    "effectiveAt",
    "transactionId",
    "transactionType",
    "in",
    "out",
    "currency",
    "balance",
    "counterparty",
    "counterpartyAccountId",
    "referenceNumber",
    "description",
];

fn line(table: &mut Table, entry: &entries::Entry) {
    let amount = entry.amount.to_string();
    let (incoming, outgoing) = match entry.direction {
        Direction::In => (&*amount, ""),
        Direction::Out => ("", &*amount),
    };
    let (purpose, account) = match entry.counterparty {
        Counterparty::Account(account) => ("", account.to_string()),
        Counterparty::Bank(purpose) => (purpose.as_str(), String::new()),
    };
    table.line([
        "entry",
        &entry.sequence.to_string(),
        &moment(entry.recorded_at),
        &moment(entry.effective_at.unwrap_or(entry.recorded_at)),
        &entry.transaction_id.to_string(),
        entry.transaction_type.as_str(),
        incoming,
        outgoing,
        entry.currency.code(),
        &entry.balance.to_string(),
        purpose,
        &account,
        &harmless(entry.reference_number.as_deref().unwrap_or_default()),
        &harmless(entry.description.as_deref().unwrap_or_default()),
    ]);
}

fn moment(at: impl Display) -> String {
    format!("{at:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_for_who_prefers_it() {
        for (accept, format) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("text/csv", Format::Csv),
            ("Text/CSV; header=present", Format::Csv),
            ("text/csv, */*", Format::Csv),
            ("application/json, text/csv", Format::Json),
            ("application/json;q=0.5, text/csv;q=0.9", Format::Csv),
            ("text/csv;q=0", Format::Json),
            ("text/*", Format::Json),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(preferred(&headers), format, "{accept}");
        }
    }
}
