use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;
use suanpan_journey::{App, DAY_MS, MINUTE_MS, instant_text, measure, now_ms, rule, run};

use crate::found::{Found, find};
use crate::known::{Key, Known};
use crate::load::Times;
use crate::scene::Scene;

/// Differences of one kind that are shown.
const SHOWN_MAX: usize = 5;

/// What was found, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Verdict {
    pub summary: String,
    pub wrong: Vec<String>,
}

/// Lets everything be stored, and compares what clients know with what the store has.
pub async fn verdict(scene: &mut Scene) -> Verdict {
    let mut verdict = Verdict::default();
    scene.server.settle().await;
    if scene.plan.mix.times == Times::Usual {
        verdict.check_answers(scene).await;
    }
    verdict.check_audit(scene).await;
    let of_apps = outcomes_by_api(scene).await;
    if let Some(fleet) = &mut scene.fleet {
        verdict.wrong.extend(fleet.stop());
    }
    let (status, said) = scene.server.stop();
    if status.code() != Some(0) {
        verdict.wrong.push(format!("the server's orderly end: {status}\n{said}"));
    }
    let found = if let Some(outside) = &scene.outside {
        find(outside.store(), scene).await
    } else {
        find(&scene.server.store().await, scene).await
    };
    let known = scene.load.known();
    verdict.check_ids(&known, &found);
    verdict.check_sums(&known, &found, scene);
    verdict.check_minutes(&known, &found, scene);
    verdict.check_dead(&known, &found);
    if let Times::Days(days) = scene.plan.mix.times {
        verdict.expect("report dates", found.dates >= days.unsigned_abs() * 9 / 10, found.dates);
    }
    if of_apps != found.of_apps(scene) {
        verdict
            .wrong
            .push(format!("outcomes by the API {of_apps:?}, by the ledger {:?}", found.of_apps(scene)));
    }
    for wrong in known.wrong_answers.iter().take(SHOWN_MAX) {
        verdict.wrong.push(format!("a client got a wrong answer: {wrong}"));
    }
    verdict
}

/// Events by app and outcome, as the API says.
async fn outcomes_by_api(scene: &Scene) -> BTreeMap<(String, String), u64> {
    let mut all = BTreeMap::new();
    for app in scene.load.apps() {
        all.extend(
            app.outcomes().await.into_iter().map(|(outcome, events)| ((app.id.clone(), outcome), events)),
        );
    }
    all
}

impl Verdict {
    fn expect(&mut self, what: &str, is_right: bool, found: impl std::fmt::Debug) {
        if !is_right {
            self.wrong.push(format!("{what}: {found:?}"));
        }
    }

    /// Questions see what the store has.
    async fn check_answers(&mut self, scene: &Scene) {
        let distinct = json!({ "measure": "distinct", "attribute": "n" });
        let question = rule(json!({ "measures": [measure("events"), distinct] }));
        for app in scene.load.apps() {
            let stored = app.outcomes().await.get("stored").copied().unwrap_or_default();
            let totals = app.totals(&question).await;
            self.expect(
                &format!("{} of {stored} stored is answered", app.id),
                totals == json!([stored, stored]),
                totals,
            );
        }
    }

    /// The product's own audit finds no difference. It looks at two days before and behind, since clocks are stepped.
    async fn check_audit(&mut self, scene: &Scene) {
        let calls = scene.server.calls();
        let day = |ms: i64| instant_text(ms).chars().take(10).collect::<String>();
        let (from, to) = (day(now_ms() - 2 * DAY_MS), day(now_ms() + 3 * DAY_MS));
        let (url, token) = (calls.url(), calls.admin_token());
        let audit = run(["audit", "--from", &from, "--to", &to, "--url", &url, "--token", &token]).await;
        if audit.code != Some(0) {
            self.wrong.push(format!("suanpan audit: {:?}\n{}{}", audit.code, audit.out, audit.err));
        }
        for line in
            audit.out.lines().filter(|line| line.starts_with("received ") || line.starts_with("accepted "))
        {
            let _ = writeln!(self.summary, "  audit    {line}");
        }
    }

