//! Every endpoint of the API, on one screen. Method, path and description of
//! each stand with its handler.

use crate::{
    App,
    api::{
        accounts, admin, api_keys, auth, batches, entries, health, metrics, orders, restraints,
        schedules, seals, sessions, statements, transactions, users, verification,
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The table; `guard` puts a layer around the doors where secrets are tried.
pub(crate) fn table(
    guard: impl FnOnce(OpenApiRouter<App>) -> OpenApiRouter<App>,
) -> OpenApiRouter<App> {
    OpenApiRouter::default().merge(open()).nest("/api/v1", guard(doors()).merge(bank()))
}

/// Without authentication and without limits.
fn open() -> OpenApiRouter<App> {
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
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::change_password))
}

fn bank() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(auth::logout))
        .routes(routes!(users::auth_profile, users::update_auth_profile))
        .routes(routes!(users::profile, users::update_profile, users::close))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(api_keys::list, api_keys::issue))
        .routes(routes!(api_keys::update, api_keys::revoke))
        .routes(routes!(accounts::list, accounts::open))
        .routes(routes!(accounts::summaries))
        .routes(routes!(accounts::get, accounts::set_status, accounts::close))
        .routes(routes!(entries::balance))
        .routes(routes!(entries::list))
        .routes(routes!(statements::draw))
        .routes(routes!(seals::explain))
        .routes(routes!(seals::list))
        .routes(routes!(seals::get))
        .routes(routes!(transactions::list, orders::create))
        .routes(routes!(batches::create))
        .routes(routes!(batches::outcome, batches::settle))
        .routes(routes!(transactions::of_account))
        .routes(routes!(transactions::get, transactions::annotate))
        .routes(routes!(orders::process))
        .routes(routes!(orders::capture))
        .routes(routes!(orders::reverse))
        .routes(routes!(orders::cancel))
        .routes(routes!(schedules::list, schedules::create))
        .routes(routes!(schedules::get, schedules::change, schedules::end))
        .routes(routes!(schedules::runs))
        .routes(routes!(admin::users))
        .routes(routes!(admin::user, admin::change_user))
        .routes(routes!(admin::accounts))
        .routes(routes!(restraints::account))
        .routes(routes!(restraints::set_limits))
        .routes(routes!(restraints::freeze, restraints::unfreeze))
        .routes(routes!(admin::audit_logs))
        .routes(routes!(metrics::contention))
        .routes(routes!(verification::last, verification::check))
}
