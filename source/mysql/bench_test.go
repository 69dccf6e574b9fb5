package mysql_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/secret"
	weirmysql "github.com/weirstreams/weir/source/mysql"
)

type measured struct {
	ID     int64   `json:"id"`
	Sensor string  `json:"sensor"`
	Value  float64 `json:"value"`
	Count  int64   `json:"count"`
}

// benchRows is how many rows the tables of the benchmarks have.
const benchRows = 100_000

func benchTable(b *testing.B, insert bool) (table string, fill func()) {
	table = schema(b) + ".t"
	db := connect(b)
	exec(b, db, "CREATE TABLE "+table+" (id bigint PRIMARY KEY, sensor varchar(50), value double, count bigint)")
	fill = func() {
		exec(b, db, fmt.Sprintf("INSERT INTO %s SELECT seq, concat('sensor-', seq %% 1000), seq / 7.0, seq FROM %s.seq_1_to_%d", table, table[:len(table)-2], benchRows))
	}
	if insert {
		fill()
	}
	return table, fill
}

func BenchmarkSource(b *testing.B) {
	b.Run("rows", benchmarkRows)
	b.Run("changes", benchmarkChanges)
}

// benchmarkRows reads 100,000 rows into structs, beside one prepared query of go-mysql that makes the same records.
func benchmarkRows(b *testing.B) {
	table, _ := benchTable(b, true)
	b.Run("bare", func(b *testing.B) {
		db := connect(b)
		for range b.N {
			n := 0
			var batch []weir.Record[int64, measured]
			prepared, err := db.Prepare("SELECT id, sensor, value, count FROM " + table)
			if err != nil {
				b.Fatal(err)
			}
			var result mysql.Result
			err = prepared.ExecuteSelectStreaming(&result, func(v []mysql.FieldValue) error {
				m := measured{v[0].AsInt64(), string(v[1].AsString()), v[2].AsFloat64(), v[3].AsInt64()}
				if batch = append(batch, weir.Record[int64, measured]{Key: m.ID, Value: m}); len(batch) == 1000 {
					batch = batch[:0]
				}
				n++
				return nil
			}, nil)
			if err != nil || n != benchRows {
				b.Fatal(n, err)
			}
		}
		benchtest.PerRecord(b, benchRows)
	})
	b.Run("source", func(b *testing.B) {
		benchtest.ReadSplit(b, weirmysql.New(weirmysql.Options[int64, measured]{URL: secret.New(server), Tables: []string{table}, SnapshotOnly: true}), benchRows, true)
	})
}

// benchmarkChanges reads 100,000 inserted rows from the log into structs, beside go-mysql, whose values become the same records.
func benchmarkChanges(b *testing.B) {
	table, fill := benchTable(b, false)
	o := weirmysql.Options[int64, measured]{Tables: []string{table}, NoSnapshot: true}
	p := start(b, o, nil)
	if _, err := p.read(); err != nil { // the position before the rows
		b.Fatal(err)
	}
	p.close()
	begin := p.at
	from, err := connect(b).Execute("SELECT @@gtid_binlog_pos")
	if err != nil {
		b.Fatal(err)
	}
	text, _ := from.GetString(0, 0)
	fill()
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			readLog(b, text)
		}
		benchtest.PerRecord(b, benchRows)
	})
	b.Run("source", func(b *testing.B) {
		for range b.N {
			p := start(b, o, begin)
			for n := 0; n < benchRows; {
				records, err := p.read()
				if err != nil {
					b.Fatal(err)
				}
				n += len(records)
			}
			p.close()
		}
		benchtest.PerRecord(b, benchRows)
	})
}

// readLog reads all rows with the client.
func readLog(b *testing.B, gtids string) {
	b.Helper()
	u, err := url.Parse(server)
	if err != nil {
		b.Fatal(err)
	}
	port, _ := strconv.ParseUint(u.Port(), 10, 16)
	password, _ := u.User.Password()
	syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: 77, Flavor: mysql.MariaDBFlavor, Host: u.Hostname(), Port: uint16(port), User: u.User.Username(), Password: password, Logger: slog.New(slog.DiscardHandler),
	})
	defer syncer.Close()
	set, err := mysql.ParseGTIDSet(mysql.MariaDBFlavor, gtids)
	if err != nil {
		b.Fatal(err)
	}
	log, err := syncer.StartSyncGTID(set)
	if err != nil {
		b.Fatal(err)
	}
	var batch []weir.Record[int64, measured]
	for n := 0; n < benchRows; {
		event, err := log.GetEvent(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if rows, ok := event.Event.(*replication.RowsEvent); ok {
			for _, v := range rows.Rows {
				m := measured{v[0].(int64), v[1].(string), v[2].(float64), v[3].(int64)}
				if batch = append(batch, weir.Record[int64, measured]{Key: m.ID, Value: m, Millis: int64(event.Header.Timestamp) * 1000}); len(batch) == 1000 {
					batch = batch[:0]
				}
				n++
			}
		}
	}
}
