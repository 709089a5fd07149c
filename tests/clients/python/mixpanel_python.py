import sys

from plan import accepted, events, key, server, until_it_succeeds

# quick start
from mixpanel import BufferedConsumer, Mixpanel

consumer = BufferedConsumer(events_url=f"{server}/track", people_url=f"{server}/engage", groups_url=f"{server}/groups")
mixpanel = Mixpanel(key, consumer)
mixpanel.track("u-17", "order_paid", {"amount": 19.9})
# end
from mixpanel import MixpanelException

for event in events:
    properties, name = event.get("properties"), event.get("name")
    who = event.get("user") or event.get("device")
    calls = {
        "track": lambda: mixpanel.track(who, name, {**properties, "time": event["time_ms"] / 1000}),
        "identify": lambda: mixpanel.people_set(who, properties),
        "set_once": lambda: mixpanel.people_set_once(who, properties),
        "increment": lambda: mixpanel.people_increment(who, properties),
        "append": lambda: mixpanel.people_append(who, properties),
        "unset": lambda: mixpanel.people_unset(who, list(properties)),
        "delete": lambda: mixpanel.people_delete(who),
        "group": lambda: mixpanel.group_set("company", name, properties),
    }
    try:
        calls[event["call"]]()
    except MixpanelException as error:
        # It was put into the buffer before the buffer was sent, and stays there.
        print(error, file=sys.stderr)
until_it_succeeds(consumer.flush, MixpanelException)
