use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;
use suanpan_catalog::IpPolicy;
use suanpan_event::edit_members;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Networks in one list; a longer one is a mistake.
const NETWORKS_MAX: usize = 256;

/// Hops that are looked at, from the server outwards: no real chain of proxies is longer.
const HOPS_MAX: usize = 32;

/// The proxies whose word on a client's address is taken, as networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether a request that comes from this address comes from one of them.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// Networks such as `10.0.0.0/8`, or single addresses, separated by commas.
impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let given = text.split(',').map(str::trim).filter(|network| !network.is_empty());
        let networks: Vec<IpNet> = given.map(network).collect::<Result<_, _>>()?;
        if networks.len() > NETWORKS_MAX {
            return Err(format!("{} networks; the most is {NETWORKS_MAX}", networks.len()));
        }
        Ok(Self(networks))
    }
}

impl std::fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let networks: Vec<String> = self.0.iter().map(IpNet::to_string).collect();
        f.write_str(&networks.join(","))
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| single()).map_err(|_no_address| {
        format!("{text:?} is no network; write 10.0.0.0/8, fd00::/8, or a single address")
    })
}

/// In which header the trusted proxies tell the client's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The first that is there of `X-Forwarded-For`, `Forwarded`, `X-Real-IP`. A client can forge
    /// a header that its proxy passes on untouched: name the proxy's own where that matters.
    #[default]
    Any,
    /// `X-Forwarded-For`, to which each proxy appends.
    XForwardedFor,
    /// `Forwarded` (RFC 7239), to which each proxy appends.
    Forwarded,
    /// `X-Real-IP`, which one proxy sets.
    XRealIp,
}

impl ProxyHeader {
    /// All of them, as the configuration spells them.
    pub const ALL: [(&'static str, Self); 4] = [
        ("any", Self::Any),
        ("x-forwarded-for", Self::XForwardedFor),
        ("forwarded", Self::Forwarded),
        ("x-real-ip", Self::XRealIp),
    ];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, header)| *header == self).map_or("any", |(name, _)| name)
    }
}

/// The client's address: the peer's; or, if the peer is a trusted proxy, the nearest address in its
/// header that is none. None if a proxy does not know, or hides it.
pub fn client_address(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    (proxies, header): (&TrustedProxies, ProxyHeader),
) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    if !proxies.trusts(peer) {
        return Some(peer);
    }
    let hops = hops(headers, header);
    let mut nearest = peer;
    for hop in hops.iter().rev().take(HOPS_MAX) {
        nearest = address(hop)?;
        if !proxies.trusts(nearest) {
            break;
        }
    }
    Some(nearest)
}

/// The addresses as the header has them, the client first and the nearest proxy last.
fn hops(headers: &HeaderMap, header: ProxyHeader) -> Vec<Cow<'_, str>> {
    match header {
        ProxyHeader::XForwardedFor => listed(headers, &X_FORWARDED_FOR).map(Cow::Borrowed).collect(),
        ProxyHeader::XRealIp => listed(headers, &X_REAL_IP).map(Cow::Borrowed).collect(),
        ProxyHeader::Forwarded => listed(headers, &FORWARDED).map(forwarded_for).collect(),
        ProxyHeader::Any => {
            let ways = [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded, ProxyHeader::XRealIp];
            ways.into_iter().map(|way| hops(headers, way)).find(|hops| !hops.is_empty()).unwrap_or_default()
        }
    }
}

/// The elements of a header that is a list; several lines are one list.
fn listed<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    // A line that is no text is a hop that tells nothing, not one to be skipped.
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("unreadable"));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|hop| !hop.is_empty())
}

/// What `for=` says in one element of `Forwarded`; empty if it says nothing.
fn forwarded_for(element: &str) -> Cow<'_, str> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let said = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    said.map(|(_, value)| Cow::Borrowed(value.trim().trim_matches('"'))).next().unwrap_or_default()
}

/// An address with or without a port: `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|both| both.ip());
    let ip: IpAddr = text.parse().ok().or_else(with_port).or_else(bare)?;
    Some(ip.to_canonical())
}

/// The address as an app wants it kept; empty if it wants none.
pub fn kept(ip: IpAddr, policy: IpPolicy) -> String {
    match policy {
        IpPolicy::Store => ip.to_string(),
        IpPolicy::Truncate => truncated(ip).to_string(),
        IpPolicy::Drop => String::new(),
    }
}

