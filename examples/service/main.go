// Command service is a pipeline with all that an operator needs behind HTTP: /healthz and /readyz for probes, /status, /metrics for
// Prometheus, and /pause and /resume, which want a token.
//
//	go run ./examples/service
package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/prometheus"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Sale is one line of a receipt. The key is the till.
type Sale struct {
	Article string `json:"article"`
	Cents   int64  `json:"cents"`
}

var (
	sales    = stream.NewTopic("sales", codec.String(), codec.JSON[Sale]())
	turnover = stream.NewTopic("turnover", codec.String(), codec.Int64())
)

func topology() *stream.Topology {
	t := stream.NewTopology()
	t.From(sales).
		GroupBy("article", func(s Sale) string { return s.Article }).
		Aggregate("turnover", window.Sum(func(s Sale) int64 { return s.Cents })).
		To(turnover)
	return t
}

// handler returns the endpoints of an App. Those that change something want the header "Authorization: Bearer TOKEN".
func handler(app *runtime.App, metrics http.Handler, token string) http.Handler {
	guarded := func(f func(r *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 0 {
				http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
				return
			}
			if err := f(r); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", app.Healthz())
	mux.Handle("GET /readyz", app.Readyz())
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(app.Status())
	})
	mux.HandleFunc("POST /pause", guarded(func(r *http.Request) error {
		return app.Pause(r.Context(), runtime.Scope{Topic: r.FormValue("topic")}, r.FormValue("reason"))
	}))
	mux.HandleFunc("POST /resume", guarded(func(r *http.Request) error {
		return app.Resume(runtime.Scope{Topic: r.FormValue("topic")})
	}))
	return mux
}

// serve runs the App and its endpoints until one of them fails or the context ends.
func serve(ctx context.Context, app *runtime.App, listener net.Listener, endpoints http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{Handler: endpoints, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() {
		defer cancel() // without probes the process would be restarted anyway
		served <- server.Serve(listener)
	}()
	err := app.Run(ctx)
	err = errors.Join(err, server.Close())
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// program serves, and is the operator as well.
func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	exporter, err := prometheus.New()
	if err != nil {
		return err
	}
	defer func() { _ = exporter.Close(context.WithoutCancel(ctx)) }()
	config.MeterProvider = exporter.MeterProvider()
	config.Checkpoint.Interval = 100 * time.Millisecond
	app, err := runtime.New(topology(), config)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "localhost:0")
	if err != nil {
		return err
	}
	const token = "not a secret: this is an example"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	if err := local.Feed(ctx, app, sales, weir.Record[string, Sale]{Key: "till 1", Value: Sale{"bread", 320}, Millis: time.Now().UnixMilli()}); err != nil {
		return err
	}
	go func() { served <- serve(ctx, app, listener, handler(app, exporter.Handler(), token)) }()

	o := operator{url: "http://" + listener.Addr().String(), token: token, out: out}
	err = errors.Join(
		o.await(ctx, "/readyz", func(status int, _ string) bool { return status == http.StatusOK }),
		o.await(ctx, "/metrics", func(_ int, page string) bool { return strings.Contains(page, "weir_lag{") }),
		o.post(ctx, "/pause?topic=sales&reason=stocktaking", ""),
		o.post(ctx, "/pause?topic=sales&reason=stocktaking", token),
		o.await(ctx, "/status", func(_ int, page string) bool { return strings.Contains(page, "stocktaking") }),
		o.post(ctx, "/resume?topic=sales", token),
		o.await(ctx, "/status", func(_ int, page string) bool { return !strings.Contains(page, "stocktaking") }),
	)
	cancel()
	return errors.Join(err, <-served)
}

func main() { local.Main("service", program) }
