package http_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/http"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type order struct {
	Customer string  `json:"customer"`
	Total    float64 `json:"total"`
}

func Example() {
	billing := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body) // the example shows what there is
		fmt.Printf("%s %s %s\n", r.Method, r.URL.Path, body)
	}))
	defer billing.Close()

	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	t := stream.NewTopology()
	t.From(orders).Sink("billing", http.New(billing.URL+"/v1/orders", http.Options[string, order]{
		Auth:       http.Bearer(secret.New("token")),
		MaxRecords: 100,
		Retry:      weir.Retry{Attempts: 3},
	}))

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		in := d.Input(orders)
		in.Send("a1", order{"north", 19.99}, time.UnixMilli(0))
		in.Send("a2", order{"south", 5}, time.UnixMilli(1))
	})
	fmt.Println(err)
	// Output:
	// POST /v1/orders [{"customer":"north","total":19.99},{"customer":"south","total":5}]
	// <nil>
}

// A bulk interface answers with a result for each item. Those that it has refused go to the error policy, one by one.
func ExampleOptions_refused() {
	options := http.Options[string, order]{
		Refused: func(a http.Answer) (refused sink.RecordErrors, err error) {
			var results []struct{ Error string }
			if err := json.Unmarshal(a.Body, &results); err != nil {
				return nil, err
			}
			for i, r := range results {
				if r.Error != "" {
					refused = append(refused, sink.RecordError{Index: i, Err: errors.New(r.Error)})
				}
			}
			return refused, nil
		},
	}
	refused, err := options.Refused(http.Answer{Status: 200, Body: []byte(`[{}, {"error": "no such customer"}]`), Records: 2})
	fmt.Println(refused, err)
	// Output: 1 records refused; record 1 of the batch: no such customer <nil>
}

// Each item is two lines for the bulk interface of a search engine.
func ExampleOptions_item() {
	options := http.Options[string, order]{
		Form: http.Lines,
		Item: func(dst []byte, r weir.Record[string, order]) ([]byte, error) {
			dst = fmt.Appendf(dst, `{"index":{"_id":%q}}`+"\n", r.Key)
			value, err := json.Marshal(r.Value)
			return append(dst, value...), err
		},
	}
	item, err := options.Item(nil, weir.Record[string, order]{Key: "a1", Value: order{"north", 5}})
	fmt.Println(string(item), err)
	// Output:
	// {"index":{"_id":"a1"}}
	// {"customer":"north","total":5} <nil>
}
