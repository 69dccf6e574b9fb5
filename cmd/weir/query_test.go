package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/query"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// state get and state scan read a running program by its query service, with the headers that it asks for.
func TestTheStateOfARunningProgramIsRead(t *testing.T) {
	kafkatest.Parallel(t)
	cluster := kafkatest.Start(t)
	in := stream.NewTopic(cluster.Topic(t, "in", 1), codec.String(), codec.String())
	seen, kinds := store.NewCell[int]("seen"), store.NewMap[string, int]("kinds")
	topology := stream.NewTopology()
	type stores struct {
		seen  *store.Cell[int]
		kinds *store.Map[string, int]
	}
	both := store.Group(func(o *store.Opener) stores { return stores{o.Open(seen), o.Open(kinds)} })
	topology.From(in).MapState(both, func(s stores, kind string) int {
		n, _ := s.seen.Get()
		s.seen.Set(n + 1)
		of, _ := s.kinds.Get(kind)
		s.kinds.Set(kind, of+1)
		return n
	}).To(stream.NewTopic(cluster.Name("out"), codec.String(), codec.Int()))
	app, err := runtime.New(topology, runtime.Config{
		Connection: kafka.Connection{Brokers: cluster.Brokers}, Group: cluster.Name("group"), State: runtime.StateConfig{Dir: t.TempDir()},
		Topics: runtime.TopicConfig{Create: true}, Checkpoint: runtime.CheckpointConfig{Interval: 20 * time.Millisecond}, IgnoreSignals: true,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := query.Cells(seen, codec.String())
	service, err := query.NewService(app, query.ServiceOptions{
		Stores: []query.Published{rows, query.Maps(kinds, codec.String())},
		Authorize: func(r *http.Request) error {
			if r.Header.Get("Token") != "secret" {
				return errors.New("the token is wrong")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	producer, err := app.Producer(t.Context(), kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	record := func(key, kind string) weir.Record[string, string] {
		return weir.Record[string, string]{Key: key, Value: kind}
	}
	if err := errors.Join(producer.Send(t.Context(), in, record("a", "x"), record("b", "x"), record("a", "y"), record("c", "x")), producer.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	written := query.Position{in.Name(): producer.Position(in.Name())}
	if err := producer.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(query.Position{in.Name(): {0: 4}}, written); diff != "" {
		t.Error(diff)
	}
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := query.Get(t.Context(), service, rows, "a", query.Options{AtLeast: written}); err == nil {
			break
		} else if !errors.Is(err, weir.ErrBehind) && !errors.Is(err, weir.ErrMoved) && !errors.Is(err, weir.ErrRestoring) {
			t.Fatal(err)
		}
		<-again.C
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	t.Cleanup(other.Close)
	for arguments, want := range map[string]string{
		"scan seen":                   "PARTITION  KEY  FIELD  VALUE\n0          \"a\"         2\n0          \"b\"         1\n0          \"c\"         1\n",
		"scan seen --limit 2":         "PARTITION  KEY  FIELD  VALUE\n0          \"a\"         2\n0          \"b\"         1\nthe first 2 rows; --limit 0 prints all\n",
		"scan seen --limit 0 -o json": `{"partition":0,"key":"a","value":2}` + "\n" + `{"partition":0,"key":"b","value":1}` + "\n" + `{"partition":0,"key":"c","value":1}` + "\n",
		"get kinds a -o json":         `{"partition":0,"key":"a","field":"x","value":1}` + "\n" + `{"partition":0,"key":"a","field":"y","value":1}` + "\n",
		"get seen d":                  "weir: store \"seen\" has no row of key d\nexit 1\n",
		"get other a":                 "weir: unknown store \"other\": see /stores\nexit 1\n",
	} {
		if got := shell(t, t.TempDir(), "weir state "+arguments+" --header 'Token: secret' --url "+server.URL); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", arguments, got, want)
		}
	}
	for arguments, want := range map[string]string{
		"get seen a --url " + server.URL:              "weir: the token is wrong\nexit 1",
		"get seen a --url " + other.URL:               "is it the URL of a query service?\nexit 1",
		"get seen a --url ftp://host":                 "must begin with http",
		"get seen a --header x --url " + server.URL:   "is not like",
		"scan seen --dir state --url " + server.URL:   "exit 2",
		"scan seen --limit -1 --url " + server.URL:    "exit 2",
		"get seen a --url http://127.0.0.1:1 -o json": "refused",
	} {
		if got := shell(t, t.TempDir(), "weir state "+arguments); !strings.Contains(got, want) {
			t.Errorf("%s: %s", arguments, got)
		}
	}
}
