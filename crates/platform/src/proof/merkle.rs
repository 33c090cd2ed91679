//! The tree over the entries of a seal, as RFC 6962 (section 2.1) has it: a leaf
//! and a node are hashed with different first bytes, and `n` leaves are split
//! after the largest power of two below `n`.

use super::Digest;
use serde::Deserialize;

/// On which side of the way up a hash stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Before ours.
    Left,
    /// Behind ours.
    Right,
}

impl Side {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// One step on the way from a leaf to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Where the neighbour stands.
    pub side: Side,
    /// Its hash.
    pub hash: Digest,
}

/// The hash of a leaf.
pub fn leaf(text: &[u8]) -> Digest {
    Digest::of(&[&[0], text])
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1], &left.0, &right.0])
}

/// The root over leaves; over none, the hash of nothing.
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [only] => *only,
        many => {
            let (left, right) = many.split_at(half(many.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The way from one of the leaves up to the root.
pub fn path(leaves: &[Digest], index: usize) -> Vec<Step> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(half(leaves.len()));
    let (mut path, side, hash) = match index.checked_sub(left.len()) {
        None => (path(left, index), Side::Right, root(right)),
        Some(index) => (path(right, index), Side::Left, root(left)),
    };
    path.push(Step { side, hash });
    path
}

/// The root that a leaf at this place of `count` and its path lead to. `None` if
/// no such place has a path of this shape.
pub fn climb(leaf: Digest, index: usize, count: usize, path: &[Step]) -> Option<Digest> {
    if index >= count || !path.iter().map(|step| step.side).eq(sides(index, count)) {
        return None;
    }
    Some(path.iter().fold(leaf, |below, Step { side, hash }| match side {
        Side::Left => node(hash, &below),
        Side::Right => node(&below, hash),
    }))
}

fn sides(index: usize, count: usize) -> Vec<Side> {
    if count < 2 {
        return Vec::new();
    }
    let left = half(count);
    let (mut sides, side) = match index.checked_sub(left) {
        None => (sides(index, left), Side::Right),
        Some(index) => (sides(index, count - left), Side::Left),
    };
    sides.push(side);
    sides
}

/// The largest power of two below `count`, which is at least 2.
fn half(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count).map(|n| leaf(n.to_string().as_bytes())).collect()
    }

    #[test]
    fn a_path_leads_to_the_root_and_from_no_other_place() {
        for count in 1..40 {
            let leaves = leaves(count);
            let root = root(&leaves);
            for index in 0..count {
                let path = path(&leaves, index);
                assert_eq!(climb(leaves[index], index, count, &path), Some(root));
                for other in (0..count).filter(|other| *other != index) {
                    assert_ne!(climb(leaves[index], other, count, &path), Some(root));
                    assert_ne!(climb(leaves[other], index, count, &path), Some(root));
                }
                assert_eq!(climb(leaves[index], count, count, &path), None);
            }
        }
    }

    /// The test vectors of RFC 6962's reference implementation: eight inputs.
    #[test]
    fn the_roots_are_those_of_rfc_6962() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let leaves = inputs.map(leaf);
        for (count, expected) in [
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
            (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(root(&leaves[..count]).to_string(), expected);
        }
    }
}
