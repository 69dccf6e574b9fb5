package testkit

import (
	"context"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/stream"
)

// Input writes to a topic that the topology reads.
type Input[K, V any] struct {
	driver     *Driver
	topic      stream.Topic[K, V]
	partitions int32
}

// Input returns a writer for a topic that the topology reads.
func (d *Driver) Input[K, V any](topic stream.Topic[K, V]) *Input[K, V] {
	d.tb.Helper()
	return &Input[K, V]{d, topic, d.topicPartitions(topic.Name())}
}

// DeadLetters returns a reader for the topic of dead letters. The test fails if the policy of the driver writes none.
func (d *Driver) DeadLetters() *Output[[]byte, []byte] {
	d.tb.Helper()
	if d.plan.DeadLetters == "" {
		d.tb.Fatal("the policy writes no dead letters: set Config.Errors")
	}
	return d.Output(stream.NewTopic(d.plan.DeadLetters, codec.Bytes(), codec.Bytes()))
}

func (d *Driver) topicPartitions(name string) int32 {
	d.tb.Helper()
	n, ok := d.partitions[name]
	if !ok {
		d.tb.Fatalf("the topology does not use topic %q; it uses %v", name, d.Topics())
	}
	return n
}

// Send writes a record, to the partition of its key, and runs the topology until nothing is left to do. An error ends
// the test.
func (i *Input[K, V]) Send(key K, value V, at time.Time) {
	i.driver.tb.Helper()
	i.SendRecords(Record[K, V]{Key: key, Value: value, Time: at})
}

// SendRecords is Send for records that were written at once, before any was read.
func (i *Input[K, V]) SendRecords(records ...Record[K, V]) {
	i.driver.tb.Helper()
	if err := i.TrySendRecords(records...); err != nil {
		i.driver.tb.Fatal(err)
	}
}

// TrySendRecords is SendRecords but returns the error that ends the application. The driver is of no more use then,
// until Crash.
func (i *Input[K, V]) TrySendRecords(records ...Record[K, V]) error {
	i.driver.tb.Helper()
	for _, r := range records {
		headers := slices.Clone(r.Headers)
		key := encode(i.driver, i.topic.Name(), codec.Key, i.topic.KeyCodec(), &headers, r.Key, r.KeyNull)
		value := encode(i.driver, i.topic.Name(), codec.Value, i.topic.ValueCodec(), &headers, r.Value, r.ValueNull)
		i.append(broker.Record{Key: key, Value: value, Headers: headers, Millis: millis(r.Time)})
	}
	return i.driver.run()
}

// TrySendBytes writes a record of raw bytes, where nil is null, and returns the error that ends the application.
func (i *Input[K, V]) TrySendBytes(key, value []byte, at time.Time) error {
	i.driver.tb.Helper()
	i.append(broker.Record{Key: key, Value: value, Millis: millis(at)})
	return i.driver.run()
}

func (i *Input[K, V]) append(r broker.Record) {
	i.driver.tb.Helper()
	tp := broker.TopicPartition{Topic: i.topic.Name(), Partition: murmur2.Partition(r.Key, i.partitions)}
	if err := i.driver.broker.Append(tp, r); err != nil {
		i.driver.tb.Fatal(err)
	}
	if i.driver.follow {
		i.driver.reach(i.eventTime(r))
	}
}

// eventTime returns the greatest event time of the records that a message becomes, or its own if it cannot be decoded.
func (i *Input[K, V]) eventTime(r broker.Record) (millis int64) {
	at := i.topic.Timestamps()
	if at == nil {
		return r.Millis
	}
	millis = r.Millis
	defer func() { _ = recover() }() // a panic is an error of the record, as the driver will say
	context := codec.Context{Topic: i.topic.Name(), Part: codec.Key, Headers: r.Headers}
	record := weir.Record[K, V]{KeyNull: r.Key == nil, ValueNull: r.Value == nil, Millis: r.Millis, Headers: r.Headers}
	if r.Key != nil {
		key, err := i.topic.KeyCodec().Decode(&context, r.Key)
		if err != nil {
			return millis
		}
		record.Key = key
	}
	values := make([]V, 1)
	if context.Part = codec.Value; r.Value != nil {
		var err error
		if s, ok := i.topic.ValueCodec().(codec.Splitter[V]); ok {
			values, err = s.Split(nil, &context, r.Value)
		} else {
			values[0], err = i.topic.ValueCodec().Decode(&context, r.Value)
		}
		if err != nil {
			return millis
		}
	}
	for _, v := range values {
		record.Value = v
		millis = max(millis, at(record).UnixMilli())
	}
	return millis
}

// Output reads a topic that the topology writes.
type Output[K, V any] struct {
	driver  *Driver
	topic   stream.Topic[K, V]
	offsets []int64
}

