use jiff::Timestamp;
use jiff::civil::Date;
use suanpan_catalog::{AppView, Usage};

/// One app's events of its present day and month: what the catalog knows of them, and what was not
/// sent there yet.
#[derive(Debug, Default)]
pub(crate) struct Days {
    today: Option<Today>,
    /// Of the catalog, for today.
    known: Usage,
    /// Not sent yet, by day: today and, right after midnight, the day before.
    unsent: Vec<(Date, u64)>,
    /// Being sent.
    sending: Vec<(Date, u64)>,
}

#[derive(Debug)]
struct Today {
    date: Date,
    time_zone: String,
    from_ms: i64,
    to_ms: i64,
    month_ends_ms: i64,
}

impl Days {
    /// Begins the day that it is, if another one is over or the app moved to another time zone.
    pub fn roll(&mut self, view: &AppView, now_ms: i64) -> Option<Date> {
        let is_now = |today: &Today| {
            (today.from_ms..today.to_ms).contains(&now_ms) && today.time_zone == view.time_zone
        };
        if self.today.as_ref().is_some_and(is_now) {
            return None;
        }
        let today = Today::of(view, now_ms);
        let date = today.date;
        match self.today.replace(today) {
            Some(before) if before.date == date => {}
            Some(before) if is_same_month(before.date, date) => self.known.day = 0,
            Some(_) | None => self.known = Usage::default(),
        }
        Some(date)
    }

    /// The day that it is.
    pub fn today(&self) -> Option<Date> {
        self.today.as_ref().map(|today| today.date)
    }

    pub fn day_ends_ms(&self) -> i64 {
        self.today.as_ref().map_or(0, |today| today.to_ms)
    }

    pub fn month_ends_ms(&self) -> i64 {
        self.today.as_ref().map_or(0, |today| today.month_ends_ms)
    }

    /// The events of today and of this month.
    pub fn used(&self) -> Usage {
        let mut used = self.known;
        self.unsent.iter().chain(&self.sending).for_each(|entry| self.add_to(&mut used, entry));
        used
    }

    pub fn add(&mut self, events: u64) {
        let Some(today) = self.today() else { return };
        add(&mut self.unsent, today, events);
    }

    /// Takes back what was added just now. What is on its way to the catalog meanwhile stays
    /// counted: an error of the log at that very moment costs its client that much of a day.
    pub fn give_back(&mut self, events: u64) {
        let Some(today) = self.today() else { return };
        if let Some((_, unsent)) = self.unsent.iter_mut().find(|(day, _)| *day == today) {
            *unsent = unsent.saturating_sub(events);
        }
    }

    /// What must be sent to the catalog now.
    pub fn send(&mut self) -> &[(Date, u64)] {
        self.unsent.retain(|(_, events)| *events > 0);
        self.sending.append(&mut self.unsent);
        &self.sending
    }

    /// The catalog has it.
    pub fn sent(&mut self) {
        let mut known = self.known;
        self.sending.iter().for_each(|entry| self.add_to(&mut known, entry));
        self.known = known;
        self.sending.clear();
    }

    /// The catalog does not have it.
    pub fn not_sent(&mut self) {
        for (day, events) in std::mem::take(&mut self.sending) {
            add(&mut self.unsent, day, events);
        }
    }

    pub fn is_sent(&self) -> bool {
        self.unsent.is_empty() && self.sending.is_empty()
    }

    /// The catalog has counted this much of today, at least: counts only grow, so what was read a
    /// moment ago takes nothing back.
    pub fn learn_at_least(&mut self, usage: Usage) {
        self.known.day = self.known.day.max(usage.day);
        self.known.month = self.known.month.max(usage.month);
    }

    fn add_to(&self, usage: &mut Usage, (day, events): &(Date, u64)) {
        let Some(today) = self.today() else { return };
        if *day == today {
            usage.day += events;
        }
        if is_same_month(*day, today) {
            usage.month += events;
        }
    }
}

impl Today {
    fn of(view: &AppView, now_ms: i64) -> Self {
        let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let date = now.to_zoned(view.zone.clone()).date();
        let begins_ms = |date: Option<Date>| {
            let begin = date.and_then(|date| date.to_zoned(view.zone.clone()).ok());
            begin.map_or(i64::MAX, |begin| begin.timestamp().as_millisecond())
        };
        Self {
            date,
            time_zone: view.time_zone.clone(),
            from_ms: begins_ms(Some(date)),
            to_ms: begins_ms(date.tomorrow().ok()),
            month_ends_ms: begins_ms(date.last_of_month().tomorrow().ok()),
        }
    }
}

fn add(entries: &mut Vec<(Date, u64)>, day: Date, events: u64) {
    match entries.iter_mut().find(|(known, _)| *known == day) {
        Some((_, total)) => *total += events,
        None => entries.push((day, events)),
    }
}

fn is_same_month(a: Date, b: Date) -> bool {
    (a.year(), a.month()) == (b.year(), b.month())
}
