// Command connector has a source and a sink of its own: it reads the log of a web server line by line, and keeps the requests that failed in
// a table of an SQLite database. Both are checked by the kits of Weir, in main_test.go.
//
//	go run ./examples/connector
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

var lines = stream.SourceTopic[string, string]("access-log")

// topology keeps the requests with a status of 500 and above. A line is a method, a path and a status.
func topology(log, database string) *stream.Topology {
	t := stream.NewTopology()
	t.FromSource(tail(log), lines).
		Filter(func(line string) bool {
			fields := strings.Fields(line)
			return len(fields) == 3 && fields[2] >= "500"
		}).
		MapKey(func(string) *string { return nil }).
		Map(func(line string) *string { return &line }).
		Sink("failed-requests", &table{file: database})
	return t
}

func program(ctx context.Context, out io.Writer, config runtime.Config) (err error) {
	dir, err := os.MkdirTemp("", "connector-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log, database := filepath.Join(dir, "access.log"), filepath.Join(dir, "failed.db")
	if err := os.WriteFile(log, []byte("GET / 200\nGET /cart 503\nPOST /order 201\nPOST /order 500\n"), 0o600); err != nil {
		return err
	}
	app, err := runtime.New(topology(log, database), config)
	if err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Outputs: 2}); err != nil {
		return err
	}

	db, err := sql.Open("sqlite", "file:"+database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "SELECT value FROM records ORDER BY at")
	if err != nil {
		return err
	}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		fmt.Fprintln(out, line)
	}
	return errors.Join(rows.Err(), rows.Close())
}

func main() { local.Main("connector", program) }