// Output returns a reader for a topic that the topology writes, from its beginning. A topic of ToDynamic need not exist yet: it
// is created when the topology writes to it.
func (d *Driver) Output[K, V any](topic stream.Topic[K, V]) *Output[K, V] {
	d.tb.Helper()
	o := &Output[K, V]{driver: d, topic: topic}
	if !d.dynamic() {
		o.offsets = make([]int64, d.topicPartitions(topic.Name()))
	}
	return o
}

// dynamic reports whether the topology writes to topics that functions name.
func (d *Driver) dynamic() bool {
	return slices.ContainsFunc(d.plan.Graph.Nodes, func(n *graph.Node) bool { return n.Kind == graph.KindDynamic })
}

// find takes the partitions that the topic has by now.
func (o *Output[K, V]) find() {
	o.driver.tb.Helper()
	if o.offsets != nil {
		return
	}
	topics, err := o.driver.broker.Topics(context.Background(), o.topic.Name())
	if err != nil {
		o.driver.tb.Fatal(err)
	}
	o.offsets = make([]int64, topics[o.topic.Name()].Partitions)
	if len(o.offsets) == 0 {
		o.offsets = nil // not there yet
	}
}

// Read returns the records since the last call. Records of one partition are in order; partitions follow each
// other.
func (o *Output[K, V]) Read() []Record[K, V] {
	o.driver.tb.Helper()
	o.find()
	var records []Record[K, V]
	for p := range o.offsets {
		tp := broker.TopicPartition{Topic: o.topic.Name(), Partition: int32(p)}
		for _, r := range o.driver.broker.Read(tp, o.offsets[p]) {
			o.offsets[p] = r.Offset + 1
			if eventtime.IsWatermark(&r) {
				continue // of a repartition topic, written by the engine for itself
			}
			keys := decode(o.driver, o.topic.Name(), codec.Key, o.topic.KeyCodec(), r.Headers, r.Key)
			for _, v := range decode(o.driver, o.topic.Name(), codec.Value, o.topic.ValueCodec(), r.Headers, r.Value) {
				records = append(records, Record[K, V]{
					Key:       keys[0],
					Value:     v,
					Time:      time.UnixMilli(r.Millis).UTC(),
					Headers:   slices.Clone(r.Headers),
					KeyNull:   r.Key == nil,
					ValueNull: r.Value == nil,
				})
			}
		}
	}
	return records
}

// Values returns the values of Read.
func (o *Output[K, V]) Values() []V {
	o.driver.tb.Helper()
	var values []V
	for _, r := range o.Read() {
		values = append(values, r.Value)
	}
	return values
}

// Expect fails the test, with the differences, unless Read returns exactly these records.
func (o *Output[K, V]) Expect(want ...Record[K, V]) {
	o.driver.tb.Helper()
	for i := range want {
		want[i].Time = time.UnixMilli(millis(want[i].Time)).UTC()
	}
	o.diff(want, o.Read())
}

// ExpectValues fails the test, with the differences, unless the values of Read are exactly these.
func (o *Output[K, V]) ExpectValues(want ...V) {
	o.driver.tb.Helper()
	o.diff(want, o.Values())
}

func (o *Output[K, V]) diff(want, got any) {
	o.driver.tb.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		o.driver.tb.Errorf("topic %q (-want +got):\n%s", o.topic.Name(), diff)
	}
}

func encode[T any](d *Driver, topic string, part codec.Part, c codec.Codec[T], headers *[]weir.Header, v T, null bool) []byte {
	d.tb.Helper()
	if null {
		return nil
	}
	context := codec.Context{Topic: topic, Part: part, Headers: *headers}
	data, null, err := codec.AppendNullable([]byte{}, c, &context, v)
	switch {
	case err != nil:
		d.tb.Fatalf("topic %q: encode %s: %v", topic, part, err)
	case null:
		return nil
	}
	*headers = context.Headers
	return data
}

// decode returns the values in data: one value, except if the codec splits messages.
func decode[T any](d *Driver, topic string, part codec.Part, c codec.Codec[T], headers []weir.Header, data []byte) []T {
	d.tb.Helper()
	if data == nil {
		return make([]T, 1)
	}
	context := codec.Context{Topic: topic, Part: part, Headers: headers}
	if s, ok := c.(codec.Splitter[T]); ok && part == codec.Value {
		values, err := s.Split(nil, &context, data)
		if err != nil {
			d.tb.Fatalf("topic %q: decode %s: %v", topic, part, err)
		}
		return values
	}
	v, _, err := codec.DecodeNullable(c, &context, data)
	if err != nil {
		d.tb.Fatalf("topic %q: decode %s: %v", topic, part, err)
	}
	return []T{v}
}
