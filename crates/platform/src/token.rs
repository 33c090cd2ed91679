//! Tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256, and nothing else.
//!
//! The header is one constant, written and required byte for byte, so there is
//! no algorithm to be confused about. An access token carries the documented
//! `userId`, `email` and `role`; both kinds name the session they belong to,
//! and are worth nothing once it has ended.

use crate::{
    error::{Error, Result, Unauthenticated},
    secret::Secret,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use uuid::Uuid;

/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What an access token says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Access {
    pub(crate) user_id: Uuid,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) sid: Uuid,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    /// `access`: a refresh token must never pass for one.
    pub(crate) token_use: AccessUse,
}

/// What a refresh token says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refresh {
    pub(crate) sid: Uuid,
    /// Which refresh of the session it is for.
    pub(crate) generation: i32,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    /// `refresh`.
    pub(crate) token_use: RefreshUse,
}

/// The mark of an access token.
#[derive(Serialize, Deserialize)]
pub(crate) enum AccessUse {
    /// The only value.
    #[serde(rename = "access")]
    Access,
}

/// The mark of a refresh token.
#[derive(Serialize, Deserialize)]
pub(crate) enum RefreshUse {
    /// The only value.
    #[serde(rename = "refresh")]
    Refresh,
}

/// Claims that end.
pub(crate) trait Expires {
    /// Unix seconds.
    fn exp(&self) -> i64;
}

impl Expires for Access {
    fn exp(&self) -> i64 {
        self.exp
    }
}

impl Expires for Refresh {
    fn exp(&self) -> i64 {
        self.exp
    }
}

/// Signs claims.
pub(crate) fn sign(secret: &Secret, claims: &impl Serialize) -> Result<String> {
    let claims = serde_json::to_vec(claims).map_err(Error::internal)?;
    let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = mac(secret, &signed)?.finalize().into_bytes();
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Reads claims that we signed and that have not expired.
pub(crate) fn verify<T: DeserializeOwned + Expires>(
    secret: &Secret,
    token: &str,
    now: Timestamp,
) -> Result<T> {
    let invalid = || Error::Unauthenticated(Unauthenticated::InvalidToken);
    let (signed, signature) = token.rsplit_once('.').ok_or_else(invalid)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid())?;
    mac(secret, signed)?.verify_slice(&signature).map_err(|_| invalid())?;
    let claims = signed.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('.'));
    let claims = URL_SAFE_NO_PAD.decode(claims.ok_or_else(invalid)?).map_err(|_| invalid())?;
    let claims: T = serde_json::from_slice(&claims).map_err(|_| invalid())?;
    if claims.exp() <= now.as_second() {
        return Err(Error::Unauthenticated(Unauthenticated::ExpiredToken));
    }
    Ok(claims)
}

fn mac(secret: &Secret, text: &str) -> Result<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).map_err(Error::internal)?;
    mac.update(text.as_bytes());
    Ok(mac)
}
