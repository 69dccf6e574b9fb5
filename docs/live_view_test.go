package docs

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/view"
	"github.com/weirstreams/weir/stream"
)

// The snippet of live-view.md, for an App that does not run yet, with a peer that is not there.
func TestLiveViewPageWorks(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(stream.NewTopic("lines", codec.String(), codec.String())).To(stream.NewTopic("words", codec.String(), codec.String()))
	app, err := runtime.New(topology, runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Group: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/weir/", http.StripPrefix("/weir", view.Handler(app, view.Options{
		Peers: []string{"http://10.0.0.7:8080/weir/"},
		Token: os.Getenv("SHOP_VIEW_TOKEN"), // none: no buttons
	})))
	for _, path := range []string{"/weir/", "/weir/group.json", "/weir/view.js"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "member") {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
	}
}
