package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/view"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

var screenshots = flag.String("screenshots", "", "a folder that the test of the browser writes pictures to")

// The page in Chromium, with an application that runs and topologies of several kinds. It needs
// go run ./internal/testserver browser,kafka -- go test -run Browser ./runtime/view
func TestThePageWorksInABrowser(t *testing.T) {
	program := os.Getenv("WEIR_TEST_CHROMIUM")
	if program == "" {
		t.Skip("WEIR_TEST_CHROMIUM is not set")
	}
	const token = "open sesame"
	pages := map[string]string{
		"running": serve(t, view.Handler(runBusy(t), view.Options{Member: "first", Token: token})),
		"many":    serve(t, view.Handler(idle(t, manyOperators()), view.Options{Member: "first"})),
		"kinds":   serve(t, view.Handler(idle(t, manyKinds()), view.Options{Member: "first", Peers: []string{"http://127.0.0.1:1/"}})),
	}
	arguments, err := json.Marshal(map[string]any{"pages": pages, "screenshots": *screenshots, "token": token})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "node", "testdata/browser.js", string(arguments)).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// idle returns an App that does not run.
func idle(t testing.TB, topology *stream.Topology) *runtime.App {
	t.Helper()
	app, err := runtime.New(topology, runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:1"}}, Group: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func topic(name string) stream.Topic[string, string] {
	return stream.NewTopic(name, codec.String(), codec.String())
}

// manyOperators returns a topology of about 200 operators: 20 sub-topologies in a chain with branches.
func manyOperators() *stream.Topology {
	topology := stream.NewTopology()
	for part := range 20 {
		s := topology.From(topic(fmt.Sprintf("in-%d", part)))
		for range 3 {
			for range 2 {
				s.Map(strings.ToUpper).To(topic(fmt.Sprintf("out-%d", part)))
			}
			s = s.Map(strings.ToLower)
		}
		s.To(topic(fmt.Sprintf("in-%d", part+1)))
	}
	return topology
}

// manyKinds returns a topology with stores, a window, repartitioning, and inputs that are merged.
func manyKinds() *stream.Topology {
	topology := stream.NewTopology()
	orders := topology.From(topic("orders"))
	again := orders.GroupByKey("again")
	again.Window(window.Tumbling(time.Minute)).Aggregate(window.Count[string]()).Final().Map(func(r window.Result[int64]) string { return strconv.FormatInt(r.Value, 10) }).To(topic("counts"))
	again.MapState(store.NewCell[int]("seen"), func(n *store.Cell[int], s string) string { n.Set(1); return s }).Merge(topology.From(topic("more"))).To(topic("all"))
	orders.Filter(func(s string) bool { return s != "" }).To(topic("all"))
	return topology
}

var errDeliberate = errors.New("a deliberate failure <b>with markup</b>")

// runBusy runs an application that gets a record each 20 ms, of which some fail, until the end of the test.
func runBusy(t *testing.T) *runtime.App {
	t.Helper()
	k := kafkatest.Start(t)
	in := k.Topic(t, "orders", 2)
	topology := stream.NewTopology()
	numbers := stream.NewTopic(in, codec.String(), codec.Int())
	n := 0
	topology.FromSource(source.Ticker(20*time.Millisecond, func(context.Context, time.Time) (weir.Record[string, int], error) {
		n++
		return weir.Record[string, int]{Key: strconv.Itoa(n % 10), Value: n}, nil
	}), numbers).
		FilterWith(func(_ context.Context, n int) (bool, error) {
			if n%20 == 19 {
				return false, errDeliberate
			}
			return true, nil
		}).
		MapState(store.NewCell[int]("sum"), func(sum *store.Cell[int], n int) int {
			s, _ := sum.Get()
			sum.Set(s + n)
			return s + n
		}).To(stream.NewTopic(k.Topic(t, "sums", 2), codec.String(), codec.Int()))
	app, err := runtime.New(topology, runtime.Config{
		Connection: kafka.Connection{Brokers: k.Brokers}, Group: k.Name("shop"), State: runtime.StateConfig{Dir: t.TempDir()},
		Checkpoint: runtime.CheckpointConfig{Interval: time.Second}, Errors: weir.ErrorPolicy{Action: weir.Skip}, IgnoreSignals: true,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the application has ended: %v", err)
		}
	})
	return app
}
