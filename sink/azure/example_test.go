package azure_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink/azure"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	archive := azure.New(azure.Container{Account: "company", Name: "archive", Prefix: "orders"}, azure.Options[string, order]{
		Folder:      file.ByColumns[string, order]("country"),
		Compression: format.Zstd,
	})
	t := stream.NewTopology()
	t.From(orders).Sink("archive", archive)
	fmt.Println(archive, t.Validate())
	// Output: objects in azblob://company/archive/orders <nil>
}
