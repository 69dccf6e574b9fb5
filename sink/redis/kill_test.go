package redis_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/redis"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that writes each record of a topic to streams twice.
type pipeline struct {
	killtest.Member
	Topic, Prefix, Redis string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

func (p *pipeline) run() error {
	t := stream.NewTopology()
	t.From(p.topic()).FlatMap(func(n int) []int { return []int{n, n} }).Sink("streams", redis.New(redis.Options[string, int]{
		URL: secret.New(p.Redis), Kind: redis.Stream, Prefix: p.Prefix, Once: true, OncePrefix: "once-" + p.Prefix, MaxRecords: 37,
	}))
	return p.Run(t)
}

// TestKilledPipelinesWriteEachRecordOnce kills a process again and again that writes to streams. Each stream must have the results of its key in order,
// each once.
func TestKilledPipelinesWriteEachRecordOnce(t *testing.T) {
	place := newPlace(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(4, 10)
	const keys = 7
	total := 1500 * kills
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: strings.Trim(place.prefix, ":")},
		Topic:  k.Topic(t, "numbers", 3), Prefix: place.prefix, Redis: place.url,
	}
	ctx := t.Context()
	defer p.SendBeside(t, p.topic(), total, keys)()
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: 2 * total, Step: 500,
		Progress: func() (n int) {
			for key := range keys {
				n += int(place.client.XLen(ctx, fmt.Sprint(place.prefix, "key", key)).Val())
			}
			return n
		},
	})
	for key := range keys {
		var got, want []string
		for _, e := range place.client.XRange(ctx, fmt.Sprint(place.prefix, "key", key), "-", "+").Val() {
			got = append(got, fmt.Sprint(e.Values["value"]))
		}
		for n := key; n < total; n += keys {
			want = append(want, fmt.Sprint(n), fmt.Sprint(n))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d kills: stream %d (-want +got):\n%.2000s", kills, key, diff)
		}
	}
}
