package fetch_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
)

func TestAFetcherIsClosedWhileABrokerIsSilent(t *testing.T) {
	k, c := brokertest.StartFake(t, "leaves requests without an answer, which takes kfake")
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	asked := make(chan struct{})
	k.Cluster().ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(asked)
		return nil, nil, true
	})
	f.Start(broker.TopicPartition{Topic: k.Topic(t, "silent", 1)}, 0)
	<-asked
	begun := time.Now()
	f.Close()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("closing took %s", took)
	}
	if _, err := f.Poll(brokertest.Within(t), time.Hour); err == nil {
		t.Error("a closed fetcher polls")
	}
}

func TestAFetcherDoesNotAskAgainAndAgain(t *testing.T) {
	k, c := brokertest.StartFake(t, "counts requests, which takes kfake")
	topic := k.Topic(t, "idle", 3)
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{MaxWait: 100 * time.Millisecond})
	for i := range int32(3) {
		brokertest.Send(t, p, broker.TopicPartition{Topic: topic, Partition: i}, brokertest.Numbered(0, 3)...)
	}
	// One partition is read to its end, one up to an open transaction, and one is paused.
	x := newTransactions(t, k, broker.TopicPartition{Topic: topic, Partition: 1})
	x.begin(3, 1)
	brokertest.AwaitHighWatermark(t, k, x.tp, 4)
	for i := range int32(3) {
		f.Start(broker.TopicPartition{Topic: topic, Partition: i}, 0)
	}
	for range 3 {
		brokertest.Poll(t, f).Release()
	}
	f.Pause(broker.TopicPartition{Topic: topic, Partition: 2})
	var requests atomic.Int32
	k.Cluster().ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		requests.Add(1)
		return nil, nil, false
	})
	if batch, err := f.Poll(brokertest.Within(t), 500*time.Millisecond); batch != nil || err != nil {
		t.Error(batch, err)
	}
	if n := requests.Load(); n > 10 {
		t.Errorf("%d fetches in half a second while there was nothing to read", n)
	}
	x.abort()
}
