//! Requests, and whether their answers are right.

use super::{Read, Specification, Task};
use crate::{
    random::Random,
    rows::AGENT,
    workload::{Picker, Transfer},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Write;
use uuid::Uuid;

/// What a request asks for.
pub(super) enum Expected {
    Transfer(Transfer),
    Bulk(Vec<Transfer>),
    Read(usize),
}

/// Makes requests of one task.
pub(super) struct Asking {
    kind: Kind,
    /// All that stands before the parts that differ.
    head: String,
}

enum Kind {
    Transfers(Picker),
    Bulk(Picker, usize),
    Reads(Vec<Read>),
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made<'a> {
    id: Uuid,
    account_id: Uuid,
    counterparty_account_id: Uuid,
    paired_transaction_id: Uuid,
    #[serde(borrow)]
    amount: &'a RawValue,
    status: &'a str,
    transaction_type: &'a str,
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    status: u16,
    #[serde(borrow)]
    transaction: Made<'a>,
}

impl Asking {
    pub(super) fn new(specification: &Specification) -> Self {
        let Specification { path, api_key, .. } = specification;
        let key = api_key.as_ref().map_or(String::new(), |key| format!("x-api-key: {key}\r\n"));
        let common = format!("host: localhost\r\nuser-agent: {AGENT}\r\n{key}");
        let post = format!("POST {path} HTTP/1.1\r\n{common}content-type: application/json\r\n");
        match specification.task.clone() {
            Task::Transfers { workload, accounts } => {
                Self { kind: Kind::Transfers(Picker::new(workload, accounts)), head: post }
            }
            Task::Bulk { workload, accounts, size } => {
                Self { kind: Kind::Bulk(Picker::new(workload, accounts), size), head: post }
            }
            Task::Reads(reads) => Self { kind: Kind::Reads(reads), head: common },
        }
    }

    /// Writes the next request; says what its answer must be.
    pub(super) fn next(&self, random: &mut Random, request: &mut Vec<u8>) -> Expected {
        match &self.kind {
            Kind::Transfers(picker) => {
                let transfer = picker.transfer(random);
                let (key, body) = (transfer.key, object(&transfer, ""));
                self.post(request, &format!("idempotency-key: {key}\r\n"), &body);
                Expected::Transfer(transfer)
            }
            Kind::Bulk(picker, size) => {
                let transfers: Vec<_> = (0..*size).map(|_| picker.transfer(random)).collect();
                let keyed = |transfer: &Transfer| {
                    object(transfer, &format!(r#""idempotencyKey":"{}","#, transfer.key))
                };
                let items: Vec<String> = transfers.iter().map(keyed).collect();
                let body = format!(r#"{{"atomic":false,"transactions":[{}]}}"#, items.join(","));
                self.post(request, "", &body);
                Expected::Bulk(transfers)
            }
            Kind::Reads(reads) => {
                let place = random.below(reads.len());
                let (path, head) = (&reads[place].path, &self.head);
                request.extend_from_slice(format!("GET {path} HTTP/1.1\r\n{head}\r\n").as_bytes());
                Expected::Read(place)
            }
        }
    }

    fn post(&self, request: &mut Vec<u8>, header: &str, body: &str) {
        let (head, length) = (&self.head, body.len());
        write!(request, "{head}{header}content-length: {length}\r\n\r\n{body}")
            .expect("memory takes everything");
    }

    /// How many transfers, or reads, a right answer stands for.
    pub(super) fn check(
        &self,
        expected: &Expected,
        status: u16,
        body: &[u8],
    ) -> Result<u64, String> {
        let wrong = |why: &str| {
            let body = String::from_utf8_lossy(&body[..body.len().min(500)]);
            format!("{why}: {status} {body}")
        };
        match expected {
            Expected::Transfer(transfer) => {
                let read = serde_json::from_slice::<Envelope<Made<'_>>>(body);
                let made = read.map_err(|error| wrong(&error.to_string()))?;
                let right = status == 201 && is_right(transfer, &made.data);
                if right { Ok(1) } else { Err(wrong("not what was asked for")) }
            }
            Expected::Bulk(transfers) => {
                let read = serde_json::from_slice::<Envelope<Results<'_>>>(body);
                let results = read.map_err(|error| wrong(&error.to_string()))?.data.results;
                let right = status == 200
                    && results.len() == transfers.len()
                    && transfers.iter().zip(&results).all(|(transfer, item)| {
                        item.status == 201 && is_right(transfer, &item.transaction)
                    });
                if right {
                    Ok(transfers.len() as u64)
                } else {
                    Err(wrong("not what was asked for"))
                }
            }
            Expected::Read(place) => {
                let Kind::Reads(reads) = &self.kind else { return Err(wrong("nothing was asked")) };
                let text = std::str::from_utf8(body).map_err(|error| wrong(&error.to_string()))?;
                let holds = &reads[*place].holds;
                let right = holds.iter().all(|(part, times)| text.matches(part).count() == *times);
                if status == 200 && right { Ok(1) } else { Err(wrong("not what is there")) }
            }
        }
    }
}

fn object(transfer: &Transfer, first: &str) -> String {
    let Transfer { source, target, cents, .. } = transfer;
    let (whole, rest) = (cents / 100, cents % 100);
    format!(
        r#"{{{first}"transactionType":"transfer","process":true,"accountId":"{source}","toAccountId":"{target}","amount":{whole}.{rest:02}}}"#
    )
}

fn is_right(transfer: &Transfer, made: &Made<'_>) -> bool {
    let Transfer { source, target, cents, .. } = transfer;
    made.account_id == *source
        && made.counterparty_account_id == *target
        && made.amount.get() == format!("{}.{:02}", cents / 100, cents % 100)
        && made.status == "completed"
        && made.transaction_type == "transfer"
        && !made.id.is_nil()
        && made.paired_transaction_id != made.id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{measured::Timing, rows::Rows, workload::Workload};

    fn asking() -> Asking {
        Asking::new(&Specification {
            address: ([127, 0, 0, 1], 1).into(),
            path: "/transfers".to_owned(),
            api_key: Some("wsk".to_owned()),
            task: Task::Transfers { workload: Workload::Uniform, accounts: 10 },
            connections: 1,
            timing: Timing { warm_up: 0.0, measured: 1.0 },
            seed: 1,
        })
    }

    /// A transfer and the right answer to it.
    fn pair() -> (Transfer, String) {
        let mut random = Random::new(1);
        let transfer = Picker::new(Workload::Uniform, 10).transfer(&mut random);
        let rows = Rows::new(Uuid::nil(), transfer, b"", &mut random);
        (transfer, rows.answer())
    }

    #[test]
    fn an_answer_about_another_amount_account_or_state_is_wrong() {
        let (transfer, answer) = pair();
        let other = Transfer { cents: transfer.cents + 1, ..transfer };
        let turned = Transfer { source: transfer.target, target: transfer.source, ..transfer };
        for transfer in [other, turned] {
            let checked = asking().check(&Expected::Transfer(transfer), 201, answer.as_bytes());
            assert!(checked.is_err());
        }
        let pending = answer.replace("completed", "pending");
        for (status, body) in [(200, &*answer), (201, &pending), (201, "{}"), (201, "")] {
            let checked = asking().check(&Expected::Transfer(transfer), status, body.as_bytes());
            assert!(checked.is_err(), "{status} {body}");
        }
    }

    #[test]
    fn the_baselines_answer_is_a_right_one() {
        let (transfer, answer) = pair();
        let checked = asking().check(&Expected::Transfer(transfer), 201, answer.as_bytes());
        assert_eq!(checked, Ok(1));
    }

    #[test]
    fn a_request_says_who_what_and_how_long() {
        let mut request = Vec::new();
        asking().next(&mut Random::new(1), &mut request);
        let request = String::from_utf8_lossy(&request).into_owned();
        let (head, body) = request.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("POST /transfers HTTP/1.1\r\nhost: "));
        assert!(head.contains("\r\nx-api-key: wsk\r\n"));
        assert!(head.contains("\r\nidempotency-key: "));
        assert!(head.ends_with(&format!("\r\ncontent-length: {}", body.len())));
        assert!(body.contains(r#""transactionType":"transfer""#));
    }
}
