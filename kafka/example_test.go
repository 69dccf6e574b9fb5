package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/stream"
)

// A program without a pipeline writes a record, and reads records of the same topic.
func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.Int64())
	config := kafka.Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}}

	_ = func(ctx context.Context) error {
		p, err := kafka.NewProducer(ctx, config, kafka.ProducerOptions{})
		if err != nil {
			return err
		}
		err = p.Send(ctx, orders, weir.Record[string, int64]{Key: "a1", Value: 1999, Millis: time.Now().UnixMilli()})
		return errors.Join(err, p.Flush(ctx), p.Close())
	}

	_ = func(ctx context.Context) error {
		c, err := kafka.NewConsumer(ctx, config, kafka.ConsumerOptions{Topics: []string{"orders"}, Group: "readers"})
		if err != nil {
			return err
		}
		m, err := c.Poll(ctx, time.Second)
		if m != nil {
			r, failed := kafka.Decode(orders, m)
			fmt.Println(r.Key, r.Value)
			err = errors.Join(err, failed)
		}
		return errors.Join(err, c.Close(ctx))
	}
}
