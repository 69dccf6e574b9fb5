package clickhouse_test

import (
	"errors"
	"fmt"
	"math"
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
	server.create("trades", map[string]string{"symbol": "String", "price": "Float64", "k": "String", "t": "String", "p": "Int64", "o": "Int64", "at": "Nullable(DateTime64(3))"})
	w := influxtest.Open(t, clickhouse.New(server.URL, clickhouse.Options[string, trade]{
		Table: "trades", Auth: login, Gzip: true, Settings: map[string]string{"async_insert": "1"},
		Metadata: clickhouse.Metadata{Key: "k", Topic: "t", Partition: "p", Offset: "o", Time: "at"},
	}))
	influxtest.Must(t, w.Add("key", trade{"a \"b\"\n`", 1.5}))
	influxtest.Must(t, w.AddRecord(weir.Record[string, trade]{KeyNull: true, Value: trade{"b", 2}}))
	influxtest.Must(t, w.Flush())
	want := []map[string]any{
		{"symbol": "a \"b\"\n`", "price": 1.5, "k": "key", "t": "input", "p": 0.0, "o": 1.0, "at": "2026-01-01T00:00:00.001Z"},
		{"symbol": "b", "price": 2.0, "k": nil, "t": "input", "p": 0.0, "o": 1.0, "at": "2026-01-01T00:00:00.001Z"},
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
	server.create("t", map[string]string{"a": "Int64", "b": "Int64"})
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
	server.create("a\\` b; DROP TABLE x", map[string]string{"n": "Int64"})
	server.create("a` b; DROP TABLE x", map[string]string{"n": "Int64"}) // as the look-up names it
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
	server.create("t", map[string]string{"x": "Int64"})
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
	server.create("t", map[string]string{"x": "Int64"})
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
	server.create("t", map[string]string{"x": "Int64", "made": "Int64*"})
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

// ClickHouse itself would wrap or cut these values without a word, as its engine (chDB 4) did.
func TestValuesBeyondTheirColumnAreRefused(t *testing.T) {
	t.Parallel()
	server := newFake(t)
	columns := map[string]string{
		"i8": "Int8", "u8": "LowCardinality(Nullable(UInt8))", "i64": "Int64", "u64": "UInt64", "f": "Nullable(Float32)",
		"t": "DateTime('UTC')", "t3": "DateTime64(3)", "d": "Date", "other": "Decimal(5, 2)", "at": "Int64",
	}
	server.create("t", columns)
	w := influxtest.Open(t, clickhouse.New(server.URL, clickhouse.Options[string, map[string]any]{Table: "t", Auth: login, Metadata: clickhouse.Metadata{Time: "at"}}))
	for name, values := range map[string]struct{ good, bad []any }{
		"i8":    {[]any{-128, 127}, []any{-129, 128}},
		"u8":    {[]any{0, 255, nil}, []any{-1, 256}},
		"i64":   {[]any{int64(math.MinInt64), int64(math.MaxInt64)}, []any{uint64(math.MaxInt64) + 1}},
		"u64":   {[]any{uint64(math.MaxUint64)}, []any{-1}},
		"f":     {[]any{1e38, -0.5}, []any{1e39, -1e300}},
		"t":     {[]any{0, 1767225600, "2026-01-01T00:00:00Z", "2106-02-07 06:28:15"}, []any{-1, 99999999999, "2200-01-01T00:00:00Z"}},
		"t3":    {[]any{1767225600, "1900-01-01 00:00:00"}, []any{1767225600001, "1899-12-31", "2300-01-01T00:00:00.5Z"}},
		"d":     {[]any{20454, "2149-06-06"}, []any{"2149-06-07", "1969-12-31"}},
		"other": {[]any{1.239, 7}, nil},
	} {
		for _, value := range values.good {
			influxtest.Must(t, w.Add("k", map[string]any{name: value}))
		}
		for _, value := range values.bad {
			if err := w.Add("k", map[string]any{name: value}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the column %q", name)) || !strings.Contains(err.Error(), "is beyond") {
				t.Errorf("%s: %v is taken (%v)", name, value, err)
			}
		}
	}
	influxtest.Must(t, w.Flush())
	for _, r := range server.rows("t") {
		if at, ok := r["at"].(float64); !ok || at < 1767225600000 {
			t.Errorf("the time of the record is %v", r["at"])
		}
	}
}
