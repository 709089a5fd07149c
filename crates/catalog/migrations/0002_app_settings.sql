-- What each app chooses about its events, and how many it has reported. A null limit is none.

ALTER TABLE apps ADD COLUMN ip TEXT NOT NULL DEFAULT 'truncate' CHECK (ip IN ('store', 'truncate', 'drop'));
-- A JSON array of texts.
ALTER TABLE apps ADD COLUMN allowed_origins TEXT NOT NULL DEFAULT '["*"]';
ALTER TABLE apps ADD COLUMN events_per_second INTEGER;
ALTER TABLE apps ADD COLUMN events_per_day INTEGER;
ALTER TABLE apps ADD COLUMN events_per_month INTEGER;

ALTER TABLE keys ADD COLUMN events_per_second INTEGER;

-- One row for each app and day ('2026-11-22') and one for each app and month ('2026-11'), so that
-- all totals of a moment are two ranges of the primary key. A month's name sorts before its days.
CREATE TABLE usage (
    period TEXT NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps (id),
    events INTEGER NOT NULL,
    PRIMARY KEY (period, app_id)
) WITHOUT ROWID;
