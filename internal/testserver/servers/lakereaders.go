//go:build unix

package servers

import (
	"context"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// LakeReaders prepares pyiceberg and DuckDB, which read the tables and files of a data lake beside the client under test, and starts nothing.
var LakeReaders = server.Server{
	Name:      "lakereaders",
	About:     "pyiceberg 0.12.0 and DuckDB 1.5.5, readers of data lakes (Python 3.10, pip)",
	Variables: []string{"WEIR_TEST_LAKE_READERS: a directory of Python packages"},
	Sources:   []fetch.Source{lakeReaders},
	Start: func(ctx context.Context, i *server.Instance) error {
		home, err := i.Fetch(ctx, lakeReaders)
		if err == nil {
			i.Export("WEIR_TEST_LAKE_READERS", home)
		}
		return err
	},
}
