use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use suanpan_event::{AppId, parse_time, properties::Properties};
use suanpan_warehouse::{LEARNT_SAMPLES_MAX, LEARNT_UNLISTED_MAX, Learnt, LearntTypes, NewLearnt};
use uuid::Uuid;

use crate::LearningConfig;

/// Characters of a sample value.
const SAMPLE_CHARS: usize = 64;
/// Values of one attribute that one batch looks at for samples. An attribute that only ever has two
/// values never gets all of its samples; this bounds what looking for them costs.
const LOOKS_PER_BATCH: u8 = 16;

/// Knows which names an app's events have taught, so that a new one can be told from a known one,
/// and a wanted sample from one more.
///
/// All workers of a process share it, so that its memory is bounded once. Another process's names are not known
/// before an app is read again; so the bound on an app's names may be passed by as much.
#[derive(Debug)]
pub(crate) struct Learner {
    config: LearningConfig,
    hasher: RandomState,
    apps: HashMap<AppId, KnownNames>,
    batches: AtomicU64,
    /// Batches that are worked on at once: the apps of so many are not forgotten.
    batches_at_once: u64,
}

/// The names of one app, by their hashes.
#[derive(Debug, Default)]
struct KnownNames {
    names: HashMap<u64, Samples>,
    /// The batch that needed them last.
    used: AtomicU64,
}

/// The samples that are stored of a name.
#[derive(Debug)]
enum Samples {
    /// These, by hash, and more are wanted.
    Wanted(Vec<u64>),
    /// As many as are kept.
    Complete,
}

/// What the events of one batch teach. Events of one name mostly have the same properties in the
/// same order, so a property is sought behind the last one first.
#[derive(Debug, Default)]
pub(crate) struct Lesson<'e> {
    events: HashMap<(&'e AppId, &'e str), EventLesson>,
}

#[derive(Debug, Default)]
struct EventLesson {
    name: NameLesson,
    attributes: Vec<(Box<str>, NameLesson)>,
    by_name: HashMap<Box<str>, usize>,
}

#[derive(Debug, Default)]
struct NameLesson {
    first_seen_ms: i64,
    last_seen_ms: i64,
    events: u64,
    types: u8,
    samples: Vec<String>,
    /// Hashes of samples that are known or taken.
    known: Vec<u64>,
    looks_left: u8,
}

impl NameLesson {
    fn see(&mut self, received_ms: i64) {
        self.first_seen_ms = if self.events == 0 { received_ms } else { self.first_seen_ms.min(received_ms) };
        self.last_seen_ms = self.last_seen_ms.max(received_ms);
        self.events += 1;
    }
}

impl Learner {
    pub fn new(config: LearningConfig, batches_at_once: usize) -> Self {
        Self {
            config,
            hasher: RandomState::new(),
            apps: HashMap::new(),
            batches: AtomicU64::new(0),
            batches_at_once: batches_at_once as u64,
        }
    }

