-- scan app (the app)
--   range 2024-03-04T05:00:00Z to 2024-03-18T04:00:00Z, open; partitions 2024-03-04 to 2024-03-18
--   all events
--   where (platform in ["ios", "android"] and (amount ≥ 10 and ≤ 99.5 or due ≥ 1710046800000) and not channel matches "^ads[0-9]+" and not vip = 1)
--   read channel (string) from slot cat_01, JSON before slot map 3
--   read amount (number) from slot num_01
--   read platform (string) from column platform
--   read due (datetime) from JSON
--   read vip (boolean) from slot num_02, JSON before slot map 2
-- measure "events_per_person": events_per_person
-- measure "distinct(channel)": distinct of channel
-- measure "avg(amount)": avg of amount

-- Current
WITH scan AS
(
    SELECT
        actor_id,
        JSONExtractRaw(content, {key1:String}) AS r1,
        JSONExtractString(r1) AS s1,
        if(slot_map >= {since1:UInt32}, cat_01, multiIf(startsWith(r1, '"'), s1, match(r1, '^[-0-9tf]'), r1, '')) AS a1,
        num_01,
        platform,
        JSONExtractRaw(content, {key4:String}) AS r4,
        JSONExtractString(r4) AS s4,
        r4 AS d4,
        toFloat64OrNull(d4) AS n4,
        toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull(s4, 3, 'UTC')) AS t4,
        if(startsWith(r4, '"'), if(match(s4, '^(1969|19[7-9][0-9]|20[0-9][0-9]|21[0-4][0-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-5]):[0-5][0-9])$') AND t4 BETWEEN 0 AND 5662310399999, toFloat64(t4), NULL), if(match(d4, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$') AND isFinite(n4), n4, NULL)) AS a4,
        JSONExtractRaw(content, {key5:String}) AS r5,
        if(slot_map >= {since5:UInt32}, num_02, multiIf(r5 = 'true', 1., r5 = 'false', 0., NULL)) AS a5
    FROM events
    WHERE app_id = {app:String}
        AND report_date BETWEEN {from_date:Date} AND {to_date:Date}
        AND event_time >= {from:DateTime64(3, 'UTC')} AND event_time < {to:DateTime64(3, 'UTC')}
        AND (platform IN {v1:Array(String)} AND (ifNull(num_01 >= {v2:Float64} AND num_01 <= {v3:Float64}, 0) OR ifNull(a4 >= {v4:Float64}, 0)) AND NOT ((a1 != '' AND match(a1, {v5:String}))) AND NOT (ifNull(a5 = {v6:Float64}, 0)))
)
SELECT
    1 AS whole,
    0 AS others,
    0 AS bucket,
    count() / nullIf(uniqExact(actor_id), 0) AS m1,
    uniqExact(nullIf(a1, '')) AS m2,
    avg(num_01) AS m3
FROM scan
-- since1 = 3
-- key1 = channel
-- key4 = due
-- since5 = 2
-- key5 = vip
-- from = 2024-03-04 05:00:00.000
-- to = 2024-03-18 04:00:00.000
-- from_date = 2024-03-04
-- to_date = 2024-03-18
-- app = (the app)
-- v1 = ['ios','android']
-- v2 = 1e1
-- v3 = 9.95e1
-- v4 = 1.7100468e12
-- v5 = ^ads[0-9]+
-- v6 = 1e0
