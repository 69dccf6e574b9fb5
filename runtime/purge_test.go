package runtime_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// The cluster deletes the records of a repartition topic that are processed and committed, and nothing else: the input stays whole,
// and a new process goes on behind what was deleted.
func TestProcessedRecordsOfRepartitionTopicsAreDeleted(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
		input := broker.TopicPartition{Topic: in}
		internal := broker.TopicPartition{Topic: "repartition__" + k.group + "--" + in + "--letter"}
		earliest := func() map[broker.TopicPartition]int64 {
			offsets, err := k.Offsets(within(t), broker.Earliest, input, internal)
			if err != nil {
				t.Fatal(err)
			}
			return offsets
		}
		write := func(from, to int) {
			for n := from; n < to; n++ {
				k.write(in, 0, broker.Record{Key: []byte("k"), Value: fmt.Appendf(nil, "a%d", n), Millis: now})
			}
		}
		config := k.config()
		config.Guarantee, config.Topics.PurgeInterval = g, time.Millisecond
		write(0, 8)
		app := run(t, grouped(in, out), config)
		app.await("a task", func(s runtime.Status) bool { return len(s.Tasks) > 0 }) // the topic is there
		// The committed offset is looked up after the first one, and grows.
		purgedTo := func() int64 {
			first := earliest()
			if committed := k.committed(internal.Topic, 0); first[input] != 0 || first[internal] > committed {
				t.Errorf("the first offsets are %v, and %d is committed", first, committed)
			}
			return first[internal]
		}
		await(t, "a purge", func() bool { return purgedTo() >= 4 })
		app.stop()
		purged := purgedTo()
		write(8, 12)
		app = run(t, grouped(in, out), config)
		await(t, "the purge of a second process", func() bool { return purgedTo() > purged })
		await(t, "the results", func() bool { return k.committed(in, 0) == 12 && len(k.read(out)) >= 12 })
		app.stop()
		seen := map[string]bool{}
		for _, r := range k.read(out) {
			seen[string(r.Value)] = true
		}
		want := map[string]bool{}
		for n := range 12 {
			want[fmt.Sprint("a", n)] = true
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	})
}

// Records of a repartition topic that are older than the retention of the input stay until they are processed, and are deleted then.
func TestOldRecordsOfRepartitionTopicsOutliveTheRetentionOfTheInput(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		if k.Real() {
			t.Skip("Apache Kafka applies retention every five minutes only")
		}
		in, out := k.makeTopic("in", map[string]string{"retention.ms": "60000"}), k.Topic(t, "out", 1)
		internal := broker.TopicPartition{Topic: "repartition__" + k.group + "--" + in + "--letter"}
		const records = 200
		for n := range records {
			k.write(in, 0, broker.Record{Key: []byte("k"), Value: fmt.Appendf(nil, "a%d", n), Millis: time.Now().Add(-3 * time.Hour).UnixMilli()})
		}
		gate := make(chan struct{})
		open := sync.OnceFunc(func() { close(gate) })
		defer open()
		topology := stream.NewTopology()
		topology.From(stream.NewTopic(in, codec.String(), codec.String())).GroupBy("letter", func(text string) string { return text[:1] }).
			Peek(func(string) { <-gate }).To(stream.NewTopic(out, codec.String(), codec.String()))
		config := k.config()
		config.Guarantee, config.Topics.PurgeInterval, config.Workers = g, time.Millisecond, 2
		app := run(t, topology, config)
		await(t, "the input to be processed", func() bool { return k.committed(in, 0) == records })
		k.Kafka.Cluster().ApplyRetention() // which deletes the input
		if first, input := k.offset(broker.Earliest, internal), k.offset(broker.Earliest, broker.TopicPartition{Topic: in}); first != 0 || input == 0 {
			t.Errorf("the repartition topic begins at %d, and the input at %d", first, input)
		}
		open()
		await(t, "a purge", func() bool { return k.offset(broker.Earliest, internal) > 0 })
		await(t, "the results", func() bool { return len(k.read(out)) >= records })
		app.stop()
		seen := map[string]bool{}
		for _, r := range k.read(out) {
			seen[string(r.Value)] = true
		}
		if len(seen) != records {
			t.Errorf("%d of %d records have come out", len(seen), records)
		}
	})
}
