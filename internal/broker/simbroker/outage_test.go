package simbroker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

func TestAnOutageMakesCallsFailAndPollsReturnNothing(t *testing.T) {
	ctx := t.Context()
	b, clock := newBroker(t, map[string]int32{"a": 1})
	fill(t, b, tp("a", 0), 1)
	g, f := member(t, b, "a"), newFetcher(t, b)
	expect(t, g, "assigned a[0]").Done()
	f.Start(tp("a", 0), 0)
	p := newProducer(t, b, broker.ProducerConfig{})
	if _, ok := b.Unreachable(); ok {
		t.Fatal("unreachable before the outage")
	}

	clock.Advance(time.Second)
	b.StopBrokers()
	clock.Advance(time.Hour)
	b.StopBrokers()
	since, ok := b.Unreachable()
	if !ok || !since.Equal(start.Add(time.Second)) {
		t.Fatalf("unreachable since %v, %v", since, ok)
	}
	equal(t, "batches", fetch(t, f), []string(nil))
	expect(t, g, "")
	_, topics := b.Topics(ctx, "a")
	_, fetcher := b.NewFetcher(broker.FetcherConfig{})
	send(t, p, tp("a", 0), "v")
	for what, err := range map[string]error{
		"topics": topics, "fetcher": fetcher, "flush": p.Flush(ctx), "commit": g.Commit(ctx, at("a", 0, 1), nil),
	} {
		if !errors.Is(err, weir.ErrUnavailable) {
			t.Errorf("%s: error is %v", what, err)
		}
	}

	b.StartBrokers()
	b.StartBrokers()
	if _, ok := b.Unreachable(); ok {
		t.Fatal("unreachable after the outage")
	}
	expect(t, g, "")
	check(t, g.Commit(ctx, at("a", 0, 1), nil))
	equal(t, "batches", fetch(t, f), []string{"a[0] [0:k=0] 1/1"})
}

func TestAShortOutageIsWaitedFor(t *testing.T) {
	b, clock := newBroker(t, map[string]int32{"a": 1})
	p := newProducer(t, b, broker.ProducerConfig{})
	send(t, p, tp("a", 0), "1")
	b.StopBrokers()
	b.Wait = func(time.Time) {
		clock.Advance(time.Minute)
		b.StartBrokers()
	}
	check(t, p.Flush(t.Context()))

	b.StopBrokers()
	b.Wait = func(time.Time) { clock.Advance(time.Minute) }
	send(t, p, tp("a", 0), "2")
	if err := p.Flush(t.Context()); !errors.Is(err, weir.ErrUnavailable) {
		t.Fatalf("error is %v", err)
	}
	equal(t, "time waited", clock.Now().Sub(start), 3*time.Minute)
	equal(t, "log", contents(b, tp("a", 0)), []string{"0:k=1"})
}
