-- What makes the ids of visitors who have none: a random salt a UTC day. A day's salt is deleted when
-- the day is over, and then nobody can tell any more which address an id was made of.
CREATE TABLE salts (
    day TEXT NOT NULL PRIMARY KEY,
    salt BLOB NOT NULL
);
