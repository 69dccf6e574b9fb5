package kinesis_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/sink/kinesis"
	"github.com/weirstreams/weir/stream"
)

type click struct {
	Page string `json:"page"`
}

func Example() {
	clicks := kinesis.New(kinesis.Stream{Name: "clicks", Region: "eu-central-1"}, kinesis.Options[string, click]{NullKey: "nobody"})
	t := stream.NewTopology()
	t.From(stream.NewTopic("clicks", codec.String(), codec.JSON[click]())).Sink("to Kinesis", clicks)
	fmt.Println(t.Validate())
	// Output: <nil>
}
