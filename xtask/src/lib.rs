//! Chores of the repository. A library so that the rules of the house are also a test.

pub mod bench;
pub mod fire;
pub mod generate;
pub mod test;
pub mod tidy;

use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the repository").to_path_buf()
}
