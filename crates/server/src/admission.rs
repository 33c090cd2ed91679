//! What is refused before a body is read: whoever is not known, may not do it at
//! all, or has tried too many secrets.
//!
//! What an operation needs stands beside its route, and in the API document: the
//! table here is read from there. What depends on the body or on what is stored is
//! decided later, by the platform, which asks for the same permissions again.

use crate::{App, body, caller::Proof, front::Next, limits, problem::Problem};
use axum::{
    body::HttpBody,
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method, header},
    middleware,
    response::{IntoResponse, Response},
};
use platform::{
    Actor, Error, Permission, Role,
    error::{Forbidden, Result, Unauthenticated},
};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use utoipa::openapi::{
    OpenApi,
    path::{Operation as Described, PathItem},
    security::SecurityRequirement,
};
use utoipa_axum::router::UtoipaMethodRouter;

/// Where the document says how large a body may be.
const MOST: &str = "x-max-body-bytes";
/// The largest body of an operation that says nothing else, in bytes.
const USUAL: usize = 1 << 20;
/// Where only administrators may call, whatever their key may do.
const ADMINISTRATION: &str = "/api/v1/admin/";
/// The most that is read where no body belongs, in bytes.
const UNWANTED: usize = 16 << 10;

/// A route that a key may use only with one of these permissions.
pub(crate) fn needs(
    permissions: &[Permission],
    mut route: UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    let key = |permission: &Permission| SecurityRequirement::new("apiKey", [permission.as_str()]);
    each(&mut route, |operation| {
        let login = SecurityRequirement::new("bearer", [""; 0]);
        operation.security = Some([login].into_iter().chain(permissions.iter().map(key)).collect());
    });
    route
}

/// A route whose largest body has this many bytes.
pub(crate) fn takes(most: usize, mut route: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    each(&mut route, |operation| {
        operation.extensions.get_or_insert_default().insert(MOST.to_owned(), json!(most));
    });
    route
}

fn each(route: &mut UtoipaMethodRouter<App>, mut change: impl FnMut(&mut Described)) {
    for item in route.1.paths.values_mut() {
        let PathItem { get, put, post, delete, patch, .. } = item;
        [get, put, post, delete, patch].into_iter().flatten().for_each(&mut change);
    }
}

/// Every operation, by path and method.
#[derive(Clone)]
pub(crate) struct Operations(Arc<HashMap<String, HashMap<Method, Operation>>>);

/// What is known of an operation before its body is read.
#[derive(Clone)]
pub(crate) struct Operation(Arc<Demands>);

struct Demands {
    caller: Needed,
    for_administrators: bool,
    most: usize,
    takes_body: bool,
    tries_secrets: bool,
}

/// Who may call.
enum Needed {
    /// Anyone.
    Nobody,
    /// A person who logged in.
    Person,
    /// Somebody with one of these; with none on the list, anybody known.
    AnyOf(Vec<Permission>),
}

impl Operations {
    /// Reads the document; `tried` are the paths where secrets are tried.
    pub(crate) fn of(document: &OpenApi, tried: &HashSet<String>) -> Self {
        let paths = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                (Method::GET, &item.get),
                (Method::HEAD, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let demands = |described: &Described| Demands {
                caller: Needed::of(described),
                for_administrators: path.starts_with(ADMINISTRATION),
                most: most(described),
                takes_body: described.request_body.is_some(),
                tries_secrets: tried.contains(path),
            };
            let each = methods.into_iter().filter_map(|(method, described)| {
                Some((method, Operation(Arc::new(demands(described.as_ref()?)))))
            });
            (path.clone(), each.collect())
        });
        Self(Arc::new(paths.collect()))
    }

    /// The operation that a request is for, if there is one.
    pub(crate) fn find(&self, request: &Request) -> Option<Operation> {
        let path = request.extensions().get::<MatchedPath>()?;
        self.0.get(path.as_str())?.get(request.method()).cloned()
    }
}

fn most(described: &Described) -> usize {
    if described.request_body.is_none() {
        return UNWANTED;
    }
    let said = described.extensions.as_ref().and_then(|more| more.get(MOST)?.as_u64());
    said.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(USUAL)
}

impl Needed {
    /// As the document's security requirements say it.
    fn of(described: &Described) -> Self {
        let Some(requirements) = &described.security else { return Self::AnyOf(Vec::new()) };
        let requirements = json!(requirements);
        let each = || requirements.as_array().into_iter().flatten().filter_map(Value::as_object);
        if each().all(serde_json::Map::is_empty) {
            return Self::Nobody;
        }
        let keys: Vec<&Value> =
            each().filter_map(|requirement| requirement.get("apiKey")).collect();
        if keys.is_empty() {
            return Self::Person;
        }
        let words = keys.into_iter().filter_map(Value::as_array).flatten();
        Self::AnyOf(words.filter_map(|word| word.as_str()?.parse().ok()).collect())
    }

    fn check(&self, actor: &Actor) -> Result<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Person => actor.require_session().map(|_| ()),
            Self::AnyOf(permissions) => {
                let mut refusal = Ok(());
                for permission in permissions {
                    refusal = actor.require(*permission);
                    if refusal.is_ok() {
                        break;
                    }
                }
                refusal
            }
        }
    }
}

impl Operation {
    /// The most bytes of a body.
    pub(crate) fn most(&self) -> usize {
        self.0.most
    }

    /// Whether a body belongs to it.
    pub(crate) fn takes_body(&self) -> bool {
        self.0.takes_body
    }

    /// Whether strangers may call it.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self.0.caller, Needed::Nobody)
    }

    fn refuse(&self, request: &Request) -> Result<(), Problem> {
        if self.is_public() {
            return Ok(());
        }
        match request.extensions().get::<Proof>() {
            Some(Proof(Ok(actor))) => {
                if self.0.for_administrators && actor.role != Role::Admin {
                    return Err(Error::Forbidden(Forbidden::AdminOnly).into());
                }
                self.0.caller.check(actor).map_err(Problem::from)
            }
            Some(Proof(Err(problem))) => Err(problem.clone()),
            None => Err(Error::Unauthenticated(Unauthenticated::Missing).into()),
        }
    }
}

/// Receives the body of whoever may send one, and goes on; what is no operation
/// has no body.
pub(crate) async fn admit(
    app: App,
    operation: Option<Operation>,
    request: Request,
    next: impl Next,
) -> Response {
    let Some(operation) = operation else { return next.run(request).await };
    if let Err(problem) = operation.refuse(&request) {
        return problem.into_response();
    }
    if operation.0.tries_secrets
        && let Some(refusal) = limits::too_many_tries(&app, &request)
    {
        return refusal;
    }
    if operation.is_public() && !operation.takes_body() {
        return without_body(request, next).await;
    }
    body::arrive(app, operation, request, next).await
}

/// Goes on, unless a body is on its way to what anybody may ask and nobody sends one:
/// it is cheap, so not a byte of it is read.
pub(crate) async fn without_body(request: Request, next: impl Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let problem = Problem::field("body", "unknown_field", "is not known here: send no body");
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The same for routes that are no operation, as a layer around them. Of another method
/// they say themselves that they do not know it.
pub(crate) async fn only_without_body(request: Request, next: middleware::Next) -> Response {
    let next = move |request| next.run(request);
    match *request.method() {
        Method::GET | Method::HEAD => without_body(request, next).await,
        _ => next(request).await,
    }
}
