-- The catalog. Plain tables, text and integers, so that another engine can hold the same.
-- Instants are milliseconds since 1970-01-01 UTC; a null deleted_ms or revoked_ms means "in use".

-- One row. Every change that a snapshot shows takes the next revision and stamps it on the app it
-- touched, so a reader that has seen revision n loads only the apps above n.
CREATE TABLE catalog (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
);
INSERT INTO catalog (only_row, revision) VALUES (1, 0);

-- Deleted apps stay: their id is taken for good, because stored events carry it, and slot_map must
-- never start anew under an id whose rows were written with earlier versions.
CREATE TABLE apps (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    slot_map INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    deleted_ms INTEGER
);
CREATE INDEX apps_by_revision ON apps (revision);

-- AUTOINCREMENT: the id of a pruned key never names another one.
CREATE TABLE keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app_id TEXT NOT NULL REFERENCES apps (id),
    kind TEXT NOT NULL CHECK (kind IN ('write', 'read')),
    title TEXT NOT NULL,
    first_characters TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    may_report_old BOOLEAN NOT NULL,
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
);
CREATE INDEX keys_by_app ON keys (app_id);

-- The unique constraint is the last line of defence of "one slot, one attribute".
CREATE TABLE attributes (
    app_id TEXT NOT NULL REFERENCES apps (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('string', 'number', 'boolean', 'datetime')),
    title TEXT NOT NULL,
    slot TEXT,
    since INTEGER,
    PRIMARY KEY (app_id, name),
    UNIQUE (app_id, slot),
    CHECK ((slot IS NULL) = (since IS NULL))
);

CREATE TABLE rules (
    app_id TEXT NOT NULL REFERENCES apps (id),
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    newest INTEGER NOT NULL,
    deleted_ms INTEGER,
    PRIMARY KEY (app_id, name)
);

CREATE TABLE rule_versions (
    app_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (app_id, name, version),
    FOREIGN KEY (app_id, name) REFERENCES rules (app_id, name) ON DELETE CASCADE
);