/// The address without what tells a household: the first 24 bits of IPv4, 48 of IPv6.
pub fn truncated(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

/// The names under which clients report an address, in any format.
const ADDRESS_NAMES: [&str; 8] =
    ["ip", "$ip", "ip_address", "ipAddress", "$ip_address", "user_ipaddress", "client_ip", "$client_ip"];

/// A record's JSON text without more of a client's address than the app stores; none if it is no JSON.
pub(crate) fn without_addresses(json: &str, policy: IpPolicy) -> Option<Cow<'_, str>> {
    if policy == IpPolicy::Store {
        return Some(Cow::Borrowed(json));
    }
    let wanted = |name: &str| ADDRESS_NAMES.contains(&name);
    edit_members(json, wanted, |_, value| {
        let ip: IpAddr = value.trim_matches('"').parse().ok()?;
        Some(if policy == IpPolicy::Drop { "\"\"".into() } else { format!("\"{}\"", truncated(ip)).into() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXIES: &str = "10.0.0.0/8, 192.0.2.7 ,fd00::/8";

    fn check(peer: &str, header: ProxyHeader, lines: &[(&'static str, &str)], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, line.parse().unwrap());
        }
        let proxies: TrustedProxies = PROXIES.parse().unwrap();
        let found = client_address(Some(peer.parse().unwrap()), &headers, (&proxies, header));
        assert_eq!(found, expected.map(|ip| ip.parse().unwrap()), "{peer} {lines:?}");
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let forged = [("x-forwarded-for", "8.8.8.8"), ("forwarded", "for=8.8.8.8"), ("x-real-ip", "8.8.8.8")];
        check("203.0.113.9", ProxyHeader::Any, &forged, Some("203.0.113.9"));
        check("192.0.2.8", ProxyHeader::Any, &forged, Some("192.0.2.8"));
        check("192.0.2.7", ProxyHeader::Any, &forged, Some("8.8.8.8"));
        check("::ffff:10.1.2.3", ProxyHeader::Any, &forged, Some("8.8.8.8"));
        check("::ffff:203.0.113.9", ProxyHeader::Any, &forged, Some("203.0.113.9"));
    }

    #[test]
    fn the_nearest_address_that_is_no_proxy_is_the_clients() {
        let check = |lines: &[(&'static str, &str)], expected| {
            check("10.0.0.1", ProxyHeader::Any, lines, expected);
        };
        check(&[], Some("10.0.0.1"));
        // What the client itself put in front is not believed.
        check(&[("x-forwarded-for", "8.8.8.8, 203.0.113.9, 10.0.0.2")], Some("203.0.113.9"));
        check(
            &[("x-forwarded-for", "8.8.8.8"), ("x-forwarded-for", "203.0.113.9:4711")],
            Some("203.0.113.9"),
        );
        check(&[("x-forwarded-for", "10.0.0.3,10.0.0.2")], Some("10.0.0.3"));
        check(&[("x-forwarded-for", "203.0.113.9, unknown")], None);
        check(&[("x-forwarded-for", "[2001:db8::5]:80")], Some("2001:db8::5"));
        check(
            &[("forwarded", "for=8.8.8.8;proto=http, For=\"[2001:db8::5]:80\";by=10.0.0.1")],
            Some("2001:db8::5"),
        );
        check(&[("forwarded", "for=_hidden")], None);
        check(&[("forwarded", "proto=https")], None);
        check(&[("x-real-ip", " 203.0.113.9 ")], Some("203.0.113.9"));
    }

    #[test]
    fn a_named_header_is_the_only_one_read() {
        let both = [("x-forwarded-for", "8.8.8.8"), ("x-real-ip", "203.0.113.9")];
        check("10.0.0.1", ProxyHeader::XRealIp, &both, Some("203.0.113.9"));
        check("10.0.0.1", ProxyHeader::XForwardedFor, &both, Some("8.8.8.8"));
        check("10.0.0.1", ProxyHeader::Forwarded, &both, Some("10.0.0.1"));
    }

    #[test]
    fn a_long_chain_ends_somewhere() {
        let chain = "10.0.0.9,".repeat(1000);
        check("10.0.0.1", ProxyHeader::Any, &[("x-forwarded-for", &chain)], Some("10.0.0.9"));
    }

    #[test]
    fn networks_are_read_and_shown() {
        let shown = PROXIES.parse::<TrustedProxies>().unwrap().to_string();
        assert_eq!(shown, "10.0.0.0/8,192.0.2.7/32,fd00::/8");
        assert_eq!(shown.parse::<TrustedProxies>().unwrap().to_string(), shown);
        assert_eq!("".parse::<TrustedProxies>().unwrap(), TrustedProxies::default());
        assert!("10.0.0.0/33".parse::<TrustedProxies>().unwrap_err().contains("\"10.0.0.0/33\""));
        assert!("proxy.local".parse::<TrustedProxies>().is_err());
        assert!("10.0.0.1,".repeat(NETWORKS_MAX + 1).parse::<TrustedProxies>().is_err());
    }

    #[test]
    fn an_address_is_kept_as_the_app_chose() {
        let check = |ip: &str, policy, expected| assert_eq!(kept(ip.parse().unwrap(), policy), expected);
        check("203.0.113.9", IpPolicy::Store, "203.0.113.9");
        check("203.0.113.9", IpPolicy::Truncate, "203.0.113.0");
        check("2001:db8:1:2::5", IpPolicy::Truncate, "2001:db8:1::");
        check("2001:db8:1:2::5", IpPolicy::Drop, "");
    }
}
