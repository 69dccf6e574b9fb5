package gcs_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/source/gcs"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	ID    string  `json:"id"`
	Total float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	archive := gcs.New(gcs.Bucket{Name: "company-archive", Prefix: "orders"}, gcs.Options[string, order]{
		Format: format.JSONLines[string, order]{Plain: true},
		Key:    func(o order) (string, error) { return o.ID, nil },
		Watch:  true,
	})
	t := stream.NewTopology()
	t.AddSource(archive, orders)
	fmt.Println(archive, t.Validate())
	// Output: objects in gs://company-archive/orders <nil>
}
