package azure_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/source/azure"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	ID    string  `json:"id"`
	Total float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	archive := azure.New(azure.Container{Account: "company", Name: "archive", Prefix: "orders"}, azure.Options[string, order]{
		Format: format.JSONLines[string, order]{Plain: true},
		Key:    func(o order) (string, error) { return o.ID, nil },
		Watch:  true,
	})
	t := stream.NewTopology()
	t.AddSource(archive, orders)
	fmt.Println(archive, t.Validate())
	// Output: objects in azblob://company/archive/orders <nil>
}
