package view_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/view"
)

// A program serves the page of its App on the loopback interface, under a path of its own.
func Example() {
	_ = func(ctx context.Context, app *runtime.App) error {
		mux := http.NewServeMux()
		mux.Handle("/weir/", http.StripPrefix("/weir", view.Handler(app, view.Options{
			Peers: []string{"http://10.0.0.7:8080/weir/"},
			Token: os.Getenv("SHOP_VIEW_TOKEN"), // none: no buttons
		})))
		server := &http.Server{Addr: "localhost:8080", Handler: mux, ReadHeaderTimeout: time.Second}
		go func() { _ = server.ListenAndServe() }()
		return errors.Join(app.Run(ctx), server.Close())
	}
}
