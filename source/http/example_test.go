package http_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	webhook "github.com/weirstreams/weir/source/http"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func Example() {
	hooks := webhook.New(webhook.Options[string, string]{
		Check: webhook.WithBearer(secret.New("t0ken")),
		Decode: func(r *http.Request, body []byte) ([]weir.Record[string, string], error) {
			return []weir.Record[string, string]{{Key: r.URL.Path, Value: string(body)}}, nil
		},
	})
	server := httptest.NewServer(hooks) // or Options.Address
	defer server.Close()

	t := stream.NewTopology()
	t.FromSource(hooks, stream.NewTopic("hooks", codec.String(), codec.String())).
		PeekRecord(func(_ context.Context, r weir.Record[string, string]) error {
			fmt.Println(r.Key, r.Value)
			return nil
		})

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.ReadSources(0) // opens the source
		answer := make(chan string)
		go func() {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/builds", strings.NewReader("build 17 is green"))
			if err != nil {
				answer <- err.Error()
				return
			}
			r.Header.Set("Authorization", "Bearer t0ken")
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				answer <- err.Error()
				return
			}
			_ = response.Body.Close()
			answer <- response.Status
		}()
		for d.ReadSources(1) == 0 {
		}
		d.Checkpoint()
		d.ReadSources(0) // tells the source of the commit
		fmt.Println(<-answer)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// /builds build 17 is green
	// 204 No Content
}
