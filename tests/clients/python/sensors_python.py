import sys
from urllib.error import URLError

from plan import accepted, events, key, mode, server, until_it_succeeds

# quick start
from sensorsanalytics import BatchConsumer, SensorsAnalytics

sensors = SensorsAnalytics(BatchConsumer(f"{server}/sa?project={key}"))
sensors.track("u-17", "order_paid", {"amount": 19.9}, is_login_id=True)
# end
from sensorsanalytics import AsyncBatchConsumer, DefaultConsumer
from sensorsanalytics.sdk import SensorsAnalyticsNetworkException

FAILURES = (URLError, ConnectionError, SensorsAnalyticsNetworkException)
url = f"{server}/sa?project={key}"
if mode != "batch":
    until_it_succeeds(sensors.flush, FAILURES)
    sensors = SensorsAnalytics(DefaultConsumer(url) if mode == "default" else AsyncBatchConsumer(url, flush_max_time=0.1))


def call(event):
    name, user = event.get("name"), event.get("user") or event["device"]
    properties, login = dict(event.get("properties", {})), event.get("user") is not None
    at = {**properties, "$time": event["time_ms"]}
    match event["call"]:
        case "track":
            sensors.track(user, name, at, login)
        case "identify":
            sensors.profile_set(user, at, login)
        case "set_once":
            sensors.profile_set_once(user, at, login)
        case "increment":
            sensors.profile_increment(user, properties, login)
        case "append":
            sensors.profile_append(user, properties, login)
        case "unset":
            sensors.profile_unset(user, list(properties), login)
        case "delete":
            sensors.profile_delete(user, login)
        case "alias":
            sensors.track_signup(user, event["device"], at)
        case "item_set":
            sensors.item_set("sku", name, properties)


for event in events:
    try:
        call(event)
        if mode == "default":
            accepted([event["n"]])
    except FAILURES as error:
        # Batch has kept it, the asynchronous consumer's thread raises elsewhere, and the plain one has lost it.
        print(error, file=sys.stderr)
if mode == "batch":
    until_it_succeeds(sensors.flush, FAILURES)
sensors.close()
