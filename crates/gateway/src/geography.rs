use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use maxminddb::{Reader, geoip2};

use crate::OriginError;

/// How often a file is looked at for a newer one in its place.
const LOOK_PERIOD: Duration = Duration::from_secs(60);

/// In which language places are named, where the file has it; else in English.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlaceLanguage {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl PlaceLanguage {
    /// All of them, as the configuration spells them.
    pub const ALL: [(&'static str, Self); 2] = [("en", Self::English), ("zh", Self::Chinese)];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, language)| *language == self).map_or("en", |(name, _)| name)
    }
}

/// Where an address is. Texts that are not known are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1 code of the country, two letters.
    pub country: String,
    /// Name of the first-level subdivision.
    pub region: String,
    /// Name of the city.
    pub city: String,
}

/// Addresses to places, by a file in MaxMind's format with cities or countries. Without a file
/// every place is unknown. The file is held in memory. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Geography(Option<Arc<Atlas>>);

#[derive(Debug)]
struct Atlas {
    file: PathBuf,
    language: PlaceLanguage,
    read: RwLock<Arc<Edition>>,
}

#[derive(Debug)]
struct Edition {
    reader: Reader<Vec<u8>>,
    stamp: Stamp,
}

/// Tells one edition of a file from the next.
type Stamp = (Option<SystemTime>, u64);

impl Geography {
    /// Reads the file; an empty path is none.
    ///
    /// # Errors
    /// The file can't be read or is not of the format.
    pub fn open(file: &Path, language: PlaceLanguage) -> Result<Self, OriginError> {
        if file.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        let read = RwLock::new(Arc::new(Edition::read(file)?));
        Ok(Self(Some(Arc::new(Atlas { file: file.to_owned(), language, read }))))
    }

    /// Where this address is.
    pub fn find(&self, ip: IpAddr) -> Place {
        self.0.as_ref().map_or_else(Place::default, |atlas| atlas.find(ip))
    }

    /// Reads the file again whenever it was replaced, for as long as the geography is used. A file
    /// that can't be read is told in the log, and the one before it stays.
    pub fn keep_fresh(&self) {
        let Some(atlas) = &self.0 else { return };
        let atlas = Arc::downgrade(atlas);
        tokio::spawn(async move {
            let mut failed = None;
            loop {
                tokio::time::sleep(LOOK_PERIOD).await;
                let atlas = Weak::clone(&atlas);
                let looked = tokio::task::spawn_blocking(move || Some(atlas.upgrade()?.look_again()));
                match looked.await {
                    Ok(None) => return,
                    Ok(Some(Err(error))) => {
                        let message = error.to_string();
                        if failed.as_ref() != Some(&message) {
                            tracing::warn!(%error, "the places of the file before it are used on");
                            failed = Some(message);
                        }
                    }
                    Ok(Some(Ok(()))) | Err(_) => failed = None,
                }
            }
        });
    }

    #[cfg(test)]
    fn look_again(&self) -> Result<(), OriginError> {
        self.0.as_ref().map_or(Ok(()), |atlas| atlas.look_again())
    }
}

impl Atlas {
    fn find(&self, ip: IpAddr) -> Place {
        // A reader that panicked leaves the edition as it was.
        let edition = Arc::clone(&self.read.read().unwrap_or_else(PoisonError::into_inner));
        // A damaged record is an unknown place: an event is not refused for it.
        let found = edition.reader.lookup(ip).and_then(|found| found.decode::<geoip2::City<'_>>());
        let Ok(Some(found)) = found else { return Place::default() };
        let region = found.subdivisions.first().map(|subdivision| &subdivision.names);
        Place {
            country: found.country.iso_code.unwrap_or_default().to_owned(),
            region: region.map(|names| self.name(names)).unwrap_or_default(),
            city: self.name(&found.city.names),
        }
    }

    fn name(&self, names: &geoip2::Names<'_>) -> String {
        let chinese = names.simplified_chinese.filter(|_| self.language == PlaceLanguage::Chinese);
        chinese.or(names.english).unwrap_or_default().to_owned()
    }

    fn look_again(&self) -> Result<(), OriginError> {
        let known = self.read.read().unwrap_or_else(PoisonError::into_inner).stamp;
        if stamp(&self.file)? != known {
            let edition = Arc::new(Edition::read(&self.file)?);
            *self.read.write().unwrap_or_else(PoisonError::into_inner) = edition;
            tracing::info!(file = %self.file.display(), "places are found by a new file");
        }
        Ok(())
    }
}

impl Edition {
    fn read(file: &Path) -> Result<Self, OriginError> {
        // Taken before the file is read: one that is replaced meanwhile is read again.
        let stamp = stamp(file)?;
        let reader = Reader::open_readfile(file)
            .map_err(|error| OriginError::Geography { file: file.to_owned(), reason: error.to_string() })?;
        Ok(Self { reader, stamp })
    }
}

fn stamp(file: &Path) -> Result<Stamp, OriginError> {
    let about = std::fs::metadata(file)
        .map_err(|error| OriginError::Geography { file: file.to_owned(), reason: error.to_string() })?;
    Ok((about.modified().ok(), about.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `scripts/make_test_places.py`.
    const PLACES: &str = "/tests/data/places.mmdb";

    fn places(language: PlaceLanguage) -> Geography {
        let file = format!("{}{PLACES}", env!("CARGO_MANIFEST_DIR"));
        Geography::open(Path::new(&file), language).unwrap()
    }

    fn check(places: &Geography, ip: &str, expected: [&str; 3]) {
        let Place { country, region, city } = places.find(ip.parse().unwrap());
        assert_eq!([country, region, city], expected, "{ip}");
    }

    #[test]
    fn places_in_english_and_chinese() {
        let english = places(PlaceLanguage::English);
        check(&english, "203.0.113.9", ["CN", "Shanghai", "Shanghai"]);
        check(&english, "2001:db8:1:2::3", ["US", "California", "San Francisco"]);
        check(&english, "192.0.2.1", ["JP", "", ""]);
        check(&english, "127.0.0.1", ["", "", ""]);
        let chinese = places(PlaceLanguage::Chinese);
        check(&chinese, "203.0.113.9", ["CN", "上海", "上海"]);
        check(&chinese, "198.51.100.1", ["DE", "Land Berlin", "柏林"]);
        check(&Geography::default(), "203.0.113.9", ["", "", ""]);
    }

    #[test]
    fn a_file_in_its_place_is_read_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("places.mmdb");
        let whole = std::fs::read(format!("{}{PLACES}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        std::fs::write(&file, &whole).unwrap();
        let places = Geography::open(&file, PlaceLanguage::English).unwrap();

        std::fs::write(&file, &whole[..100]).unwrap();
        assert!(places.look_again().unwrap_err().to_string().contains("places.mmdb"));
        check(&places, "203.0.113.9", ["CN", "Shanghai", "Shanghai"]);

        std::fs::write(&file, replaced(&whole, b"Berlin", b"Bremen")).unwrap();
        places.look_again().unwrap();
        check(&places, "198.51.100.1", ["DE", "Land Bremen", "Bremen"]);

        let missing = Geography::open(&folder.path().join("none"), PlaceLanguage::English);
        assert!(missing.unwrap_err().to_string().contains("none"));
    }

    fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        bytes
    }
}
