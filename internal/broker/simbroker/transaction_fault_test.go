package simbroker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

func TestFaultsOfATransactionSayHowItEnded(t *testing.T) {
	for _, test := range []struct {
		kind  simbroker.OpKind
		after bool
		want  func(*testing.T, error)
		// committed says that records and offsets count, usable that Abort makes the producer usable again.
		committed, usable bool
	}{
		{kind: simbroker.OpCommitTransaction, want: wantAborted, usable: true},
		{kind: simbroker.OpProduce, want: wantAborted, usable: true},
		{kind: simbroker.OpProduce, after: true, want: wantAborted, usable: true},
		{kind: simbroker.OpAddOffsets, want: wantAborted, usable: true},
		{kind: simbroker.OpAddOffsets, after: true, want: wantAborted, usable: true},
		{kind: simbroker.OpEndTransaction, want: unknown},
		{kind: simbroker.OpEndTransaction, after: true, want: unknown, committed: true},
		{kind: simbroker.OpCommitTransaction, after: true, want: unknown, committed: true},
	} {
		t.Run(fmt.Sprint(test.kind, map[bool]string{true: ", acknowledgement"}[test.after]), func(t *testing.T) {
			ctx := t.Context()
			b, _ := newBroker(t, map[string]int32{"in": 1, "out": 1})
			g := member(t, b, "in")
			expect(t, g, "assigned in[0]").Done()
			p := transactional(t, b, "p")
			send(t, p, tp("out", 0), "1")
			failOn(b, test.kind, test.after)
			err := p.Commit(ctx, g.Member(), at("in", 0, 1), nil)
			injected(t, err)
			test.want(t, err)
			if test.usable {
				check(t, p.Abort(ctx))
				send(t, p, tp("out", 0), "2")
				check(t, p.Commit(ctx, g.Member(), at("in", 0, 2), nil))
				equal(t, "values", values(b, tp("out", 0)), []string{"2"})
				equal(t, "offsets", b.Committed("g"), at("in", 0, 2))
				return
			}
			test.want(t, p.Commit(ctx, g.Member(), at("in", 0, 1), nil))
			test.want(t, p.Abort(ctx))
			transactional(t, b, "p")
			equal(t, "committed", len(b.Read(tp("out", 0), 0)) == 1, test.committed)
			equal(t, "offsets", len(b.Committed("g")) == 1, test.committed)
		})
	}
}

func TestWhatIsLostOnTheWayIsSentAgainAndCountsOnce(t *testing.T) {
	for _, kind := range []simbroker.OpKind{simbroker.OpProduce, simbroker.OpAddOffsets, simbroker.OpEndTransaction, simbroker.OpInitProducer} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, map[bool]string{true: ", acknowledgement"}[after]), func(t *testing.T) {
				ctx := t.Context()
				b, _ := newBroker(t, map[string]int32{"in": 1, "out": 1})
				g := member(t, b, "in")
				expect(t, g, "assigned in[0]").Done()
				seen := 0
				b.OnCall = func(op simbroker.Op) error {
					if op.Kind == kind && op.After == after {
						if seen++; seen%3 != 0 { // twice in a row
							return simbroker.ErrLost
						}
					}
					return nil
				}
				p := transactional(t, b, "p")
				for i := range 3 {
					send(t, p, tp("out", 0), fmt.Sprint(i), fmt.Sprint(i)+"+")
					check(t, p.Commit(ctx, g.Member(), at("in", 0, int64(i+1)), nil))
				}
				send(t, p, tp("out", 0), "aborted")
				check(t, p.Flush(ctx))
				check(t, p.Abort(ctx))
				equal(t, "values", values(b, tp("out", 0)), []string{"0", "0+", "1", "1+", "2", "2+"})
				equal(t, "offsets", b.Committed("g"), at("in", 0, 3))
				if seen == 0 {
					t.Fatal("the hook did not see the call")
				}
			})
		}
	}
}

