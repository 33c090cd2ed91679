//! Lines that are sent together, and the thread that reads them ahead.
//!
//! Invariant: what is read ahead is bounded, whatever the size of the file.

use super::lines::{Item, Line, Lines, Place, Refused};
use std::{
    io::{self, BufRead},
    thread,
};
use tokio::sync::mpsc;

/// The largest request, in bytes; the server takes 8 MiB.
const LARGEST: usize = (8 << 20) - 1024;

/// Consecutive lines.
#[derive(Debug, Default)]
pub struct Batch {
    /// What is sent.
    pub items: Vec<Item>,
    /// What cannot be sent.
    pub bad: Vec<Refused>,
    /// Where it ends.
    pub end: Place,
    /// Whether it is to tell if the file was imported before: nothing else is sent until it is answered.
    pub probe: bool,
}

impl Batch {
    /// The request.
    pub fn body(&self, which: &[usize], atomic: bool) -> String {
        let mut body = format!("{{\"atomic\":{atomic},\"transactions\":[");
        for (place, which) in which.iter().enumerate() {
            if place > 0 {
                body.push(',');
            }
            self.items[*which].write(&mut body);
        }
        body.push_str("]}");
        body
    }
}

/// How lines are put together.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Most lines.
    pub most: usize,
    /// Whether a batch is all or nothing.
    pub atomic: bool,
    /// Whether the first is a probe: one line, or as many as have to be done together.
    pub probe: bool,
}

/// Reads batches in a thread of its own: standard input may keep it waiting for ever.
pub fn read<R: BufRead + Send + 'static>(
    mut lines: Lines<R>,
    mut shape: Shape,
) -> mpsc::Receiver<io::Result<Batch>> {
    let (give, take) = mpsc::channel(1);
    thread::spawn(move || {
        let mut held = None;
        loop {
            let batch = gather(&mut lines, shape, &mut held);
            shape.probe &= !batch.as_ref().is_ok_and(|batch| batch.probe);
            let over = batch.as_ref().is_ok_and(|batch| batch.items.len() + batch.bad.len() == 0);
            let last = over || batch.is_err();
            if give.blocking_send(batch).is_err() || last {
                return;
            }
        }
    });
    take
}

/// The next batch; an empty one at the end. `held` is the line that did not fit into the one before.
fn gather<R: BufRead>(
    lines: &mut Lines<R>,
    shape: Shape,
    held: &mut Option<(Item, Place)>,
) -> io::Result<Batch> {
    let mut batch = Batch::default();
    let mut size = 0;
    if let Some((item, place)) = held.take() {
        size += item.size();
        batch.items.push(item);
        batch.end = place;
    }
    while batch.items.len() + batch.bad.len() < shape.most {
        match lines.next()? {
            None => {
                // Also what follows the last line.
                batch.end = lines.place().clone();
                break;
            }
            Some(Line::Bad(bad)) => {
                size += bad.original.as_ref().map_or(0, String::len);
                batch.bad.push(bad);
            }
            Some(Line::Item(item)) => {
                size += item.size();
                if size > LARGEST && !batch.items.is_empty() {
                    *held = Some((item, lines.place().clone()));
                    break;
                }
                batch.probe |= shape.probe && item.key.is_some();
                batch.items.push(item);
            }
        }
        batch.end = lines.place().clone();
        if size > LARGEST || batch.probe && !shape.atomic {
            break;
        }
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(text: String, shape: Shape) -> Vec<(usize, usize, u64)> {
        let lines = Lines::new(io::Cursor::new(text), "p");
        let mut batches = Vec::new();
        let mut from = read(lines, shape);
        while let Some(batch) = from.blocking_recv() {
            let batch = batch.unwrap();
            let which: Vec<usize> = (0..batch.items.len()).collect();
            assert!(batch.body(&which, false).len() <= 8 << 20);
            batches.push((batch.items.len(), batch.bad.len(), batch.end.line));
        }
        batches
    }

    const PLAIN: Shape = Shape { most: 2, atomic: false, probe: false };

    #[test]
    fn batches_have_at_most_so_many_lines_and_eight_mebibytes() {
        let lines = "{}\nx\n{}\n{}\n{}\n".to_owned();
        assert_eq!(batches(lines, PLAIN), [(1, 1, 2), (2, 0, 4), (1, 0, 5), (0, 0, 5)][..]);
        let large = format!("{{\"a\":\"{}\"}}\n", "x".repeat(1_000_000)).repeat(10);
        let shape = Shape { most: 1000, ..PLAIN };
        assert_eq!(batches(large, shape), [(8, 0, 8), (2, 0, 10), (0, 0, 10)]);
    }

    #[test]
    fn a_probe_is_the_first_line_that_has_a_key_of_ours() {
        let lines = "x\n{}\n{}\n{}\n".to_owned();
        let shape = Shape { most: 10, probe: true, ..PLAIN };
        assert_eq!(batches(lines.clone(), shape), [(1, 1, 2), (2, 0, 4), (0, 0, 4)]);
        let shape = Shape { atomic: true, ..shape };
        assert_eq!(batches(lines, shape), [(3, 1, 4), (0, 0, 4)], "but never a part of a whole");
    }
}
