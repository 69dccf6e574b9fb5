package runtime_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// makeTopic makes a topic with settings. Limits of timestamps are those of Kafka from 3.6 on, which the broker for tests lacks.
func (k *testCluster) makeTopic(prefix string, settings map[string]string) string {
	k.t.Helper()
	spec := broker.TopicSpec{Name: k.Name(prefix), Partitions: 1, Replication: -1, Config: settings}
	if err := k.CreateTopics(within(k.t), spec); err != nil {
		k.t.Fatal(err)
	}
	return spec.Name
}

const ever = "9223372036854775807"

// grouped groups texts by their first letter, keeps the last one of each letter, and writes it.
func grouped(in, out string) *stream.Topology {
	t := stream.NewTopology()
	t.From(stream.NewTopic(in, codec.String(), codec.String())).
		GroupBy("letter", func(text string) string { return text[:1] }).
		MapState(store.NewCell[string]("last"), func(c *store.Cell[string], text string) string {
			c.Set(text)
			return text
		}).
		To(stream.NewTopic(out, codec.String(), codec.String()))
	return t
}

// What an input takes passes through repartition topics and changelogs as well: times far ahead of the clock, and large records.
func TestInternalTopicsTakeWhatTheInputTakes(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		settings := map[string]string{"max.message.bytes": "31000000", "message.timestamp.after.max.ms": ever, "retention.ms": "60000"}
		in, out := k.makeTopic("in", settings), k.makeTopic("out", settings)
		large := strings.Repeat("x", 3_200_000)
		p, err := k.NewProducer(broker.ProducerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		records := []broker.Record{
			{Key: []byte("a"), Value: []byte("future"), Millis: time.Now().Add(48 * time.Hour).UnixMilli()},
			{Key: []byte("b"), Value: []byte(large), Millis: now},
			{Key: []byte("c"), Value: []byte("plain"), Millis: now},
		}
		if err := p.Send(within(t), broker.TopicPartition{Topic: in}, records); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(within(t)); err != nil {
			t.Fatal(err)
		}
		config := k.config()
		config.Guarantee = g
		app := run(t, grouped(in, out), config)
		await(t, "the results", func() bool { return len(k.read(out)) == 3 })
		app.stop()
		sizes := map[string]int{}
		for _, r := range k.read(out) {
			sizes[string(r.Key)] = len(r.Value)
		}
		if diff := cmp.Diff(map[string]int{"f": 6, "x": 3_200_000, "p": 5}, sizes); diff != "" {
			t.Errorf("sizes (-want +got):\n%s", diff)
		}
	})
}

// The cluster has the last word on a record, and its refusal is an error of the input record, in both guarantees.
func TestWhatTheClusterRefusesIsAnErrorOfItsInputRecord(t *testing.T) {
	kafkatest.Parallel(t)
	incompressible := make([]byte, 5000)
	_, _ = rand.Read(incompressible)
	for _, c := range []struct {
		name, setting, value string
		bad                  broker.Record
		compression          string
		realOnly             bool
	}{
		{
			name: "too large, as found by the cluster", setting: "max.message.bytes", value: "3000", compression: "gzip",
			bad: broker.Record{Key: []byte("k"), Value: append([]byte("z"), incompressible...), Millis: now},
		},
		{
			name: "too large, as found here", setting: "max.message.bytes", value: "3000",
			bad: broker.Record{Key: []byte("k"), Value: bytes.Repeat([]byte("z"), 5000), Millis: now},
		},
		{
			name: "from the future", setting: "message.timestamp.after.max.ms", value: "60000", realOnly: true,
			bad: broker.Record{Key: []byte("k"), Value: []byte("z"), Millis: time.Now().Add(48 * time.Hour).UnixMilli()},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			guarantees(t, func(t *testing.T, g runtime.Guarantee) {
				t.Parallel()
				k := newKafka(t)
				if c.realOnly && !k.Real() {
					t.Skip("the broker for tests takes records of any time")
				}
				in, out := k.makeTopic("in", map[string]string{"message.timestamp.after.max.ms": ever}), k.makeTopic("out", map[string]string{c.setting: c.value})
				good := func(n int) broker.Record {
					return broker.Record{Key: []byte("k"), Value: fmt.Appendf(nil, "a%d", n), Millis: now}
				}
				records := []broker.Record{good(0), good(1), c.bad, good(3), c.bad, good(5)}
				k.write(in, 0, records...)
				config := k.config()
				config.Guarantee, config.Topics.Compression, config.Checkpoint.Records = g, c.compression, 100
				config.Checkpoint.Interval = 200 * time.Millisecond
				var mu sync.Mutex
				failed := map[int64]int{}
				config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
					mu.Lock()
					defer mu.Unlock()
					failed[err.Offset]++
					var refused *weir.ProduceError
					if !errors.As(err, &refused) || refused.Topic != out || !strings.Contains(err.Error(), "sink "+out) {
						t.Errorf("got %v", err)
					}
					return weir.Skip
				}
				topology := stream.NewTopology()
				topology.From(stream.NewTopic(in, codec.String(), codec.String())).To(stream.NewTopic(out, codec.String(), codec.String()))
				app := run(t, topology, config)
				await(t, "a checkpoint", func() bool { return k.committed(in, 0) == int64(len(records)) })
				app.stop()
				if diff := cmp.Diff(map[int64]int{2: 1, 4: 1}, failed); diff != "" {
					t.Errorf("errors by offset (-want +got):\n%s", diff)
				}
				got := map[string]int{}
				for _, r := range k.read(out) {
					got[string(r.Value)]++
					if g == runtime.AtLeastOnce {
						got[string(r.Value)] = 1
					}
				}
				if diff := cmp.Diff(map[string]int{"a0": 1, "a1": 1, "a3": 1, "a5": 1}, got); diff != "" {
					t.Errorf("written (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A topic that is deleted under a running application is in its status within seconds, and in the log.
func TestAnOutputTopicThatIsDeletedIsSaidAtOnce(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
		config, log := k.loggingConfig()
		config.Guarantee, config.ShutdownTimeout = g, time.Second
		k.write(p.input, 0, numbers(0, 8)...)
		app := run(t, p.topology(), config)
		await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 8 })
		if missing := app.Status().MissingTopics; len(missing) != 0 {
			t.Fatalf("missing: %q", missing)
		}
		admin, err := sarama.NewClusterAdmin(k.Brokers, sarama.NewConfig())
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		if err := admin.DeleteTopic(p.output); err != nil {
			t.Fatal(err)
		}
		k.write(p.input, 0, numbers(8, 16)...)
		begun := time.Now()
		app.await("the topic in the status", func(s runtime.Status) bool { return cmp.Equal(s.MissingTopics, []string{p.output}) })
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("said after %v", took)
		}
		const message = "a topic that is written to does not exist any more: its records wait until it is made again, and are given up after the timeout"
		if n := log.warnings()[message]; n == 0 {
			t.Errorf("the log says %v", log.warnings())
		}
		app.cancel()
		<-app.done // with or without an error: the rest cannot be written
	})
}
