package saramabroker_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// Brokers create topics that a client asks for, unless the client says that they shall not, in each request.
func TestAskingForATopicDoesNotCreateIt(t *testing.T) {
	k := kafkatest.Start(t, kfake.AllowAutoTopicCreation()) // as Kafka does by default
	c := open(t, k)
	tp := broker.TopicPartition{Topic: k.Name("nobody-made-it")}
	if infos, err := c.Topics(within(t), tp.Topic); err != nil || len(infos) > 0 {
		t.Errorf("topics: %v, %v", infos, err)
	}
	if _, err := c.Offsets(within(t), broker.End, tp); err == nil {
		t.Error("an unknown topic has an end")
	}
	f := newFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	if batch, err := f.Poll(within(t), 200*time.Millisecond); batch != nil || err != nil {
		t.Errorf("poll: %v, %v", batch, err)
	}
	p := newProducer(t, c, broker.ProducerConfig{DeliveryTimeout: 500 * time.Millisecond})
	if err := p.Send(within(t), tp, numbered(0, 1)); err == nil {
		if err := p.Flush(within(t)); err == nil {
			t.Error("records were delivered to a topic that nobody made")
		}
	}
	if infos, err := c.Topics(within(t), tp.Topic); err != nil || len(infos) > 0 {
		t.Errorf("topics afterwards: %v, %v", infos, err)
	}
}
