package bigquery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/grpc/codes"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/bigquery"
)

type options = bigquery.Options[string, row.Row]

// record returns a record with a row of JSON.
func record(tb testing.TB, offset int64, text string) *weir.Record[string, row.Row] {
	tb.Helper()
	var r row.Row
	must(tb, r.UnmarshalJSON([]byte(text)))
	return &weir.Record[string, row.Row]{Key: "k", Value: r, Millis: 1500, Origin: &weir.Origin{Topic: "in", Partition: 3, Offset: offset}}
}

// both runs a test for each of the APIs.
func both(t *testing.T, test func(t *testing.T, f *fake, of func(t bigquery.Table, o options) sink.Sink[string, row.Row])) {
	t.Helper()
	t.Parallel()
	t.Run("storage", func(t *testing.T) {
		t.Parallel()
		test(t, newFake(t), func(t bigquery.Table, o options) sink.Sink[string, row.Row] { return bigquery.New(t, o) })
	})
	t.Run("insert", func(t *testing.T) {
		t.Parallel()
		test(t, newFake(t), func(t bigquery.Table, o options) sink.Sink[string, row.Row] { return bigquery.NewInsert(t, o) })
	})
}

func TestColumnsAreMadeForTheKindsOfValues(t *testing.T) {
	both(t, func(t *testing.T, f *fake, of func(bigquery.Table, options) sink.Sink[string, row.Row]) {
		w := open(t, of(f.table("orders"), options{Types: map[string]string{"at": "timestamp", "day": "DATE", "price": "NUMERIC"}}))
		must(t, w.Add(t.Context(), record(t, 0, `{"n":9007199254740993,"big":123456789012345678901234567890,"f":1.5,"ok":true,"s":"é","o":{"a":[1,2]},"at":"2026-01-02T03:04:05.678Z","day":"1960-01-01","price":12.10,"nothing":null}`)))
		must(t, w.Flush(t.Context(), sink.Checkpoint{}))
		want := map[string]string{
			"_key": "STRING", "_timestamp": "TIMESTAMP", "n": "INTEGER", "big": "BIGNUMERIC", "f": "FLOAT", "ok": "BOOLEAN", "s": "STRING", "o": "JSON", "at": "TIMESTAMP", "day": "DATE", "price": "NUMERIC",
		}
		if diff := cmp.Diff(want, f.kinds("orders")); diff != "" {
			t.Errorf("columns (-want +got):\n%s", diff)
		}
		got := f.rows("orders")[0]
		cells := map[string]any{
			"_key": "k", "_timestamp": int64(1_500_000), "n": int64(9007199254740993), "big": "123456789012345678901234567890", "f": 1.5, "ok": true, "s": "é",
			"o": `{"a":[1,2]}`, "at": time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC).UnixMicro(), "day": int32(-3653), "price": "12.1",
		}
		if _, text := got["n"].(string); text { // insertAll has JSON
			cells["_timestamp"], cells["n"], cells["at"], cells["day"] = "1970-01-01T00:00:01.5Z", "9007199254740993", "2026-01-02T03:04:05.678Z", "1960-01-01"
		}
		if diff := cmp.Diff(cells, got); diff != "" {
			t.Errorf("cells (-want +got):\n%s", diff)
		}
	})
}

