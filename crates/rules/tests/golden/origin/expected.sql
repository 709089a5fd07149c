-- scan app (the app)
--   range 2024-03-05T00:00:00Z to 2024-03-12T00:00:00Z, open; partitions 2024-03-05 to 2024-03-11
--   all events
--   where not country = "US"
--   read bot (boolean) from column is_bot
--   read country (string) from column country
-- group by country, bot, top 10 and others
-- measure "events": events
-- measure "of people": events where bot = 0
-- measure "kinds": distinct of bot

-- Current
WITH scan AS
(
    SELECT
        toFloat64(is_bot) AS a1,
        country,
        (ifNull(a1 = {v2:Float64}, 0)) AS c2
    FROM events
    WHERE app_id = {app:String}
        AND report_date BETWEEN {from_date:Date} AND {to_date:Date}
        AND event_time >= {from:DateTime64(3, 'UTC')} AND event_time < {to:DateTime64(3, 'UTC')}
        AND NOT (country = {v1:String})
),
top AS
(
    SELECT country AS g1, ifNull(toString(a1 + 0.), '') AS g2
    FROM scan
    GROUP BY g1, g2
    ORDER BY count() DESC NULLS LAST, g1, g2
    LIMIT {top:UInt32}
)
SELECT
    1 AS whole,
    (country, ifNull(toString(a1 + 0.), '')) NOT IN (SELECT * FROM top) AS others,
    if(others, '', country) AS h1,
    if(others, '', ifNull(toString(a1 + 0.), '')) AS h2,
    0 AS bucket,
    count() AS m1,
    countIf(c2) AS m2,
    uniqExact(a1 + 0.) AS m3
FROM scan
GROUP BY others, h1, h2
-- from = 2024-03-05 00:00:00.000
-- to = 2024-03-12 00:00:00.000
-- from_date = 2024-03-05
-- to_date = 2024-03-11
-- app = (the app)
-- v1 = US
-- v2 = 0e0
-- top = 10
