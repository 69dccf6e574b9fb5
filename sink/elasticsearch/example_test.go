package elasticsearch_test

import (
	"fmt"
	"os"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/elasticsearch"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	search := elasticsearch.New("https://search.example.com:9200", elasticsearch.Options[string, order]{
		Index:   "orders",
		Version: elasticsearch.OffsetVersion[string, order],
		Auth:    elasticsearch.APIKey(secret.New(os.Getenv("SEARCH_API_KEY"))),
	})
	t := stream.NewTopology()
	t.From(orders).Sink("search", search)
	fmt.Println(search, t.Validate())
	// Output: index orders at https://search.example.com:9200 <nil>
}

// A data stream of log lines, each once.
func ExampleOffsetID() {
	lines := stream.NewTopic("lines", codec.String(), codec.JSON[order]())
	logs := elasticsearch.New("https://search.example.com:9200", elasticsearch.Options[string, order]{
		Index:    "logs-orders",
		Mode:     elasticsearch.Append,
		ID:       elasticsearch.OffsetID[string, order],
		Metadata: elasticsearch.Metadata{Time: "@timestamp", Key: "order"},
		Gzip:     true,
	})
	t := stream.NewTopology()
	t.From(lines).Sink("logs", logs)
	fmt.Println(t.Validate())
	// Output: <nil>
}

// An index for each country, with a prefix that no value can leave.
func ExampleOptions() {
	o := elasticsearch.Options[string, order]{
		IndexOf: func(r *weir.Record[string, order]) (string, error) { return "orders-" + r.Value.Country, nil },
		Auth:    elasticsearch.Basic("writer", secret.New(os.Getenv("SEARCH_PASSWORD"))),
	}
	index, err := o.IndexOf(&weir.Record[string, order]{Value: order{Country: "de"}})
	fmt.Println(index, err)
	// Output: orders-de <nil>
}
