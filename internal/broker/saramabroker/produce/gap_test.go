package produce

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// A broker that has lost what it knew of the producer, or records that it had acknowledged, gets the next ones in a new
// epoch, as from the Java client.
func TestABrokerThatHasForgottenTheProducerGetsANewEpoch(t *testing.T) {
	for name, forget := range map[string]func(*fakeLog){
		"the producer": func(l *fakeLog) { l.known, l.strict, l.recent = false, true, nil },
		"records":      func(l *fakeLog) { l.values, l.next, l.recent = l.values[:5], 5, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeCluster(1, 1)
				c.limit = 1 << 30
				p := newProducer(broker.ProducerConfig{}, sarama.CompressionNone, c.network())
				defer p.Close()
				sendNumbers(t, p, 0, 10)
				c.mu.Lock()
				forget(c.logs[0])
				want := slices.Clone(c.logs[0].values)
				c.mu.Unlock()
				sendNumbers(t, p, 10, 10)
				sendNumbers(t, p, 20, 10)
				for i := range uint64(20) {
					want = append(want, 10+i)
				}
				if got := c.logs[0]; !slices.Equal(got.values, want) || got.epoch != 1 {
					t.Errorf("epoch %d holds %v, want epoch 1 with %v", got.epoch, got.values, want)
				}
			})
		})
	}
}

// A batch that may have been appended to what a broker has lost is neither repeated nor given up silently.
func TestABatchOfUnknownFateIsNotRepeatedInANewEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(1, 1)
		c.limit = 1 << 30
		p := newProducer(broker.ProducerConfig{}, sarama.CompressionNone, c.network())
		defer p.Close()
		sendNumbers(t, p, 0, 10)
		c.mu.Lock()
		c.onAppend = func(log *fakeLog) sarama.KError {
			c.onAppend = nil
			log.values, log.next, log.recent = log.values[:5], 5, nil
			return sarama.ErrRequestTimedOut
		}
		c.mu.Unlock()
		tp := broker.TopicPartition{Topic: "t"}
		if err := p.Send(t.Context(), tp, numbers(10, 10)); err != nil {
			t.Fatal(err)
		}
		err := p.Flush(t.Context())
		if delivery, ok := errors.AsType[*broker.DeliveryError](err); !ok || delivery.TopicPartition != tp {
			t.Errorf("got %v, want a delivery error", err)
		}
	})
}

// A delivery that takes too long ends the producer, and Flush then returns at once.
func TestADeliveryTimeoutIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(1, 1)
		c.limit = 1 << 30
		p := newProducer(broker.ProducerConfig{DeliveryTimeout: 20 * time.Second}, sarama.CompressionNone, c.network())
		defer p.Close()
		sendNumbers(t, p, 0, 10)
		c.mu.Lock()
		c.onAppend = func(*fakeLog) sarama.KError { return sarama.ErrNotEnoughReplicas }
		c.mu.Unlock()
		begun := time.Now()
		if err := p.Send(t.Context(), broker.TopicPartition{Topic: "t"}, numbers(10, 10)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			err := p.Flush(t.Context())
			if !errors.Is(err, weir.ErrUnavailable) || !errors.Is(err, sarama.ErrNotEnoughReplicas) {
				t.Errorf("got %v, want %v because of %v", err, weir.ErrUnavailable, sarama.ErrNotEnoughReplicas)
			}
		}
		if took := time.Since(begun); took != 20*time.Second {
			t.Errorf("it took %s, want 20s", took)
		}
	})
}

func sendNumbers(t *testing.T, p *producer, first uint64, n int) {
	t.Helper()
	if err := p.Send(t.Context(), broker.TopicPartition{Topic: "t"}, numbers(first, n)); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func numbers(first uint64, n int) []broker.Record {
	records := make([]broker.Record, n)
	for i := range records {
		records[i].Value = binary.BigEndian.AppendUint64(nil, first+uint64(i))
	}
	return records
}
