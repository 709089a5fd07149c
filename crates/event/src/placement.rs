use xxhash_rust::xxh64::xxh64;

use crate::AppId;

/// Where the events of a person of an app belong: in a log of P partitions to `key % P`, in a cluster of S
/// shards to shard `key % S`. So all events of one person meet on one shard, and where S divides P a
/// partition's events go to one shard.
///
/// It is XXH64 with seed 0 of the app's id, a zero byte and [`crate::Event::actor_id`]; ClickHouse computes the
/// same by [`PLACE_KEY_SQL`].
pub fn place_key(app_id: &AppId, actor_id: &str) -> u64 {
    let mut text = Vec::with_capacity(app_id.as_str().len() + 1 + actor_id.len());
    text.extend_from_slice(app_id.as_str().as_bytes());
    text.push(0);
    text.extend_from_slice(actor_id.as_bytes());
    xxh64(&text, 0)
}

/// [`place_key`] as the engine computes it from a row's columns.
pub const PLACE_KEY_SQL: &str = r"xxHash64(concat(app_id, '\0', actor_id))";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_person_are_the_same_and_those_of_apps_differ() {
        let (shop, cafe): (AppId, AppId) = ("shop".parse().unwrap(), "cafe".parse().unwrap());
        assert_eq!(place_key(&shop, "ann"), place_key(&shop, "ann"));
        assert_ne!(place_key(&shop, "ann"), place_key(&cafe, "ann"));
        // As ClickHouse 26.7 says: SELECT xxHash64(concat('shop', '\0', 'ann')).
        assert_eq!(place_key(&shop, "ann"), KNOWN);
    }
    const KNOWN: u64 = 8_846_538_752_117_040_234;
}
