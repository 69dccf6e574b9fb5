package http_test

import (
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/http"
	"github.com/weirstreams/weir/sink/sinktest"
)

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	s := newService(t)
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			return http.New(s.URL+"/"+place, options())
		},
		Record: func(i sinktest.Item) (*string, *string) {
			return i.Pointers()
		},
		Read: func(_ testing.TB, place string) (items []sinktest.Item) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, e := range s.taken["/"+place] {
				items = append(items, sinktest.OfPointers(e.Key, e.Value))
			}
			return items
		},
		Refused: func() (*string, *string) {
			key, value := "k", poison
			return &key, &value
		},
		Push: func(testing.TB, string) func() {
			return s.during(status(nethttp.StatusServiceUnavailable, "Retry-After", "7"))
		},
		Break:   func(testing.TB, string) func() { return s.during(hangUp) },
		Secrets: []string{token, "k3y"},
		Unreachable: func(testing.TB) sink.Sink[*string, *string] {
			o := options()
			o.Auth = http.Basic("user", secret.New(token))
			closed := newService(t)
			closed.Close()
			return http.New(closed.URL+"/path?key=k3y", o)
		},
	})
	if !strings.HasPrefix(s.URL, "http://127.0.0.1") {
		t.Errorf("the service is at %s", s.URL)
	}
}