func TestAFencedProducerThatLostAnAnswerDoesNotKnow(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"out": 1})
	p := transactional(t, b, "p")
	send(t, p, tp("out", 0), "1")
	b.OnCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpEndTransaction && op.After {
			b.OnCall = nil
			transactional(t, b, "p")
			return simbroker.ErrLost
		}
		return nil
	}
	unknown(t, p.Commit(t.Context(), broker.GroupMember{}, nil, nil))
	equal(t, "values", values(b, tp("out", 0)), []string{"1"})
}

func TestAClientGivesUpWhenAllIsLost(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"out": 1})
	b.OnCall = func(simbroker.Op) error { return simbroker.ErrLost }
	if _, err := b.Topics(t.Context(), "out"); !errors.Is(err, weir.ErrUnavailable) {
		t.Fatalf("error is %v", err)
	}
}

func TestALateRequestOfAnEarlierTransactionIsRefused(t *testing.T) {
	ctx := t.Context()
	late := func(b *simbroker.Broker, kind simbroker.OpKind) {
		b.OnCall = func(op simbroker.Op) error {
			if op.Kind == kind {
				b.OnCall = nil
				return simbroker.ErrLate
			}
			return nil
		}
	}
	for _, kind := range []simbroker.OpKind{simbroker.OpProduce, simbroker.OpAddOffsets} {
		b, _ := newBroker(t, map[string]int32{"in": 1, "out": 1})
		g := member(t, b, "in")
		expect(t, g, "assigned in[0]").Done()
		p := transactional(t, b, "p")
		send(t, p, tp("out", 0), "1")
		late(b, kind)
		aborted(t, p.Commit(ctx, g.Member(), at("in", 0, 1), nil), false)
		check(t, p.Abort(ctx))
		send(t, p, tp("out", 0), "2")
		check(t, p.Flush(ctx))
		equal(t, "late requests", b.DeliverLate(), 1)
		commit(t, p)
		equal(t, "values", values(b, tp("out", 0)), []string{"2"})
		equal(t, "offsets", b.Committed("g"), map[broker.TopicPartition]int64{})
	}

	b, _ := newBroker(t, map[string]int32{"out": 1})
	p := transactional(t, b, "p")
	send(t, p, tp("out", 0), "1")
	late(b, simbroker.OpEndTransaction)
	unknown(t, p.Commit(ctx, broker.GroupMember{}, nil, nil))
	equal(t, "before it arrives", values(b, tp("out", 0)), []string(nil))
	b.DeliverLate()
	equal(t, "when it arrives", values(b, tp("out", 0)), []string{"1"})
	equal(t, "late requests", b.DeliverLate(), 0)
}

func TestWithoutATransactionALateRequestCountsTwice(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"out": 1})
	p := newProducer(t, b, broker.ProducerConfig{})
	send(t, p, tp("out", 0), "1")
	b.OnCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpProduce {
			return simbroker.ErrLate
		}
		return nil
	}
	if err := p.Flush(t.Context()); err == nil {
		t.Fatal("no error")
	}
	b.OnCall = nil
	p = newProducer(t, b, broker.ProducerConfig{})
	send(t, p, tp("out", 0), "1")
	check(t, p.Flush(t.Context()))
	b.DeliverLate()
	equal(t, "values", values(b, tp("out", 0)), []string{"1", "1"})
}

func TestACommitThatRunsOutOfTimeCanBeAborted(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"out": 1})
	p := transactional(t, b, "p")
	send(t, p, tp("out", 0), "1", "2")
	ctx, cancel := context.WithCancel(t.Context())
	b.OnCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpProduce {
			cancel()
		}
		return nil
	}
	err := p.Commit(ctx, broker.GroupMember{}, nil, nil)
	aborted(t, err, false)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
	check(t, p.Abort(t.Context()))
	send(t, p, tp("out", 0), "3")
	commit(t, p)
	equal(t, "values", values(b, tp("out", 0)), []string{"3"})
}
