use std::sync::Arc;

use axum::http::StatusCode;
use suanpan_catalog::{Catalog, CatalogError};
use suanpan_log::EventLog;
use suanpan_wire::WireLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Fairness, GatewayLimits, LiveHub, LiveLimits, Origins, Problem, Quotas, RefusedRequests, Visitors,
};

/// Milliseconds since 1970-01-01 UTC; injected, so that tests can choose the day.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| jiff::Timestamp::now().as_millisecond())
}

/// The unit in which `inflight_bytes_max` is handed out: a semaphore counts to 2^29 at least on
/// every platform, so KiB reach far enough.
const INFLIGHT_UNIT_BYTES: usize = 1024;

/// What a gateway is made of.
pub struct GatewayParts {
    /// Apps, keys and plans.
    pub catalog: Catalog,
    /// Where events go.
    pub log: Arc<dyn EventLog>,
    /// What is taken.
    pub limits: GatewayLimits,
    /// Where requests come from.
    pub origins: Origins,
    /// Those who watch.
    pub live: LiveHub,
    /// What was refused as a whole.
    pub refused: RefusedRequests,
    /// The time.
    pub clock: Clock,
}

impl GatewayParts {
    /// Parts of which the optional ones are the default.
    pub fn new(catalog: Catalog, log: Arc<dyn EventLog>, limits: GatewayLimits, clock: Clock) -> Self {
        let (origins, refused) = Default::default();
        Self { catalog, log, limits, origins, live: LiveHub::new(LiveLimits::default()), refused, clock }
    }
}

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Stations>);

pub(crate) struct Stations {
    pub parts: GatewayParts,
    pub visitors: Visitors,
    pub quotas: Quotas,
    pub fairness: Fairness,
    inflight: Arc<Semaphore>,
}

impl Gateway {
    /// A gateway that checks against the catalog's snapshots and appends to the log.
    ///
    /// # Errors
    /// The catalog can't be read.
    pub async fn open(parts: GatewayParts) -> Result<Self, CatalogError> {
        let bytes = parts.limits.inflight_bytes_max;
        let units = (bytes / INFLIGHT_UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Stations {
            visitors: Visitors::open(parts.catalog.clone(), Arc::clone(&parts.clock)).await?,
            quotas: Quotas::open(parts.catalog.clone(), Arc::clone(&parts.clock)).await?,
            fairness: Fairness::new(bytes),
            inflight: Arc::new(Semaphore::new(units)),
            parts,
        })))
    }

    /// Writes down what was counted towards quotas, at the end of the process.
    ///
    /// # Errors
    /// The catalog can't be written.
    pub async fn close(&self) -> Result<(), CatalogError> {
        self.0.quotas.flush().await
    }

    /// Where arriving events are shown.
    pub fn live(&self) -> &LiveHub {
        &self.0.parts.live
    }

    /// The requests that were refused as a whole.
    pub fn refused(&self) -> &RefusedRequests {
        &self.0.parts.refused
    }

    pub(crate) fn parts(&self) -> &GatewayParts {
        &self.0.parts
    }

    /// The limits that the wire formats keep.
    pub(crate) fn wire_limits(&self) -> WireLimits {
        let limits = &self.0.parts.limits;
        WireLimits {
            unpacked_bytes_max: limits.unpacked_bytes_max,
            events_per_request_max: limits.events_per_request_max,
        }
    }

    /// Reserves memory for a request, so that many large ones at once are refused, not swapped.
    pub(crate) fn hold(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let units = u32::try_from(bytes.div_ceil(INFLIGHT_UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        Arc::clone(&self.0.inflight).try_acquire_many_owned(units).map_err(|_all_taken| {
            let detail = "too many reports at once; send it again in a second";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
                .limit("gateway.inflight_bytes_max")
                .retry_after_s(1)
        })
    }
}
