package kafka_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func Example() {
	elsewhere, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "orders")) // another cluster
	if err != nil {
		fmt.Println(err)
		return
	}
	defer elsewhere.Close()
	orders := stream.NewTopic("orders", codec.String(), codec.String())
	connection := kafka.Connection{Brokers: elsewhere.ListenAddrs()}
	if err := fill(connection, orders); err != nil {
		fmt.Println(err)
		return
	}

	t := stream.NewTopology()
	t.FromSource(sourcekafka.New(orders, sourcekafka.Options[string, string]{
		Connection: connection,
		StopAtEnd:  true,
		ByKey:      true,
	}), stream.SourceTopic[string, string]("orders")).Print(stream.PrintOptions{OneLine: true, To: os.Stdout})

	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		fmt.Println(d.ReadSourcesToEnd(), "records")
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"value":"3 apples"}
	// 1 records
}

func fill(connection kafka.Connection, orders kafka.Topic[string, string]) error {
	ctx := context.Background()
	p, err := kafka.NewProducer(ctx, kafka.Config{Connection: connection}, kafka.ProducerOptions{})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Send(ctx, orders, weir.Record[string, string]{Key: "a1", Value: "3 apples", Millis: time.Now().UnixMilli()}); err != nil {
		return err
	}
	return p.Flush(ctx)
}

// A copy of the records of a week, with the name of their first place in headers.
func ExampleOptions() {
	const place = "kafka.other-site.example:9092"
	orders := stream.NewTopic("orders", codec.Bytes(), codec.Bytes())
	t := stream.NewTopology()
	t.AddSourceWith(source.Options{Name: "orders-of-the-other-site", Slots: 16}, sourcekafka.New(orders, sourcekafka.Options[[]byte, []byte]{
		Connection:    kafka.Connection{Brokers: []string{place}},
		Start:         sourcekafka.At(time.Now().AddDate(0, 0, -7)),
		OriginHeaders: true,
		OnLost:        sourcekafka.LostSkips,
	}), orders)
	fmt.Println(t.Validate())
	// Output: <nil>
}
