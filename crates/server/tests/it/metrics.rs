//! What the server tells of itself.

use crate::support::Api;

/// The value of a series in the text format.
fn value(page: &str, series: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}

#[tokio::test]
async fn the_metrics_count_requests_orders_and_batches() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("10").await;
    let before = api.anyone().get("/metrics").await.expect(200).text.clone();
    ada.transact(&account, "deposit", "5", true).await;
    ada.transact(&account, "withdrawal", "500", true).await.refused(422, "insufficient_funds");
    let page = api.anyone().get("/metrics").await.expect(200).text.clone();
    let more = |series: &str| value(&page, series) - value(&before, series);
    assert_eq!(more("wallstreet_posting_orders_total"), 2);
    assert_eq!(more("wallstreet_posting_batch_orders_count"), 2);
    assert_eq!(more("wallstreet_http_requests_total{status=\"4xx\"}"), 1);
    assert_eq!(value(&page, "wallstreet_posting_waiting_orders"), 0);
    let buckets = page.lines().filter(|line| line.starts_with("wallstreet_posting_wait_seconds_b"));
    let counts: Vec<u64> =
        buckets.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(counts.is_sorted(), "buckets add up: {counts:?}");
    assert_eq!(counts.last(), Some(&value(&page, "wallstreet_posting_wait_seconds_count")));
}

#[tokio::test]
async fn the_hottest_account_is_told_to_administrators_alone() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let (hot, cold) = (ada.account("0").await, ada.account("0").await);
    for _ in 0..3 {
        ada.transact(&hot, "deposit", "1", true).await;
    }
    ada.transact(&cold, "deposit", "1", true).await;
    let path = "/api/v1/admin/ledger/contention";
    ada.get(path).await.refused(403, "admin_required");
    let answer = admin.get(path).await;
    let told = answer.expect(200).data();
    assert_eq!(told["hotAccounts"][0]["accountId"], hot.as_str());
    assert_eq!(told["hotAccounts"][0]["orders"], 3);
    assert_eq!(told["batchOrders"]["p50"], 1);
    assert_eq!(told["waiting"], 0);
}
