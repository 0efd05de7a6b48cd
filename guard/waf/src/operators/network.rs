//! Lists of networks.

use std::net::IpAddr;

/// A network: an address as a number of 128 bits, and how many of them count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    base: u128,
    bits: u32,
}

/// Read `10.0.0.0/8,::1`.
pub(super) fn parse(text: &str) -> Result<Vec<Network>, String> {
    text.split([',', ' ', '\n'])
        .map(str::trim)
        .filter(|piece| !piece.is_empty() && !piece.starts_with('#'))
        .map(one)
        .collect()
}

fn one(piece: &str) -> Result<Network, String> {
    let (address, length) = piece
        .split_once('/')
        .map_or((piece, None), |(address, length)| (address, Some(length)));
    let parsed: IpAddr = address
        .parse()
        .map_err(|_| format!("not an address: {address:?}"))?;
    let whole = if parsed.is_ipv4() { 32 } else { 128 };
    let bits = match length {
        None => whole,
        Some(length) => length
            .parse()
            .ok()
            .filter(|bits| *bits <= whole)
            .ok_or(format!("not a network: {piece:?}"))?,
    };
    Ok(Network {
        base: number(parsed),
        bits: bits + 128 - whole,
    })
}

/// Whether an address (as text) is in one of the networks.
pub(super) fn contains(networks: &[Network], value: &[u8]) -> bool {
    let parsed = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.trim().parse::<IpAddr>().ok());
    let Some(address) = parsed.map(number) else {
        return false;
    };
    networks
        .iter()
        .any(|network| network.bits == 0 || (address ^ network.base) >> (128 - network.bits) == 0)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(four.to_ipv6_mapped()),
        IpAddr::V6(six) => u128::from(six),
    }
}
