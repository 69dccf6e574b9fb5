package mongodb_test

import (
	"fmt"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/mongodb"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	documents := mongodb.New(mongodb.Options[string, order]{
		URI:        secret.New(os.Getenv("MONGODB_URI")),
		Database:   "shop",
		Collection: "orders",
	})
	t := stream.NewTopology()
	t.From(orders).Sink("orders in MongoDB", documents)
	fmt.Println(t.Validate())
	// Output: <nil>
}

// Each order is a document of its own, once.
func ExampleOffsetID() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	t := stream.NewTopology()
	t.From(orders).Sink("log of orders", mongodb.New(mongodb.Options[string, order]{
		URI: secret.New(os.Getenv("MONGODB_URI")), Database: "shop", Collection: "log",
		Mode: mongodb.Insert, ID: mongodb.OffsetID[string, order],
		Metadata: mongodb.Metadata{Key: "order", Time: "at"}, Unordered: true,
	}))
	fmt.Println(t.Validate())
	// Output: <nil>
}

// A record changes all products of a category.
func ExampleEqual() {
	type change struct {
		Discount float64 `json:"discount"`
	}
	changes := stream.NewTopic("changes", codec.String(), codec.JSON[change]())
	discounts := mongodb.New(mongodb.Options[string, change]{
		URI: secret.New(os.Getenv("MONGODB_URI")), Database: "shop", Collection: "products",
		Mode: mongodb.Merge, Many: true, NoUpsert: true,
		Filter: func(r *weir.Record[string, change]) (bson.D, error) {
			return bson.D{mongodb.Equal("category", r.Key)}, nil
		},
	})
	t := stream.NewTopology()
	t.From(changes).Sink("discounts", discounts)
	fmt.Println(t.Validate())
	// Output: <nil>
}
