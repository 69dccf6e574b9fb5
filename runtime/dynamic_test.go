package runtime_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

func TestTopicsThatAFunctionNamesAreCreatedOnTheCluster(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		k := newKafka(t)
		in, out := k.Topic(t, "in", 1), k.Name("out")
		dynamic := func() *stream.Topology {
			topology := stream.NewTopology()
			template := stream.NewTopic(in, codec.String(), codec.String()).WithPartitions(3)
			topology.From(stream.NewTopic(in, codec.String(), codec.String())).
				ToDynamic(template, func(_ context.Context, r weir.Record[string, string]) (string, error) {
					return out + "-" + r.Value, nil
				})
			return topology
		}
		config := k.config()
		config.Guarantee, config.Checkpoint.Interval = g, 200*time.Millisecond
		k.write(in, 0, raw("k", "a"), raw("k", "b"))
		err := run(t, dynamic(), config).failure()
		if err == nil || !strings.Contains(err.Error(), "produce to "+out+"-a: the topic does not exist") {
			t.Fatalf("got %v", err)
		}
		config.Topics.Create = true
		app := run(t, dynamic(), config)
		await(t, "a checkpoint", func() bool { return k.committed(in, 0) == 2 })
		app.stop()
		infos, err := k.Topics(within(t), out+"-a", out+"-b")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for name, info := range infos {
			got[strings.TrimPrefix(name, out)] = int(info.Partitions)*10 + len(k.read(name))
		}
		if diff := cmp.Diff(map[string]int{"-a": 31, "-b": 31}, got); diff != "" {
			t.Errorf("partitions * 10 + records (-want +got):\n%s", diff)
		}
	})
}
