"""What every driver is told, and what it says: see ../README.md."""

import datetime
import json
import sys
import time


def _revive(fields):
    if "when" in fields:
        fields["when"] = datetime.datetime.fromisoformat(fields["when"].replace("Z", "+00:00"))
    return fields


with open(sys.argv[1], encoding="utf-8") as _file:
    _plan = json.load(_file, object_hook=_revive)
server, key, events, mode = _plan["server"], _plan["key"], _plan["events"], _plan.get("mode", "")


def moment(event):
    return datetime.datetime.fromtimestamp(event["time_ms"] / 1000, datetime.timezone.utc)


def accepted(ns):
    """Says that the library told its caller that these events were taken, by their `n`."""
    print(json.dumps({"accepted": ns}), flush=True)


def until_it_succeeds(call, failure, tries=200):
    """Calls again after a failure, as an application would whose client keeps what failed."""
    for _ in range(tries):
        try:
            return call()
        except failure as error:
            print(error, file=sys.stderr)
            time.sleep(0.05)
    raise SystemExit("it never succeeded")
