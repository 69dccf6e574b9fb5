package tdengine_test

import (
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
	"github.com/weirstreams/weir/sink/tdengine"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that writes each record of a topic as a point.
type pipeline struct {
	killtest.Member
	Topic, Server string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, number] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[number]())
}

// number is a value of the topic: its digits are a tag too, so that each has a point of its own.
type number int

func (p *pipeline) run() error {
	t := stream.NewTopology()
	t.From(p.topic()).Sink("tdengine", tdengine.New(p.Server, tdengine.Options[string, number]{
		Database: "killed", CreateDatabase: true, Point: numberPoint, MaxRecords: 2, Auth: login, Retry: quickly,
	}))
	return p.Run(t)
}

// TestKilledPipelinesWriteEachPointOnce kills a process again and again that writes points to a fake of the server. Each record must be one point.
func TestKilledPipelinesWriteEachPointOnce(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(1, 5)
	total := 4000 * kills // in requests of two, so that kills come in the middle of them
	p := pipeline{Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group")}, Topic: k.Topic(t, "numbers", 3), Server: server.URL}
	influxtest.Must(t, p.Send(t.Context(), stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]()), total, 7))
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 2000, Progress: func() int { return len(server.Points("killed")) },
	})
	seen := map[int64]bool{}
	for _, point := range server.Points("killed") {
		n, ok := point.Fields["n"].(int64)
		if !ok || seen[n] || n < 0 || n >= int64(total) {
			t.Errorf("%d kills: the point %v is there twice, or is none of a record", kills, point)
		}
		seen[n] = true
	}
	if len(seen) != total {
		t.Errorf("%d kills: %d points, want %d", kills, len(seen), total)
	}
}
