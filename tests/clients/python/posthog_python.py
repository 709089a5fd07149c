import os

from plan import events, key, mode, moment, server

if mode == "v1":
    os.environ["POSTHOG_CAPTURE_MODE"] = "v1"

# quick start
from posthog import Posthog

posthog = Posthog(key, host=server)
posthog.capture("order_paid", distinct_id="u-17", properties={"amount": 19.9})
# end
for event in events:
    properties, name = event.get("properties"), event.get("name")
    who = {"distinct_id": event.get("user") or event.get("device"), "timestamp": moment(event)}
    match event["call"]:
        case "track":
            posthog.capture(name, properties=properties, **who)
        case "page":
            posthog.capture("$pageview", properties={**properties, "name": name}, **who)
        case "screen":
            posthog.capture("$screen", properties={**properties, "name": name}, **who)
        case "identify":
            posthog.set(properties=properties, **who)
        case "group":
            posthog.group_identify("company", name, properties, timestamp=moment(event))
        case "alias":
            posthog.alias(event["user"], event["device"], timestamp=moment(event))
posthog.shutdown()
