package bigquery_test

import (
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink/bigquery"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that appends each record of a topic to a table.
type pipeline struct {
	killtest.Member
	Topic, REST, Storage string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

func (p *pipeline) run() error {
	t := stream.NewTopology()
	table := bigquery.Table{Project: "shop", Dataset: "lake", Name: "numbers", Endpoint: p.REST, StorageEndpoint: p.Storage}
	t.From(p.topic()).Sink("warehouse", bigquery.New(table, bigquery.Options[string, int]{}))
	return p.Run(t)
}

// TestKilledMembersAppendEachRecordOnce kills two processes again and again that append to one table.
func TestKilledMembersAppendEachRecordOnce(t *testing.T) {
	f := newFake(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(3, 8)
	const keys = 7
	total := 400 * kills
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group"), Guarantee: runtime.ExactlyOnce}, Topic: k.Topic(t, "numbers", 3),
		REST: f.rest, Storage: f.storage,
	}
	defer p.SendBeside(t, p.topic(), total, keys)()
	killtest.Run(t, p, killtest.Plan{Processes: 2, Kills: kills, Total: total, Step: 150, Progress: func() int { return len(f.rows("numbers")) }})
	counts := map[int64]int{}
	for _, r := range f.rows("numbers") {
		counts[r["value"].(int64)]++
	}
	wrong := 0
	for n := range total {
		if counts[int64(n)] != 1 {
			wrong++
		}
	}
	if wrong > 0 || len(counts) != total {
		t.Errorf("%d kills: of %d records, %d are not there once", kills, total, wrong)
	}
}
