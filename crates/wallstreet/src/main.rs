//! wallstreet
fn main() {}
