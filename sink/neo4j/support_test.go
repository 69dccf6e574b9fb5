package neo4j_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	driver "github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/neo4j"
)

// quickly are attempts for tests.
var quickly = weir.Retry{Attempts: 8, FirstWait: time.Millisecond}

// place is a label for the nodes of a test.
type place struct {
	address, password, label string
	driver                   driver.DriverWithContext
}

var places atomic.Int64

func newPlace(tb testing.TB) *place {
	tb.Helper()
	p := &place{
		address: os.Getenv("WEIR_TEST_NEO4J"), password: os.Getenv("WEIR_TEST_NEO4J_PASSWORD"),
		label: fmt.Sprintf("T%d_%d", time.Now().UnixNano(), places.Add(1)),
	}
	if p.address == "" {
		tb.Skip("needs Neo4j: go run github.com/weirstreams/weir/internal/testserver neo4j -- go test")
	}
	var err error
	p.driver, err = driver.NewDriverWithContext("bolt://"+p.address, driver.BasicAuth("neo4j", p.password, ""))
	must(tb, err)
	tb.Cleanup(func() { must(tb, p.driver.Close(context.Background())) })
	return p
}

// optionsOf returns options for nodes of a label.
func optionsOf[K, V any](p *place, label string) neo4j.Options[K, V] {
	o := queryOf[K, V](p, "")
	o.Label = label
	return o
}

// queryOf returns options for a query.
func queryOf[K, V any](p *place, query string) neo4j.Options[K, V] {
	return neo4j.Options[K, V]{URI: "bolt://" + p.address, User: "neo4j", Password: secret.New(p.password), Query: query, Retry: quickly}
}

// ask returns the rows of a query.
func (p *place) ask(tb testing.TB, query string, parameters map[string]any) [][]any {
	tb.Helper()
	result, err := driver.ExecuteQuery(context.Background(), p.driver, query, parameters, driver.EagerResultTransformer)
	must(tb, err)
	rows := [][]any{}
	for _, r := range result.Records {
		rows = append(rows, r.Values)
	}
	return rows
}

// number returns the only number that a query returns.
func (p *place) number(tb testing.TB, query string) int {
	tb.Helper()
	return int(p.ask(tb, query, nil)[0][0].(int64))
}

// nodes returns the properties of the nodes with a label, by their ids.
func (p *place) nodes(tb testing.TB, label string) map[any]map[string]any {
	tb.Helper()
	found := map[any]map[string]any{}
	for _, r := range p.ask(tb, "MATCH (n:"+neo4j.Quote(label)+") RETURN n.id, properties(n)", nil) {
		found[r[0]] = r[1].(map[string]any)
		delete(found[r[0]], "id")
	}
	return found
}

// task is a sink with a writer.
type task[K, V any] struct {
	tb     testing.TB
	writer sink.Writer[K, V]
	offset int64
	id     int64
}

func open[K, V any](tb testing.TB, o neo4j.Options[K, V]) *task[K, V] {
	tb.Helper()
	s := neo4j.New(o)
	must(tb, s.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, s.Close(context.Background())) })
	w, err := s.Writer(tb.Context(), sink.Task{Application: "app", Sink: "graph", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	must(tb, err)
	tb.Cleanup(func() { must(tb, w.Close()) })
	return &task[K, V]{tb: tb, writer: w}
}

func (t *task[K, V]) add(key K, value V) error {
	return t.addRecord(weir.Record[K, V]{Key: key, Value: value})
}

// addRecord adds a record with the next offset.
func (t *task[K, V]) addRecord(r weir.Record[K, V]) error {
	r.Millis, r.Origin = 1767225600000+t.offset, &weir.Origin{Topic: "input", Offset: t.offset}
	t.offset++
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
