//! Bodies where none belong: an operation that the API document describes without a
//! body refuses one, so a member that nobody reads is never taken for obeyed.
//!
//! An empty body is none, and so is an empty object, which many clients send with
//! every POST. Knows no handler: a new endpoint without a body refuses by itself.

use crate::{body::Arrived, caller::Proof, extract, front::Next};
use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    response::{IntoResponse, Response},
};
use std::{collections::HashMap, sync::Arc};
use utoipa::openapi::{OpenApi, path::Operation};

/// The operations that take no body, as the API document knows them, by path.
#[derive(Clone)]
pub(crate) struct Bodiless(Arc<HashMap<String, Vec<Method>>>);

impl Bodiless {
    /// Reads the document.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let operations = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                (Method::GET, &item.get),
                (Method::HEAD, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let bare = |operation: &Option<Operation>| {
                operation.as_ref().is_some_and(|operation| operation.request_body.is_none())
            };
            let bare = methods.into_iter().filter(|(_, operation)| bare(operation));
            (path.clone(), bare.map(|(method, _)| method).collect())
        });
        Self(Arc::new(operations.collect()))
    }

    fn is_one(&self, request: &Request) -> bool {
        let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        self.0.get(path).is_some_and(|methods| methods.contains(request.method()))
    }
}

/// The step that refuses a body where none is taken; whoever may not call at all is
/// told that first, by the handler.
pub(crate) async fn refuse_body(bodiless: Bodiless, request: Request, next: impl Next) -> Response {
    let unproven = request.extensions().get::<Proof>().is_some_and(|proof| proof.0.is_err());
    let Some(Arrived(body)) = request.extensions().get::<Arrived>() else {
        return next.run(request).await;
    };
    let harmless = body.as_ref().is_ok_and(|body| body.is_empty());
    if harmless || unproven || !bodiless.is_one(&request) {
        return next.run(request).await;
    }
    match body.clone().and_then(|body| extract::no_body(&body)) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
