package runtime_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// ofQuixStreams is a record of a changelog as Quix Streams writes it.
func ofQuixStreams(headers ...string) broker.Record {
	r := raw(`k|"total"`, "3")
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, weir.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

// A changelog of Quix Streams has the name of one of Weir, and its records are no rows: they must not become state.
func TestAChangelogOfAnotherProgramIsRefused(t *testing.T) {
	kafkatest.Parallel(t)
	for name, record := range map[string]broker.Record{
		"Quix Streams": ofQuixStreams("__column_family__", "default", "__processed_tp_offsets__", `{"in":41}`),
		"anything":     ofQuixStreams(),
	} {
		t.Run(name, func(t *testing.T) {
			kafkatest.Parallel(t)
			k := newKafka(t)
			in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
			changelog := fmt.Sprintf("changelog__%s--%s--default", k.group, in)
			if err := k.CreateTopics(within(t), broker.TopicSpec{Name: changelog, Partitions: 1, Replication: 1, Config: map[string]string{"cleanup.policy": "compact"}}); err != nil {
				t.Fatal(err)
			}
			k.write(in, 0, numbers(0, 3)...)
			k.write(changelog, 0, record)
			version := func(store string, accept ...stream.Change) error {
				p := newPipe(in, in, out)
				count[int64](p, p.input(), store)
				config := k.config()
				config.Accept = accept
				return app(t, p.topology, config).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond})
			}
			err := version("default")
			if !errors.Is(err, weir.ErrDefinitionChanged) || !strings.Contains(err.Error(), fmt.Sprintf("changelog %q of store \"default\"", changelog)) ||
				!strings.Contains(err.Error(), changelog+"[0] at offset 0") || !strings.Contains(err.Error(), "give the store another name, or delete the topic") {
				t.Errorf("got %v", err)
			}
			if records := k.read(out); len(records) > 0 {
				t.Errorf("got output %v", records)
			}
			if err := version("mine"); err != nil {
				t.Errorf("another store is refused: %v", err)
			}
			// Even if it is accepted as state of an earlier version, its records are no rows.
			stale := stream.Change{Kind: stream.StateStale, Topic: "changelog__GROUP--" + in + "--default"}
			orphaned := stream.Change{Kind: stream.StateOrphaned, Topic: "changelog__GROUP--" + in + "--mine"}
			if err := version("default", stale, orphaned); !errors.Is(err, weir.ErrDefinitionChanged) || !strings.Contains(err.Error(), "is no row") ||
				!strings.Contains(err.Error(), changelog) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A repartition topic with records that nobody has read is another program's, if the group has no inventory.
func TestUnreadRecordsOfAnotherProgramAreRefused(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	in, out := k.Topic(t, "in", 1), k.Topic(t, "out", 1)
	name := fmt.Sprintf("repartition__%s--%s--user", k.group, in)
	if err := k.CreateTopics(within(t), broker.TopicSpec{Name: name, Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	k.write(name, 0, raw(`"anna"`, "left"))
	version := func(accept ...stream.Change) error {
		topology := stream.NewTopology()
		topology.From(texts(in)).GroupBy("user", sameText).To(texts(out))
		config := k.config()
		config.Accept = accept
		return app(t, topology, config).RunUntil(within(t), runtime.Until{Idle: 100 * time.Millisecond})
	}
	err := version()
	if !errors.Is(err, weir.ErrDefinitionChanged) || !strings.Contains(err.Error(), "upgrade: topic retyped: "+name) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("got %v", err)
	}
	if records := k.read(out); len(records) > 0 {
		t.Errorf("got output %v", records)
	}
	if err := version(stream.Change{Kind: stream.TopicRetyped, Topic: "repartition__GROUP--" + in + "--user"}); err != nil {
		t.Fatal(err)
	}
	if records := k.read(out); len(records) != 1 {
		t.Errorf("got %v", records)
	}
}
