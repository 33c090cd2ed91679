//! Every endpoint of the API, on one screen: what its caller needs, and how large
//! a body it takes where that is not 1 MiB. Method, path and description of each
//! stand with its handler.

use crate::{
    App,
    admission::{needs, takes},
    api::{
        accounts, admin, api_keys, auth, batches, entries, fx, health, metrics, orders, restraints,
        schedules, seals, sessions, statements, transactions, users, verification,
    },
};
use platform::Permission::{
    AdminUsers, ProcessTransactions, ReadAccounts, ReadAudit, ReadProfile, ReadTransactions,
    WriteAccounts, WriteTransactions,
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The largest body of an operation that is open to strangers, in bytes.
const SMALL: usize = 16 << 10;
/// The largest body with many transactions, in bytes.
const BATCH: usize = 8 << 20;

/// The table; `guard` puts a layer around the doors where secrets are tried.
pub(crate) fn table(
    guard: impl FnOnce(OpenApiRouter<App>) -> OpenApiRouter<App>,
) -> OpenApiRouter<App> {
    OpenApiRouter::default().merge(open()).nest("/api/v1", guard(doors()).merge(bank()))
}

/// Without authentication and without limits.
pub(crate) fn open() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(health::root))
        .routes(routes!(health::health))
        .routes(routes!(health::detailed))
        .routes(routes!(health::database))
        .routes(routes!(health::redis))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::scrape))
}

/// Where secrets are tried: failures are counted.
fn doors() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(takes(SMALL, routes!(auth::register)))
        .routes(takes(SMALL, routes!(auth::login)))
        .routes(takes(SMALL, routes!(auth::refresh)))
        .routes(takes(SMALL, routes!(auth::change_password)))
}

fn bank() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(auth::logout))
        .routes(needs(&[ReadProfile], routes!(users::auth_profile)))
        .routes(routes!(users::update_auth_profile))
        .routes(needs(&[ReadProfile], routes!(users::profile)))
        .routes(routes!(users::update_profile, users::close))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(api_keys::list, api_keys::issue))
        .routes(routes!(api_keys::update, api_keys::revoke))
        .routes(needs(&[ReadAccounts], routes!(accounts::list)))
        .routes(needs(&[WriteAccounts], routes!(accounts::open)))
        .routes(needs(&[ReadAccounts], routes!(accounts::summaries)))
        .routes(needs(&[ReadAccounts], routes!(accounts::get)))
        .routes(needs(&[WriteAccounts], routes!(accounts::set_status, accounts::close)))
        .routes(needs(&[ReadAccounts], routes!(entries::balance)))
        .routes(needs(&[ReadAccounts], routes!(entries::list)))
        .routes(needs(&[ReadAccounts], routes!(statements::draw)))
        .routes(needs(&[ReadAccounts], routes!(seals::explain)))
        .routes(needs(&[ReadAccounts], routes!(seals::list)))
        .routes(needs(&[ReadAccounts], routes!(seals::get)))
        .routes(needs(&[ReadTransactions], routes!(transactions::list)))
        .routes(needs(&[WriteTransactions], routes!(orders::create)))
        .routes(takes(BATCH, needs(&[WriteTransactions], routes!(batches::create))))
        .routes(needs(&[ReadTransactions], routes!(batches::outcome)))
        .routes(needs(&[WriteTransactions], routes!(batches::settle)))
        .routes(needs(&[ReadTransactions], routes!(transactions::of_account)))
        .routes(needs(&[ReadTransactions], routes!(transactions::get)))
        .routes(needs(&[WriteTransactions], routes!(transactions::annotate)))
        .routes(needs(&[WriteTransactions, ProcessTransactions], routes!(orders::process)))
        .routes(needs(&[WriteTransactions, ProcessTransactions], routes!(orders::capture)))
        .routes(needs(&[WriteTransactions], routes!(orders::reverse)))
        .routes(needs(&[WriteTransactions], routes!(orders::cancel)))
        .routes(needs(&[WriteTransactions], routes!(fx::quote)))
        .routes(needs(&[ReadTransactions], routes!(fx::get_quote)))
        .routes(needs(&[ReadTransactions], routes!(schedules::list)))
        .routes(needs(&[WriteTransactions], routes!(schedules::create)))
        .routes(needs(&[ReadTransactions], routes!(schedules::get)))
        .routes(needs(&[WriteTransactions], routes!(schedules::change, schedules::end)))
        .routes(needs(&[ReadTransactions], routes!(schedules::runs)))
        .routes(needs(&[AdminUsers], routes!(admin::users)))
        .routes(needs(&[AdminUsers], routes!(admin::user, admin::change_user)))
        .routes(needs(&[AdminUsers], routes!(admin::accounts)))
        .routes(needs(&[AdminUsers], routes!(restraints::account)))
        .routes(needs(&[AdminUsers], routes!(restraints::set_limits)))
        .routes(needs(&[AdminUsers], routes!(restraints::freeze, restraints::unfreeze)))
        .routes(needs(&[ProcessTransactions], routes!(fx::rates, fx::set_rate)))
        .routes(needs(&[ProcessTransactions], routes!(fx::remove_rate)))
        .routes(needs(&[ReadAudit], routes!(admin::audit_logs)))
        .routes(needs(&[ReadAudit], routes!(metrics::contention)))
        .routes(needs(&[ReadAudit], routes!(verification::last, verification::check)))
}
