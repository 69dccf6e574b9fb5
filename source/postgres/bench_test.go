package postgres_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source/postgres"
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
	exec(b, db, "CREATE TABLE "+table+" (id bigint PRIMARY KEY, sensor text, value double precision, count bigint); ALTER TABLE "+table+" REPLICA IDENTITY FULL")
	fill = func() {
		exec(b, db, "INSERT INTO "+table+" SELECT n, 'sensor-' || n % 1000, n / 7.0, n FROM generate_series(1, $1) AS n", benchRows)
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

// benchmarkRows reads 100,000 rows into structs, beside one query of pgx that makes the same records.
func benchmarkRows(b *testing.B) {
	table, _ := benchTable(b, true)
	b.Run("bare", func(b *testing.B) {
		db := connect(b)
		for range b.N {
			rows, err := db.Query(b.Context(), "SELECT id, sensor, value, count FROM "+table)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			var m measured
			var batch []weir.Record[int64, measured]
			_, err = pgx.ForEachRow(rows, []any{&m.ID, &m.Sensor, &m.Value, &m.Count}, func() error {
				if batch = append(batch, weir.Record[int64, measured]{Key: m.ID, Value: m}); len(batch) == 1000 {
					batch = batch[:0]
				}
				n++
				return nil
			})
			if err != nil || n != benchRows {
				b.Fatal(n, err)
			}
		}
		benchtest.PerRecord(b, benchRows)
	})
	b.Run("source", func(b *testing.B) {
		benchtest.ReadSplit(b, postgres.New(postgres.Options[int64, measured]{URL: secret.New(server), Tables: []string{table}, SnapshotOnly: true}), benchRows, true)
	})
}

// benchmarkChanges reads 100,000 inserted rows from the log into structs, beside pglogrepl, whose messages become the same records.
func benchmarkChanges(b *testing.B) {
	table, fill := benchTable(b, false)
	o := postgres.Options[int64, measured]{Tables: []string{table}, Slot: table[:len(table)-2], NoSnapshot: true}
	start(b, o, nil).close() // makes slot and publication
	fill()
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			readLog(b, o.Slot)
		}
		benchtest.PerRecord(b, benchRows)
	})
	b.Run("source", func(b *testing.B) {
		for range b.N {
			p := start(b, o, nil)
			for n := 0; n < benchRows; {
				records, err := p.read()
				if err != nil {
					b.Fatal(err)
				}
				n += len(records)
			}
			p.close()
			if err := p.source.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		benchtest.PerRecord(b, benchRows)
	})
}

// openLog begins to read a slot. The server may take the last reader for alive for a moment.
func openLog(b *testing.B, slot string) *pgconn.PgConn {
	b.Helper()
	c, err := pgconn.ParseConfig(server)
	if err != nil {
		b.Fatal(err)
	}
	c.RuntimeParams["replication"] = "database"
	for range 100 {
		var conn *pgconn.PgConn
		if conn, err = pgconn.ConnectConfig(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		err = pglogrepl.StartReplication(b.Context(), conn, slot, 0, pglogrepl.StartReplicationOptions{
			PluginArgs: []string{"proto_version '1'", "publication_names '" + slot + "'"},
		})
		if err == nil {
			return conn
		}
		conn.Close(context.Background())
		exec(b, connect(b), "SELECT pg_sleep(0.05)")
	}
	b.Fatal(err)
	return nil
}

// measuredOf reads the texts of the columns.
func measuredOf(columns []*pglogrepl.TupleDataColumn) (m measured, err error) {
	if m.ID, err = strconv.ParseInt(string(columns[0].Data), 10, 64); err != nil {
		return m, err
	}
	m.Sensor = string(columns[1].Data)
	if m.Value, err = strconv.ParseFloat(string(columns[2].Data), 64); err != nil {
		return m, err
	}
	m.Count, err = strconv.ParseInt(string(columns[3].Data), 10, 64)
	return m, err
}

// readLog reads the messages of all rows with the client.
func readLog(b *testing.B, slot string) {
	b.Helper()
	conn := openLog(b, slot)
	defer conn.Close(context.Background())
	var batch []weir.Record[int64, measured]
	for n := 0; n < benchRows; {
		m, err := conn.ReceiveMessage(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		data, ok := m.(*pgproto3.CopyData)
		if !ok || data.Data[0] != pglogrepl.XLogDataByteID {
			continue
		}
		log, err := pglogrepl.ParseXLogData(data.Data[1:])
		if err != nil {
			b.Fatal(err)
		}
		message, err := pglogrepl.Parse(log.WALData)
		if err != nil {
			b.Fatal(err)
		}
		if insert, ok := message.(*pglogrepl.InsertMessage); ok {
			m, err := measuredOf(insert.Tuple.Columns)
			if err != nil {
				b.Fatal(err)
			}
			if batch = append(batch, weir.Record[int64, measured]{Key: m.ID, Value: m}); len(batch) == 1000 {
				batch = batch[:0]
			}
			n++
		}
	}
}
