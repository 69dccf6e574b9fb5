package docs

import (
	"fmt"

	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

func Example_acceptAChange() {
	config := runtime.Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Group: "prices"}
	config.Accept = []stream.Change{{Kind: stream.StateOrphaned, Topic: "changelog__prices--trades--last"}}
	fmt.Println(config.Accept[0].Kind)
	// Output:
	// state orphaned
}
