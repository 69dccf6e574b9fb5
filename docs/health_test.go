package docs

import (
	"encoding/json"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// The snippets of health.md, for an App that does not run yet.
func TestHealthPageWorks(t *testing.T) {
	topology := stream.NewTopology()
	lines := stream.NewTopic("lines", codec.String(), codec.String())
	topology.From(lines).To(stream.NewTopic("words", codec.String(), codec.String()))
	config := runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Group: "health"}
	config.Listeners = runtime.Listeners{
		State:      func(s runtime.State) { log.Println("state", s) },
		Rebalance:  func(r runtime.Rebalance) { log.Println(r.Kind, r.Partitions, r.Took) },
		Restore:    func(r runtime.Restore) { log.Println(r.Task, r.Done, r.Remaining, r.Records, r.Took) },
		Checkpoint: func(c runtime.Checkpoint) { log.Println(c.Worker, c.Records, c.Took, c.Commit, c.Err) },
	}
	app, err := measured(topology, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/healthz", app.Healthz())
	mux.Handle("/readyz", app.Readyz())
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(app.Status())
	})
	for path, want := range map[string]struct {
		code int
		part string
	}{
		"/healthz": {http.StatusOK, `"ok":true`},
		"/readyz":  {http.StatusServiceUnavailable, `"code":"starting"`},
		"/status":  {http.StatusOK, `{"state":"starting"}`},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.part) {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
	}
}