    /// Each acknowledged id once, the others at most once, and nothing else.
    fn check_ids(&mut self, known: &Known, found: &Found) {
        let (mut missing, mut resurrected, mut unexpected, mut unknown) =
            (Vec::new(), Vec::new(), Vec::new(), 0);
        for (key, sent) in &known.events {
            let is_there = found.rows.contains_key(key);
            if sent.is_lost && is_there {
                resurrected.push(*key);
            } else if sent.is_acknowledged && !sent.is_lost && !is_there {
                missing.push(*key);
            } else if !sent.is_good && is_there {
                unexpected.push(*key);
            } else if sent.is_good && !sent.is_acknowledged && is_there {
                unknown += 1;
            }
        }
        unexpected.extend(found.rows.keys().filter(|key| !known.events.contains_key(key)));
        let twice: Vec<_> = found.rows.iter().filter(|(_, rows)| **rows != 1).collect();
        for (what, keys) in [
            ("acknowledged and not there", missing),
            ("lost on purpose and there", resurrected),
            ("there and never to be stored", unexpected),
            ("there more than once", twice.into_iter().map(|(key, _)| *key).collect()),
        ] {
            let shown: Vec<_> = keys.iter().take(SHOWN_MAX).collect();
            self.expect(&format!("{} events are {what}", keys.len()), keys.is_empty(), shown);
        }
        self.expect(
            "rows of another content, at one place in the log, of unknown apps",
            found.oddities == "0\t0\t0",
            &found.oddities,
        );
        let acknowledged = known.events.values().filter(|sent| sent.is_acknowledged).count();
        let lost = known.events.values().filter(|sent| sent.is_lost).count();
        let unanswered = known.events.values().filter(|s| !s.is_acknowledged && !s.is_refused).count();
        let _ = writeln!(
            self.summary,
            "  events   {} sent, {acknowledged} acknowledged, {unanswered} never answered; {} are there, {unknown} \
             of them never answered, {lost} lost on purpose",
            known.events.len(),
            found.rows.len(),
        );
    }

    /// received = accepted + refused; accepted = stored + duplicate + rejected + lost.
    fn check_sums(&mut self, known: &Known, found: &Found, scene: &Scene) {
        let lost = known.events.values().filter(|sent| sent.is_lost).count() as u64;
        let found_lost = found.sum(None, "lost");
        self.expect(&format!("{lost} records were damaged on purpose, lost"), found_lost == lost, found_lost);
        for (n, app) in scene.load.apps().iter().enumerate() {
            self.check_sums_of((n, app), known, found);
        }
        let everything: u64 = found.ledger.values().sum();
        self.expect(
            &format!("the log's offsets end at {} in sum, outcomes", found.ends),
            found.ends == everything,
            everything,
        );
    }

    fn check_sums_of(&mut self, (n, app): (usize, &App), known: &Known, found: &Found) {
        let counts = known.counts(n);
        let sum = |outcome: &str| found.sum(Some(&app.id), outcome);
        let (stored, duplicate, rejected, refused) =
            (sum("stored"), sum("duplicate"), sum("rejected"), sum("refused"));
        let lost_here = known.events.iter().filter(|(key, sent)| key.app == n && sent.is_lost).count() as u64;
        let accepted = stored + duplicate + rejected + lost_here;
        for (what, least, events) in [
            ("accepted", counts.acknowledged, accepted),
            ("refused", counts.refused, refused),
            ("received", counts.acknowledged + counts.refused, accepted + refused),
        ] {
            let range = least..=least + counts.unknown;
            let said = format!("{} {what}, by clients {least} and up to {} more", app.id, counts.unknown);
            self.expect(&said, range.contains(&events), events);
        }
        self.expect(&format!("{} rejected after acceptance", app.id), rejected == 0, rejected);
        let rows = found.rows.keys().filter(|key| key.app == n).count() as u64;
        self.expect(&format!("{} has {rows} rows, stored", app.id), rows == stored, stored);
        let _ = writeln!(
            self.summary,
            "  {:8} clients: {} acknowledged, {} refused, {} unknown; ledger: {stored} stored, {duplicate} \
             duplicate, {rejected} rejected, {refused} refused, {lost_here} lost",
            app.id, counts.acknowledged, counts.refused, counts.unknown
        );
    }