    /// Begins a batch of these apps; returns those whose names must be read first.
    pub fn begin_batch<'e>(&self, apps: impl Iterator<Item = &'e AppId>) -> Vec<&'e AppId> {
        let batch = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        let (mut unknown, mut last) = (Vec::new(), None);
        for app in apps {
            // Neighbours mostly share the app.
            if last == Some(app) {
                continue;
            }
            last = Some(app);
            match self.apps.get(app) {
                Some(known) => known.used.store(batch, Ordering::Relaxed),
                None if unknown.contains(&app) => {}
                None => unknown.push(app),
            }
        }
        unknown
    }

    /// Takes in the names of an app, as they are stored.
    pub fn recall(&mut self, app: &AppId, learnt: &[Learnt]) {
        let names = self.known(learnt);
        let used = AtomicU64::new(self.batches.load(Ordering::Relaxed));
        self.apps.entry(app.clone()).or_insert(KnownNames { names, used });
    }

    fn known(&self, learnt: &[Learnt]) -> HashMap<u64, Samples> {
        let known = |name: &Learnt| {
            let samples = if name.attribute.is_empty() || name.samples.len() >= LEARNT_SAMPLES_MAX {
                Samples::Complete
            } else {
                Samples::Wanted(name.samples.iter().map(|sample| self.hasher.hash_one(sample)).collect())
            };
            (self.hash(&name.event, &name.attribute), samples)
        };
        learnt.iter().filter(|name| !name.is_unlisted()).map(known).collect()
    }

    fn hash(&self, event: &str, attribute: &str) -> u64 {
        self.hasher.hash_one((event, attribute))
    }

    /// Adds one event to a lesson.
    pub fn see<'e>(
        &self,
        lesson: &mut Lesson<'e>,
        (app, event, received_ms): (&'e AppId, &'e str, i64),
        properties: &Properties<'_>,
    ) {
        let about = lesson.events.entry((app, event)).or_default();
        about.name.see(received_ms);
        let mut next = 0;
        for (name, raw) in properties.iter() {
            let at = match about.attributes.get(next) {
                Some((known, _)) if **known == *name => next,
                _ => match about.by_name.get(name) {
                    Some(at) => *at,
                    None => {
                        about.by_name.insert(name.into(), about.attributes.len());
                        about.attributes.push((name.into(), self.begin(app, event, name)));
                        about.attributes.len() - 1
                    }
                },
            };
            next = at + 1;
            let attribute = &mut about.attributes[at].1;
            attribute.see(received_ms);
            attribute.types |= type_of(raw, attribute.types);
            if attribute.looks_left > 0 {
                self.sample(attribute, raw);
            }
        }
    }

    /// A lesson about an attribute, which looks for samples only while some are wanted.
    fn begin(&self, app: &AppId, event: &str, attribute: &str) -> NameLesson {
        let known = self.apps.get(app).and_then(|app| app.names.get(&self.hash(event, attribute)));
        let (known, looks_left) = match known {
            Some(Samples::Complete) => (Vec::new(), 0),
            Some(Samples::Wanted(known)) => (known.clone(), LOOKS_PER_BATCH),
            None => (Vec::new(), LOOKS_PER_BATCH),
        };
        NameLesson { known, looks_left, ..NameLesson::default() }
    }

    fn sample(&self, attribute: &mut NameLesson, raw: &str) {
        attribute.looks_left -= 1;
        let sample = sample_of(raw);
        let hash = self.hasher.hash_one(&sample);
        if !attribute.known.contains(&hash) {
            attribute.known.push(hash);
            attribute.samples.push(sample);
        }
        if attribute.known.len() >= LEARNT_SAMPLES_MAX {
            attribute.looks_left = 0;
        }
    }

    /// Ends a lesson: what is to be stored. Names beyond an app's bound are counted together.
    pub fn end<'l>(&mut self, lesson: &'l mut Lesson<'_>) -> Vec<NewLearnt<'l>> {
        let mut learnt = Vec::new();
        let mut unlisted: HashMap<&AppId, NewLearnt<'l>> = HashMap::new();
        for ((app, event), about) in &mut lesson.events {
            let EventLesson { name, attributes, .. } = about;
            let attributes = attributes.iter_mut().map(|(attribute, lesson)| (&**attribute, lesson));
            for (attribute, lesson) in [("", name)].into_iter().chain(attributes) {
                if self.remember(app, (event, attribute), lesson) {
                    learnt.push(new_learnt(app, (event, attribute), lesson));
                } else {
                    let together = unlisted.entry(app).or_insert_with(|| {
                        new_learnt(
                            app,
                            ("", ""),
                            &mut NameLesson { first_seen_ms: lesson.first_seen_ms, ..NameLesson::default() },
                        )
                    });
                    add_unlisted(together, (event, attribute), lesson);
                }
            }
        }
        learnt.extend(unlisted.into_values());
        self.forget();
        learnt
    }

    /// Whether a name is listed: it is known, or there is room for it.
    fn remember(&mut self, app: &AppId, (event, attribute): (&str, &str), lesson: &NameLesson) -> bool {
        let hash = self.hash(event, attribute);
        let known = self.apps.entry(app.clone()).or_default();
        let is_known = known.names.contains_key(&hash);
        if !is_known && known.names.len() >= self.config.names_per_app_max {
            return false;
        }
        if !is_known || !lesson.samples.is_empty() {
            let is_complete = attribute.is_empty() || lesson.known.len() >= LEARNT_SAMPLES_MAX;
            let samples = if is_complete { Samples::Complete } else { Samples::Wanted(lesson.known.clone()) };
            known.names.insert(hash, samples);
        }
        true
    }

    /// Forgets the apps that were not seen for the longest time while there are too many names.
    fn forget(&mut self) {
        let count = |apps: &HashMap<AppId, KnownNames>| -> usize {
            apps.values().map(|known| known.names.len() + 1).sum()
        };
        let mut names = count(&self.apps);
        let running = self.batches.load(Ordering::Relaxed).saturating_sub(self.batches_at_once);
        while names > self.config.names_in_memory_max {
            let used = |known: &KnownNames| known.used.load(Ordering::Relaxed);
            let unused = self.apps.iter().filter(|(_, known)| used(known) <= running);
            let oldest = unused.min_by_key(|(_, known)| used(known)).map(|(app, _)| app.clone());
            let Some(forgotten) = oldest.and_then(|app| self.apps.remove(&app)) else { return };
            names -= forgotten.names.len() + 1;
        }
    }
}

