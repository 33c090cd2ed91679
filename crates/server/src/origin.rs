//! Where a request comes from: its id, its trace, and the address of the client.
//!
//! The address is the peer's. Only when the peer is a trusted proxy is
//! `X-Forwarded-For` read, and then from the right: the first hop that is not a
//! trusted proxy itself. What a client writes there to the left is its own text.

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, header},
};
use ipnet::IpNet;
use platform::Origin;
use std::net::{IpAddr, SocketAddr};
use uuid::Uuid;

/// The longest client name that is kept, in bytes.
const MAX_USER_AGENT: usize = 512;

/// Reads the origin off a request.
pub(crate) fn of(request: &Request, trusted: &[IpNet]) -> Origin {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip().to_canonical());
    Origin {
        ip: peer.map(|peer| client(peer, request.headers(), trusted)),
        user_agent: user_agent(request.headers()),
        request_id: request_id(request.headers()),
    }
}

fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    let mut address = peer;
    for hop in hops {
        if !is_trusted(&address) {
            break;
        }
        // Behind what cannot be read, nothing can be believed.
        let Some(hop) = node(hop) else { break };
        address = hop.to_canonical();
    }
    address
}

/// The address of a hop, with or without its port: some proxies write `192.0.2.1:4711`,
/// `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn node(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port).or_else(bracketed)
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let name = String::from_utf8_lossy(headers.get(header::USER_AGENT)?.as_bytes());
    let end = name.floor_char_boundary(MAX_USER_AGENT);
    Some(name[..end].to_owned())
}

/// The client's own id for its request if it is sane, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let given = headers.get(crate::envelope::REQUEST_ID).and_then(|id| id.to_str().ok());
    given.filter(sane).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// W3C Trace Context, version 00: the caller's trace continued, with a span of
/// our own.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let given = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = given.split('-').collect();
    let [version, trace, parent, flags] = parts.try_into().ok()?;
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let present = |part: &str| part.bytes().any(|b| b != b'0');
    let sound = version == "00"
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && present(trace)
        && present(parent);
    let (_, span) = Uuid::now_v7().as_u64_pair();
    sound.then(|| format!("00-{trace}-{span:016x}-{flags}"))
}
