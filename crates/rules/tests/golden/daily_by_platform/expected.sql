-- scan app (the app)
--   range 2024-03-09T05:00:00Z to 2024-03-12T04:00:00Z, open; partitions 2024-03-09 to 2024-03-12
--   all events
--   read platform (string) from column platform
-- group by platform, top 2 and others
-- cut into 3 buckets of a day in America/New_York
-- measure "people": people

-- Current
WITH scan AS
(
    SELECT
        actor_id,
        roundDown(toUnixTimestamp64Milli(event_time), arrayFlatten(arrayMap(r -> range(r.1, r.1 + r.2 * r.3, r.2), {buckets:Array(Tuple(Int64, Int64, Int64))}))) AS bucket,
        platform
    FROM events
    WHERE app_id = {app:String}
        AND report_date BETWEEN {from_date:Date} AND {to_date:Date}
        AND event_time >= {from:DateTime64(3, 'UTC')} AND event_time < {to:DateTime64(3, 'UTC')}
),
top AS
(
    SELECT platform AS g1
    FROM scan
    GROUP BY g1
    ORDER BY uniqExact(actor_id) DESC NULLS LAST, g1
    LIMIT {top:UInt32}
)
SELECT
    grouping(bucket) AS whole,
    (platform) NOT IN (SELECT * FROM top) AS others,
    if(others, '', platform) AS h1,
    bucket,
    uniqExact(actor_id) AS m1
FROM scan
GROUP BY GROUPING SETS ((others, h1, bucket), (others, h1))
-- buckets = [(1709960400000,86400000,2),(1710129600000,1,1)]
-- from = 2024-03-09 05:00:00.000
-- to = 2024-03-12 04:00:00.000
-- from_date = 2024-03-09
-- to_date = 2024-03-12
-- app = (the app)
-- top = 2
