package kinesis_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/source/kinesis"
	"github.com/weirstreams/weir/stream"
)

func Example() {
	type click struct {
		Page string `json:"page"`
	}
	clicks := kinesis.New(kinesis.Stream{Name: "clicks", Region: "eu-central-1"}, kinesis.Options[string, click]{Lanes: 4})
	t := stream.NewTopology()
	t.FromSource(clicks, stream.NewTopic("clicks", codec.String(), codec.JSON[click]())).To(stream.NewTopic("copies", codec.String(), codec.JSON[click]()))
	fmt.Println(t.Validate())
	// Output: <nil>
}
