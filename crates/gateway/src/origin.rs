use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;

use axum::http::{HeaderMap, header};
use suanpan_catalog::IpPolicy;
use suanpan_event::Origin;

use crate::address::{ProxyHeader, TrustedProxies, client_address, kept};
use crate::geography::{Geography, PlaceLanguage};
use crate::user_agent::UserAgents;

/// How the gateway finds out where a report came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginConfig {
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// The header by which they tell it.
    pub proxy_header: ProxyHeader,
    /// A file in MaxMind's format that says where addresses are; empty for none.
    pub geo_file: PathBuf,
    /// The language of its places.
    pub geo_language: PlaceLanguage,
}

/// Why origins can't be found.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The file of places can't be used: correct the path, or take the setting out.
    #[error(
        "gateway.geo_file: {} can't be read as a MaxMind database: {reason}; \
         correct the path, or leave it empty",
        file.display()
    )]
    Geography {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Tells where a report came from. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    proxies: TrustedProxies,
    proxy_header: ProxyHeader,
    agents: UserAgents,
    geography: Geography,
}

impl Origins {
    /// Reads the file of places. Inside a runtime, [`Self::keep_fresh`] follows its new editions.
    ///
    /// # Errors
    /// The file can't be read or is not of the format.
    pub fn new(config: &OriginConfig) -> Result<Self, OriginError> {
        Ok(Self {
            proxies: config.trusted_proxies.clone(),
            proxy_header: config.proxy_header,
            agents: UserAgents::default(),
            geography: Geography::open(&config.geo_file, config.geo_language)?,
        })
    }

    /// Follows new editions of the file of places, for as long as the origins are used.
    pub fn keep_fresh(&self) {
        self.geography.keep_fresh();
    }

    /// The client's address, as far as peer and trusted proxies tell it.
    pub fn client_ip(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        client_address(peer, headers, (&self.proxies, self.proxy_header))
    }

    /// Where a request came from, from its address and its `User-Agent`. A server's own place is
    /// not its visitors', so it is left out.
    pub fn resolve(&self, peer: Option<IpAddr>, headers: &HeaderMap, policy: IpPolicy) -> Origin<'static> {
        let ip = self.client_ip(peer, headers);
        let mut origin = self.resolve_for(ip, user_agent(headers), policy);
        if origin.device_type == "server" {
            (origin.country, origin.region, origin.city) = Default::default();
        }
        origin
    }

    /// Where a visitor is, of whom a server tells the address and the `User-Agent`; either may be
    /// unknown.
    pub fn resolve_for(&self, ip: Option<IpAddr>, user_agent: &str, policy: IpPolicy) -> Origin<'static> {
        let agent = self.agents.read(user_agent);
        let place = ip.map(|ip| self.geography.find(ip)).unwrap_or_default();
        Origin {
            ip: ip.map(|ip| kept(ip, policy)).unwrap_or_default().into(),
            country: place.country.into(),
            region: place.region.into(),
            city: place.city.into(),
            browser: agent.browser.clone(),
            browser_version: Cow::Owned(agent.browser_version.clone()),
            os: agent.os.clone(),
            os_version: Cow::Owned(agent.os_version.clone()),
            device_type: Cow::Borrowed(agent.device_type),
            is_bot: agent.is_bot(),
        }
    }
}

/// The `User-Agent` of a request; empty if it has none that is text.
pub fn user_agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

    fn origins() -> Origins {
        let geo_file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/places.mmdb").into();
        let trusted_proxies = "127.0.0.1".parse().unwrap();
        Origins::new(&OriginConfig { geo_file, trusted_proxies, ..OriginConfig::default() }).unwrap()
    }

    fn headers(agent: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, agent.parse().unwrap());
        headers.insert("x-forwarded-for", "203.0.113.77".parse().unwrap());
        headers
    }

    #[test]
    fn a_browser_behind_a_proxy() {
        let peer = Some("127.0.0.1".parse().unwrap());
        let origin = origins().resolve(peer, &headers(CHROME), IpPolicy::Truncate);
        assert_eq!(origin.ip, "203.0.113.0");
        assert_eq!([&origin.country, &origin.city, &origin.browser], ["CN", "Shanghai", "Chrome"]);
        assert_eq!([&origin.os, &origin.device_type], ["Windows", "desktop"]);
        let stranger = Some("192.0.2.1".parse().unwrap());
        let origin = origins().resolve(stranger, &headers(CHROME), IpPolicy::Drop);
        assert_eq!([&origin.ip, &origin.country], ["", "JP"]);
    }

    #[test]
    fn a_server_is_not_where_its_visitors_are() {
        let peer = Some("127.0.0.1".parse().unwrap());
        let origin = origins().resolve(peer, &headers("analytics-node/3.1.0"), IpPolicy::Store);
        assert_eq!([&origin.ip, &origin.device_type], ["203.0.113.77", "server"]);
        assert_eq!([&origin.country, &origin.region, &origin.city], ["", "", ""]);
        let visitor = Some("198.51.100.4".parse().unwrap());
        let origin = origins().resolve_for(visitor, "", IpPolicy::Store);
        assert_eq!([&origin.country, &origin.city, &origin.device_type], ["DE", "Berlin", ""]);
        assert!(origins().resolve_for(None, "", IpPolicy::Store).is_empty());
    }
}
