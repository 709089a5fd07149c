-- Who may do what only one process may do at a time, until when. A term is never given twice, so it says
-- which holding of which lease something was done under; one that is over is deleted.
CREATE TABLE leases (
    term INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    holder TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
);

-- The term of the process that runs a replay. None: a process of before there were leases.
ALTER TABLE dead_letter_jobs ADD COLUMN runner INTEGER;
