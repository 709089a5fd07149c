-- scan app (the app)
--   range 2024-03-04T05:00:00Z to 2024-03-18T04:00:00Z, open; partitions 2024-03-04 to 2024-03-18
--   compared with 2024-02-19T05:00:00Z to 2024-03-04T05:00:00Z; partitions 2024-02-19 to 2024-03-04
--   events "purchase", "search", "view"
--   read amount (number) from slot num_01
--   read load_ms (number) from JSON
--   read channel (string) from slot cat_01, JSON before slot map 3
--   read vip (boolean) from slot num_02, JSON before slot map 2
-- group by channel, vip, top 2 and others
-- cut into 2 buckets of a week in America/New_York
-- measure "sales": sum of amount where event is "purchase"
-- measure "buyers": people where event is "purchase"
-- measure "views": events where event is "search", "view"
-- measure "p90 load": p90 of load_ms where event is "view"

-- Current
WITH scan AS
(
    SELECT
        actor_id,
        roundDown(toUnixTimestamp64Milli(event_time), arrayFlatten(arrayMap(r -> range(r.1, r.1 + r.2 * r.3, r.2), {buckets:Array(Tuple(Int64, Int64, Int64))}))) AS bucket,
        num_01,
        JSONExtractRaw(content, {key2:String}) AS r2,
        JSONExtractString(r2) AS s2,
        multiIf(startsWith(r2, '"'), s2, r2 = 'true', '1', r2 = 'false', '0', r2) AS d2,
        toFloat64OrNull(d2) AS n2,
        if(match(d2, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$') AND isFinite(n2), n2, NULL) AS a2,
        JSONExtractRaw(content, {key3:String}) AS r3,
        JSONExtractString(r3) AS s3,
        if(slot_map >= {since3:UInt32}, cat_01, multiIf(startsWith(r3, '"'), s3, match(r3, '^[-0-9tf]'), r3, '')) AS a3,
        JSONExtractRaw(content, {key4:String}) AS r4,
        if(slot_map >= {since4:UInt32}, num_02, multiIf(r4 = 'true', 1., r4 = 'false', 0., NULL)) AS a4,
        (event = {v2:String}) AS c1,
        (event = {v3:String}) AS c2,
        (event IN {v4:Array(String)}) AS c3,
        (event = {v5:String}) AS c4
    FROM events
    WHERE app_id = {app:String}
        AND report_date BETWEEN {from_date:Date} AND {to_date:Date}
        AND event_time >= {from:DateTime64(3, 'UTC')} AND event_time < {to:DateTime64(3, 'UTC')}
        AND event IN {v1:Array(String)}
),
top AS
(
    SELECT a3 AS g1, ifNull(toString(a4 + 0.), '') AS g2
    FROM scan
    GROUP BY g1, g2
    ORDER BY ifNull(sumIf(num_01, c1), 0) DESC NULLS LAST, g1, g2
    LIMIT {top:UInt32}
)
SELECT
    grouping(bucket) AS whole,
    (a3, ifNull(toString(a4 + 0.), '')) NOT IN (SELECT * FROM top) AS others,
    if(others, '', a3) AS h1,
    if(others, '', ifNull(toString(a4 + 0.), '')) AS h2,
    bucket,
    ifNull(sumIf(num_01, c1), 0) AS m1,
    uniqExactIf(actor_id, c2) AS m2,
    countIf(c3) AS m3,
    quantileExactIf(0.9)(a2, c4) AS m4
FROM scan
GROUP BY GROUPING SETS ((others, h1, h2, bucket), (others, h1, h2))
-- buckets = [(1709528400000,601200000,2)]
-- key2 = load_ms
-- since3 = 3
-- key3 = channel
-- since4 = 2
-- key4 = vip
-- from = 2024-03-04 05:00:00.000
-- to = 2024-03-18 04:00:00.000
-- from_date = 2024-03-04
-- to_date = 2024-03-18
-- app = (the app)
-- v1 = ['purchase','search','view']
-- v2 = purchase
-- v3 = purchase
-- v4 = ['search','view']
-- v5 = view
-- top = 2

-- Previous
WITH scan AS
(
    SELECT
        actor_id,
        roundDown(toUnixTimestamp64Milli(event_time), arrayFlatten(arrayMap(r -> range(r.1, r.1 + r.2 * r.3, r.2), {buckets:Array(Tuple(Int64, Int64, Int64))}))) AS bucket,
        num_01,
        JSONExtractRaw(content, {key2:String}) AS r2,
        JSONExtractString(r2) AS s2,
        multiIf(startsWith(r2, '"'), s2, r2 = 'true', '1', r2 = 'false', '0', r2) AS d2,
        toFloat64OrNull(d2) AS n2,
        if(match(d2, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$') AND isFinite(n2), n2, NULL) AS a2,
        JSONExtractRaw(content, {key3:String}) AS r3,
        JSONExtractString(r3) AS s3,
        if(slot_map >= {since3:UInt32}, cat_01, multiIf(startsWith(r3, '"'), s3, match(r3, '^[-0-9tf]'), r3, '')) AS a3,
        JSONExtractRaw(content, {key4:String}) AS r4,
        if(slot_map >= {since4:UInt32}, num_02, multiIf(r4 = 'true', 1., r4 = 'false', 0., NULL)) AS a4,
        (event = {v2:String}) AS c1,
        (event = {v3:String}) AS c2,
        (event IN {v4:Array(String)}) AS c3,
        (event = {v5:String}) AS c4
    FROM events
    WHERE app_id = {app:String}
        AND report_date BETWEEN {from_date:Date} AND {to_date:Date}
        AND event_time >= {from:DateTime64(3, 'UTC')} AND event_time < {to:DateTime64(3, 'UTC')}
        AND event IN {v1:Array(String)}
),
current_scan AS
(
    SELECT
        actor_id,
        num_01,
        JSONExtractRaw(content, {key2:String}) AS r2,
        JSONExtractString(r2) AS s2,
        multiIf(startsWith(r2, '"'), s2, r2 = 'true', '1', r2 = 'false', '0', r2) AS d2,
        toFloat64OrNull(d2) AS n2,
        if(match(d2, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$') AND isFinite(n2), n2, NULL) AS a2,
        JSONExtractRaw(content, {key3:String}) AS r3,
        JSONExtractString(r3) AS s3,
        if(slot_map >= {since3:UInt32}, cat_01, multiIf(startsWith(r3, '"'), s3, match(r3, '^[-0-9tf]'), r3, '')) AS a3,
        JSONExtractRaw(content, {key4:String}) AS r4,
        if(slot_map >= {since4:UInt32}, num_02, multiIf(r4 = 'true', 1., r4 = 'false', 0., NULL)) AS a4,
        (event = {v7:String}) AS c1,
        (event = {v8:String}) AS c2,
        (event IN {v9:Array(String)}) AS c3,
        (event = {v10:String}) AS c4
    FROM events
    WHERE app_id = {app:String}
        AND report_date BETWEEN {current_from_date:Date} AND {current_to_date:Date}
        AND event_time >= {current_from:DateTime64(3, 'UTC')} AND event_time < {current_to:DateTime64(3, 'UTC')}
        AND event IN {v6:Array(String)}
),
top AS
(
    SELECT a3 AS g1, ifNull(toString(a4 + 0.), '') AS g2
    FROM current_scan
    GROUP BY g1, g2
    ORDER BY ifNull(sumIf(num_01, c1), 0) DESC NULLS LAST, g1, g2
    LIMIT {top:UInt32}
)
SELECT
    grouping(bucket) AS whole,
    (a3, ifNull(toString(a4 + 0.), '')) NOT IN (SELECT * FROM top) AS others,
    if(others, '', a3) AS h1,
    if(others, '', ifNull(toString(a4 + 0.), '')) AS h2,
    bucket,
    ifNull(sumIf(num_01, c1), 0) AS m1,
    uniqExactIf(actor_id, c2) AS m2,
    countIf(c3) AS m3,
    quantileExactIf(0.9)(a2, c4) AS m4
FROM scan
GROUP BY GROUPING SETS ((others, h1, h2, bucket), (others, h1, h2))
-- buckets = [(1708318800000,604800000,2)]
-- key2 = load_ms
-- since3 = 3
-- key3 = channel
-- since4 = 2
-- key4 = vip
-- from = 2024-02-19 05:00:00.000
-- to = 2024-03-04 05:00:00.000
-- from_date = 2024-02-19
-- to_date = 2024-03-04
-- app = (the app)
-- v1 = ['purchase','search','view']
-- v2 = purchase
-- v3 = purchase
-- v4 = ['search','view']
-- v5 = view
-- current_from = 2024-03-04 05:00:00.000
-- current_to = 2024-03-18 04:00:00.000
-- current_from_date = 2024-03-04
-- current_to_date = 2024-03-18
-- v6 = ['purchase','search','view']
-- v7 = purchase
-- v8 = purchase
-- v9 = ['search','view']
-- v10 = view
-- top = 2
