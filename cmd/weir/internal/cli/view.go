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

// runWithView runs the application and serves its live view, until the application ends. It prints the address.
func (s *Session) runWithView(ctx context.Context, app *runtime.App, address string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return Usagef("--view %s: %w", address, err)
	}
	server := &http.Server{
		Handler: view.Handler(app, view.Options{Token: os.Getenv(viewToken)}), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(s.Err, "live view at http://%s/\n", listener.Addr())
	err = errors.Join(app.Run(ctx), server.Close())
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}
