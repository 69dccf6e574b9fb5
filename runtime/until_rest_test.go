package runtime_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// Exactly once, a task sees the records of the task before it only behind the checkpoint of that one. A run that ends when it
// is idle makes the checkpoints, and reads on.
func TestAnIdleRunHasReadItsOwnTopics(t *testing.T) {
	kafkatest.Parallel(t)
	key := func(v string) string { return "k" + v }
	for name, declare := range map[string]func(*stream.Topology, stream.Stream[string, string], stream.Topic[string, string]) stream.Stream[string, string]{
		"one repartition topic": func(_ *stream.Topology, s stream.Stream[string, string], _ stream.Topic[string, string]) stream.Stream[string, string] {
			return s.GroupBy("once", key)
		},
		"three repartition topics": func(_ *stream.Topology, s stream.Stream[string, string], _ stream.Topic[string, string]) stream.Stream[string, string] {
			return s.GroupBy("once", key).GroupBy("twice", key).GroupBy("thrice", key)
		},
		"a topic of the user": func(topology *stream.Topology, s stream.Stream[string, string], between stream.Topic[string, string]) stream.Stream[string, string] {
			s.To(between)
			return topology.From(between)
		},
	} {
		t.Run(name, func(t *testing.T) {
			guarantees(t, func(t *testing.T, g runtime.Guarantee) {
				t.Parallel()
				k := newKafka(t)
				in, between, out := k.Topic(t, "in", 1), k.Topic(t, "between", 1), k.Topic(t, "out", 1)
				k.write(in, 0, numbers(0, 5)...)
				topology := stream.NewTopology()
				declare(topology, topology.From(texts(in)), texts(between)).To(texts(out))
				config := k.config()
				config.Guarantee, config.Workers = g, 2
				config.Checkpoint.Records, config.Checkpoint.Interval, config.Checkpoint.TransactionTimeout = 0, 25*time.Second, time.Minute
				if err := app(t, topology, config).RunUntil(within(t), runtime.Until{Idle: 200 * time.Millisecond}); err != nil {
					t.Fatal(err)
				}
				if n := len(k.read(out)); n != 5 {
					t.Errorf("%d of 5 records came through", n)
				}
			})
		})
	}
}

// The limit of outputs is reached when they can be read. Here they are made behind the checkpoints of two other tasks.
func TestOutputsCountWhenTheyCanBeRead(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
		k.write(in, 0, numbers(0, 5)...)
		topology := stream.NewTopology()
		key := func(v string) string { return "k" + v }
		topology.From(texts(in)).GroupBy("once", key).GroupBy("twice", key).To(texts(out))
		config := k.config()
		config.Guarantee, config.Checkpoint.Records, config.Checkpoint.Interval = g, 0, 100*time.Millisecond
		if err := app(t, topology, config).RunUntil(within(t), runtime.Until{Outputs: 5}); err != nil {
			t.Fatal(err)
		}
		if n := len(k.read(out)); n != 5 {
			t.Errorf("%d of 5 outputs can be read", n)
		}
	})
}

// A broker that answers slowly is not the end of the input.
func TestARunIsNotIdleBeforeTheEndOfItsInput(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	if k.Real() {
		t.Skip("holds back requests in kfake")
	}
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	k.write(in, 0, numbers(0, 5)...)
	topology := stream.NewTopology()
	topology.From(texts(in)).To(texts(out))

	var hold gate
	hold.close()
	defer hold.open()
	cluster := k.Kafka.Cluster()
	cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		hold.holdIn(cluster)
		return nil, nil, false
	})
	defer time.AfterFunc(time.Second, hold.open).Stop() // ten times as long as the limit
	if err := app(t, topology, k.config()).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if n := len(k.read(out)); n != 5 {
		t.Errorf("%d of 5 records were processed", n)
	}
}
