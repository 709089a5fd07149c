from plan import events, key, server
from segment_calls import call

# quick start
import segment.analytics as analytics

analytics.write_key, analytics.host = key, server
analytics.track("u-17", "order_paid", {"amount": 19.9})
# end
call(analytics, events)
analytics.shutdown()
