package kinesis_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/sink/kinesis"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that puts each record of a topic.
type pipeline struct {
	killtest.Member
	Topic, Address, Stream string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

func (p *pipeline) run() error {
	t := stream.NewTopology()
	t.From(p.topic()).Sink("records", kinesis.New(kinesistest.At(p.Address, p.Stream), kinesis.Options[string, int]{}))
	return p.Run(t)
}

// TestKilledPipelinesLoseNoRecord kills a process again and again that puts records. Each key must have its records, in order but for those that come again.
func TestKilledPipelinesLoseNoRecord(t *testing.T) {
	s := kinesistest.New(t, kinesistest.Address(t, kinesistest.Kinesalite), 2)
	k := kafkatest.Start(t)
	kills := longtest.Cases(3, 6)
	const keys = 7
	total := 1000 * kills
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: s.Name}, Topic: k.Topic(t, "numbers", 3), Address: s.Endpoint, Stream: s.Name,
	}
	defer p.SendBeside(t, p.topic(), total, keys)()
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 300,
		Progress: func() int {
			n := 0
			got, _ := byKey(t, s)
			for _, all := range got {
				n += len(all)
			}
			return n
		},
	})
	want := map[string][]string{}
	for n := range total {
		key := fmt.Sprint("key", n%keys)
		want[key] = append(want[key], fmt.Sprint(n))
	}
	got, _ := byKey(t, s)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d kills: records (-want +got):\n%.2000s", kills, diff)
	}
}
