-- Deletions of a person's data. An ended one is the proof of it, which must not name the person: then only a
-- hash is left, made with the app's secret.
CREATE TABLE deletion_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app_id TEXT NOT NULL REFERENCES apps (id),
    -- A JSON array of texts: the person's id, and others of the same person. Empty when it has finished.
    ids TEXT NOT NULL,
    actor_hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('requested', 'running', 'finished', 'failed')),
    requested_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    step TEXT NOT NULL DEFAULT '',
    rows_deleted INTEGER NOT NULL DEFAULT 0,
    dead_letters_deleted INTEGER NOT NULL DEFAULT 0,
    links_deleted INTEGER NOT NULL DEFAULT 0,
    log_ends TEXT NOT NULL DEFAULT '',
    problem TEXT NOT NULL DEFAULT '',
    -- The term of the lease under which it runs.
    runner INTEGER
);
CREATE INDEX deletion_jobs_by_app ON deletion_jobs (app_id);
CREATE INDEX deletion_jobs_by_state ON deletion_jobs (state);
