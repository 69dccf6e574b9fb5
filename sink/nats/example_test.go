package nats_test

import (
	"fmt"
	"os"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/nats"
	"github.com/weirstreams/weir/stream"
)

type measurement struct {
	Celsius float64 `json:"celsius"`
}

func Example() {
	measurements := stream.NewTopic("measurements", codec.String(), codec.JSON[measurement]())
	messages := nats.New(nats.Options[string, measurement]{
		URL:    secret.New(os.Getenv("NATS_URL")),
		Prefix: "sensors.",
		Stream: "SENSORS",
		ID:     nats.OffsetID[string, measurement],
	})
	t := stream.NewTopology()
	t.From(measurements).Sink("to NATS", messages)
	fmt.Println(t.Validate())
	// Output: <nil>
}