fn new_learnt<'l>(
    app: &AppId,
    (event, attribute): (&'l str, &'l str),
    lesson: &mut NameLesson,
) -> NewLearnt<'l> {
    NewLearnt {
        app_id: app.clone(),
        event,
        attribute,
        first_seen_ms: lesson.first_seen_ms,
        last_seen_ms: lesson.last_seen_ms,
        events: lesson.events,
        types: lesson.types,
        samples: std::mem::take(&mut lesson.samples),
        unlisted: Vec::new(),
    }
}

/// Counts a name that is not listed. The hash must be the same in every process.
fn add_unlisted(together: &mut NewLearnt<'_>, (event, attribute): (&str, &str), lesson: &NameLesson) {
    together.first_seen_ms = together.first_seen_ms.min(lesson.first_seen_ms);
    together.last_seen_ms = together.last_seen_ms.max(lesson.last_seen_ms);
    together.events += lesson.events;
    if together.unlisted.len() < LEARNT_UNLISTED_MAX {
        let name = format!("{event}\0{attribute}");
        together.unlisted.push(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u64_pair().0);
    }
}

/// The type's bit of a JSON value; `seen` are the bits that are set already.
fn type_of(raw: &str, seen: u8) -> u8 {
    match raw.as_bytes().first() {
        Some(b'"') if seen & LearntTypes::STRING != 0 && seen & LearntTypes::DATETIME != 0 => 0,
        Some(b'"') => {
            let inner = raw.trim_matches('"');
            let may_be_instant = inner.as_bytes().first().is_some_and(u8::is_ascii_digit);
            if may_be_instant && parse_time(inner).is_some() {
                LearntTypes::DATETIME
            } else {
                LearntTypes::STRING
            }
        }
        Some(b't' | b'f') => LearntTypes::BOOLEAN,
        Some(b'n') => LearntTypes::NULL,
        Some(b'{') => LearntTypes::OBJECT,
        Some(b'[') => LearntTypes::ARRAY,
        _ => LearntTypes::NUMBER,
    }
}

