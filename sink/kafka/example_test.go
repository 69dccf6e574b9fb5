package kafka_test

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	sinkkafka "github.com/weirstreams/weir/sink/kafka"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func Example() {
	elsewhere, err := kfake.NewCluster(kfake.NumBrokers(1)) // another cluster
	if err != nil {
		fmt.Println(err)
		return
	}
	defer elsewhere.Close()
	connection := kafka.Connection{Brokers: elsewhere.ListenAddrs()}

	orders := stream.NewTopic("orders", codec.String(), codec.String())
	t := stream.NewTopology()
	t.From(orders).Sink("other-site", sinkkafka.New(orders, sinkkafka.Options[string, string]{
		Connection:    connection,
		Create:        &sinkkafka.NewTopic{Partitions: 1, Config: map[string]string{"retention.ms": "-1"}},
		OriginHeaders: true,
		Compression:   "zstd",
	}))

	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(orders).Send("a1", "3 apples", time.Now())
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := show(connection); err != nil {
		fmt.Println(err)
	}
	// Output:
	// a1: 3 apples
	// weir-origin-topic=orders
	// weir-origin-partition=0
	// weir-origin-offset=0
}

// show prints the first record of the topic.
func show(connection kafka.Connection) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := kafka.NewConsumer(ctx, kafka.Config{Connection: connection}, kafka.ConsumerOptions{Topics: []string{"orders"}, Group: "readers"})
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for {
		m, err := c.Poll(ctx, time.Second)
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		fmt.Printf("%s: %s\n", m.Key, m.Value)
		for _, h := range m.Headers {
			fmt.Printf("%s=%s\n", h.Key, h.Value)
		}
		return nil
	}
}
