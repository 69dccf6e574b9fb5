package simbroker_test

import (
	"errors"
	"testing"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

var errInjected = errors.New("injected")

// failOn makes the next call of a kind fail, before or after its effect.
func failOn(b *simbroker.Broker, kind simbroker.OpKind, after bool) {
	b.OnCall = func(op simbroker.Op) error {
		if op.Kind == kind && op.After == after {
			b.OnCall = nil
			return errInjected
		}
		return nil
	}
}

func injected(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, errInjected) {
		t.Fatalf("error is %v, want the injected one", err)
	}
}

func TestAHookStrikesBeforeOrAfterTheEffect(t *testing.T) {
	for _, after := range []bool{false, true} {
		lost := map[bool]string{false: "request lost", true: "acknowledgement lost"}[after]
		t.Run(lost, func(t *testing.T) {
			ctx := t.Context()
			b, _ := newBroker(t, map[string]int32{"a": 1})
			effect := func(what string, happened bool) {
				t.Helper()
				equal(t, what+" happened", happened, after)
			}

			failOn(b, simbroker.OpCreateTopics, after)
			injected(t, b.CreateTopics(ctx, broker.TopicSpec{Name: "b", Partitions: 1, Replication: -1}))
			effect("create topics", len(b.TopicNames()) == 2)

			p := newProducer(t, b, broker.ProducerConfig{})
			check(t, p.Send(ctx, tp("a", 0), []broker.Record{record("k", "v")}))
			failOn(b, simbroker.OpProduce, after)
			err := p.Flush(ctx)
			injected(t, err)
			if _, ok := errors.AsType[*broker.DeliveryError](err); !ok {
				t.Fatalf("error is %v, want a delivery error", err)
			}
			effect("produce", len(b.Read(tp("a", 0), 0)) == 1)
			if _, acked := p.LastOffset(tp("a", 0)); acked {
				t.Fatal("the producer knows of an acknowledgement")
			}

			p = newProducer(t, b, broker.ProducerConfig{})
			failOn(b, simbroker.OpFlush, after)
			before := len(b.Read(tp("a", 0), 0))
			check(t, p.Send(ctx, tp("a", 0), []broker.Record{record("k", "w")}))
			injected(t, p.Flush(ctx))
			effect("flush", len(b.Read(tp("a", 0), 0)) == before+1)
			check(t, p.Flush(ctx))
			equal(t, "records after the second flush", len(b.Read(tp("a", 0), 0)), before+1)

			f := newFetcher(t, b)
			f.Start(tp("a", 0), 0)
			failOn(b, simbroker.OpFetch, after)
			_, err = f.Poll(ctx, 0)
			injected(t, err)
			equal(t, "batches fetched after the fault", len(fetch(t, f)), 1)

			g := newMember(t, b, broker.GroupConfig{Group: "g", Topics: [][]string{{"a"}}})
			expect(t, g, "assigned a[0]").Done()
			failOn(b, simbroker.OpCommit, after)
			injected(t, g.Commit(ctx, map[broker.TopicPartition]int64{tp("a", 0): 1}, nil))
			effect("commit", len(b.Committed("g")) == 1)

			failOn(b, simbroker.OpPoll, after)
			_, err = g.Poll(ctx, 0)
			injected(t, err)
			_, err = g.Poll(ctx, 0)
			injected(t, err)
		})
	}
}

func TestAHookSeesWhoCallsAndWhat(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	var seen []simbroker.Op
	b.OnCall = func(op simbroker.Op) error {
		seen = append(seen, op)
		return nil
	}
	p := newProducer(t, b, broker.ProducerConfig{})
	check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "v")}))
	check(t, p.Flush(t.Context()))
	equal(t, "calls", seen, []simbroker.Op{
		{Kind: simbroker.OpNewProducer},
		{Kind: simbroker.OpNewProducer, After: true},
		{Kind: simbroker.OpSend, Client: "producer-1", TopicPartition: tp("a", 0)},
		{Kind: simbroker.OpSend, Client: "producer-1", TopicPartition: tp("a", 0), After: true},
		{Kind: simbroker.OpFlush, Client: "producer-1"},
		{Kind: simbroker.OpProduce, Client: "producer-1", TopicPartition: tp("a", 0)},
		{Kind: simbroker.OpProduce, Client: "producer-1", TopicPartition: tp("a", 0), After: true},
		{Kind: simbroker.OpFlush, Client: "producer-1", After: true},
	})
}

func TestAHookMayPanicAndMayUseTheBroker(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	p := newProducer(t, b, broker.ProducerConfig{})
	check(t, p.Send(t.Context(), tp("a", 0), []broker.Record{record("k", "v")}))
	b.OnCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpProduce && op.After {
			check(t, b.Append(tp("a", 0), record("k", "hook")))
			panic("crash")
		}
		return nil
	}
	mustPanic(t, "Flush", func() { _ = p.Flush(t.Context()) })
	b.OnCall = nil
	equal(t, "log", contents(b, tp("a", 0)), []string{"0:k=v", "1:k=hook"})
}