/// A value for people: a text without its quotes, anything else as JSON, cut.
fn sample_of(raw: &str) -> String {
    if raw.starts_with('"')
        && let Ok(text) = serde_json::from_str::<String>(raw)
    {
        return text.chars().take(SAMPLE_CHARS).collect();
    }
    raw.chars().take(SAMPLE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesson_of<'e>(learner: &Learner, app: &'e AppId, events: &[(&'e str, i64, &str)]) -> Lesson<'e> {
        let mut lesson = Lesson::default();
        for (event, received_ms, properties) in events {
            learner.see(&mut lesson, (app, event, *received_ms), &Properties::parse(properties).unwrap());
        }
        lesson
    }

    /// Name, events, types, samples, unlisted names.
    type Told = (String, u64, Vec<&'static str>, Vec<String>, usize);

    fn told(learnt: Vec<NewLearnt<'_>>) -> Vec<Told> {
        let tell = |l: NewLearnt<'_>| {
            let name = format!("{}/{}", l.event, l.attribute);
            (name, l.events, LearntTypes(l.types).names(), l.samples, l.unlisted.len())
        };
        let mut told: Vec<Told> = learnt.into_iter().map(tell).collect();
        told.sort();
        told
    }

    fn row(name: &str, events: u64, types: &[&'static str], samples: &[&str], unlisted: usize) -> Told {
        let samples = samples.iter().map(|s| (*s).to_owned()).collect();
        (name.into(), events, types.to_vec(), samples, unlisted)
    }

    #[test]
    fn a_batch_teaches_names_types_and_samples() {
        let mut learner = Learner::new(LearningConfig::default(), 1);
        let app = "shop".parse().unwrap();
        let mut lesson = lesson_of(
            &learner,
            &app,
            &[
                ("buy", 5, r#"{"price":1,"when":"2024-03-01T00:00:00Z","note":"a\nb"}"#),
                ("buy", 3, r#"{"note":null,"price":"2","when":"tomorrow"}"#),
                ("buy", 4, r#"{"price":1,"tags":[1],"more":{"a":true},"gift":false}"#),
                ("view", 9, "{}"),
            ],
        );
        let learnt = learner.end(&mut lesson);
        let buy = learnt.iter().find(|l| (l.event, l.attribute) == ("buy", "")).unwrap();
        assert_eq!((buy.first_seen_ms, buy.last_seen_ms), (3, 5));
        assert_eq!(
            told(learnt),
            [
                row("buy/", 3, &[], &[], 0),
                row("buy/gift", 1, &["boolean"], &["false"], 0),
                row("buy/more", 1, &["object"], &[r#"{"a":true}"#], 0),
                row("buy/note", 2, &["string", "null"], &["a\nb", "null"], 0),
                row("buy/price", 3, &["string", "number"], &["1", "2"], 0),
                row("buy/tags", 1, &["array"], &["[1]"], 0),
                row("buy/when", 2, &["string", "datetime"], &["2024-03-01T00:00:00Z", "tomorrow"], 0),
                row("view/", 1, &[], &[], 0),
            ]
        );
    }

    #[test]
    fn samples_are_few_short_and_each_is_taken_once() {
        let mut learner = Learner::new(LearningConfig::default(), 1);
        let app = "shop".parse().unwrap();
        let long = format!(r#"{{"x":"{}"}}"#, "店".repeat(100));
        let mut first =
            lesson_of(&learner, &app, &[("e", 1, &long), ("e", 1, &long), ("e", 1, r#"{"x":1}"#)]);
        let learnt = told(learner.end(&mut first));
        assert_eq!(learnt[1].3, ["店".repeat(64), "1".into()]);
        let mut second = lesson_of(&learner, &app, &[("e", 1, r#"{"x":1}"#), ("e", 1, r#"{"x":2}"#)]);
        assert_eq!(told(learner.end(&mut second))[1].3, ["2"]);
        let many: Vec<String> = (10..30).map(|n| format!(r#"{{"x":{n}}}"#)).collect();
        let many: Vec<_> = many.iter().map(|text| ("e", 1, text.as_str())).collect();
        let mut third = lesson_of(&learner, &app, &many);
        assert_eq!(told(learner.end(&mut third))[1].3, ["10", "11"]);
        let mut fourth = lesson_of(&learner, &app, &many);
        assert_eq!(told(learner.end(&mut fourth))[1], row("e/x", 20, &["number"], &[], 0));
    }

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let config = LearningConfig { names_per_app_max: 2, ..LearningConfig::default() };
        let mut learner = Learner::new(config, 1);
        let app = "shop".parse().unwrap();
        let mut first = lesson_of(&learner, &app, &[("e", 1, r#"{"a":1}"#)]);
        assert_eq!(learner.end(&mut first).len(), 2);
        let mut second =
            lesson_of(&learner, &app, &[("e", 7, r#"{"a":1,"b":1}"#), ("e", 5, r#"{"c":1,"b":2}"#)]);
        let learnt = learner.end(&mut second);
        let rest = learnt.iter().find(|l| l.event.is_empty()).unwrap();
        assert_eq!((rest.first_seen_ms, rest.last_seen_ms), (5, 7));
        assert_eq!(told(learnt)[0], row("/", 3, &[], &[], 2));
    }

    #[test]
    fn memory_is_bounded_over_all_apps() {
        let config = LearningConfig { names_in_memory_max: 5, ..LearningConfig::default() };
        let mut learner = Learner::new(config, 1);
        for name in ["a", "b", "c"] {
            let app: AppId = name.parse().unwrap();
            assert_eq!(learner.begin_batch([&app].into_iter()), [&app]);
            learner.recall(&app, &[]);
            let mut lesson = lesson_of(&learner, &app, &[("e", 1, r#"{"x":1}"#)]);
            assert_eq!(learner.end(&mut lesson).len(), 2);
        }
        let kept: Vec<&str> = learner.apps.keys().map(AppId::as_str).collect();
        assert_eq!(kept, ["c"]);
    }
}
