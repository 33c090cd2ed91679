//! What a party to a transfer learns of the other side: the amount, and nothing of
//! its balance or of how much it does. The list of operations is the API document's.

use crate::{
    contract::operations,
    support::{Answer, Api, Client},
};
use serde_json::{Value, json};

/// A balance that is unmistakable, and sequences that are, where the reader's own
/// history is shorter.
struct Secret {
    whose: &'static str,
    balance: &'static str,
    sequences: std::ops::RangeInclusive<u64>,
}

const ADA: Secret = Secret { whose: "the sender", balance: "7311937", sequences: 121..=160 };
const EVE: Secret = Secret { whose: "the receiver", balance: "4242424", sequences: 721..=760 };

impl Secret {
    /// Fails if the text shows one of them.
    fn is_kept(&self, place: &str, text: &str) {
        assert!(
            !text.contains(self.balance),
            "{place} shows the balance of {}: {text}",
            self.whose
        );
        if self.sequences.end() < EVE.sequences.start() {
            return;
        }
        let numbers = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.');
        let sequence =
            numbers.filter_map(|word| word.parse().ok()).find(|n: &u64| self.sequences.contains(n));
        assert_eq!(sequence, None, "{place} shows the sequence of {}: {text}", self.whose);
    }
}

/// An account with the secret's balance behind so many entries.
async fn account(owner: &Client, secret: &Secret) -> String {
    let id = owner.account(&format!("{}.53", secret.balance)).await;
    let aside = owner.account("0").await;
    let item = json!({"accountId": id, "transactionType": "transfer", "amount": "0.01",
        "toAccountId": aside, "process": true});
    // One by one the balance goes down by cents that go up again at the end.
    let mut left = secret.sequences.start() - 2;
    while left > 0 {
        let part = left.min(1000);
        let items: Vec<&Value> =
            std::iter::repeat_n(&item, usize::try_from(part).unwrap()).collect();
        let body = json!({"atomic": true, "transactions": items});
        owner.post("/api/v1/transactions/batch", &body).await.expect(200);
        left -= part;
    }
    let back = format!(
        "{}.{:02}",
        (secret.sequences.start() - 2) / 100,
        (secret.sequences.start() - 2) % 100
    );
    let body = json!({"accountId": aside, "transactionType": "transfer", "amount": back,
        "toAccountId": id, "process": true});
    owner.post("/api/v1/transactions", &body).await.expect(201);
    id
}

/// Every GET of the document at every id, and what is refused or repeated.
async fn everything(client: &Client, ids: &[String]) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for operation in operations().into_iter().filter(|operation| operation.method == "get") {
        let one = operation.path.contains('{') && !operation.path.contains("{number}");
        for id in ids.iter().take(if one { ids.len() } else { 1 }) {
            let mut path = operation
                .path
                .replace("{id}", id)
                .replace("{accountId}", id)
                .replace("{number}", "1");
            if operation.id() == "get_transaction_outcome" {
                path.push_str("?key=once");
            }
            answers.push((path.clone(), client.get(&path).await));
            if operation.id() == "get_statement" {
                path.push_str("?format=csv");
                answers.push((path.clone(), client.get(&path).await));
            }
        }
    }
    answers
}

/// All that this party can get, and all that it is sent.
async fn party(api: &Api, client: &Client, ours: &str, theirs: &str, other: &Secret) {
    let transfer = |amount: &str, process: bool| {
        json!({"accountId": ours, "transactionType": "transfer", "amount": amount, "toAccountId": theirs,
            "process": process})
    };
    let mut answers = Vec::new();
    for (key, body) in [
        ("once", transfer("0.01", true)),
        ("once", transfer("0.01", true)),
        ("held", transfer("0.02", false)),
        ("much", transfer("9999999999.99", true)),
        (
            "theirs",
            json!({"accountId": theirs, "transactionType": "withdrawal", "amount": "1", "process": true}),
        ),
        (
            "foreign",
            json!({"accountId": ours, "transactionType": "transfer", "amount": "1", "currency": "EUR",
            "toAccountId": theirs, "process": true}),
        ),
    ] {
        answers
            .push((format!("POST {key}"), client.keyed("/api/v1/transactions", key, &body).await));
    }
    let items = json!({"transactions": [transfer("0.03", true), transfer("9999999999.99", true)]});
    answers.push(("batch".to_owned(), client.post("/api/v1/transactions/batch", &items).await));
    let moved = answers[0].1.expect(201).data()["id"].as_str().unwrap().to_owned();
    let halves = format!(
        "SELECT coalesce(string_agg(id::text, ' '), '') FROM transactions WHERE '{moved}' IN (id, paired_transaction_id)"
    );
    let sql = api.bank.client().await;
    let halves: String = sql.query_one(&halves, &[]).await.unwrap().get(0);
    api.bank.seal().await;
    let mut ids = vec![ours.to_owned(), theirs.to_owned()];
    ids.extend(halves.split(' ').map(str::to_owned));
    answers.extend(everything(client, &ids).await);
    // What came after the seal stands open in a proof.
    let reverse = json!({"amount": "0.01"});
    let path = format!("/api/v1/transactions/{moved}/reverse");
    answers.push((path.clone(), client.post(&path, &reverse).await));
    client.post("/api/v1/transactions", &transfer("0.01", true)).await.expect(201);
    let explained = format!("/api/v1/accounts/{ours}/balance/explain");
    let proof = client.get(&explained).await;
    assert_eq!(proof.expect(200).data()["since"][0]["targetId"], json!(theirs));
    answers.push((explained, proof));
    assert!(answers.iter().filter(|(_, answer)| answer.status == 200).count() > 15);
    for (place, answer) in &answers {
        other.is_kept(place, &answer.text);
    }
    let user = client.user["id"].as_str().unwrap();
    let told = format!(
        "SELECT party::text FROM wallstreet.outbox, json_array_elements(parties) AS party WHERE party ->> 'userId' = '{user}'"
    );
    for row in sql.query(&told, &[]).await.unwrap() {
        other.is_kept("an event", row.get(0));
    }
}

#[tokio::test]
async fn no_answer_and_no_event_tells_a_party_the_balance_or_the_sequence_of_the_other() {
    let api = Api::start().await;
    let (ada, eve) = (api.user().await, api.user().await);
    let (rich, richer) = (account(&ada, &ADA).await, account(&eve, &EVE).await);
    let back = json!({"accountId": richer, "transactionType": "transfer", "amount": "0.01",
        "toAccountId": rich, "process": true});
    eve.post("/api/v1/transactions", &back).await.expect(201);
    party(&api, &ada, &rich, &richer, &EVE).await;
    party(&api, &eve, &richer, &rich, &ADA).await;
    // The list would be worth nothing if these numbers were not what they are.
    let own = ada.get(&format!("/api/v1/accounts/{rich}/balance/explain")).await;
    let sequence = own.expect(200).data()["sequence"].as_u64().unwrap();
    assert!(ADA.sequences.contains(&sequence) && own.text.contains(ADA.balance), "{}", own.text);
    let own = eve.get(&format!("/api/v1/accounts/{richer}/balance/explain")).await;
    let sequence = own.expect(200).data()["sequence"].as_u64().unwrap();
    assert!(EVE.sequences.contains(&sequence) && own.text.contains(EVE.balance), "{}", own.text);
}
