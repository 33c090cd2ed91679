//! Pages of a list: by number, as documented, or after a cursor at the same
//! cost at any depth. Lists run from the newest to the oldest.

use crate::{
    db::Utc,
    error::{Error, Result},
    proof::Digest,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use uuid::Uuid;

/// The place behind one item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: Timestamp,
    id: Uuid,
}

impl Cursor {
    /// The place behind an item made at `at`.
    pub fn new(at: Timestamp, id: Uuid) -> Self {
        Self { at, id }
    }

    /// The item it lies behind.
    pub(crate) fn id(self) -> Uuid {
        self.id
    }

    /// The text of it in one list.
    pub fn text(self, ListTag(list): ListTag) -> String {
        let mut bytes = list.to_vec();
        bytes.extend_from_slice(&self.at.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Self::text`] wrote for the same list. A time that nobody can have
    /// written is the first or the last there is: such a cursor lies at an end of the list.
    pub fn parse(text: &str, list: ListTag) -> Option<Self> {
        let bytes: [u8; 27] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (of, place) = bytes.split_first_chunk::<3>()?;
        let (micros, id) = place.split_first_chunk::<8>()?;
        if *of != list.0 {
            return None;
        }
        let micros = i64::from_be_bytes(*micros);
        let beyond = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let at = Timestamp::from_microsecond(micros).unwrap_or(beyond);
        Some(Self { at, id: Uuid::from_slice(id).ok()? })
    }
}

/// Marks the cursors of one list: in another they would mean some other place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListTag([u8; 3]);

impl ListTag {
    /// Of the list with this name.
    pub fn of(name: &str) -> Self {
        let Digest([a, b, c, ..]) = Digest::of(&[name.as_bytes()]);
        Self([a, b, c])
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    limit: u32,
    position: Position,
    list: ListTag,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The n-th page, from 1.
    Number(u32),
    /// Right behind the cursor.
    After(Cursor),
}

impl PageRequest {
    /// The most items a page has.
    pub const MAX_LIMIT: u32 = 100;

    /// A page of `limit` items.
    ///
    /// # Errors
    /// `limit` outside 1–100, page 0, or a page beyond what an offset can reach.
    pub fn new(limit: u32, position: Position) -> Result<Self> {
        if !(1..=Self::MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", "out_of_range", "must be between 1 and 100"));
        }
        if matches!(position, Position::Number(page) if !(1..=10_000_000).contains(&page)) {
            return Err(Error::invalid("page", "out_of_range", "must be between 1 and 10000000"));
        }
        Ok(Self { limit, position, list: ListTag::default() })
    }

    /// The same of the list with this tag.
    pub fn of_list(self, list: ListTag) -> Self {
        Self { list, ..self }
    }

    /// The list's tag.
    pub fn list(self) -> ListTag {
        self.list
    }

    /// How many items.
    pub fn limit(self) -> u32 {
        self.limit
    }

    /// From where.
    pub fn position(self) -> Position {
        self.position
    }

    /// One more than asked, which tells whether there is a next page.
    pub(crate) fn fetch(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// How many rows a numbered page skips.
    pub(crate) fn offset(self) -> i64 {
        match self.position {
            Position::Number(page) => i64::from(page - 1) * i64::from(self.limit),
            Position::After(_) => 0,
        }
    }

    /// The cursor's parts as statement parameters; both absent on a numbered page.
    pub(crate) fn after(self) -> (Option<Utc>, Option<Uuid>) {
        match self.position {
            Position::Number(_) => (None, None),
            Position::After(cursor) => (Some(Utc(cursor.at)), Some(cursor.id)),
        }
    }

    /// Whether the total is to be counted.
    pub(crate) fn counts(self) -> bool {
        matches!(self.position, Position::Number(_))
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 20, position: Position::Number(1), list: ListTag::default() }
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// How many there are in all; only of a numbered page.
    pub total: Option<i64>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// What was asked for.
    pub request: PageRequest,
}

impl<T> Listing<T> {
    /// Cuts the extra item that [`PageRequest::fetch`] asked for.
    pub(crate) fn cut(
        mut items: Vec<T>,
        total: Option<i64>,
        request: PageRequest,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Self {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, total, next, request }
    }
}
