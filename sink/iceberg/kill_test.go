package iceberg_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink/iceberg"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that appends each record of a topic to a table.
type pipeline struct {
	killtest.Member
	Topic, URI, Store, Bucket string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) topic() stream.Topic[string, int] {
	return stream.NewTopic(p.Topic, codec.String(), codec.JSON[int]())
}

func (p *pipeline) run() error {
	t := stream.NewTopology()
	t.From(p.topic()).Sink("lake", iceberg.New(iceberg.Options[string, int]{
		Catalog: placeOf(p.URI, p.Store, p.Bucket).Open, Table: namespace + ".numbers", Types: map[string]string{"value": "long"},
	}))
	return p.Run(t)
}

// TestKilledMembersAppendEachRecordOnce kills two processes again and again that append to one table.
func TestKilledMembersAppendEachRecordOnce(t *testing.T) {
	w := newWarehouse(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(4, 8)
	const keys = 7
	total := 400 * kills
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group"), Guarantee: runtime.ExactlyOnce}, Topic: k.Topic(t, "numbers", 3),
		URI: w.URI, Store: w.S3Endpoint, Bucket: w.bucket,
	}
	defer p.SendBeside(t, p.topic(), total, keys)()
	killtest.Run(t, p, killtest.Plan{
		Processes: 2, Kills: kills, Total: total, Step: 150,
		Progress: func() int {
			m, err := w.catalog.LoadTable(t.Context(), []string{namespace, "numbers"})
			if err != nil || m.CurrentSnapshot() == nil { // no process has made it yet
				return 0
			}
			n, err := strconv.Atoi(m.CurrentSnapshot().Summary.Properties["total-records"])
			must(t, err)
			return n
		},
	})
	counts := map[int]int{}
	for _, text := range w.rows(t, "numbers") {
		var r struct {
			Value int `json:"value"`
		}
		must(t, json.Unmarshal([]byte(text), &r))
		counts[r.Value]++
	}
	wrong := 0
	for n := range total {
		if counts[n] != 1 {
			wrong++
		}
	}
	if wrong > 0 || len(counts) != total {
		t.Errorf("%d kills: of %d records, %d are not there once", kills, total, wrong)
	}
}
