package clickhouse_test

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/clickhouse"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

func TestValuesBecomeRows(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	server.create("trades", map[string]string{"symbol": "text", "price": "number", "k": "text", "t": "text", "p": "number", "o": "number", "at": "number"})
	w := influxtest.Open(t, clickhouse.New(server.URL, clickhouse.Options[string, trade]{
		Table: "trades", Auth: login, Gzip: true, Settings: map[string]string{"async_insert": "1"},
		Metadata: clickhouse.Metadata{Key: "k", Topic: "t", Partition: "p", Offset: "o", Time: "at"},
	}))
	influxtest.Must(t, w.Add("key", trade{"a \"b\"\n`", 1.5}))
	influxtest.Must(t, w.AddRecord(weir.Record[string, trade]{KeyNull: true, Value: trade{"b", 2}}))
	influxtest.Must(t, w.Flush())
	want := []map[string]any{
		{"symbol": "a \"b\"\n`", "price": 1.5, "k": "key", "t": "input", "p": 0.0, "o": 1.0, "at": 1767225600001.0},
		{"symbol": "b", "price": 2.0, "k": nil, "t": "input", "p": 0.0, "o": 1.0, "at": 1767225600001.0},
	}
	if diff := cmp.Diff(want, server.rows("trades")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	query := server.queries[0]
	for name, want := range map[string]string{"async_insert": "1", "wait_for_async_insert": "1", "wait_end_of_query": "1", "input_format_skip_unknown_fields": "0"} {
		if got := query[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestColumnsAreChosen(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	server.create("t", map[string]string{"a": "number", "b": "number"})
	w := influxtest.Open(t, clickhouse.New(server.URL, options{Table: "t", Auth: login, Columns: []string{"b", "a"}}))
	influxtest.Must(t, w.Add("k", map[string]any{"a": 1, "b": 2, "c": 3}))
	influxtest.Must(t, w.Add("k", map[string]any{"b": 4})) // the default of a is the table's
	influxtest.Must(t, w.Flush())
	skipping := influxtest.Open(t, clickhouse.New(server.URL, options{Table: "t", Auth: login, SkipUnknown: true}))
	influxtest.Must(t, skipping.Add("k", map[string]any{"a": 5, "c": 6}))
	influxtest.Must(t, skipping.Flush())
	want := []map[string]any{{"a": 1.0, "b": 2.0}, {"b": 4.0}, {"a": 5.0}}
	if diff := cmp.Diff(want, server.rows("t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// A name can be any text: none ends its place in the statement.
func TestNamesAreQuoted(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	server.create("a\\` b; DROP TABLE x", map[string]string{"n": "number"})
	server.create("a` b; DROP TABLE x", map[string]string{"n": "number"}) // as the look-up names it
	w := influxtest.Open(t, clickhouse.New(server.URL, options{Table: "a` b; DROP TABLE x", Auth: login}))
	influxtest.Must(t, w.Add("k", map[string]any{"n": 1}))
	influxtest.Must(t, w.Flush())
	if n := len(server.rows("a\\` b; DROP TABLE x")); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestRowsThatTheServerRefusesAreErrorsOfTheirRecords(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	server.create("t", map[string]string{"x": "number"})
	w := influxtest.Open(t, clickhouse.New(server.URL, options{Table: "t", Auth: login, Retry: quickly}))
	for i := range 10 {
		value := map[string]any{"x": i}
		switch i {
		case 3:
			value["x"] = "text"
		case 7:
			value["unknown"] = 1
		}
		influxtest.Must(t, w.Add("k", value))
	}
	refused, ok := errors.AsType[sink.RecordErrors](w.Flush())
	if !ok || len(refused) != 2 || refused[0].Index != 3 || refused[1].Index != 7 || !strings.Contains(refused[1].Err.Error(), "Unknown field") {
		t.Errorf("refused: %v", refused)
	}
	for _, e := range refused {
		secrettest.Absent(t, "the error", e.Err.Error(), password)
	}
	if n := len(server.rows("t")); n != 8 {
		t.Errorf("%d rows are written, want 8", n)
	}
	for want, r := range map[string]weir.Record[string, map[string]any]{"the value is null": {ValueNull: true}, "the row is null": {}} {
		if err := w.AddRecord(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}

// The code of an exception decides, whatever the status.
func TestTheCodeOfAnExceptionDecides(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	server.create("t", map[string]string{"x": "number"})
	for _, c := range []struct {
		status, code int
		want         string
	}{
		{400, 27, "refused"},
		{500, 117, "refused"},
		{200, 469, "refused"},
		{500, 252, "later"},
		{200, 241, "later"},
		{500, 202, "later"},
		{500, 242, "later"},
		{200, 999, "later"},
		{400, 319, "later"},
		{404, 60, "end"},
		{500, 497, "end"},
		{200, 164, "end"},
		{403, 516, "end"},
	} {
		w := influxtest.Open(t, clickhouse.New(server.URL, options{Table: "t", Auth: login, Retry: quickly}))
		influxtest.Must(t, w.Add("k", map[string]any{"x": 1}))
		end := server.during(exception(c.status, c.code, "no"))
		err := w.Flush()
		end()
		got := "end"
		if errors.As(err, new(sink.RecordErrors)) {
			got = "refused"
		} else if errors.As(err, new(*weir.RetryLaterError)) {
			got = "later"
		} else if err == nil {
			got = "nothing"
		}
		if got != c.want {
			t.Errorf("status %d, code %d: %s (%v), want %s", c.status, c.code, got, err, c.want)
		}
		secrettest.Absent(t, "the error", fmt.Sprint(err), password)
	}
}

func TestConnectSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	server.create("t", map[string]string{"x": "number", "made": "MATERIALIZED"})
	page := func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = w.Write([]byte("<html>")) }
	other := httptest.NewServer(nethttp.HandlerFunc(page))
	defer other.Close()
	for name, c := range map[string]struct {
		address string
		options
		want string
	}{
		"no table":           {server.URL, options{Table: "none", Auth: login}, "there is no table default.none"},
		"no table at all":    {server.URL, options{Auth: login}, "Table is empty"},
		"columns":            {server.URL, options{Table: "t", Auth: login, Columns: []string{"x", "y"}, Metadata: clickhouse.Metadata{Offset: "z"}}, "lacks the columns y, z"},
		"a computed column":  {server.URL, options{Table: "t", Auth: login, Columns: []string{"made"}}, `computes the column "made"`},
		"a column twice":     {server.URL, options{Table: "t", Auth: login, Columns: []string{"x"}, Metadata: clickhouse.Metadata{Time: "x"}}, "named twice"},
		"its own setting":    {server.URL, options{Table: "t", Auth: login, Settings: map[string]string{"query": "x"}}, "which the sink sets itself"},
		"a wrong password":   {server.URL, options{Table: "t", Auth: clickhouse.Basic("writer", secret.New("wrong-"+password))}, "check Options.Auth"},
		"another service":    {other.URL, options{Table: "t"}, "the server is no ClickHouse"},
		"a host without TLS": {"http://clickhouse.example.com:8123", options{Table: "t", Auth: login}, "without TLS"},
	} {
		c.Retry = quickly
		err := clickhouse.New(c.address, c.options).Connect(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		secrettest.Absent(t, "the error", fmt.Sprint(err), password)
	}
}
