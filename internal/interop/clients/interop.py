"""The side of Python in the interoperability test: see interop_test.go for the arguments.

The serializers are those of Quix Streams, which has Confluent's below its own.
"""

import json
import pathlib
import struct
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from quixstreams.models import serializers as s
from quixstreams.models.serializers.avro import AvroDeserializer, AvroSerializer
from quixstreams.models.serializers.protobuf import ProtobufDeserializer, ProtobufSerializer
from quixstreams.models.serializers.schema_registry import SchemaRegistryClientConfig, SchemaRegistrySerializationConfig

mode, brokers, registry_url, prefix, formats_arg = sys.argv[1:]
counts = {name: int(n) for name, n in (part.split("=") for part in formats_arg.split(","))}
testdata = pathlib.Path(__file__).parent.parent / "testdata"

ITEM = {"name": "é日本", "id": -42, "price": 1.5, "count": 1099511627776, "note": "n", "tags": ["a", "b"]}
SAMPLE = {"a": 1, "b": 1.1, "c": "é", "d": b"bytes", "Tags": {"t": "u"}, "Timestamp": 1234567890}
EVENT = {"Id": "an_event", "Value": "é", "Tags": {"t": "u"}, "Timestamp": 1692703362840389000}

client = SchemaRegistryClientConfig(url=registry_url)
writing = SchemaRegistrySerializationConfig(skip_known_types=True)
avro_schema = json.loads((testdata / "item.avsc").read_text())
json_schema = json.loads((testdata / "item.schema.json").read_text())


def message_types():
    """The messages of item.proto; there is no compiler at hand."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="item.proto", syntax="proto3")
    item = file.message_type.add(name="Item")
    for i, (name, kind) in enumerate(
        [("name", kinds.TYPE_STRING), ("id", kinds.TYPE_INT32), ("price", kinds.TYPE_DOUBLE), ("count", kinds.TYPE_INT64), ("note", kinds.TYPE_STRING)]
    ):
        item.field.add(name=name, number=i + 1, type=kind, label=kinds.LABEL_OPTIONAL)
    item.field.add(name="tags", number=6, type=kinds.TYPE_STRING, label=kinds.LABEL_REPEATED)
    outer = file.message_type.add(name="Outer")
    outer.nested_type.add(name="First")
    inner = outer.nested_type.add(name="Inner")
    inner.field.add(name="name", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = [pool.FindMessageTypeByName(name) for name in ("Item", "Outer.Inner")]
    return [message_factory.GetMessageClass(d) for d in found]


Item, Inner = message_types()


class Format:
    def __init__(self, serializer, deserializer, value, want=None):
        self.serializer, self.deserializer, self.value = serializer, deserializer, value
        self.want = value if want is None else want


class Packed:
    """A number as the Java client writes it, for those that Quix Streams has no class for."""

    extra_headers, split_values = {}, False

    def __init__(self, form):
        self.form = struct.Struct(form)

    def __call__(self, value, ctx):
        return self.form.unpack(value)[0] if isinstance(value, bytes) else self.form.pack(value)


class Reindexed:
    """Frames with the indexes of the message in the deprecated form, which Confluent's library knows no more."""

    extra_headers, split_values = {}, False

    def __init__(self, inner, before, after):
        self.inner, self.before, self.after = inner, before, after

    def __call__(self, value, ctx):
        if isinstance(value, bytes):
            return self.inner(self.exchange(value), ctx)
        return self.exchange(self.inner(value, ctx))

    def exchange(self, frame):
        if frame[5:8] != self.before:
            raise ValueError(f"indexes: want {self.before.hex()}, got {frame.hex()}")
        return frame[:5] + self.after + frame[8:]


NEW, OLD = bytes([4, 2, 2]), bytes([2, 1, 1])  # 2 indexes, 1 and 1

