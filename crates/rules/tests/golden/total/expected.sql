-- scan app (the app)
--   range 2024-03-01T05:00:00Z to 2024-04-01T04:00:00Z, open; partitions 2024-03-01 to 2024-04-01
--   all events
-- measure "events": events

-- Current
WITH scan AS
(
    SELECT
        event
    FROM events
    WHERE app_id = {app:String}
        AND report_date BETWEEN {from_date:Date} AND {to_date:Date}
        AND event_time >= {from:DateTime64(3, 'UTC')} AND event_time < {to:DateTime64(3, 'UTC')}
)
SELECT
    1 AS whole,
    0 AS others,
    0 AS bucket,
    count() AS m1
FROM scan
-- from = 2024-03-01 05:00:00.000
-- to = 2024-04-01 04:00:00.000
-- from_date = 2024-03-01
-- to_date = 2024-04-01
-- app = (the app)
