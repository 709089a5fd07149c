-- Replays of the dead letter. What a job has done is noted on the dead events themselves; the counts
-- here are a copy of that, so that a list of jobs needs to ask nobody else.
CREATE TABLE dead_letter_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app_id TEXT NOT NULL REFERENCES apps (id),
    filter TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'cancelled', 'interrupted', 'failed')),
    problem TEXT NOT NULL,
    total INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER
);
CREATE INDEX dead_letter_jobs_by_app ON dead_letter_jobs (app_id);
-- One at a time for each app.
CREATE UNIQUE INDEX dead_letter_jobs_running ON dead_letter_jobs (app_id) WHERE state = 'running';
