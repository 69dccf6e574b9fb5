package stream_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// A topology is declared, and runs elsewhere: in an App, or as here in the test kit.
func Example() {
	messages := stream.NewTopic("messages", codec.String(), codec.String())
	long := stream.NewTopic("long-words", codec.String(), codec.String())

	t := stream.NewTopology()
	t.From(messages).
		FlatMap(strings.Fields).
		Filter(func(word string) bool { return len(word) > 4 }).
		To(long)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(messages).Send("chat", "a weir holds the river", time.UnixMilli(0))
		fmt.Println(d.Output(long).Values())
	})
	fmt.Println(err)
	// Output:
	// [holds river]
	// <nil>
}
