package elasticsearch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/elasticsearch"
)

var quickly = weir.Retry{Attempts: 3, FirstWait: 10 * time.Millisecond}

// engine is a server for a test, with a prefix of its indexes, and a gate in front of it.
type engine struct {
	address string
	gate    *gatetest.Gate
	prefix  string
}

var engines atomic.Int64

// newEngine returns the server of a variable.
func newEngine(tb testing.TB, variable string) *engine {
	tb.Helper()
	address := os.Getenv(variable)
	if address == "" {
		tb.Skip("needs servers: go run ./internal/testserver elasticsearch,opensearch -- go test ./sink/elasticsearch")
	}
	return &engine{address, gatetest.New(tb, address), fmt.Sprintf("t%d-%d-", time.Now().UnixNano(), engines.Add(1))}
}

// each runs a test on each server.
func each(t *testing.T, test func(t *testing.T, e *engine)) {
	for name, variable := range map[string]string{"Elasticsearch": "WEIR_TEST_ELASTICSEARCH", "OpenSearch": "WEIR_TEST_OPENSEARCH"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newEngine(t, variable))
		})
	}
}

// do makes a request and decodes its answer. It returns the status.
func (e *engine) do(tb testing.TB, method, path, body string, into any) int {
	tb.Helper()
	r, err := nethttp.NewRequest(method, e.address+path, strings.NewReader(body))
	must(tb, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	client := nethttp.Client{Timeout: time.Minute, Transport: &nethttp.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	must(tb, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	must(tb, err)
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			tb.Fatalf("%s %s: %s", method, path, data)
		}
	}
	return response.StatusCode
}

// create makes an index with mappings, and returns its name.
func (e *engine) create(tb testing.TB, name, mappings string) string {
	tb.Helper()
	if status := e.do(tb, "PUT", "/"+e.prefix+name, indexBody(mappings), nil); status != nethttp.StatusOK {
		tb.Fatalf("make %s: status %d", name, status)
	}
	return e.prefix + name
}

func indexBody(mappings string) string {
	return `{"settings":{"number_of_replicas":0,"number_of_shards":1,"refresh_interval":-1},"mappings":` + mappings + `}`
}

// found is a document with its id.
type found struct {
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// search returns the documents of an index, up to 10,000 of them.
func (e *engine) search(tb testing.TB, index string) []found {
	tb.Helper()
	if status := e.do(tb, "POST", "/"+index+"/_refresh", "", nil); status != nethttp.StatusOK {
		tb.Fatalf("refresh %s: status %d", index, status)
	}
	var answer struct{ Hits struct{ Hits []found } }
	e.do(tb, "GET", "/"+index+"/_search?size=10000&sort=_doc", "", &answer)
	return answer.Hits.Hits
}

// documents returns the documents of an index by their ids, as compact JSON.
func (e *engine) documents(tb testing.TB, index string) map[string]string {
	tb.Helper()
	all := map[string]string{}
	for _, f := range e.search(tb, index) {
		var text bytes.Buffer
		must(tb, json.Compact(&text, f.Source))
		all[f.ID] = text.String()
	}
	return all
}

// status answers with a status and headers.
func status(code int, headers ...string) nethttp.HandlerFunc {
	return func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"error":{"type":"of_the_gate","reason":"said the gate"}}`)
	}
}

// task is a sink with a writer.
type task[K, V any] struct {
	tb     testing.TB
	sink   sink.Sink[K, V]
	writer sink.Writer[K, V]
	offset int64
	id     int64
}

func open[K, V any](tb testing.TB, s sink.Sink[K, V]) *task[K, V] {
	tb.Helper()
	must(tb, s.Connect(tb.Context()))
	w, err := s.Writer(tb.Context(), sink.Task{Application: "app", Sink: "search", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	must(tb, err)
	t := &task[K, V]{tb: tb, sink: s, writer: w}
	tb.Cleanup(func() {
		must(tb, w.Close())
		must(tb, s.Close(tb.Context()))
	})
	return t
}

func (t *task[K, V]) add(key K, value V) error {
	t.offset++
	return t.addRecord(weir.Record[K, V]{Key: key, Value: value, Origin: &weir.Origin{Offset: t.offset - 1}})
}

func (t *task[K, V]) addRecord(r weir.Record[K, V]) error {
	r.Millis, r.Origin.Topic = 1767225600000+r.Origin.Offset, "input"
	return t.writer.Add(t.tb.Context(), &r)
}

func (t *task[K, V]) flush() error {
	t.id++
	return t.writer.Flush(t.tb.Context(), sink.Checkpoint{ID: t.id})
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// product is a document of the tests.
type product struct {
	Name  string `json:"name,omitempty"`
	Price int    `json:"price,omitempty"`
}

type options = elasticsearch.Options[string, product]
