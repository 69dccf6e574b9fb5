package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/view"
)

var viewCost = cost{"an open page", "viewed", "stateless", isView}

// viewedStateless is weirStateless with an open page of the live view.
func viewedStateless(ctx context.Context, j *job) (measurement, error) {
	j.viewed = true
	return weirStateless(ctx, j)
}

// openPage makes the requests of a page until the returned function is called: it asks once a second.
func openPage(ctx context.Context, app *runtime.App) (end func()) {
	handler := view.Handler(app, view.Options{})
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			for _, path := range []string{"/group.json", "/tables"} {
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		asking.Wait()
	}
}

// isView reports whether code of the page runs at a place of a stack, or the code that counts calls of operators.
func isView(l *profile.Location) bool {
	return slices.ContainsFunc(l.Line, func(line profile.Line) bool {
		name := line.Function.Name
		return strings.Contains(name, "weir/runtime/view.") || strings.Contains(name, "weir/operator.(*Env).Enter")
	})
}
