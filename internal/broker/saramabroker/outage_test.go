package saramabroker_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestAClusterIsUnreachableUntilABrokerAnswers(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	f := brokertest.NewFlaky(t)
	c := f.Open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "outage", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 1)...)
	if since, ok := c.Unreachable(); ok {
		t.Errorf("unreachable since %s although it answers", since)
	}
	begun := time.Now()
	f.PerMille.Store(1000)
	if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(1, 1)); err != nil {
		t.Fatal(err)
	}
	ctx := brokertest.Within(t)
	var first time.Time
	for tries := 0; tries < 2 && ctx.Err() == nil; { // the time is that of the first failure
		since, ok := c.Unreachable()
		if ok && tries == 0 {
			first = since
			tries++
			begunFailures := f.Broken.Load()
			brokertest.Await(t, "more failures", func() bool { return f.Broken.Load() >= begunFailures+3 })
		} else if ok {
			tries++
			if !since.Equal(first) {
				t.Errorf("unreachable since %s, and then since %s", first, since)
			}
		}
	}
	if first.Before(begun) || first.After(time.Now()) {
		t.Errorf("unreachable since %s, want after %s", first, begun)
	}
	f.PerMille.Store(0)
	if err := p.Flush(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	if since, ok := c.Unreachable(); ok {
		t.Errorf("unreachable since %s although it answers again", since)
	}
}

func TestTheEndWaitsForTransactionsAndTheLatestOffsetDoesNot(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "latest", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("latest")})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 5)...)
	for at, want := range map[broker.OffsetAt]int64{broker.Earliest: 0, broker.End: 0, broker.Latest: 5} {
		got, err := c.Offsets(brokertest.Within(t), at, tp)
		if diff := cmp.Diff(map[broker.TopicPartition]int64{tp: want}, got); diff != "" || err != nil {
			t.Errorf("%d: %s %v", at, diff, err)
		}
	}
}