func TestValuesAreWrittenForTheTypesOfColumns(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for i, c := range []struct {
		kind, value string
		want        any // nil: refused
	}{
		{"INTEGER", `2.0`, int64(2)},
		{"INT64", `"2"`, nil},
		{"INTEGER", `2.5`, nil},
		{"INTEGER", `9223372036854775808`, nil},
		{"FLOAT", `3`, 3.0},
		{"FLOAT64", `9007199254740993`, nil},
		{"NUMERIC", `"12345678901234567890123456789.123456789"`, "12345678901234567890123456789.123456789"},
		{"NUMERIC", `"123456789012345678901234567890"`, nil},
		{"NUMERIC", `"0.1234567891"`, nil},
		{"NUMERIC", `"1e999999999"`, nil},
		{"BIGNUMERIC", `1e-30`, "0.000000000000000000000000000001"},
		{"BOOL", `true`, true},
		{"BOOLEAN", `1`, nil},
		{"STRING", `"1"`, "1"},
		{"BYTES", `"aw=="`, []byte("k")},
		{"BYTES", `"?"`, nil},
		{"TIMESTAMP", `1500`, int64(1_500_000)},
		{"TIMESTAMP", `"yesterday"`, nil},
		{"TIMESTAMP", `253402300800000`, nil},
		{"DATE", `"1970-03-01"`, int32(59)},
		{"DATE", `"1960-01-01"`, int32(-3653)},
		{"DATE", `"2026-02-30"`, nil},
		{"DATETIME", `"2026-02-28 01:02:03.5"`, "2026-02-28 01:02:03.5"},
		{"TIME", `"01:02:03"`, "01:02:03"},
		{"TIME", `"25:02:03"`, nil},
		{"JSON", `"a"`, `"a"`},
		{"JSON", `[1,{"a":"é"}]`, `[1,{"a":"é"}]`},
		{"GEOGRAPHY", `"POINT(1 2)"`, "POINT(1 2)"},
		{"INTEGER REPEATED", `[1,2]`, []any{int64(1), int64(2)}},
		{"INTEGER REPEATED", `[1,null]`, nil},
		{"INTEGER REPEATED", `1`, nil},
		{"RECORD", `{"a":1}`, nil},
	} {
		name := fmt.Sprint("t", i)
		f.make(name, "c "+c.kind)
		w := open(t, bigquery.New(f.table(name), options{KeyColumn: bigquery.NoColumn, TimeColumn: bigquery.NoColumn}))
		err := w.Add(t.Context(), record(t, 0, `{"c":`+c.value+`}`))
		if c.want == nil {
			if err == nil || !strings.Contains(err.Error(), `column "c"`) {
				t.Errorf("%s %s: got %v", c.kind, c.value, err)
			}
			continue
		}
		must(t, err)
		must(t, w.Flush(t.Context(), sink.Checkpoint{}))
		if diff := cmp.Diff([]map[string]any{{"c": c.want}}, f.rows(name)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.kind, c.value, diff)
		}
	}
}

func TestTasksAndOthersAddColumnsAtTheSameTime(t *testing.T) {
	both(t, func(t *testing.T, f *fake, of func(bigquery.Table, options) sink.Sink[string, row.Row]) {
		f.make("orders", "a INTEGER")
		first, second := open(t, of(f.table("orders"), options{})), open(t, of(f.table("orders"), options{}))
		for _, w := range []sink.Writer[string, row.Row]{first, second} {
			must(t, w.Add(t.Context(), record(t, 0, `{"A":1}`)))
		}
		must(t, first.Add(t.Context(), record(t, 1, `{"a":2,"Straße":"x"}`)))
		must(t, second.Add(t.Context(), record(t, 2, `{"c":true,"Straße":"y","d":"z"}`)))
		conflicts := 0
		f.setFail(func(call, _ string) codes.Code {
			if conflicts++; call == "tables.patch" && conflicts < 8 {
				f.tables["orders"].etag++ // another program changes the table in between
			}
			return codes.OK
		})
		f.mu.Lock()
		f.lag = 2 // the APIs for rows know new columns later than the table has them
		f.mu.Unlock()
		for _, w := range []sink.Writer[string, row.Row]{first, second} {
			for {
				err := w.Flush(t.Context(), sink.Checkpoint{})
				if _, later := errors.AsType[*weir.RetryLaterError](err); !later {
					must(t, err)
					break
				}
			}
		}
		want := map[string]string{"_key": "STRING", "_timestamp": "TIMESTAMP", "a": "INTEGER", "c": "BOOLEAN", "Straße": "STRING", "d": "STRING"}
		if diff := cmp.Diff(want, f.kinds("orders")); diff != "" {
			t.Errorf("columns (-want +got):\n%s", diff)
		}
		seen := map[string]bool{}
		for _, r := range f.rows("orders") {
			seen[fmt.Sprintf("%v %v %v %v", r["a"], r["c"], r["Straße"], r["d"])] = true
		}
		if want := map[string]bool{"1 <nil> <nil> <nil>": true, "2 <nil> x <nil>": true, "<nil> true y z": true}; !cmp.Equal(seen, want) {
			t.Errorf("got %v", seen)
		}
		if n := len(f.rows("orders")); n < 4 || f.ids == nil && n != 4 {
			t.Errorf("there are %d rows", n)
		}
	})
}

