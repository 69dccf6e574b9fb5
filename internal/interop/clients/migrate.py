"""Quix Streams in the trial of a migration: see migration_test.go.

    migrate.py BROKERS PREFIX GROUP COUNT STATE

It doubles the numbers of PREFIXin to PREFIXout, counts the records of each key in PREFIXcounts, groups them by the number in PREFIXgrouped, and stops
in order after COUNT records. The last of them stays unread in the topic of the grouping.
"""

import sys

from quixstreams import Application

brokers, prefix, group, count, state_dir = sys.argv[1:]

app = Application(
    broker_address=brokers, consumer_group=group, auto_offset_reset="earliest", state_dir=state_dir, loglevel="WARNING",
)
source = app.topic(prefix + "in", key_deserializer="str")
out = app.topic(prefix + "out", key_serializer="str")
counts = app.topic(prefix + "counts", key_serializer="str")
grouped = app.topic(prefix + "grouped", key_serializer="json")


def counted(value, state):
    n = state.get("n", 0) + 1
    state.set("n", n)
    return {"n": n}


sdf = app.dataframe(source)
sdf.apply(counted, stateful=True).to_topic(counts)
sdf.group_by("n").to_topic(grouped)
sdf = sdf.apply(lambda value: {"n": value["n"] * 2}).to_topic(out)
seen = 0


def stop(value):
    global seen
    seen += 1
    if seen == int(count):
        app.stop()


sdf.update(stop)
app.run()
print(seen)
