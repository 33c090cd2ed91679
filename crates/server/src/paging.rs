//! Pages of a list, as documented: `page` and `limit`; or after a `cursor`.

use crate::{problem::Problem, query::Given};
use platform::{Cursor, ListTag, Listing, PageRequest, Position};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// The parameters of a list that is short enough to be read as a whole.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes the parameters that `take` reads")]
pub(crate) struct Pages {
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 10_000_000, default = 1)]
    page: Option<u32>,
    /// How many items a page has.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// The parameters every other list takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes the parameters that `take` reads")]
pub(crate) struct Paging {
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 10_000_000, default = 1)]
    page: Option<u32>,
    /// How many items a page has.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `nextCursor` of the page before: the next page at the same cost at any
    /// depth. With it, `page` says nothing. It belongs to its list: another refuses it.
    #[param(pattern = "^[A-Za-z0-9_-]{36}$")]
    cursor: Option<String>,
}

/// Takes the page of the list at this path out of the parameters.
pub(crate) fn take(
    path: &str,
    given: &mut BTreeMap<String, Given>,
) -> Result<PageRequest, Problem> {
    // An id is the same in capital letters.
    let list = ListTag::of(&path.to_ascii_lowercase());
    let limit = number(given, "limit")?.unwrap_or(20);
    let page = number(given, "page")?;
    let position = match given.remove("cursor") {
        None => Position::Number(page.unwrap_or(1)),
        Some(given) => {
            let cursor = match given {
                Given::One(text) => Cursor::parse(&text, list),
                Given::Keyed(_) => None,
            };
            let wrong = "must be the nextCursor of a page of this list";
            cursor.map(Position::After).ok_or_else(|| Problem::field("cursor", "invalid", wrong))?
        }
    };
    Ok(PageRequest::new(limit, position)?.of_list(list))
}

fn number(given: &mut BTreeMap<String, Given>, name: &str) -> Result<Option<u32>, Problem> {
    let Some(value) = given.remove(name) else { return Ok(None) };
    let number = match value {
        Given::One(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    let refused = || Problem::field(name, "invalid_type", "must be a whole number from 1");
    number.map(Some).ok_or_else(refused)
}

/// Which part of the list this is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    /// Which page, from 1; absent behind a cursor, like the totals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    page: Option<u32>,
    #[schema(minimum = 1, maximum = 100)]
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    total: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    total_pages: Option<i64>,
    has_next: bool,
    has_prev: bool,
    /// Send it as `cursor` to get the next page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl<T> From<&Listing<T>> for Pagination {
    fn from(listing: &Listing<T>) -> Self {
        let limit = listing.request.limit();
        let page = match listing.request.position() {
            Position::Number(page) => Some(page),
            Position::After(_) => None,
        };
        let total_pages =
            listing.total.map(|total| (total + i64::from(limit) - 1) / i64::from(limit));
        Self {
            page,
            limit,
            total: listing.total,
            total_pages,
            has_next: listing.next.is_some(),
            has_prev: page.is_none_or(|page| page > 1),
            next_cursor: listing.next.map(|cursor| cursor.text(listing.request.list())),
        }
    }
}

/// The asked page of a list that is short enough to be read as a whole, and so
/// needs no cursor.
pub(crate) fn cut<T>(items: Vec<T>, request: PageRequest) -> Result<Page<T>, Problem> {
    let Position::Number(page) = request.position() else {
        return Err(Problem::field("cursor", "invalid", "is not offered here: use page"));
    };
    let limit = i64::from(request.limit());
    let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let before = i64::from(page - 1) * limit;
    let items = items.into_iter().skip(usize::try_from(before).unwrap_or(usize::MAX));
    let pagination = Pagination {
        page: Some(page),
        limit: request.limit(),
        total: Some(total),
        total_pages: Some((total + limit - 1) / limit),
        has_next: before + limit < total,
        has_prev: page > 1,
        next_cursor: None,
    };
    Ok(Page { items: items.take(request.limit() as usize).collect(), pagination })
}

/// Items and where they stand.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) pagination: Pagination,
}

impl<T> From<Listing<T>> for Page<T> {
    fn from(listing: Listing<T>) -> Self {
        Self { pagination: Pagination::from(&listing), items: listing.items }
    }
}

/// Declares the data of a list: the items under their own name, and the page.
macro_rules! page_of {
    ($(#[$doc:meta])* $name:ident { $items:ident: $item:ty }) => {
        $(#[$doc])*
        #[derive(serde::Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct $name {
            #[schema(max_items = 100)]
            $items: Vec<$item>,
            pagination: $crate::paging::Pagination,
        }

        impl<T: Into<$item>> From<$crate::paging::Page<T>> for $name {
            fn from(page: $crate::paging::Page<T>) -> Self {
                let $items = page.items.into_iter().map(Into::into).collect();
                Self { $items, pagination: page.pagination }
            }
        }

        impl<T: Into<$item>> From<platform::Listing<T>> for $name {
            fn from(listing: platform::Listing<T>) -> Self {
                $crate::paging::Page::from(listing).into()
            }
        }
    };
}
pub(crate) use page_of;