func TestRecordsThatDoNotFitAreRefusedOneByOne(t *testing.T) {
	both(t, func(t *testing.T, f *fake, of func(bigquery.Table, options) sink.Sink[string, row.Row]) {
		f.make("orders", "n INTEGER REQUIRED", "s STRING", "_key STRING", "_timestamp TIMESTAMP")
		w := open(t, of(f.table("orders"), options{FixedTable: true}))
		for text, want := range map[string]string{
			`{"n":"x"}`: `column "n" of type INTEGER`, `{"s":"x"}`: `column "n" is required`, `{"n":1,"other":2}`: `no column "other"`, `{"n":1,"N":2}`: "two columns",
		} {
			if err := w.Add(t.Context(), record(t, 0, text)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v", text, err)
			}
		}
		null := record(t, 0, `{}`)
		null.ValueNull = true
		if err := w.Add(t.Context(), null); err == nil || !strings.Contains(err.Error(), "the value is null") {
			t.Errorf("got %v", err)
		}
		for i, text := range []string{`{"n":0}`, `{"n":1,"s":"` + refusal + `"}`, `{"n":2}`} {
			must(t, w.Add(t.Context(), record(t, int64(i), text)))
		}
		refused, ok := errors.AsType[sink.RecordErrors](w.Flush(t.Context(), sink.Checkpoint{}))
		if !ok || len(refused) != 1 || refused[0].Index != 1 || refused[0].Origin != (weir.Origin{Topic: "in", Partition: 3, Offset: 1}) || !strings.Contains(refused[0].Err.Error(), "cannot convert value") {
			t.Errorf("got %v", refused)
		}
		must(t, w.Flush(t.Context(), sink.Checkpoint{}))
		if got := f.rows("orders"); len(got) != 2 {
			t.Errorf("the rows are %v", got)
		}
	})
	t.Run("names", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		w := open(t, bigquery.New(f.table("orders"), options{}))
		for _, name := range []string{"", "a.b", "a`b", `a\"; DROP TABLE x; --`, "_PARTITIONTIME", "_TABLE_x", "a\\nb", strings.Repeat("x", 301)} {
			if err := w.Add(t.Context(), record(t, 0, `{"`+name+`":1}`)); err == nil || !strings.Contains(err.Error(), "column ") {
				t.Errorf("%q: got %v", name, err)
			}
		}
		must(t, w.Add(t.Context(), record(t, 0, `{"total #1 <net>":1,"weiß":"x"}`)))
		must(t, w.Flush(t.Context(), sink.Checkpoint{}))
		if got := f.rows("orders")[0]; got["weiß"] != "x" || got["total #1 <net>"] != int64(1) {
			t.Errorf("got %v", got)
		}
	})
}

// Another program adds a column of another type before the rows are written.
func TestRecordsAreRefusedWhenAColumnOfOthersDoesNotFit(t *testing.T) {
	both(t, func(t *testing.T, f *fake, of func(bigquery.Table, options) sink.Sink[string, row.Row]) {
		w := open(t, of(f.table("orders"), options{}))
		must(t, w.Add(t.Context(), record(t, 0, `{"c":1}`)))
		must(t, w.Add(t.Context(), record(t, 1, `{"d":1}`)))
		f.mu.Lock()
		f.tables["orders"].schema = append(f.tables["orders"].schema, &rest.TableFieldSchema{Name: "c", Type: "STRING"})
		f.mu.Unlock()
		refused, ok := errors.AsType[sink.RecordErrors](w.Flush(t.Context(), sink.Checkpoint{}))
		if !ok || len(refused) != 1 || refused[0].Origin.Offset != 0 || !strings.Contains(refused[0].Err.Error(), `column "c" of type STRING`) {
			t.Errorf("got %v", refused)
		}
		must(t, w.Flush(t.Context(), sink.Checkpoint{}))
		if got := f.rows("orders"); len(got) != 1 || got[0]["d"] == nil {
			t.Errorf("the rows are %v", got)
		}
	})
}

