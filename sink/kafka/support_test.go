package kafka_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/sink"
	sinkkafka "github.com/weirstreams/weir/sink/kafka"
	"github.com/weirstreams/weir/stream"
)

func TestMain(m *testing.M) {
	kafkatest.ManyAtOnce()
	kafkatest.VerifyTestMain(m)
}

type (
	options = sinkkafka.Options[*string, *string]
	record  = weir.Record[*string, *string]
)

// texts is a topic of texts that may be null.
func texts(name string) stream.Topic[*string, *string] {
	c := codec.Nullable(codec.String())
	return stream.NewTopic(name, c, c)
}

func p(text string) *string { return &text }

// entry is a record of a partition.
type entry struct {
	Partition  int32
	Key, Value *string
	Millis     int64
	Headers    []weir.Header
}

func textOf(data []byte) *string {
	if data == nil {
		return nil
	}
	return p(string(data))
}

// read returns the records of a topic, by partition. A topic that does not exist has none.
func read(t testing.TB, c broker.Cluster, topic string) (entries []entry) {
	t.Helper()
	brokertest.ReadTopic(t, c, topic, func(partition int32, r broker.Record) {
		e := entry{Partition: partition, Key: textOf(r.Key), Value: textOf(r.Value), Millis: r.Millis}
		for _, h := range r.Headers {
			e.Headers = append(e.Headers, weir.Header{Key: h.Key, Value: append([]byte{}, h.Value...)})
		}
		entries = append(entries, e)
	})
	return entries
}

func values(entries []entry) (texts []string) {
	for _, e := range entries {
		texts = append(texts, *e.Value)
	}
	return texts
}

// connect returns a connected sink, until the test ends.
func connect(t testing.TB, topic string, o options) *sinkkafka.Sink[*string, *string] {
	t.Helper()
	to := sinkkafka.New(texts(topic), o)
	if err := to.Connect(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := to.Close(brokertest.Within(t)); err != nil {
			t.Error(err)
		}
	})
	return to
}

// writerOf returns a writer for a partition of the input.
func writerOf(t testing.TB, to sink.Sink[*string, *string], partition int32) sink.Writer[*string, *string] {
	t.Helper()
	w, err := to.Writer(t.Context(), sink.Task{Application: "app", Partition: partition, Now: time.Now, Logger: brokertest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// add adds records with the offsets from 0 on.
func add(t testing.TB, w sink.Writer[*string, *string], partition int32, records ...record) {
	t.Helper()
	for i := range records {
		records[i].Origin = &weir.Origin{Topic: "input", Partition: partition, Offset: int64(i)}
		if err := w.Add(t.Context(), &records[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func flush(t testing.TB, w sink.Writer[*string, *string]) {
	t.Helper()
	if err := w.Flush(brokertest.Within(t), sink.Checkpoint{ID: 1}); err != nil {
		t.Fatal(err)
	}
}

// refusedBy returns the error of a record that Add refuses.
func refusedBy(t testing.TB, w sink.Writer[*string, *string], r record) *weir.ProduceError {
	t.Helper()
	r.Origin = &weir.Origin{Topic: "input"}
	refused, ok := errors.AsType[*weir.ProduceError](w.Add(t.Context(), &r))
	if !ok {
		t.Fatal("the record is not refused")
	}
	return refused
}

func connection(k *kafkatest.Kafka) kafka.Connection { return kafka.Connection{Brokers: k.Brokers} }
