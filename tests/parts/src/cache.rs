use std::path::PathBuf;

/// The folder that all clones share: `$SUANPAN_CACHE`, or `~/.cache/suanpan`.
///
/// # Panics
/// Neither is set.
pub fn cache_dir() -> PathBuf {
    if let Some(named) = std::env::var_os("SUANPAN_CACHE").filter(|named| !named.is_empty()) {
        return named.into();
    }
    let home = std::env::var_os("HOME").expect("HOME or SUANPAN_CACHE must be set");
    PathBuf::from(home).join(".cache/suanpan")
}
