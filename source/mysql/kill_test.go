package mysql_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/source/mysql"
	"github.com/weirstreams/weir/stream"
)

// pipeline is a process that reads the rows of a table, and their changes, into a topic, and writes its records to files.
type pipeline struct {
	killtest.Member
	Topic, Database, Table, Out string
}

// state is a row of the table, with the number of its changes.
type state struct {
	N int `json:"n"`
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*pipeline).run) }

func (p *pipeline) run() error {
	t := stream.NewTopology()
	t.FromSource(mysql.New(mysql.Options[int64, state]{
		URL: secret.New(p.Database), Tables: []string{p.Table}, ChunkRows: 20,
	}), stream.NewTopic(p.Topic, codec.Int64(), codec.JSON[state]())).
		Sink("out", file.New(p.Out, file.Options[int64, state]{}))
	return p.Run(t)
}

// TestKilledPipelinesReadEachChangeOnce changes rows of a table while a process that reads them is killed again and again. The files must have the first
// state of each row that was read, and each later one, once and in order.
func TestKilledPipelinesReadEachChangeOnce(t *testing.T) {
	t.Parallel()
	s := schema(t)
	k := kafkatest.Start(t)
	kills := longtest.Cases(3, 10)
	const rows = 50
	changes := 30 * kills // of each row
	db := connect(t)
	exec(t, db, "CREATE TABLE "+s+".t (id bigint PRIMARY KEY, n int)")
	exec(t, db, fmt.Sprintf("INSERT INTO %[1]s.t SELECT seq, 0 FROM %[1]s.seq_1_to_%[2]d", s, rows))
	p := pipeline{
		Member: killtest.Member{Brokers: k.Brokers, Group: s, Guarantee: runtime.ExactlyOnce},
		Topic:  k.Topic(t, "rows", 3), Database: server, Table: s + ".t", Out: t.TempDir(),
	}
	read := func() map[int64][]int {
		states := map[int64][]int{}
		_, records := filetest.ReadAll(t, p.Out, format.JSONLines[int64, state]{})
		for _, r := range records {
			states[r.Key] = append(states[r.Key], r.Value.N)
		}
		return states
	}
	writer := connect(t)
	killtest.RunChanges(t, p, killtest.Changes{
		Rows: rows, Total: changes, Kills: kills, Read: read,
		Change: func(context.Context) error {
			_, err := writer.Execute("UPDATE " + s + ".t SET n = n + 1")
			return err
		},
	})
}
