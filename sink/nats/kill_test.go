package nats_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/nats"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that publishes each record of a topic.
type pipeline struct {
	killtest.Member
	Topic, URL, Stream string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

func (p *pipeline) run() error {
	t := stream.NewTopology()
	t.From(p.topic()).Sink("messages", nats.New(nats.Options[string, int]{
		URL: secret.New(p.URL), Prefix: p.Stream + ".", Stream: p.Stream, ID: nats.OffsetID[string, int], Window: 37,
	}))
	return p.Run(t)
}

// TestKilledPipelinesPublishEachMessageOnce kills a process again and again that publishes messages. Each subject must have those of its key in order, each once.
func TestKilledPipelinesPublishEachMessageOnce(t *testing.T) {
	place := newPlace(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(3, 10)
	const keys = 7
	total := 1500 * kills
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: strings.Trim(place.prefix, "-")},
		Topic:  k.Topic(t, "numbers", 3), URL: place.url, Stream: place.stream(t, "numbers", nil),
	}
	defer p.SendBeside(t, p.topic(), total, keys)()
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 500,
		Progress: func() int { return place.messages(t, p.Stream) },
	})
	got, want := map[string][]string{}, map[string][]string{}
	for _, m := range place.read(t, p.Stream) {
		key := m.Subject()[len(p.Stream)+1:]
		got[key] = append(got[key], string(m.Data()))
	}
	for n := range total {
		key := fmt.Sprint("key", n%keys)
		want[key] = append(want[key], fmt.Sprint(n))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d kills: messages (-want +got):\n%.2000s", kills, diff)
	}
}

// messages returns how many messages a stream has.
func (p *place) messages(tb testing.TB, name string) int {
	tb.Helper()
	s, err := p.js.Stream(context.Background(), name)
	must(tb, err)
	return int(s.CachedInfo().State.Msgs)
}
