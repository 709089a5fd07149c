use std::borrow::Cow;

use suanpan_catalog::IpPolicy;
use suanpan_event::{DeadEvent, Origin, Rejection, TrackingPlan, derived_id};
use suanpan_wire::{Admission, Draft, Refused};
use uuid::Uuid;

use crate::address::without_addresses;

/// Bytes of a refused event that the dead letter keeps. One that is larger is cut, and can't be
/// replayed. Twice this, escaped, must fit into a log record.
const KEPT_BYTES_MAX: usize = 48 * 1024;

/// What is the same for all refused events of a request.
pub(crate) struct Burial<'r> {
    pub about: &'r Admission<'r>,
    pub format: &'static str,
    /// How much of an address may be stored.
    pub ip: IpPolicy,
    /// Records of this format are replayed as they are.
    pub is_native: bool,
}

impl Burial<'_> {
    /// The dead letter's copy of a draft that was not admitted.
    pub fn of_draft<'a>(
        &'a self,
        draft: &'a Draft<'_>,
        rejection: &'a Rejection,
        origin: Origin<'a>,
    ) -> DeadEvent<'a> {
        let about = self.about;
        let id = draft.event_id(about.app_id).unwrap_or_else(Uuid::now_v7);
        let (raw, is_whole) = self.kept(&draft.raw);
        // Records of Suanpan's own format are replayed as they are.
        let native = if self.is_native { None } else { Some(draft.to_native(id)) };
        let (native, native_is_whole) = native.as_deref().map_or((String::new(), true), |native| {
            let (kept, is_whole) = self.kept(native);
            (kept.into_owned(), is_whole)
        });
        DeadEvent {
            id,
            event: start(&draft.event),
            user_id: start(&draft.user_id),
            device_id: start(&draft.device_id),
            raw,
            is_replayable: native_is_whole && (is_whole || !self.is_native),
            draft: native.into(),
            clock_correction_ms: draft.clock_correction_ms(about),
            ..self.plain(rejection, origin)
        }
    }

    /// The dead letter's copy of a record that is no event. Personal data in it may stand where no
    /// mask finds it, for instance as JSON within a text: then nothing of it is kept.
    pub fn of_record<'a>(&'a self, refused: &'a Refused<'_>, origin: Origin<'a>) -> DeadEvent<'a> {
        let id = derived_id(self.about.app_id, &refused.raw);
        let raw = if self.about.plan.has_personal() { "".into() } else { self.kept(&refused.raw).0 };
        DeadEvent { id, raw, ..self.plain(&refused.rejection, origin) }
    }

    /// What is kept of a record, and whether that is all of it. Neither personal data nor more of an
    /// address than the app stores must reach the disk, not even of events that were refused; what
    /// can't be read can't be masked either.
    fn kept<'a>(&self, record: &'a str) -> (Cow<'a, str>, bool) {
        match presentable(record, self.about.plan, self.ip) {
            None => ("".into(), false),
            Some(shown) if shown.len() <= KEPT_BYTES_MAX => (shown, true),
            Some(Cow::Borrowed(whole)) => (start_of(whole).into(), false),
            Some(Cow::Owned(whole)) => (start_of(&whole).to_owned().into(), false),
        }
    }

    fn plain<'a>(&'a self, rejection: &'a Rejection, origin: Origin<'a>) -> DeadEvent<'a> {
        DeadEvent {
            app_id: self.about.app_id.clone(),
            id: Uuid::nil(),
            received_time_ms: self.about.received_time_ms,
            format: self.format.into(),
            code: rejection.code.name().into(),
            field: start(&rejection.field),
            message: start(&rejection.message),
            event: "".into(),
            user_id: "".into(),
            device_id: "".into(),
            raw: "".into(),
            draft: "".into(),
            is_replayable: false,
            clock_correction_ms: None,
            may_report_old: self.about.may_report_old,
            origin,
        }
    }
}

/// A record as it may be stored and shown: personal data masked, addresses as the app has it. None if
/// it can't be read and something in it might have to be masked.
pub(crate) fn presentable<'a>(record: &'a str, plan: &TrackingPlan, ip: IpPolicy) -> Option<Cow<'a, str>> {
    // What is no JSON holds no member by whose name an address could be known; it is kept to be seen.
    let shown = without_addresses(record, ip).unwrap_or(Cow::Borrowed(record));
    match shown {
        Cow::Borrowed(same) => plan.mask_all(same),
        Cow::Owned(edited) => plan.mask_all(&edited).map(|masked| Cow::Owned(masked.into_owned())),
    }
}

fn start_of(record: &str) -> &str {
    &record[..record.floor_char_boundary(KEPT_BYTES_MAX)]
}

/// Characters of a name or message that are kept.
const START_CHARS: usize = 512;

fn start(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(START_CHARS) {
        None => text.into(),
        Some((end, _)) => text[..end].into(),
    }
}
