package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/query"
	"github.com/weirstreams/weir/window"
)

// queriesLimit is the greatest share of the CPU time that queriesPerSecond may take.
const (
	queriesLimit     = 0.05
	queriesPerSecond = 1000
)

var queriesCost = cost{"queries", "queried", "windowed", isQuery}

// queriedWindowed is weirWindowed with queries: of ten, nine ask for the open windows of an airport, and one for 100 windows of any.
func queriedWindowed(ctx context.Context, j *job) (measurement, error) {
	j.queried = true
	return weirWindowed(ctx, j)
}

// airports are keys of the windows.
var airports = []string{"ATL", "ORD", "DFW", "DEN", "LAX", "PHX", "IAH", "LAS", "DTW", "SFO"}

// ask makes queriesPerSecond queries until the returned function is called, which returns an error unless they were answered.
func ask(ctx context.Context, app *runtime.App) (end func() error) {
	windows := query.Windows(window.Tumbling(windowSize), delays(), codec.String())
	from := query.Local(app)
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	var failed error
	asked, answered := 0, 0
	asking.Go(func() {
		began := time.Now()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			for due := int(time.Since(began).Seconds() * queriesPerSecond); asked < due; asked++ {
				var err error
				if airport := airports[asked%len(airports)]; asked%10 > 0 {
					_, err = query.Fields(ctx, from, windows, airport, query.Span[time.Time]{}, query.Options{})
				} else {
					_, err = query.Scan(ctx, from, windows, query.Span[string]{}, query.Options{})
				}
				switch {
				case err == nil:
					answered++
				case ctx.Err() == nil && !errors.Is(err, weir.ErrMoved) && !errors.Is(err, weir.ErrRestoring) && !errors.Is(err, weir.ErrNotOwner):
					failed = err
					return
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() error {
		cancel()
		asking.Wait()
		if failed == nil && 2*answered < asked {
			failed = fmt.Errorf("%d of %d queries were answered", answered, asked)
		}
		return failed
	}
}

// isQuery reports whether code of queries runs at a place of a stack.
func isQuery(l *profile.Location) bool {
	return slices.ContainsFunc(l.Line, func(line profile.Line) bool { return strings.Contains(line.Function.Name, "weir/runtime/query.") })
}
