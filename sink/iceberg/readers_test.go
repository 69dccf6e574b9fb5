package iceberg_test

import (
	_ "embed"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readers reads a table by pyiceberg and by DuckDB, and prints its rows as JSON, each reader's behind its name.
//
//go:embed testdata/readers.py
var readers string

func TestOtherReadersReadTheRows(t *testing.T) {
	packages := os.Getenv("WEIR_TEST_LAKE_READERS")
	if packages == "" {
		t.Skip("no readers: run the test by go run github.com/weirstreams/weir/internal/testserver seaweedfs,lakereaders -- go test ...")
	}
	w := newWarehouse(t)
	o := w.options("orders")
	o.Types = map[string]string{"country": "string", "price": "decimal(8,2)"}
	o.PartitionBy = []string{"country", "bucket(4, _key)", "day(_timestamp)"}
	p := open(t, o)
	p.write(`{"country":"DE","price":19.99,"n":1}`, `{"country":"FR","n":2,"note":"é\n'\""}`)
	p.write(`{"country":"DE","n":3,"tags":["a","b"],"place":{"city":"Ulm","zip":89073}}`)
	c := exec.CommandContext(t.Context(), "python3", "-c", readers, w.URI, w.S3Endpoint, w.Warehouse, namespace+".orders", password)
	c.Env = append(os.Environ(), "PYTHONPATH="+packages, "HOME="+t.TempDir())
	var failed strings.Builder
	c.Stderr = &failed
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, failed.String())
	}
	rows := []string{
		`["2026-01-01T00:00:00+00:00", "k0", "DE", "19.99", 1, null, null, null]`,
		`["2026-01-01T00:00:00+00:00", "k1", "FR", null, 2, "\u00e9\n'\"", null, null]`,
		`["2026-01-01T00:00:00+00:00", "k0", "DE", null, 3, null, ["a", "b"], {"city": "Ulm", "zip": 89073}]`,
	}
	rows[2] = strings.Replace(rows[2], "k0", "k2", 1)
	want := strings.Join([]string{"pyiceberg", rows[0], rows[1], rows[2], "duckdb", rows[0], rows[1], rows[2], ""}, "\n")
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
