//! Which rows under a broken seal are others than were sealed, by the marks that
//! the seal keeps of each.

use super::walk::{Row, Rows};
use crate::seals::MARK_BYTES;
use std::collections::HashMap;

/// A row that is not as it was sealed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Odd {
    /// It is there, and another.
    Altered(Row),
    /// It is there, and was not sealed.
    Added(Row),
    /// So many were sealed between these two numbers, and are gone.
    Gone(i64, i64, i64),
}

impl Odd {
    /// Which row.
    pub(super) fn subject(&self, rows: Rows) -> String {
        let [one, many] = rows.words();
        match self {
            Self::Altered(row) | Self::Added(row) => rows.name(row),
            Self::Gone(before, behind, 1) if behind.saturating_sub(*before) == 2 => {
                format!("{one} {}", before + 1)
            }
            Self::Gone(before, behind, count)
                if behind.saturating_sub(*before) == count.saturating_add(1) =>
            {
                format!("{many} {} to {}", before + 1, behind - 1)
            }
            Self::Gone(before, behind, count) => {
                format!("{count} of the {many} between {before} and {behind}")
            }
        }
    }

    /// What is stored and what was sealed.
    pub(super) fn told(&self, seal: i64) -> (String, String) {
        match self {
            Self::Altered(_) => ("another".to_owned(), format!("as it was sealed by seal {seal}")),
            Self::Added(_) => ("there".to_owned(), format!("not under seal {seal}")),
            Self::Gone(..) => ("not there".to_owned(), format!("sealed by seal {seal}")),
        }
    }
}

/// Compares the rows between two numbers with the marks of those that were sealed.
pub(super) fn odd(rows: &[Row], marks: &[u8], before: i64, behind: i64) -> Vec<Odd> {
    let marks: Vec<&[u8]> = marks.chunks(MARK_BYTES).collect();
    let of_rows: Vec<&[u8]> = rows.iter().map(|row| &row.leaf.0[..MARK_BYTES]).collect();
    let sealed: HashMap<&[u8], usize> =
        marks.iter().enumerate().map(|(at, mark)| (*mark, at)).collect();
    let there: HashMap<&[u8], usize> =
        of_rows.iter().enumerate().map(|(at, mark)| (*mark, at)).collect();
    let mut odd = Vec::new();
    let (mut row, mut mark) = (0, 0);
    // So many are gone before the row at this place.
    let gone = |row: usize, count: usize| {
        let from = row.checked_sub(1).and_then(|row| rows.get(row)).map_or(before, |row| row.place);
        let to = rows.get(row).map_or(behind, |row| row.place);
        Odd::Gone(from, to, i64::try_from(count).unwrap_or(i64::MAX))
    };
    while let (Some(ours), Some(theirs)) = (of_rows.get(row), marks.get(mark)) {
        if ours == theirs {
            (row, mark) = (row + 1, mark + 1);
        } else if let Some(at) = sealed.get(ours).filter(|at| **at > mark) {
            odd.push(gone(row, at - mark));
            mark = *at;
        } else if there.get(theirs).is_some_and(|at| *at > row) {
            odd.push(Odd::Added(rows[row]));
            row += 1;
        } else {
            odd.push(Odd::Altered(rows[row]));
            (row, mark) = (row + 1, mark + 1);
        }
    }
    odd.extend(rows[row..].iter().copied().map(Odd::Added));
    if mark < marks.len() {
        odd.push(gone(row, marks.len() - mark));
    }
    odd
}