    /// Each row is in the ledger of its minute, and no minute has more or less than its requests held.
    fn check_minutes(&mut self, known: &Known, found: &Found, scene: &Scene) {
        let mut differences = Vec::new();
        let mut received: BTreeMap<(&str, i64), u64> = BTreeMap::new();
        for ((app, minute, outcome), events) in &found.ledger {
            *received.entry((app, *minute)).or_default() += events;
            let rows = found.minutes.get(&(app.clone(), *minute)).copied().unwrap_or_default();
            if outcome == "stored" && rows != *events {
                differences.push(format!("{app} at minute {minute}: {rows} rows, {events} stored"));
            }
        }
        for ((app, minute), rows) in &found.minutes {
            if !found.ledger.contains_key(&(app.clone(), *minute, "stored".to_owned())) {
                differences.push(format!("{app} at minute {minute}: {rows} rows, nothing stored"));
            }
        }
        let is_any_lost = known.events.values().any(|sent| sent.is_lost);
        if scene.plan.knows_minutes && !is_any_lost {
            for (n, app) in scene.load.apps().iter().enumerate() {
                differences.extend(out_of_bounds((n, app), known, &received));
            }
        }
        let minutes: BTreeSet<i64> = received.keys().map(|(_, minute)| *minute).collect();
        let span = minutes.last().zip(minutes.first()).map_or(0, |(last, first)| last - first);
        if scene.clock.is_some() {
            self.expect("minutes between the first and the last receipt by a stepped clock", span > 60, span);
        }
        let shown: Vec<_> = differences.iter().take(SHOWN_MAX).collect();
        self.expect(&format!("{} minutes differ", differences.len()), differences.is_empty(), shown);
    }

    /// What a client was told is refused stands in the dead letter.
    fn check_dead(&mut self, known: &Known, found: &Found) {
        let refused: Vec<&Key> =
            known.events.iter().filter(|(_, sent)| sent.is_refused).map(|(key, _)| key).collect();
        let missing: Vec<_> = refused.iter().filter(|key| !found.dead.contains(key)).collect();
        let shown: Vec<_> = missing.iter().take(SHOWN_MAX).collect();
        self.expect(
            &format!("{} refused events are not in the dead letter", missing.len()),
            missing.is_empty(),
            shown,
        );
        let _ = writeln!(
            self.summary,
            "  dead     {} refused by answer, {} kept",
            refused.len(),
            found.dead.len()
        );
    }
}

/// The minutes in which an app received more or less than its requests held.
fn out_of_bounds(
    (n, app): (usize, &App),
    known: &Known,
    received: &BTreeMap<(&str, i64), u64>,
) -> Vec<String> {
    let requested = known.requests.iter().map(|request| request.from_ms.div_euclid(MINUTE_MS));
    let in_ledger = received.keys().filter(|(of, _)| *of == app.id).map(|(_, minute)| *minute);
    let mut differences = Vec::new();
    for minute in requested.chain(in_ledger).collect::<BTreeSet<i64>>() {
        let (least, most) = known.bounds(n, minute);
        let events = received.get(&(app.id.as_str(), minute)).copied().unwrap_or_default();
        if !(least..=most).contains(&events) {
            differences.push(format!(
                "{} at minute {minute}: {events} received, by clients {least} to {most}",
                app.id
            ));
        }
    }
    differences
}
