package influxdb1_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/sink/influxdb1"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that writes each record of a topic as a point.
type pipeline struct {
	killtest.Member
	Topic, Server, Database string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) run() error {
	t := stream.NewTopology()
	t.From(stream.NewTopic(p.Topic, codec.String(), codec.JSON[number]())).Sink("influx", influxdb1.New(p.Server, influxdb1.Options[string, number]{
		Database: p.Database, CreateDatabase: true, Point: numberPoint, MaxRecords: 5, Auth: login, Retry: quickly,
	}))
	return p.Run(t)
}

// TestKilledPipelinesWriteEachPointOnce kills a process again and again that writes points. Each record must be one point.
func TestKilledPipelinesWriteEachPointOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(2, 10)
	total := 1000 * kills
	p := pipeline{Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group")}, Topic: k.Topic(t, "numbers", 3), Server: e.address, Database: e.prefix + "killed"}
	influxtest.Must(t, p.Send(t.Context(), stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]()), total, 7))
	count := func() int {
		for _, s := range e.query(t, p.Database, `SELECT COUNT("n") FROM "numbers"`) {
			n, err := s.Values[0][1].(json.Number).Int64()
			influxtest.Must(t, err)
			return int(n)
		}
		return 0
	}
	killtest.Run(t, p, killtest.Plan{Kills: kills, Total: total, Step: 500, Progress: count})
	seen := map[string]bool{}
	for _, s := range e.query(t, p.Database, `SELECT "n" FROM "numbers"`) {
		for _, v := range s.Values {
			if seen[fmt.Sprint(v[1])] {
				t.Errorf("%d kills: %v is there twice", kills, v[1])
			}
			seen[fmt.Sprint(v[1])] = true
		}
	}
	for n := range total {
		if !seen[fmt.Sprint(n)] {
			t.Errorf("%d kills: %d is lost", kills, n)
		}
	}
}
