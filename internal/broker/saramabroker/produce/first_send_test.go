package produce

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// The first records for a topic wait for brokers that are away as all others do.
func TestTheFirstSendToATopicOutlastsAnOutage(t *testing.T) {
	for _, test := range []struct {
		name   string
		outage time.Duration
		fails  bool
	}{
		{"short", time.Minute, false},
		{"longer than the delivery may take", 5 * time.Minute, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeCluster(1, 1)
				c.limit = 1 << 30
				network := c.network()
				over := time.Now().Add(test.outage)
				size := network.topicSize
				network.topicSize = func(ctx context.Context, topic string) (int32, error) {
					if time.Now().Before(over) {
						time.Sleep(10 * time.Second) // which is how long the client tries
						return 0, fmt.Errorf("%w: nobody is there", weir.ErrUnavailable)
					}
					return size(ctx, topic)
				}
				p := newProducer(broker.ProducerConfig{DeliveryTimeout: 2 * time.Minute}, sarama.CompressionNone, network)
				defer p.Close()
				err := p.Send(t.Context(), broker.TopicPartition{Topic: "t"}, numbers(0, 10))
				if err == nil {
					err = p.Flush(t.Context())
				}
				if _, ok := errors.AsType[*broker.DeliveryError](err); ok != test.fails || err != nil && !errors.Is(err, weir.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