func TestRequestsAreBoundedInBytes(t *testing.T) {
	both(t, func(t *testing.T, f *fake, of func(bigquery.Table, options) sink.Sink[string, row.Row]) {
		w := open(t, of(f.table("orders"), options{HoldBytes: 12 << 20}))
		text := strings.Repeat("x", 1<<20)
		n := 0
		for ; !w.Full(); n++ {
			r := record(t, int64(n), `{}`)
			r.Value = row.New(row.F("s", text))
			must(t, w.Add(t.Context(), r))
		}
		must(t, w.Flush(t.Context(), sink.Checkpoint{}))
		if n > 15 || len(f.requests) < 2 {
			t.Errorf("%d rows of 1 MiB came in requests of %d bytes", n, f.requests)
		}
		for _, size := range f.requests {
			if size > 10_000_000 {
				t.Errorf("a request has %d bytes", size)
			}
		}
		large := record(t, 99, `{}`)
		large.Value = row.New(row.F("s", strings.Repeat("x", 10<<20)))
		err := w.Add(t.Context(), large)
		if err == nil {
			err = w.Flush(t.Context(), sink.Checkpoint{}) // insertAll finds out then
		}
		if err == nil || !strings.Contains(err.Error(), "bytes, and BigQuery takes 9437184") {
			t.Errorf("got %v", err)
		}
	})
}

func TestBusyServersHoldTheInputBack(t *testing.T) {
	both(t, func(t *testing.T, f *fake, of func(bigquery.Table, options) sink.Sink[string, row.Row]) {
		w := open(t, of(f.table("orders"), options{Retry: quickly, OutageWait: time.Minute}))
		must(t, w.Add(t.Context(), record(t, 0, `{"n":1}`)))
		for _, call := range []string{"tables.patch", "CreateWriteStream", "AppendRows", "FinalizeWriteStream", "BatchCommitWriteStreams", "insertAll"} {
			failed := false
			f.setFail(func(c, _ string) codes.Code {
				if c == call {
					failed = true
					return codes.ResourceExhausted
				}
				return codes.OK
			})
			err := w.Flush(t.Context(), sink.Checkpoint{})
			if later, ok := errors.AsType[*weir.RetryLaterError](err); failed && (!ok || later.RetryAfter != time.Minute || !strings.Contains(err.Error(), "shop.lake.orders")) {
				t.Errorf("%s: got %v", call, err)
			}
		}
		f.setFail(nil)
		must(t, w.Flush(t.Context(), sink.Checkpoint{}))
		if got := f.rows("orders"); len(got) != 1 {
			t.Errorf("the rows are %v", got)
		}
	})
}

func TestTokensAreCommittedOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := bigquery.New(f.table("orders"), options{Retry: quickly})
	open(t, s)
	w, err := s.TwoPhaseWriter(t.Context(), sink.Task{})
	must(t, err)
	must(t, w.Add(t.Context(), record(t, 0, `{"n":1}`)))
	token, err := w.Prepare(t.Context(), sink.Checkpoint{})
	must(t, err)
	if got := f.rows("orders"); len(got) != 0 {
		t.Errorf("%v is visible before the commit", got)
	}
	for range 2 {
		must(t, w.Commit(t.Context(), token))
	}
	if got := f.rows("orders"); len(got) != 1 {
		t.Errorf("the rows are %v", got)
	}
	for text, want := range map[string]string{
		`{"version":1,"table":"projects/shop/datasets/lake/tables/others","streams":["s"]}`: "tables/others",
		`{"version":1,"table":"projects/shop/datasets/lake/tables/orders","streams":["s"]}`: "STREAM_NOT_FOUND",
		`{"version":2}`: "not one of this sink",
	} {
		if err := w.Commit(t.Context(), []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// The ID of a row depends on the place of its record alone, so that BigQuery drops rows that come again.
func TestInsertedRowsHaveTheIDsOfTheirRecords(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	w := open(t, bigquery.NewInsert(f.table("orders"), options{}))
	for range 2 {
		for _, offset := range []int64{7, 7, 8} {
			must(t, w.Add(t.Context(), record(t, offset, `{"n":1}`)))
		}
		w.Discard()
	}
	for _, offset := range []int64{7, 7, 8} {
		must(t, w.Add(t.Context(), record(t, offset, `{"n":1}`)))
	}
	must(t, w.Flush(t.Context(), sink.Checkpoint{}))
	if diff := cmp.Diff([]string{"in/3/7/0", "in/3/7/1", "in/3/8/0"}, f.ids); diff != "" {
		t.Errorf("IDs (-want +got):\n%s", diff)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.make("numbers", "_key INTEGER", "_timestamp STRING")
	f.make("empty")
	denied := newFake(t)
	denied.make("orders")
	denied.denied["bigquery.tables.updateData"] = true
	with := func(set func(p *bigquery.Table)) bigquery.Table {
		p := f.table("orders")
		set(&p)
		return p
	}
	for name, c := range map[string]struct {
		table   bigquery.Table
		options options
		want    string // "" is success
	}{
		"all is well":        {f.table("new"), options{}, ""},
		"nothing":            {bigquery.Table{}, options{}, "Table.Dataset is \"\""},
		"a path":             {with(func(p *bigquery.Table) { p.Name = "orders/../others" }), options{}, "Table.Name is"},
		"SQL":                {with(func(p *bigquery.Table) { p.Dataset = "lake`; DROP" }), options{}, "Table.Dataset is"},
		"one address":        {with(func(p *bigquery.Table) { p.Endpoint = "" }), options{}, "set together"},
		"a negative bound":   {f.table("orders"), options{HoldBytes: -1}, "HoldBytes is -1, and must not be negative"},
		"a wrong type":       {f.table("orders"), options{Types: map[string]string{"a": "UUID"}}, `no type "UUID"`},
		"a wrong column":     {f.table("orders"), options{KeyColumn: "a.b"}, `column "a.b"`},
		"one column twice":   {f.table("orders"), options{KeyColumn: "_timestamp"}, "are both"},
		"columns of others":  {f.table("numbers"), options{}, `column "_key" is a INTEGER`},
		"a fixed table":      {f.table("none"), options{FixedTable: true}, "FixedTable forbids to make it"},
		"a column is needed": {f.table("empty"), options{FixedTable: true}, `no column "_key"`},
		"no permission":      {denied.table("orders"), options{}, "bigquery.tables.updateData is not granted"},
		"nobody there":       {with(func(p *bigquery.Table) { p.Endpoint = "http://127.0.0.1:1" }), options{}, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Retry = quickly
			s := bigquery.New(c.table, c.options)
			secrettest.Hidden(t, s, hidden)
			err := s.Connect(t.Context())
			must(t, s.Close(context.Background()))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil {
				secrettest.Absent(t, "the error", err.Error(), hidden)
			}
		})
	}
}

// Descriptions and other parts of columns stay when columns are added.
func TestAddedColumnsLeaveOthersAsTheyAre(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.make("orders", "a STRING")
	f.tables["orders"].schema[0].Description = "of the customer"
	f.tables["orders"].schema = append(f.tables["orders"].schema, &rest.TableFieldSchema{Name: "r", Type: "RECORD", Fields: []*rest.TableFieldSchema{{Name: "x", Type: "STRING"}}})
	w := open(t, bigquery.New(f.table("orders"), options{}))
	must(t, w.Add(t.Context(), record(t, 0, `{"b":1}`)))
	must(t, w.Flush(t.Context(), sink.Checkpoint{}))
	if got := f.tables["orders"].schema; len(got) != 5 || got[0].Description != "of the customer" || got[1].Fields[0].Name != "x" {
		t.Errorf("the columns are %+v", got)
	}
}

// A server that does not answer holds nothing up for longer than Options.Timeout.
func TestSilentServersAreAnOutage(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	w := open(t, bigquery.New(f.table("orders"), options{Retry: weir.Retry{Attempts: 1}, Timeout: 3 * time.Second}))
	must(t, w.Add(t.Context(), record(t, 0, `{}`)))
	release := make(chan struct{})
	f.setFail(func(call, _ string) codes.Code {
		if call == "AppendRows" {
			<-release
		}
		return codes.OK
	})
	err := w.Flush(t.Context(), sink.Checkpoint{})
	close(release)
	if _, ok := errors.AsType[*weir.RetryLaterError](err); !ok || !strings.Contains(err.Error(), "no answer within 3s (Options.Timeout)") {
		t.Errorf("got %v", err)
	}
}
