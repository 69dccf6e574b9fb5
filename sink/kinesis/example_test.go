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
	clicks := stream.NewTopic("clicks", codec.String(), codec.JSON[click]())
	t := stream.NewTopology()
	t.From(clicks).Sink("to Kinesis", kinesis.New(
		kinesis.Stream{Name: "clicks", Region: "eu-central-1"}, kinesis.Options[string, click]{NullKey: "nobody"},
	))
	fmt.Println(t.Validate())
	// Output: <nil>
}
