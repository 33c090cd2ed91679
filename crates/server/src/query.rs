//! Query strings: read by the same rules as a body, so a parameter that is
//! unknown, repeated or wrong is refused and named, also where none is taken.

use crate::{front::Next, paging, problem::Problem, violation};
use axum::{
    extract::{FromRequestParts, MatchedPath, Query as RawQuery, Request},
    http::{Method, request::Parts},
    response::{IntoResponse, Response},
};
use platform::{Error, PageRequest};
use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, IntoDeserializer, Visitor,
        value::{Error as ReadError, MapDeserializer},
    },
    forward_to_deserialize_any,
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};
use utoipa::openapi::{
    OpenApi, RefOr,
    path::{Operation, Parameter, ParameterIn},
};

/// The operations that take no parameters, as the API document knows them.
#[derive(Clone)]
pub(crate) struct Unqueried(Arc<HashSet<(Method, String)>>);

impl Unqueried {
    /// Reads the document.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let operations = document.paths.paths.iter().flat_map(|(path, item)| {
            let methods = [
                (Method::GET, &item.get),
                (Method::HEAD, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let bare = |operation: &Option<Operation>| operation.as_ref().is_some_and(is_bare);
            let bare = methods.into_iter().filter(move |(_, operation)| bare(operation));
            bare.map(|(method, _)| (method, path.clone()))
        });
        Self(Arc::new(operations.collect()))
    }
}

fn is_bare(operation: &Operation) -> bool {
    let in_query = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    };
    !operation.parameters.iter().flatten().any(in_query)
}

/// The layer that refuses parameters where none are taken.
pub(crate) async fn refuse_unknown(
    Unqueried(unqueried): Unqueried,
    request: Request,
    next: impl Next,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if query.is_empty() {
        return next.run(request).await;
    }
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let operation = (request.method().clone(), path.to_owned());
    if !path.starts_with("/api/v1") || !unqueried.contains(&operation) {
        return next.run(request).await;
    }
    let name = query.split(['=', '&']).next().unwrap_or_default();
    Problem::field(name, "unknown_field", "is not a parameter here").into_response()
}

/// The filters of a list and the page that is asked for.
pub(crate) struct List<F>(pub(crate) F, pub(crate) PageRequest);

/// The filters of a list that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unfiltered {}

impl<S: Sync, F: DeserializeOwned> FromRequestParts<S> for List<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut given = gather(parts)?;
        let page = paging::take(parts.uri.path(), &mut given)?;
        Ok(Self(read(given)?, page))
    }
}

/// The parameters of what is no list.
pub(crate) struct Query<F>(pub(crate) F);

impl<S: Sync, F: DeserializeOwned> FromRequestParts<S> for Query<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(gather(parts)?).map(Self)
    }
}

/// One parameter: a text, or all parameters `name.key` of one name.
#[derive(Debug)]
pub(crate) enum Given {
    One(String),
    Keyed(Vec<(String, String)>),
}

fn gather(parts: &Parts) -> Result<BTreeMap<String, Given>, Problem> {
    let unreadable =
        |_| Problem::field("query", "invalid", "must be name=value pairs, percent-encoded");
    let RawQuery(pairs) =
        RawQuery::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(unreadable)?;
    let mut given = BTreeMap::new();
    for (name, value) in pairs {
        let twice = Problem::field(&name, "duplicate_field", "is given twice");
        match name.split_once('.') {
            Some((group, key)) => {
                let keyed = given.entry(group.to_owned()).or_insert(Given::Keyed(Vec::new()));
                match keyed {
                    Given::Keyed(pairs) if pairs.iter().all(|(known, _)| known != key) => {
                        pairs.push((key.to_owned(), value));
                    }
                    _ => return Err(twice),
                }
            }
            None if given.contains_key(&name) => return Err(twice),
            None => {
                given.insert(name, Given::One(value));
            }
        }
    }
    Ok(given)
}

fn read<F: DeserializeOwned>(given: BTreeMap<String, Given>) -> Result<F, Problem> {
    let given = MapDeserializer::<_, ReadError>::new(given.into_iter());
    violation::read(given).map_err(|(violation, _)| Error::Invalid(vec![violation]).into())
}

impl<'de> IntoDeserializer<'de, ReadError> for Given {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Given {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Self::One(text) => visitor.visit_string(text),
            Self::Keyed(pairs) => visitor.visit_map(MapDeserializer::new(pairs.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
