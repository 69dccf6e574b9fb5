package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/examples/internal/localtest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/sinktest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/sourcetest"
)

func TestFailedRequestsAreKept(t *testing.T) { localtest.Expect(t, "connector", program, want) }

const want = `GET /cart 503
POST /order 500
`

func TestTheSinkKeepsItsPromises(t *testing.T) {
	dir := t.TempDir()
	open := func(tb testing.TB, place string) *sql.DB {
		tb.Helper()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, place))
		if err != nil {
			tb.Fatal(err)
		}
		return db
	}
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			return &table{file: filepath.Join(dir, place)}
		},
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (items []sinktest.Item) {
			db := open(tb, place)
			rows, err := db.QueryContext(tb.Context(), "SELECT key, value FROM records")
			if err != nil {
				tb.Fatal(err)
			}
			for rows.Next() {
				var key, value *string
				if err := rows.Scan(&key, &value); err != nil {
					tb.Fatal(err)
				}
				items = append(items, sinktest.OfPointers(key, value))
			}
			for _, err := range []error{rows.Err(), rows.Close(), db.Close()} {
				if err != nil {
					tb.Error(err)
				}
			}
			return items
		},
		Push: func(tb testing.TB, place string) (end func()) { // another program has the lock
			db := open(tb, place)
			db.SetMaxOpenConns(1)
			if _, err := db.ExecContext(tb.Context(), "BEGIN EXCLUSIVE"); err != nil {
				tb.Fatal(err)
			}
			return func() {
				if err := db.Close(); err != nil {
					tb.Error(err)
				}
			}
		},
		Idempotent: true, Records: 10_000,
	})
}

func TestTheSourceKeepsItsPromises(t *testing.T) {
	dir := t.TempDir()
	sourcetest.Run(t, sourcetest.System[string, string]{
		New: func(_ testing.TB, place string) source.Source[string, string] { return tail(filepath.Join(dir, place)) },
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			tb.Helper()
			var text strings.Builder
			for _, i := range items {
				fmt.Fprintf(&text, "%q %q\n", i.Key, i.Value)
			}
			if err := os.WriteFile(filepath.Join(dir, place), []byte(text.String()), 0o600); err != nil {
				tb.Fatal(err)
			}
		},
		Item: func(r weir.Record[string, string]) (i sourcetest.Item) {
			_, _ = fmt.Sscanf(r.Value, "%q %q", &i.Key, &i.Value)
			return i
		},
		NoNullKeys: true, NoNullValues: true,
	})
}

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "connector", topology("access.log", "failed.db"))
}
