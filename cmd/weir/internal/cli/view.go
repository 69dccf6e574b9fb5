package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/view"
)

// viewToken is the variable with the token of the live view.
const viewToken = "WEIR_VIEW_TOKEN"

// page is a handler that a flag of the command run serves. An empty address serves nothing.
type page struct {
	flag, address, about string
	handler              http.Handler
}

// pages returns the handlers of an application at the addresses of the flags --view and --probes.
func pages(app *runtime.App, viewAddress, probesAddress string) []page {
	probes := http.NewServeMux()
	probes.Handle("/healthz", app.Healthz())
	probes.Handle("/readyz", app.Readyz())
	return []page{
		{"--view", viewAddress, "live view", view.Handler(app, view.Options{Token: os.Getenv(viewToken)})},
		{"--probes", probesAddress, "/healthz and /readyz", probes},
	}
}

// runWithPages runs the application and serves pages until it ends. It prints the address of each.
func (s *Session) runWithPages(ctx context.Context, app *runtime.App, pages []page) (err error) {
	for _, p := range pages {
		if p.address == "" {
			continue
		}
		listener, failed := new(net.ListenConfig).Listen(ctx, "tcp", p.address)
		if failed != nil {
			return Usagef("%s %s: %w", p.flag, p.address, failed)
		}
		server := &http.Server{Handler: p.handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		defer func() {
			closed := server.Close()
			failed := <-served
			if errors.Is(failed, http.ErrServerClosed) {
				failed = nil
			}
			err = errors.Join(err, closed, failed)
		}()
		fmt.Fprintf(s.Err, "%s at http://%s/\n", p.about, listener.Addr())
	}
	return app.Run(ctx)
}
