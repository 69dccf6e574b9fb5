package nats_test

import (
	"fmt"
	"os"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source/nats"
	"github.com/weirstreams/weir/stream"
)

func Example() {
	states := stream.NewTopic("states", codec.String(), codec.JSON[state]())
	messages := nats.New(nats.Options[string, state]{
		URL:      secret.New(os.Getenv("NATS_URL")),
		Stream:   "STATES",
		Subjects: []string{"states.>"},
	})
	t := stream.NewTopology()
	t.FromSource(messages, states).To(stream.NewTopic("copy", codec.String(), codec.JSON[state]()))
	fmt.Println(t.Validate())
	// Output: <nil>
}
