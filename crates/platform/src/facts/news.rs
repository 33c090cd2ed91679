//! How news is put together: who hears of what under which names. What happened is
//! on the page of [`super::vocabulary`].

use super::{Movement, News, Party};
use ledger::UserId;
use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use uuid::Uuid;

pub(super) fn own(
    names: &'static str,
    user_id: UserId,
    resource_id: Uuid,
    payload: &Value,
) -> News {
    News { names, parties: vec![Party { user_id, resource_id, payload: raw(payload) }] }
}

/// As it is sent and stored.
pub(super) fn raw(told: &impl Serialize) -> Box<RawValue> {
    to_raw_value(told).expect("names are text and numbers finite")
}

/// The world may know of what was ordered for later what the trail says of it.
pub(super) fn later_news(names: &'static str, owner: UserId, id: Uuid, details: Value) -> News {
    let mut payload = details;
    payload["id"] = json!(id);
    payload["userId"] = json!(owner);
    own(names, owner, id, &payload)
}

pub(super) fn both(names: &'static str, movement: &Movement, paired: Option<&Movement>) -> News {
    let parties = [Some(movement), paired].into_iter().flatten().map(Movement::party).collect();
    News { names, parties }
}
