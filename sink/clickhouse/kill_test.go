package clickhouse_test

import (
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/sink/clickhouse"
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
	t.From(p.topic()).Sink("clickhouse", clickhouse.New(p.Server, clickhouse.Options[string, number]{
		Table: "killed", Row: numberRow, Metadata: clickhouse.Metadata{Partition: "partition", Offset: "offset"}, MaxRecords: 2, Auth: login, Retry: quickly,
	}))
	return p.Run(t)
}

// TestKilledPipelinesWriteEachRow kills a process again and again that writes rows to a fake of the server. Each record must be there, and rows that are
// written again must have the place of the first one, by which a ReplacingMergeTree keeps one of them.
func TestKilledPipelinesWriteEachRow(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	server.create("killed", map[string]string{"n": "Int64", "of": "String", "partition": "Int64", "offset": "Int64"})
	k := kafkatest.Start(t)
	kills := longtest.Cases(1, 5)
	total := 4000 * kills // in requests of two, so that kills come in the middle of them
	p := pipeline{Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group")}, Topic: k.Topic(t, "numbers", 3), Server: server.URL}
	if err := p.Send(t.Context(), stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]()), total, 7); err != nil {
		t.Fatal(err)
	}
	killtest.Run(t, p, killtest.Plan{Kills: kills, Total: total, Step: 2000, Progress: func() int { return len(server.places("killed")) }})
	places, numbers := server.places("killed"), map[any]bool{}
	for _, n := range places {
		numbers[n] = true
	}
	t.Logf("%d kills, %d rows were written again", kills, len(server.rows("killed"))-total)
	if len(places) != total || len(numbers) != total {
		t.Errorf("%d kills: %d places and %d numbers, want %d", kills, len(places), len(numbers), total)
	}
}
