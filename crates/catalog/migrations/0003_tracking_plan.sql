-- The tracking plan: events, the attributes they have, and what may be in them.

ALTER TABLE apps ADD COLUMN plan_mode TEXT NOT NULL DEFAULT 'observe'
    CHECK (plan_mode IN ('observe', 'warn', 'enforce'));
-- 32 random bytes: the secret of the pseudonyms that stand for the app's personal values. It never
-- changes, since equal values must have equal pseudonyms, and leaves the catalog in no listing.
ALTER TABLE apps ADD COLUMN mask_key BLOB NOT NULL DEFAULT x'';
UPDATE apps SET mask_key = randomblob(32);

-- Made anew, because the list of types is in a constraint.
CREATE TABLE planned_attributes (
    app_id TEXT NOT NULL REFERENCES apps (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('string', 'number', 'boolean', 'datetime', 'list')),
    title TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'live' CHECK (status IN ('draft', 'live', 'retired')),
    personal TEXT NOT NULL DEFAULT 'keep' CHECK (personal IN ('keep', 'mask', 'drop')),
    common BOOLEAN NOT NULL DEFAULT FALSE,
    many_values BOOLEAN NOT NULL DEFAULT FALSE,
    -- A JSON array of texts or numbers.
    allowed TEXT NOT NULL DEFAULT '[]',
    -- A JSON text or number each.
    min TEXT,
    max TEXT,
    pattern TEXT,
    slot TEXT,
    since INTEGER,
    PRIMARY KEY (app_id, name),
    UNIQUE (app_id, slot),
    CHECK ((slot IS NULL) = (since IS NULL))
);
INSERT INTO planned_attributes (app_id, name, kind, title, many_values, slot, since)
    SELECT app_id, name, kind, title, COALESCE(slot LIKE 'text%', FALSE), slot, since FROM attributes;
DROP TABLE attributes;
ALTER TABLE planned_attributes RENAME TO attributes;

CREATE TABLE planned_events (
    app_id TEXT NOT NULL REFERENCES apps (id),
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('draft', 'live', 'retired')),
    PRIMARY KEY (app_id, name)
);

-- Which attributes an event has, in the order of `place`.
CREATE TABLE planned_uses (
    app_id TEXT NOT NULL,
    event TEXT NOT NULL,
    attribute TEXT NOT NULL,
    required BOOLEAN NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (app_id, event, attribute),
    FOREIGN KEY (app_id, event) REFERENCES planned_events (app_id, name) ON DELETE CASCADE,
    FOREIGN KEY (app_id, attribute) REFERENCES attributes (app_id, name) ON DELETE CASCADE
);
CREATE INDEX planned_uses_by_attribute ON planned_uses (app_id, attribute);
