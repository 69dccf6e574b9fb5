package provision_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/stream"
)

// forgetful is a cluster that does not know of its topics when it is asked first.
type forgetful struct {
	broker.Cluster
	answers int // that know of nothing
	asked   int
}

func (f *forgetful) Topics(ctx context.Context, names ...string) (map[string]broker.TopicInfo, error) {
	f.asked++
	if f.asked <= f.answers {
		return map[string]broker.TopicInfo{}, nil
	}
	return f.Cluster.Topics(ctx, names...)
}

func TestATopicThatWasMadeAMomentAgoIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name     string
		patience time.Duration
		missing  bool
	}{
		{"with patience", time.Minute, false},
		{"without", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := simbroker.New(clock.NewVirtual(time.Unix(0, 0)))
			for _, name := range []string{"in", "out"} {
				if err := b.CreateTopic(broker.TopicSpec{Name: name, Partitions: 1, Replication: -1}); err != nil {
					t.Fatal(err)
				}
			}
			topology := stream.NewTopology()
			topology.From(stream.NewTopic("in", codec.String(), codec.String())).To(stream.NewTopic("out", codec.String(), codec.String()))
			if err := topology.Validate(); err != nil {
				t.Fatal(err)
			}
			_, err := provision.Prepare(t.Context(), &forgetful{Cluster: b, answers: 2}, graph.NewPlan(topology.Graph(), groupName),
				provision.Options{Patience: c.patience, Logger: slog.New(slog.DiscardHandler)})
			if _, missing := errors.AsType[*provision.Error](err); missing != c.missing || err != nil && !missing {
				t.Errorf("got %v", err)
			}
		})
	}
}

// D-57.
func TestNamesOfInternalTopicsThatAreTooLongAreProblems(t *testing.T) {
	long := strings.Repeat("x", 200)
	topology := stream.NewTopology()
	topology.From(stream.NewTopic("in", codec.String(), codec.String())).
		GroupBy(long, func(s string) string { return s }).
		To(stream.NewTopic("out", codec.String(), codec.String()))
	exist := []broker.TopicSpec{{Name: "in", Partitions: 1}, {Name: "out", Partitions: 1}}
	if _, _, err := prepare(t, topology, false, exist...); err != nil {
		t.Fatalf("a name that is not too long: %v", err)
	}
	topology = stream.NewTopology()
	topology.From(stream.NewTopic("in", codec.String(), codec.String())).
		GroupBy(long+long[:40], func(s string) string { return s }).
		To(stream.NewTopic("out", codec.String(), codec.String()))
	_, _, err := prepare(t, topology, false, exist...)
	problems, ok := errors.AsType[*provision.Error](err)
	if !ok || len(problems.Problems) != 1 || !strings.Contains(err.Error(), "Kafka allows 249") {
		t.Errorf("got %v", err)
	}
}
