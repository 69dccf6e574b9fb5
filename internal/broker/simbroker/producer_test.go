package simbroker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

func newProducer(t *testing.T, b *simbroker.Broker, cfg broker.ProducerConfig) broker.Producer {
	t.Helper()
	p, err := b.NewProducer(cfg)
	check(t, err)
	return p
}

func TestFlushAppendsWhatWasSent(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1, "b": 1})
	p := newProducer(t, b, broker.ProducerConfig{})
	check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "0"), record("k", "1")}))
	check(t, p.Send(t.Context(), tp("b", 0), []broker.Record{record("k", "0")}))
	check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "2")}))
	equal(t, "before Flush", contents(b, tp("a", 0)), []string(nil))
	if _, ok := p.LastOffset(tp("a", 0)); ok {
		t.Fatal("an offset before Flush")
	}
	check(t, p.Flush(t.Context()))
	equal(t, "after Flush", contents(b, tp("a", 0)), []string{"0:k=0", "1:k=1", "2:k=2"})
	last, ok := p.LastOffset(tp("a", 0))
	if last != 2 || !ok {
		t.Fatalf("last offset is %d, %v", last, ok)
	}
	check(t, p.Flush(t.Context()))
	equal(t, "after a second Flush", contents(b, tp("b", 0)), []string{"0:k=0"})
}

func TestSendAppendsIfItHasTo(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	p := newProducer(t, b, broker.ProducerConfig{BufferBytes: 4})
	check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "0")}))
	equal(t, "below BufferBytes", contents(b, tp("a", 0)), []string(nil))
	check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "1")}))
	equal(t, "at BufferBytes", contents(b, tp("a", 0)), []string{"0:k=0"})
	b.DeliverOnSend = true
	check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "2")}))
	equal(t, "with DeliverOnSend", contents(b, tp("a", 0)), []string{"0:k=0", "1:k=1", "2:k=2"})
}

func TestRecordsMustNotChangeBeforeFlush(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	p := newProducer(t, b, broker.ProducerConfig{})
	records := []broker.Record{record("k", "0")}
	check(t, p.Send(t.Context(), tp("a", 0), records))
	records[0].Value[0] = '1'
	mustPanic(t, "Flush", func() { _ = p.Flush(t.Context()) })
}

func TestAFailedDeliveryIsFinal(t *testing.T) {
	for _, test := range []struct {
		name   string
		tp     broker.TopicPartition
		record broker.Record
		is     error
		says   string
	}{
		{"unknown topic", tp("absent", 0), record("k", "v"), weir.ErrUnknownTopic, "absent[0]"},
		{"unknown partition", tp("a", 1), record("k", "v"), weir.ErrUnknownTopic, "a[1]"},
		{"large record", tp("a", 0), record("k", strings.Repeat("x", 10)), nil, "11 bytes"},
		{"no key for a compacted topic", tp("state", 0), broker.Record{Value: []byte("v")}, nil, "no key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, _ := newBroker(t, map[string]int32{"a": 1})
			create(t, b, "state", 1, map[string]string{"cleanup.policy": "compact"})
			p := newProducer(t, b, broker.ProducerConfig{MaxRecordBytes: 10})
			check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "before")}))
			check(t, p.Send(t.Context(), test.tp, []broker.Record{test.record}))
			check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "later")}))
			first := p.Flush(t.Context())
			delivery, ok := errors.AsType[*broker.DeliveryError](first)
			if !ok || delivery.TopicPartition != test.tp || !strings.Contains(first.Error(), test.says) {
				t.Fatalf("error is %v", first)
			}
			if test.is != nil && !errors.Is(first, test.is) {
				t.Fatalf("error is %v, want %v", first, test.is)
			}
			equal(t, "log", contents(b, tp("a", 0)), []string{"0:k=before"})
			if err := p.Flush(t.Context()); err != first {
				t.Fatalf("second Flush: %v", err)
			}
			if err := p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "v")}); err != first {
				t.Fatalf("later Send: %v", err)
			}
		})
	}
}

func TestCloseGivesUpWhatWasNotFlushed(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	p := newProducer(t, b, broker.ProducerConfig{})
	check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "v")}))
	check(t, p.Close())
	equal(t, "log", contents(b, tp("a", 0)), []string(nil))
	if err := p.Flush(t.Context()); err == nil {
		t.Fatal("a closed producer flushes")
	}
	if _, err := b.NewProducer(broker.ProducerConfig{Compression: "zip"}); err == nil {
		t.Fatal("an unknown compression was accepted")
	}
}
