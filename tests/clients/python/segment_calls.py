"""Makes the planned calls on a client that speaks as Segment's do."""

from plan import moment


def call(analytics, events):
    for event in events:
        properties, name, at = event.get("properties"), event.get("name"), moment(event)
        who = {"user_id": event.get("user"), "anonymous_id": event.get("device"), "timestamp": at}
        match event["call"]:
            case "track":
                analytics.track(event=name, properties=properties, **who)
            case "page":
                analytics.page(name=name, properties=properties, **who)
            case "screen":
                analytics.screen(name=name, properties=properties, **who)
            case "identify":
                analytics.identify(traits=properties, **who)
            case "group":
                analytics.group(group_id=name, traits=properties, **who)
            case "alias":
                analytics.alias(previous_id=event["device"], user_id=event["user"], timestamp=at)
