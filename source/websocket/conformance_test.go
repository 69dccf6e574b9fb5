package websocket_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/sourcetest"
	"github.com/weirstreams/weir/source/websocket"
)

func TestTheSourceKeepsThePromisesOfSources(t *testing.T) {
	for name, bounded := range map[string]bool{"messages that go on": false, "messages with an end": true} {
		t.Run(name, func(t *testing.T) {
			places := map[string]*server{}
			place := func(tb testing.TB, name string) *server {
				if places[name] == nil {
					places[name] = newServer(tb)
					places[name].ends = bounded
				}
				return places[name]
			}
			sourcetest.Run(t, sourcetest.System[*string, *string]{
				New: func(tb testing.TB, name string) source.Source[*string, *string] {
					o := numbered()
					o.StopAtClose = bounded
					return websocket.New(place(tb, name).address(), o)
				},
				Fill: func(tb testing.TB, name string, items []sourcetest.Item) {
					messages := make([]string, len(items))
					for i, item := range items {
						data, err := json.Marshal(item)
						if err != nil {
							tb.Fatal(err)
						}
						messages[i] = string(data)
					}
					place(tb, name).add(messages...)
				},
				Item:        func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
				Bounded:     bounded,
				Grows:       !bounded,
				Idle:        300 * time.Millisecond,
				Secrets:     []string{"t0ken-of-the-header", "t0ken-of-the-query"},
				Unreachable: refusing,
			})
			if len(places) < 5 {
				t.Error(len(places), "places were used")
			}
		})
	}
}

// refusing is a source of a server that refuses it, and says all that it has been told.
func refusing(tb testing.TB) source.Source[*string, *string] {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "access denied: "+r.Header.Get("Authorization")+" "+r.URL.String(), http.StatusForbidden)
	}))
	tb.Cleanup(s.Close)
	o := numbered()
	o.Auth = websocket.Bearer(secret.New("t0ken-of-the-header"))
	return websocket.New("ws"+strings.TrimPrefix(s.URL, "http")+"/?token=t0ken-of-the-query", o)
}
