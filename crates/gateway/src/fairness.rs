use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use suanpan_event::AppId;

use crate::Problem;

/// Keeps one app's flood from taking the memory that others' reports need: no app holds more than
/// its share of `inflight_bytes_max` at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fairness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    share_bytes: usize,
    /// Apps with requests just now; an app without any is not among them.
    held: Mutex<HashMap<AppId, usize>>,
}

/// Bytes that a request of an app holds; given back when dropped.
#[derive(Debug)]
pub struct Share {
    fairness: Fairness,
    app: AppId,
    bytes: usize,
}

impl Fairness {
    /// One app's share is half of all.
    pub fn new(inflight_bytes_max: usize) -> Self {
        Self(Arc::new(Inner { share_bytes: inflight_bytes_max / 2, held: Mutex::default() }))
    }

    /// Reserves bytes of an app's share. A single request always has room, so that a share below
    /// the largest request shuts nobody out.
    ///
    /// # Errors
    /// 503 with code `overloaded`: the app's other requests hold its share.
    pub fn hold(&self, app: &AppId, bytes: usize) -> Result<Share, Problem> {
        let mut held = self.held();
        let before = held.get(app).copied().unwrap_or(0);
        let after = before.saturating_add(bytes);
        if before > 0 && after > self.0.share_bytes {
            let detail = "too many reports of this app at once; send it again in a second";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
                .limit("gateway.inflight_bytes_max")
                .retry_after_s(1));
        }
        held.insert(app.clone(), after);
        drop(held);
        Ok(Share { fairness: self.clone(), app: app.clone(), bytes })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<AppId, usize>> {
        // Whoever panicked with the lock had changed one number, wholly.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.fairness.held();
        if let Some(bytes) = held.get_mut(&self.app) {
            *bytes = bytes.saturating_sub(self.bytes);
            if *bytes == 0 {
                held.remove(&self.app);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_app_leaves_room_for_another() {
        let fairness = Fairness::new(1000);
        let [shop, blog]: [AppId; 2] = ["shop".parse().unwrap(), "blog".parse().unwrap()];
        let first = fairness.hold(&shop, 300).unwrap();
        let _second = fairness.hold(&shop, 200).unwrap();
        let refused = fairness.hold(&shop, 1).unwrap_err();
        assert_eq!((refused.code(), refused.status().as_u16()), ("overloaded", 503));
        let _other = fairness.hold(&blog, 500).unwrap();
        drop(first);
        fairness.hold(&shop, 300).unwrap();
    }

    #[test]
    fn one_request_has_room_however_large() {
        let fairness = Fairness::new(1000);
        let shop: AppId = "shop".parse().unwrap();
        drop(fairness.hold(&shop, 900).unwrap());
        drop(fairness.hold(&shop, 900).unwrap());
        assert!(fairness.held().is_empty());
    }
}
