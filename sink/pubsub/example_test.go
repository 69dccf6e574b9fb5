package pubsub_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/sink/pubsub"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Amount float64 `json:"amount"`
}

func Example() {
	orders := pubsub.New(pubsub.Project{ID: "shop"}, pubsub.Options[string, order]{Topic: "orders", Ordered: true, KeyAttribute: "customer"})
	t := stream.NewTopology()
	t.From(stream.NewTopic("orders", codec.String(), codec.JSON[order]())).Sink("to Pub/Sub", orders)
	fmt.Println(t.Validate())
	// Output: <nil>
}
