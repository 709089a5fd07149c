use async_trait::async_trait;

use crate::scene::Scene;

/// Something that goes wrong while clients report. A new one is a file in `strikes/` and a line in
/// `scenarios.rs`.
#[async_trait(?Send)]
pub trait Fault: Send + Sync {
    /// Lets it happen, and counts it. On return the server serves again; it may still catch up.
    async fn strike(&self, scene: &mut Scene);
}
