package postgres_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/postgres"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// payment is a line of the files, and a row of the table with the balance of its account so far.
type payment struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Cents   int64  `json:"cents"`
	// Noise is another one each time that the record is processed.
	Noise int64 `json:"noise,omitempty"`
}

// pipeline is a process that reads files into a topic, adds up the payments of each account, and writes rows.
type pipeline struct {
	killtest.Member
	Topic, Files, Schema, Database string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) run() error {
	t := stream.NewTopology()
	payments := stream.NewTopic(p.Topic, codec.String(), codec.JSON[payment]())
	balances := store.NewCell[payment]("balances")
	t.FromSourceWith(source.Options{Slots: 4}, file.New(p.Files, file.Options[string, payment]{
		Format: format.JSONLines[string, payment]{Plain: true}, Order: file.Independent, BatchRecords: 20,
		Key: func(v payment) (string, error) { return v.Account, nil },
	}), payments).
		Reduce(balances, func(sum, next payment) payment {
			next.Cents += sum.Cents
			next.Noise = rand.Int64()
			return next
		}).
		Sink("balances", postgres.NewExactlyOnce(postgres.Options[string, payment]{URL: secret.New(p.Database), Schema: p.Schema, Table: "balances"}))
	return p.Run(t)
}

// TestKilledPipelinesWriteEachRowOnce reads files into a topic and writes running sums to a table, while the process is killed again and again. The
// table must have the rows of a plain loop over the files, each once.
func TestKilledPipelinesWriteEachRowOnce(t *testing.T) {
	s := schema(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(5, 50)
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: s, Guarantee: runtime.ExactlyOnce},
		Topic:  k.Topic(t, "payments", 3), Files: t.TempDir(), Schema: s, Database: server,
	}
	var want []string
	total := 0
	for n := range 6 {
		name := filepath.Join(p.Files, fmt.Sprintf("day-%d.jsonl", n))
		out, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriter(out)
		sums := map[string]int64{}
		for i := range 100 * kills {
			v := payment{ID: fmt.Sprintf("p-%d-%d", n, i), Account: fmt.Sprintf("a-%d-%d", n, i*i%17), Cents: int64(i)}
			sums[v.Account] += v.Cents
			want = append(want, fmt.Sprintf("(%s,%s,%d)", v.ID, v.Account, sums[v.Account]))
			line, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(append(line, '\n'))
			total++
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	killtest.Run(t, p, killtest.Plan{
		Kills: kills, Total: total, Step: 300,
		Progress: func() int {
			if len(query(t, "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'balances'", s)) == 0 {
				return 0
			}
			var rows int
			if _, err := fmt.Sscanf(query(t, "SELECT count(*) FROM "+s+".balances")[0], "(%d)", &rows); err != nil {
				t.Fatal(err)
			}
			return rows
		},
	})
	got := query(t, "SELECT id, account, cents FROM "+s+".balances ORDER BY split_part(id, '-', 2)::int, split_part(id, '-', 3)::int")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d kills: rows (-want +got):\n%.2000s", kills, diff)
	}
}
