package s3_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/s3"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	archive := s3.New(s3.Bucket{Name: "company-archive", Prefix: "orders", Region: "eu-central-1"}, s3.Options[string, order]{
		Folder:      file.ByColumns[string, order]("country"),
		Compression: format.Zstd,
	})
	t := stream.NewTopology()
	t.From(orders).Sink("archive", archive)
	fmt.Println(archive, t.Validate())
	// Output: objects in s3://company-archive/orders <nil>
}

// A service other than AWS, with credentials of its own.
func ExampleBucket() {
	fmt.Println(s3.New(s3.Bucket{
		Name: "archive", Endpoint: "http://127.0.0.1:9000", PathStyle: true, AccessKey: "weir", SecretKey: secret.New("from a file"),
	}, s3.Options[string, order]{}))
	// Output: objects in s3://archive
}
