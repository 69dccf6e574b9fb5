package tdengine_test

import (
	"encoding/json"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
	"github.com/weirstreams/weir/sink/tdengine"
)

const password = "s3cret-of-the-sink"

var (
	quickly = weir.Retry{Attempts: 3, FirstWait: 10 * time.Millisecond}
	login   = tdengine.Basic("root", secret.New(password))
)

type options = tdengine.Options[string, map[string]any]

// fake is an HTTP API of taosAdapter, as its source and the documentation of TDengine 3 describe it.
type fake struct {
	*httptest.Server
	lines *influxtest.Fake

	mu        sync.Mutex        // guards what follows
	databases map[string]string // precisions by name
	answer    nethttp.HandlerFunc
	precision string // of the last request that wrote
}

func newFake(tb testing.TB) *fake {
	f := &fake{lines: influxtest.New(tb), databases: map[string]string{}}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	return f
}

// Points returns the points of a database, in any order.
func (f *fake) Points(database string) []*influxtest.Point { return f.lines.Points(database) }

// During answers requests that write in place of the fake until end is called.
func (f *fake) During(answer nethttp.HandlerFunc) (end func()) {
	set := func(answer nethttp.HandlerFunc) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.answer = answer
	}
	set(answer)
	return func() { set(nil) }
}

var create = regexp.MustCompile("^CREATE DATABASE IF NOT EXISTS `([^`]+)` PRECISION '(ms|us|ns)'$")

// ServeHTTP implements [nethttp.Handler].
func (f *fake) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if _, got, _ := r.BasicAuth(); got != password && r.URL.Query().Get("token") != password {
		w.WriteHeader(nethttp.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"code":855,"desc":"Authentication failure of `+r.URL.RawQuery+`"}`)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /rest/sql":
		statement, _ := io.ReadAll(r.Body)
		answer := map[string]any{"code": 0}
		if names := create.FindStringSubmatch(string(statement)); names != nil {
			if f.databases[names[1]] == "" {
				f.databases[names[1]] = names[2]
			}
		} else if string(statement) == "SELECT name, `precision` FROM information_schema.ins_databases" {
			rows := [][]any{{"information_schema", nil}}
			for name, precision := range f.databases {
				rows = append(rows, []any{name, precision})
			}
			answer["data"] = rows
		} else {
			answer = map[string]any{"code": 0x2600, "desc": "syntax error near " + string(statement)}
		}
		_ = json.NewEncoder(w).Encode(answer) // the client is gone
	case "POST /influxdb/v1/write":
		f.write(w, r)
	default:
		nethttp.NotFound(w, r)
	}
}

// write takes points. The adapter reads no compressed ones, and answers with 500 if the server says no.
func (f *fake) write(w nethttp.ResponseWriter, r *nethttp.Request) {
	if f.answer != nil {
		f.answer(w, r)
		return
	}
	query := r.URL.Query()
	f.precision = query.Get("precision")
	if f.databases[query.Get("db")] == "" {
		failure("[0x388] Database not exist")(w, r)
		return
	}
	if query.Get("table_name_key") != "__subtable" || r.Header.Get("Content-Encoding") != "" {
		w.WriteHeader(nethttp.StatusBadRequest)
		return
	}
	recorder := httptest.NewRecorder()
	f.lines.Write(recorder, r)
	if recorder.Code != nethttp.StatusNoContent {
		failure("[0x3002] Invalid data format, reason: "+recorder.Body.String())(w, r)
		return
	}
	w.WriteHeader(nethttp.StatusNoContent)
}

// failure answers as the adapter does if the server says no.
func failure(message string) nethttp.HandlerFunc {
	return func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.WriteHeader(nethttp.StatusInternalServerError)
		_ = json.NewEncoder(w).Encode(map[string]string{"code": "internal error", "message": message + " " + r.Header.Get("Authorization") + r.URL.RawQuery})
	}
}
