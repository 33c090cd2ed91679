//! Every stored fact of the book has a rule that recomputes it.

mod world;

use crate::verification::report;
use world::world;

#[tokio::test]
async fn a_book_in_which_everything_happened_is_sound() {
    let world = world().await;
    let report = report(&world.bank).await;
    if let Some(path) = std::env::var_os("KEEP") {
        let text = testkit::pg_dump(&world.bank.database.url, &[]).unwrap();
        std::fs::write(path, text).unwrap();
    }
    assert!(report.is_sound(), "{report:?}");
}
