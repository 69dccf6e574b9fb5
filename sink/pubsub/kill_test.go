package pubsub_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/pubsub/pubsubtest"
	"github.com/weirstreams/weir/sink/pubsub"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that publishes each record of a topic.
type pipeline struct {
	killtest.Member
	Topic, Address string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

func (p *pipeline) run() error {
	t := stream.NewTopology()
	t.From(p.topic()).Sink("messages", pubsub.New(
		pubsub.Project{ID: "project", Endpoint: p.Address}, pubsub.Options[string, int]{Topic: "numbers", Ordered: true},
	))
	return p.Run(t)
}

// TestKilledPipelinesLoseNoMessage kills a process again and again that publishes messages. Each ordering key must have its messages, in order but for those that come
// again.
func TestKilledPipelinesLoseNoMessage(t *testing.T) {
	s := pubsubtest.New(t)
	s.Topic(t, "numbers")
	k := kafkatest.Start(t)
	kills := longtest.Cases(3, 6)
	const keys = 7
	total := 1000 * kills
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group")}, Topic: k.Topic(t, "numbers", 3), Address: s.Fake.Addr,
	}
	defer p.SendBeside(t, p.topic(), total, keys)()
	// byKey returns the messages of each key, in the order in which they came for the last time.
	byKey := func() (got map[string][]string, n int) {
		got = map[string][]string{}
		for _, m := range slices.Backward(s.Messages("numbers")) {
			if text := string(m.Data); !slices.Contains(got[m.OrderingKey], text) {
				got[m.OrderingKey] = append(got[m.OrderingKey], text)
				n++
			}
		}
		for _, all := range got {
			slices.Reverse(all)
		}
		return got, n
	}
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 300,
		Progress: func() int {
			_, n := byKey()
			return n
		},
	})
	want := map[string][]string{}
	for n := range total {
		key := fmt.Sprint("key", n%keys)
		want[key] = append(want[key], fmt.Sprint(n))
	}
	got, _ := byKey()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d kills: messages (-want +got):\n%.2000s", kills, diff)
	}
}
