package clickhouse_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/clickhouse"
)

const password = "s3cret-of-the-sink"

var (
	quickly = weir.Retry{Attempts: 3, FirstWait: 10 * time.Millisecond}
	login   = clickhouse.Basic("writer", secret.New(password))
)

type options = clickhouse.Options[string, map[string]any]

// fake is an HTTP interface of ClickHouse with tables in memory, as far as the sink uses it. A request is written whole or not at all. Its error codes are
// those of chDB 4, which is ClickHouse's engine, for the same inserts.
type fake struct {
	*httptest.Server

	mu      sync.Mutex // guards what follows
	tables  map[string]*table
	answer  nethttp.HandlerFunc
	queries []map[string][]string // of requests with rows
}

// table has the types of its columns by their names. A type with a star is that of a column that the server computes.
type table struct {
	columns map[string]string
	rows    []map[string]any
	// places are the values of the column n by those of partition and offset.
	places map[[2]any]any
}

func newFake(tb testing.TB) *fake {
	f := &fake{tables: map[string]*table{}}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	return f
}

// create makes a table of the database default.
func (f *fake) create(name string, columns map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tables["`default`.`"+name+"`"] = &table{columns: columns, places: map[[2]any]any{}}
}

// rows returns the rows of a table.
func (f *fake) rows(name string) []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]map[string]any(nil), f.tables["`default`.`"+name+"`"].rows...)
}

// places returns the values of the column n by the places of their records: the rows that a ReplacingMergeTree keeps.
func (f *fake) places(name string) map[[2]any]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.tables["`default`.`"+name+"`"].places)
}

// during answers requests with rows in place of the fake until end is called.
func (f *fake) during(answer nethttp.HandlerFunc) (end func()) {
	set := func(answer nethttp.HandlerFunc) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.answer = answer
	}
	set(answer)
	return func() { set(nil) }
}

// ServeHTTP implements [nethttp.Handler].
func (f *fake) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if _, got, _ := r.BasicAuth(); got != password {
		exception(nethttp.StatusForbidden, 516, "writer: Authentication failed")(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	query := r.URL.Query()
	switch statement := query.Get("query"); {
	case strings.HasPrefix(statement, "SELECT name, type, default_kind FROM system.columns"):
		t := f.tables["`"+query.Get("param_database")+"`.`"+query.Get("param_table")+"`"]
		if t == nil {
			return
		}
		for name, kind := range t.columns {
			kind, computed := strings.CutSuffix(kind, "*")
			origin := ""
			if computed {
				origin = "MATERIALIZED"
			}
			_ = json.NewEncoder(w).Encode([3]string{name, kind, origin}) // the client is gone
		}
	case strings.HasPrefix(statement, "INSERT INTO "):
		f.insert(w, r, strings.TrimSuffix(strings.TrimPrefix(statement, "INSERT INTO "), " FORMAT JSONEachRow"))
	default:
		exception(nethttp.StatusBadRequest, 62, "Syntax error")(w, r)
	}
}

func (f *fake) insert(w nethttp.ResponseWriter, r *nethttp.Request, name string) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			w.WriteHeader(nethttp.StatusBadRequest)
			return
		}
		body = z
	}
	var rows []map[string]any
	for d := json.NewDecoder(body); ; {
		row := map[string]any{}
		err := d.Decode(&row)
		if err == io.EOF {
			break
		}
		if err != nil {
			exception(nethttp.StatusBadRequest, 117, "Cannot parse JSON object")(w, r)
			return
		}
		rows = append(rows, row)
	}
	t := f.tables[name]
	switch {
	case t == nil:
		exception(nethttp.StatusNotFound, 60, "Table "+name+" does not exist")(w, r)
		return
	case len(rows) == 0:
		exception(nethttp.StatusBadRequest, 108, "No data to insert")(w, r)
		return
	case f.answer != nil:
		f.answer(w, r)
		return
	}
	f.queries = append(f.queries, r.URL.Query())
	for i, row := range rows {
		for column, value := range row {
			_, isText := value.(string)
			switch kind := t.columns[column]; {
			case kind == "" && r.URL.Query().Get("input_format_skip_unknown_fields") == "1":
				delete(row, column)
			case kind == "":
				exception(nethttp.StatusBadRequest, 117, fmt.Sprintf("Unknown field found while parsing JSONEachRow format: %s: (at row %d)", column, i+1))(w, r)
				return
			case value != nil && kind == "Int64" && isText:
				exception(nethttp.StatusBadRequest, 27, fmt.Sprintf("Cannot parse input: expected a number: (while reading the value of key %s): (at row %d)", column, i+1))(w, r)
				return
			}
		}
	}
	t.rows = append(t.rows, rows...)
	for _, row := range rows {
		place := [2]any{row["partition"], row["offset"]}
		if n, again := t.places[place]; again && n != row["n"] {
			t.places[place] = "two values" // which no test expects
			continue
		}
		t.places[place] = row["n"]
	}
}

// exception answers as ClickHouse does.
func exception(status, code int, text string) nethttp.HandlerFunc {
	return func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("X-ClickHouse-Exception-Code", fmt.Sprint(code))
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "Code: %d. DB::Exception: %s. %s", code, text, r.Header.Get("Authorization"))
	}
}
