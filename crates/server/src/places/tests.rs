//! Who gets in, and who gives way.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn fill(places: &Arc<Places>, address: &str, count: usize) -> Vec<Place> {
    let usual = |_| places.take(ip(address)).filter(|place| !place.is_reserve);
    (0..count).map_while(usual).collect()
}

/// One from each of so many addresses.
fn spread(places: &Arc<Places>, count: usize) -> Vec<Place> {
    (1..=count).flat_map(|last| fill(places, &format!("192.0.2.{last}"), 1)).collect()
}

fn has_lost(place: &Place) -> bool {
    place.guest.doing() == Doing::Cut
}

fn user(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Whether a newcomer gets a usual place; it gives it back at once.
fn gets_in(places: &Arc<Places>, address: &str) -> bool {
    places.take(ip(address)).is_some_and(|place| !place.is_reserve)
}

#[tokio::test]
async fn nobody_holds_more_than_a_quarter_and_a_place_given_back_is_free() {
    let places = Places::among(80, Vec::new());
    let mut taken = fill(&places, "192.0.2.1", 30);
    assert_eq!(taken.len(), 20);
    assert!(places.take(ip("::ffff:192.0.2.1")).expect("a place").is_reserve, "the same, in IPv6");
    assert!(gets_in(&places, "192.0.2.2"));
    taken.pop();
    taken.extend(fill(&places, "192.0.2.1", 30));
    assert_eq!(taken.len(), 20);
    taken[0].guest.is_proven(user(1));
    taken.clear();
    let held = places.held();
    assert!(held.usual.of.is_empty() && held.reserve.of.is_empty(), "forgotten");
}

#[tokio::test]
async fn where_there_is_little_room_an_address_still_gets_sixteen() {
    let places = Places::among(20, Vec::new());
    assert_eq!(fill(&places, "192.0.2.1", 20).len(), 16);
}

#[tokio::test]
async fn all_networks_of_one_site_hold_no_more_than_a_half() {
    let places = Places::among(80, Vec::new());
    let taken: Vec<Place> =
        (0..60).flat_map(|net| fill(&places, &format!("2001:db8:1:{net:x}::1"), 1)).collect();
    assert_eq!(taken.len(), 40);
    assert!(gets_in(&places, "2001:db8:2::1"), "another site");
}

#[tokio::test(start_paused = true)]
async fn of_one_user_at_many_addresses_a_quarter_is_known_and_the_rest_are_strangers() {
    let places = Places::among(64, Vec::new());
    let taken = spread(&places, 64);
    for place in &taken {
        place.guest.note(Doing::Served);
        place.guest.is_proven(user(1));
        place.guest.note(Doing::Waiting);
    }
    assert_eq!(taken.iter().filter(|place| place.guest.is_known()).count(), 16);
    assert!(gets_in(&places, "198.51.100.1"));
    assert!(has_lost(&taken[16]));
}

#[tokio::test(start_paused = true)]
async fn a_trusted_proxy_stands_for_many_clients_and_loses_no_place_that_is_in_use() {
    let places = Places::among(64, vec!["10.0.0.0/8".parse().expect("a network")]);
    let proxy = fill(&places, "10.0.0.1", 64);
    assert_eq!(proxy.len(), 64);
    assert!(!gets_in(&places, "192.0.2.1"), "each has a second");
    proxy.iter().for_each(|place| place.guest.is_proven(user(1)));
    assert!(proxy.iter().all(|place| place.guest.is_known()));
    tokio::time::advance(GRACE).await;
    assert!(!gets_in(&places, "192.0.2.1"));
    assert!(!proxy.iter().any(has_lost));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_crowds_goes_at_once_unless_one_has_rested() {
    let places = Places::among(20, Vec::new());
    let crowd = fill(&places, "192.0.2.1", 16);
    let few = fill(&places, "192.0.2.2", 4);
    let first = places.take(ip("198.51.100.1")).expect("a place");
    assert!(!first.is_reserve && has_lost(&crowd[0]));
    few[3].guest.note(Doing::Served);
    few[3].guest.note(Doing::Waiting);
    assert!(gets_in(&places, "198.51.100.2"));
    assert!(has_lost(&few[3]), "it has had its answer");
}

#[tokio::test(start_paused = true)]
async fn strangers_go_before_who_is_known_and_nobody_who_is_served_or_in_use() {
    let places = Places::among(5, Vec::new());
    let taken = spread(&places, 5);
    taken[0].guest.note(Doing::Served);
    taken[1].guest.is_proven(user(1));
    taken[2].guest.is_proven(user(2));
    taken[3].guest.note(Doing::Sending);
    assert!(!gets_in(&places, "198.51.100.1"), "each has a second");
    tokio::time::advance(GRACE).await;
    taken[2].guest.note(Doing::Waiting);
    taken[3].guest.note(Doing::Sending);
    let mut newcomers = Vec::new();
    let mut loses = |loser: usize| {
        let newcomer = places.take(ip(&format!("198.51.100.{loser}"))).expect("a place");
        newcomer.guest.note(Doing::Served);
        newcomers.push(newcomer);
        has_lost(&taken[loser])
    };
    assert!(loses(4), "it has been silent");
    assert!(loses(3), "what it sends wins a stranger no time");
    assert!(!loses(1), "it is known");
    tokio::time::advance(REST.saturating_sub(GRACE)).await;
    assert!(loses(1), "it has rested");
    assert!(!loses(2), "it is in use");
    assert!(!loses(0), "it is being served");
}

#[tokio::test]
async fn who_begins_a_request_at_the_last_moment_keeps_the_place_and_who_is_cut_begins_none() {
    let places = Places::among(1, Vec::new());
    let only = places.take(ip("192.0.2.1")).expect("a place");
    let seen = only.guest.state.load(Ordering::Acquire);
    assert!(only.guest.note(Doing::Served));
    assert!(!only.guest.cut(seen), "it is another state than was seen");
    only.guest.note(Doing::Leaving);
    assert!(only.guest.flushed());
    assert!(gets_in(&places, "192.0.2.2"), "it has had its answer");
    assert!(!only.guest.note(Doing::Served), "it was cut off");
    only.guest.cut_off().await;
}

#[tokio::test]
async fn the_reserve_goes_to_the_newest_question() {
    let places = Places::among(1, Vec::new());
    let only = places.take(ip("127.0.0.1")).expect("a place");
    only.guest.note(Doing::Served);
    let waiting: Vec<Place> =
        (0..8).map(|_| places.take(ip("127.0.0.1")).expect("a place")).collect();
    assert!(waiting.iter().all(|place| place.is_reserve));
    let left = |places: &Places| {
        let held = places.held();
        let of = |place: &&Place| held.reserve.guests.contains_key(&place.guest.number);
        waiting.iter().filter(of).map(|place| place.guest.number).collect::<Vec<_>>()
    };
    assert_eq!(left(&places), [5, 6, 7, 8]);
    assert!(!waiting[7].guest.promote());
    drop(only);
    assert!(waiting[7].guest.promote());
    assert_eq!(left(&places), [5, 6, 7]);
}
