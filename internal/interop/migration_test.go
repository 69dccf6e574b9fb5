//go:build interop

package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// counter is the value of all topics of the trial.
type counter struct {
	N int `json:"n"`
}

// migration is an application that doubles the numbers of a topic, and counts the records of each key.
type migration struct{ in, out, counts, grouped stream.Topic[string, counter] }

func newMigration(prefix string) migration {
	topic := func(name string) stream.Topic[string, counter] {
		return stream.NewTopic(prefix+name, codec.UTF8(), codec.JSON[counter]())
	}
	return migration{topic("in").WithPartitions(2), topic("out"), topic("counts"), topic("grouped")}
}

// topology takes the names of the store of counts and of the grouping.
func (m migration) topology(name, grouping string) *stream.Topology {
	t := stream.NewTopology()
	in := t.From(m.in)
	in.Map(func(c counter) counter { return counter{2 * c.N} }).To(m.out)
	in.MapState(store.NewCell[int](name), func(seen *store.Cell[int], _ counter) counter {
		n, _ := seen.Get()
		seen.Set(n + 1)
		return counter{n + 1}
	}).To(m.counts)
	in.GroupBy(grouping, func(c counter) string { return strconv.Itoa(c.N) }).To(m.grouped)
	return t
}

// TestAnApplicationOfQuixStreamsIsTakenOver lets Quix Streams process half of the input, and Weir the other half, with the same group, topics and
// formats: each record gives its output once. The state is built anew by a group that begins at the start. docs/from-quix-streams.md describes it.
func TestAnApplicationOfQuixStreamsIsTakenOver(t *testing.T) {
	const (
		records = 200
		keys    = 4
	)
	brokers := env("WEIR_TEST_BROKERS")
	prefix := fmt.Sprintf("migration-%d-", time.Now().UnixNano())
	group := prefix + "group"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m := newMigration(prefix)
	config := func(group string) runtime.Config {
		return runtime.Config{
			Connection: kafka.Connection{Brokers: strings.Split(brokers, ",")}, Group: group, IgnoreSignals: true,
			State: runtime.StateConfig{InMemory: true}, Topics: runtime.TopicConfig{Create: true},
		}
	}
	cluster, err := sarama.NewClient(strings.Split(brokers, ","), sarama.NewConfig())
	fatal(t, err)
	defer cluster.Close()
	makeTopics, err := runtime.New(newMigration(prefix).topology("unused", "unused"), config(prefix+"maker"))
	fatal(t, err)
	producer, err := makeTopics.Producer(ctx, kafka.ProducerOptions{})
	fatal(t, err)
	for n := range records {
		fatal(t, producer.Send(ctx, m.in, weir.Record[string, counter]{Key: strconv.Itoa(n % keys), Value: counter{n}, Millis: time.Now().UnixMilli()}))
	}
	fatal(t, errors.Join(producer.Flush(ctx), producer.Close()))

	output, err := exec.CommandContext(ctx, "python3", "-W", "ignore", "clients/migrate.py", brokers, prefix, group, strconv.Itoa(records/2), t.TempDir()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	first := readAll(t, cluster, prefix+"out")
	if len(first) < records/2 || len(first) >= records {
		t.Fatalf("Quix Streams has processed %d records, of %d:\n%s", len(first), records, output)
	}

	// The internal topics of Quix Streams have formats of their own: under the same names Weir refuses them.
	for _, names := range [][3]string{
		{"default", "mine", "changelog__" + group + "--" + prefix + "in--default"}, {"mine", "n", "repartition__" + group + "--" + prefix + "in--n"},
	} {
		app, err := runtime.New(m.topology(names[0], names[1]), config(group))
		fatal(t, err)
		if err := app.Run(ctx); !errors.Is(err, weir.ErrDefinitionChanged) || !strings.Contains(err.Error(), strconv.Quote(names[2])) && !strings.Contains(err.Error(), ": "+names[2]+" (") {
			t.Fatalf("store %q, grouping %q: got %v", names[0], names[1], err)
		}
	}

	app, err := runtime.New(m.topology("count", "number"), config(group))
	fatal(t, err)
	fatal(t, app.RunUntil(ctx, runtime.Until{Outputs: int64(3 * (records - len(first)))}))
	all := readAll(t, cluster, prefix+"out")
	seen := map[int]int{}
	for _, r := range all {
		seen[r.N]++
	}
	for n := range records {
		if seen[2*n] != 1 {
			t.Errorf("%d is %d times in the output", 2*n, seen[2*n])
		}
	}
	t.Logf("%d records by Quix Streams, %d by Weir", len(first), len(all)-len(first))

	// The state of a new group is that of all records.
	before := len(readAll(t, cluster, prefix+"counts"))
	again, err := runtime.New(m.topology("count", "number"), config(group+"-anew"))
	fatal(t, err)
	fatal(t, again.RunUntil(ctx, runtime.Until{Outputs: 3 * records}))
	greatest := 0
	for _, r := range readAll(t, cluster, prefix+"counts")[before:] {
		greatest = max(greatest, r.N)
	}
	if greatest != records/keys {
		t.Errorf("the greatest count of a key is %d, want %d", greatest, records/keys)
	}
}

// readAll returns the values of a topic. Nothing is written to it in transactions.
func readAll(t *testing.T, cluster sarama.Client, topic string) (all []counter) {
	t.Helper()
	consumer, err := sarama.NewConsumerFromClient(cluster)
	fatal(t, err)
	partitions, err := consumer.Partitions(topic)
	fatal(t, err)
	for _, p := range partitions {
		end, err := cluster.GetOffset(topic, p, sarama.OffsetNewest)
		fatal(t, err)
		if end == 0 {
			continue
		}
		reader, err := consumer.ConsumePartition(topic, p, 0)
		fatal(t, err)
		for m := range reader.Messages() {
			var c counter
			fatal(t, json.Unmarshal(m.Value, &c))
			all = append(all, c)
			if m.Offset == end-1 {
				break
			}
		}
		fatal(t, reader.Close())
	}
	return all
}