PROTO = {**ITEM, "count": str(ITEM["count"])}
avro_registry = Format(
    AvroSerializer(avro_schema, schema_registry_client_config=client, schema_registry_serialization_config=writing),
    AvroDeserializer(schema_registry_client_config=client), ITEM,
)
nested = Format(
    ProtobufSerializer(Inner, schema_registry_client_config=client, schema_registry_serialization_config=writing),
    ProtobufDeserializer(Inner, schema_registry_client_config=client), {"name": "é"},
)
FORMATS = {
    "string": Format(s.StringSerializer(), s.StringDeserializer(), "é日本"),
    "latin1": Format(s.StringSerializer("latin-1"), s.StringDeserializer("latin-1"), "é"),
    "bytes": Format(s.BytesSerializer(), s.BytesDeserializer(), b"\x00\xff"),
    "int": Format(s.IntegerSerializer(), s.IntegerDeserializer(), -42),
    "long": Format(Packed(">q"), Packed(">q"), 1 << 40),
    "float": Format(Packed(">f"), Packed(">f"), 0.5),
    "boolean": Format(Packed("?"), Packed("?"), True),
    "double": Format(s.DoubleSerializer(), s.DoubleDeserializer(), 123.123),
    "json": Format(s.JSONSerializer(), s.JSONDeserializer(), ITEM),
    "avro": Format(AvroSerializer(avro_schema), AvroDeserializer(avro_schema), ITEM),
    "avro-registry": avro_registry,
    "avro-generic": avro_registry,
    "protobuf": Format(ProtobufSerializer(Item), ProtobufDeserializer(Item), PROTO),
    "protobuf-registry": Format(
        ProtobufSerializer(Item, schema_registry_client_config=client, schema_registry_serialization_config=writing),
        ProtobufDeserializer(Item, schema_registry_client_config=client), PROTO,
    ),
    "protobuf-nested": nested,
    "protobuf-deprecated": Format(Reindexed(nested.serializer, NEW, OLD), Reindexed(nested.deserializer, OLD, NEW), {"name": "é"}),
    "jsonschema-registry": Format(
        s.JSONSerializer(schema=json_schema, schema_registry_client_config=client, schema_registry_serialization_config=writing),
        s.JSONDeserializer(schema=json_schema, schema_registry_client_config=client), ITEM,
    ),
    "quix-timeseries": Format(s.QuixTimeseriesSerializer(), s.QuixDeserializer(), SAMPLE),
    "quix-headers": Format(s.QuixTimeseriesSerializer(as_legacy=False), s.QuixDeserializer(), SAMPLE),
    "quix-events": Format(s.QuixEventsSerializer(), s.QuixDeserializer(), EVENT),
}


def context(topic, headers=None):
    return s.SerializationContext(topic=topic, field=s.MessageField.VALUE, headers=headers)


def write():
    producer = Producer({"bootstrap.servers": brokers})
    for name in counts:
        topic, f = f"{prefix}in-{name}", FORMATS[name]
        value = f.serializer(f.value, context(topic))
        producer.produce(topic, key=b"python", value=value, headers=list(f.serializer.extra_headers.items()))
    if producer.flush(60):
        raise RuntimeError("not everything was written")


def read():
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"{prefix}python", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(f"{prefix}out-{name}", 0, 0) for name in counts])
    left, deadline = sum(counts.values()), time.monotonic() + 120
    while left:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{left} records are missing")
        m = consumer.poll(0.5)
        if m is None:
            continue
        if m.error():
            raise RuntimeError(m.error())
        left -= 1
        f = FORMATS[m.topic()[len(f"{prefix}out-"):]]
        got = f.deserializer(m.value(), context(m.topic(), m.headers()))
        if f.deserializer.split_values:
            (got,) = list(got)
        if got != f.want:
            raise RuntimeError(f"{m.topic()} of {m.key()}: {m.value().hex()}: got {got}, want {f.want}")
    consumer.close()


write() if mode == "write" else read()
