package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
	webhook "github.com/weirstreams/weir/source/http"
	"github.com/weirstreams/weir/source/sourcetest"
)

type (
	item   = sourcetest.Item
	record = weir.Record[*string, *string]
)

// chunk is how many items go with one request.
const chunk = 50

// decodeItems makes records of the items of a request.
func decodeItems(_ *http.Request, body []byte) (records []record, err error) {
	var items []item
	if err := json.Unmarshal(body, &items); err != nil {
		return nil, err
	}
	for _, i := range items {
		var r record
		r.Key, r.Value = i.Pointers()
		records = append(records, r)
	}
	return records, nil
}

// sender sends the items of a place in order, and again those without a success, to the process that takes requests.
type sender struct {
	mu    sync.Mutex
	items []item
	acked int
	to    []*webhook.Source[*string, *string] // of processes that run
	stop  func()                              // ends the sender with the last of them
}

// process is the source of a process.
type process struct {
	*webhook.Source[*string, *string]
	from *sender
}

func (p process) Close(ctx context.Context) error {
	s := p.from
	s.mu.Lock()
	s.to = slices.DeleteFunc(s.to, func(o *webhook.Source[*string, *string]) bool { return o == p.Source })
	last := len(s.to) == 0
	s.mu.Unlock()
	if last {
		s.stop()
	}
	return p.Source.Close(ctx)
}

// start returns the source of another process, which the sender sends to.
func (s *sender) start() process {
	to := webhook.New(webhook.Options[*string, *string]{Decode: decodeItems})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to = append(s.to, to); len(s.to) == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { s.run(ctx) })
		s.stop = func() { cancel(); running.Wait() }
	}
	return process{to, s}
}

// open returns the source of the process that takes requests, or nil.
func (s *sender) open(to []*webhook.Source[*string, *string]) *webhook.Source[*string, *string] {
	for _, source := range slices.Backward(to) {
		w := httptest.NewRecorder()
		source.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code == http.StatusNoContent {
			return source
		}
	}
	return nil
}

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond) // the pause that Retry-After asks for, in small
	defer tick.Stop()
	for ctx.Err() == nil {
		s.mu.Lock()
		sources, items, first := slices.Clone(s.to), s.items, s.acked
		s.mu.Unlock()
		if to := s.open(sources); to != nil {
			s.send(ctx, to, items[first:])
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// send sends items in several requests at a time, whose order is that of the items.
func (s *sender) send(ctx context.Context, to *webhook.Source[*string, *string], items []item) {
	var all sync.WaitGroup
	accepted := make([]bool, len(items)/chunk+1)
	for n := 0; n*chunk < len(items); n++ {
		before := to.Waiting()
		ended := make(chan bool, 1)
		all.Go(func() {
			accepted[n] = post(ctx, to, items[n*chunk:min((n+1)*chunk, len(items))])
			ended <- accepted[n]
		})
		queued := false
		for !queued && to.Waiting() <= before {
			select {
			case good := <-ended:
				if !good {
					n = len(items) // the next ones would come in front of it
				}
				queued = true
			default:
				runtime.Gosched()
			}
		}
	}
	all.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 0; n < len(accepted) && accepted[n]; n++ {
		s.acked += min(chunk, len(items)-n*chunk)
	}
}

func post(ctx context.Context, to http.Handler, items []item) bool {
	body, err := json.Marshal(items)
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	to.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(body)))
	return w.Code == http.StatusNoContent
}

func TestTheSourceKeepsThePromisesOfSources(t *testing.T) {
	t.Parallel()
	places := map[string]*sender{}
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(_ testing.TB, place string) source.Source[*string, *string] { return places[place].start() },
		Fill: func(_ testing.TB, place string, items []item) {
			if places[place] == nil {
				places[place] = &sender{}
			}
			s := places[place]
			s.mu.Lock()
			defer s.mu.Unlock()
			s.items = append(s.items, items...)
		},
		Item: func(r record) item { return sourcetest.OfPointers(r.Key, r.Value) },
		Once: true, Grows: true, Idle: 200 * time.Millisecond,
		Acknowledged: func(_ testing.TB, place string) int {
			s := places[place]
			for last := -1; ; {
				s.mu.Lock()
				acked := s.acked
				s.mu.Unlock()
				if acked == last {
					return acked
				}
				last = acked
				<-time.After(150 * time.Millisecond)
			}
		},
	})
}
