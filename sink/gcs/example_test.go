package gcs_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/gcs"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	archive := gcs.New(gcs.Bucket{Name: "company-archive", Prefix: "orders"}, gcs.Options[string, order]{
		Folder:      file.ByColumns[string, order]("country"),
		Compression: format.Zstd,
	})
	t := stream.NewTopology()
	t.From(orders).Sink("archive", archive)
	fmt.Println(archive, t.Validate())
	// Output: objects in gs://company-archive/orders <nil>
}
