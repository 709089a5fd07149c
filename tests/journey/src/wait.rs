use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// Tries until there is something, at most for `limit_s` seconds.
///
/// # Panics
/// The limit has passed; `what` says what did not happen.
pub async fn eventually<T>(what: &str, limit_s: u64, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(limit_s);
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit_s} s");
        tokio::time::sleep(PAUSE).await;
    }
}
