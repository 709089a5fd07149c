-- For how many days an app's events are kept; a null is for ever.
ALTER TABLE apps ADD COLUMN retention_days INTEGER;
