//! One module for each client family.

use bytes::Bytes;

use crate::encoding::plain;
use crate::{Batch, Head, Refusal, Reply, Report, Unreadable, WireLimits};

pub(crate) mod amplitude;
pub(crate) mod mixpanel;
pub(crate) mod native;
pub(crate) mod plausible;
pub(crate) mod posthog;
pub(crate) mod posthog_documents;
pub(crate) mod posthog_v1;
pub(crate) mod segment;
pub(crate) mod segment_settings;
pub(crate) mod sensors;
pub(crate) mod shared_paths;
pub(crate) mod snowplow;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod umami;

/// How one client family speaks: what it sends, and which answers make it keep or forget its data.
pub trait Format: Send + Sync {
    /// Its name in metrics, the live view and the dead letter.
    fn name(&self) -> &'static str;

    /// Takes the transport encodings off: what is left is what [`Self::decode`] reads. By default
    /// gzip, whether the head says so or only the bytes.
    ///
    /// # Errors
    /// The encoding is broken, or the result larger than the limit.
    fn payload(&self, head: &Head<'_>, body: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
        plain(body, head.says_gzip(), limits)
    }

    /// Finds the key and the events. A wrong event is refused alone, its neighbours go on.
    ///
    /// # Errors
    /// The payload is not of this format at all, or has too many events.
    fn decode<'a>(
        &self,
        head: &Head<'a>,
        payload: &'a [u8],
        limits: &WireLimits,
    ) -> Result<Batch<'a>, Unreadable>;

    /// The answer that makes the client forget what is on disk, and what can't be mended by
    /// sending it again. `report` has one result for each of the batch's events.
    fn reply(&self, head: &Head<'_>, batch: &Batch<'_>, report: &Report) -> Reply;

    /// The answer to a request of which nothing was kept: where it may succeed later, the one that
    /// makes the client keep its data.
    fn refuse(&self, head: &Head<'_>, refusal: &Refusal<'_>) -> Reply {
        let _the_same_for_all = head;
        Reply::problem(refusal)
    }
}
