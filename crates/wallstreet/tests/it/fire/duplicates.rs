//! One key, many at once: one effect, and the same bytes for everybody.

use super::{
    asked, assert_verified, count, database, serve, two_accounts,
    wire::{Reply, Wire},
};
use crate::product::Home;
use std::{
    collections::HashSet,
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

#[test]
fn duplicates_at_once_have_one_effect_and_one_answer() {
    let (keys, copies) = (asked("WALLSTREET_FIRE_KEYS", 60), asked("WALLSTREET_FIRE_COPIES", 20));
    let (home, database) = (Home::new(), database());
    let servers = [serve(&home, &database.url), serve(&home, &database.url)];
    let (client, from, to) = two_accounts(servers[0].port);
    let began = Instant::now();
    let together = Arc::new(Barrier::new(copies));
    let threads: Vec<_> = (0..copies)
        .map(|copy| {
            let wire = Wire::new(servers[copy % 2].port, client.token());
            let (together, from, to) = (Arc::clone(&together), from.clone(), to.clone());
            thread::spawn(move || {
                let mut line = wire.connect().unwrap();
                let one = |n: usize| {
                    // Every third one is refused: there is not so much.
                    let amount = if n % 3 == 2 { "5000.00" } else { "0.01" };
                    let request = wire.transfer(&format!("key-{n}"), &from, &to, amount);
                    together.wait();
                    line.ask(&request).unwrap()
                };
                (0..keys).map(one).collect::<Vec<Reply>>()
            })
        })
        .collect();
    let replies: Vec<Vec<Reply>> = threads.into_iter().map(|one| one.join().unwrap()).collect();
    let took = began.elapsed().as_secs_f64();
    let mut ids = HashSet::new();
    for n in 0..keys {
        let of_key: Vec<&Reply> = replies.iter().map(|all| &all[n]).collect();
        let first = of_key.iter().filter(|reply| !reply.replayed).count();
        assert_eq!(first, 1, "key {n}: {of_key:?}");
        let bodies: HashSet<(u16, &str)> =
            of_key.iter().map(|reply| (reply.status, reply.body.as_str())).collect();
        assert_eq!(bodies.len(), 1, "key {n}: {bodies:#?}");
        assert_eq!(of_key[0].status, if n % 3 == 2 { 422 } else { 201 });
        if of_key[0].status == 201 {
            let fresh = ids.insert(of_key[0].json()["data"]["id"].as_str().unwrap().to_owned());
            assert!(fresh, "key {n} has the effect of another one");
        }
    }
    let transfers =
        count(&database, "SELECT count(*) FROM transactions WHERE transaction_type = 'transfer'");
    assert_eq!(transfers, 2 * i64::try_from(ids.len()).unwrap());
    assert_verified(&home, &database.url);
    println!("{keys} keys × {copies} duplicates on two servers: {took:.1} s, one effect each");
    servers.into_iter().for_each(crate::product::Running::stop);
}
