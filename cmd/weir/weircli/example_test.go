package weircli_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/weirstreams/weir/cmd/weir/weircli"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

func topology() *stream.Topology {
	t := stream.NewTopology()
	t.From(stream.NewTopic("lines", codec.String(), codec.String())).
		Map(strings.ToUpper).
		To(stream.NewTopic("loud", codec.String(), codec.String()))
	return t
}

func Example() {
	config := runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Group: "loud"}
	args := []string{"topology", "show", "--format", "mermaid"}
	code := weircli.Run(context.Background(), "loud", topology(), config, args, os.Stdin, os.Stdout, os.Stderr)
	fmt.Println("exit code", code)
	// Output:
	// flowchart LR
	//   t1(["lines"])
	//   t2(["loud"])
	//   subgraph p1 ["lines"]
	//     n1["source lines"]
	//     n2["map-1"]
	//     n3["sink loud"]
	//   end
	//   t1 --> n1
	//   n1 --> n2
	//   n2 --> n3
	//   n3 --> t2
	// exit code 0
}
