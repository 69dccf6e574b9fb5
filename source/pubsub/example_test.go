package pubsub_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/source/pubsub"
	"github.com/weirstreams/weir/stream"
)

func Example() {
	type order struct {
		Amount float64 `json:"amount"`
	}
	orders := pubsub.New(pubsub.Project{ID: "shop"}, pubsub.Options[string, order]{Subscription: "orders-to-kafka", Window: 5000})
	t := stream.NewTopology()
	t.FromSource(orders, stream.NewTopic("orders", codec.String(), codec.JSON[order]())).To(stream.NewTopic("copies", codec.String(), codec.JSON[order]()))
	fmt.Println(t.Validate())
	// Output: <nil>
}
