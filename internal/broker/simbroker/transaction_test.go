package simbroker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

func TestRecordsOfATransactionAreSeenWhenItIsCommitted(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 2})
	b.DeliverOnSend = true
	f := newFetcher(t, b)
	f.Start(tp("a", 0), 0)
	f.Start(tp("a", 1), 0)
	p := transactional(t, b, "p")
	commit(t, p) // nothing to commit
	check(t, b.Append(tp("a", 0), record("k", "0")))
	send(t, p, tp("a", 0), "1")
	send(t, p, tp("a", 1), "1")
	check(t, b.Append(tp("a", 0), record("k", "2")))
	equal(t, "while the transaction is open", fetch(t, f), []string{"a[0] [0:k=0] 1/1"})
	equal(t, "end and latest", ends(t, b, tp("a", 0)), [2]int64{1, 3})
	commit(t, p)
	equal(t, "after commit", fetch(t, f), []string{"a[1] [0:k=1] 2/2", "a[0] [1:k=1 2:k=2] 4/4"})
	equal(t, "end and latest", ends(t, b, tp("a", 0)), [2]int64{4, 4})
	last, ok := p.LastOffset(tp("a", 0))
	equal(t, "last offset", fmt.Sprint(last, ok), "1 true")

	b.MaxBatchRecords = 1
	send(t, p, tp("a", 1), "2")
	commit(t, p)
	equal(t, "a marker by itself", fetch(t, f), []string{"a[1] [2:k=2] 3/4", "a[1] [] 4/4"})
}

func TestRecordsOfAnAbortedTransactionAreNeverSeen(t *testing.T) {
	b, clock := newBroker(t, nil)
	create(t, b, "a", 1, map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "0"})
	check(t, b.Append(tp("a", 0), record("k", "0")))
	p := transactional(t, b, "p")
	check(t, p.Abort(t.Context())) // nothing to abort
	b.DeliverOnSend = true
	send(t, p, tp("a", 0), "1")
	b.DeliverOnSend = false
	send(t, p, tp("a", 0), "not appended")
	check(t, p.Abort(t.Context()))
	equal(t, "after abort", contents(b, tp("a", 0)), []string{"0:k=0"})
	equal(t, "end and latest", ends(t, b, tp("a", 0)), [2]int64{3, 3})
	check(t, b.Compact("a"))
	equal(t, "after compaction", contents(b, tp("a", 0)), []string{"0:k=0"})

	send(t, p, tp("a", 0), "2")
	commit(t, p)
	clock.Advance(time.Second)
	equal(t, "the producer goes on", contents(b, tp("a", 0)), []string{"0:k=0", "3:k=2"})
	check(t, b.Compact("a"))
	equal(t, "after another compaction", contents(b, tp("a", 0)), []string{"3:k=2"})
}

func TestTransactionsOfSeveralProducersOverlap(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	b.DeliverOnSend = true
	one, two := transactional(t, b, "one"), transactional(t, b, "two")
	send(t, one, tp("a", 0), "1")
	send(t, two, tp("a", 0), "2")
	send(t, one, tp("a", 0), "3")
	commit(t, two)
	equal(t, "the second is committed, the first is open", contents(b, tp("a", 0)), []string(nil))
	check(t, one.Abort(t.Context()))
	equal(t, "the first is aborted", contents(b, tp("a", 0)), []string{"1:k=2"})
	send(t, one, tp("a", 0), "4")
	commit(t, one)
	equal(t, "the first has committed its next", contents(b, tp("a", 0)), []string{"1:k=2", "5:k=4"})
}

func TestANewProducerFencesTheOldOne(t *testing.T) {
	type use struct {
		name string
		use  func(broker.Producer) error
	}
	ctx := t.Context()
	more := func(p broker.Producer) { send(t, p, tp("a", 0), "zombie") }
	for _, test := range []use{
		{"send and flush", func(p broker.Producer) error { more(p); return p.Flush(ctx) }},
		{"send and commit", func(p broker.Producer) error { more(p); return p.Commit(ctx, broker.GroupMember{}, nil, nil) }},
		{"commit", func(p broker.Producer) error { return p.Commit(ctx, broker.GroupMember{}, nil, nil) }},
		{"abort", func(p broker.Producer) error { return p.Abort(ctx) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, _ := newBroker(t, map[string]int32{"a": 1})
			old := transactional(t, b, "p")
			send(t, old, tp("a", 0), "1")
			check(t, old.Flush(ctx))
			transactional(t, b, "other")
			p := transactional(t, b, "p")
			equal(t, "end and latest", ends(t, b, tp("a", 0)), [2]int64{2, 2})
			onlyFenced(t, test.use(old))
			onlyFenced(t, old.Flush(ctx))
			onlyFenced(t, old.Commit(ctx, broker.GroupMember{}, nil, nil))
			onlyFenced(t, old.Abort(ctx))
			check(t, old.Close())
			send(t, p, tp("a", 0), "2")
			commit(t, p)
			equal(t, "log", contents(b, tp("a", 0)), []string{"2:k=2"})
		})
	}
}

func TestATransactionThatTakesTooLongIsAborted(t *testing.T) {
	b, clock := newBroker(t, map[string]int32{"a": 1})
	p := newProducer(t, b, broker.ProducerConfig{TransactionalID: "p", TransactionTimeout: 10 * time.Second})
	clock.Advance(time.Hour)
	send(t, p, tp("a", 0), "1")
	check(t, p.Flush(t.Context()))
	clock.Advance(10*time.Second - 1)
	send(t, p, tp("a", 0), "2")
	check(t, p.Flush(t.Context()))
	equal(t, "just in time", ends(t, b, tp("a", 0)), [2]int64{0, 2})
	clock.Advance(1)
	equal(t, "too late", ends(t, b, tp("a", 0)), [2]int64{3, 3})
	onlyFenced(t, p.Commit(t.Context(), broker.GroupMember{}, nil, nil))
	equal(t, "log", contents(b, tp("a", 0)), []string(nil))
}

func TestCloseAbortsAndKillDoesNot(t *testing.T) {
	b, clock := newBroker(t, map[string]int32{"a": 1})
	p := transactional(t, b, "p")
	send(t, p, tp("a", 0), "1")
	check(t, p.Flush(t.Context()))
	check(t, p.Close())
	equal(t, "after Close", ends(t, b, tp("a", 0)), [2]int64{2, 2})

	p = transactional(t, b, "p")
	send(t, p, tp("a", 0), "2")
	check(t, p.Flush(t.Context()))
	b.Kill(p)
	check(t, p.Close())
	if err := p.Commit(t.Context(), broker.GroupMember{}, nil, nil); err == nil {
		t.Fatal("a killed producer commits")
	}
	equal(t, "after Kill", ends(t, b, tp("a", 0)), [2]int64{2, 3})
	clock.Advance(time.Minute)
	equal(t, "when the transaction took too long", ends(t, b, tp("a", 0)), [2]int64{4, 4})
}

func TestOffsetsAndRecordsCountTogether(t *testing.T) {
	ctx := t.Context()
	b, _ := newBroker(t, map[string]int32{"in": 2, "out": 1})
	g := member(t, b, "in")
	expect(t, g, "assigned in[0] in[1]").Done()
	p := transactional(t, b, "p")
	var during map[broker.TopicPartition]int64
	b.OnCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpAddOffsets && op.After {
			during = b.Committed("g")
		}
		return nil
	}
	check(t, p.Commit(ctx, g.Member(), at("in", 0, 1), nil))
	equal(t, "offsets before the end", during, map[broker.TopicPartition]int64{})
	equal(t, "offsets without records", b.Committed("g"), at("in", 0, 1))

	send(t, p, tp("out", 0), "1")
	check(t, p.Commit(ctx, g.Member(), at("in", 0, 2), nil))
	equal(t, "offsets", b.Committed("g"), at("in", 0, 2))
	equal(t, "records", contents(b, tp("out", 0)), []string{"0:k=1"})

	failOn(b, simbroker.OpEndTransaction, false)
	send(t, p, tp("out", 0), "2")
	unknown(t, p.Commit(ctx, g.Member(), at("in", 0, 3), nil))
	transactional(t, b, "p")
	equal(t, "offsets of an aborted transaction", b.Committed("g"), at("in", 0, 2))
	equal(t, "records of an aborted transaction", contents(b, tp("out", 0)), []string{"0:k=1"})
}

func TestAMemberThatIsStaleCannotCommitATransaction(t *testing.T) {
	ctx := t.Context()
	b, clock := newBroker(t, map[string]int32{"in": 2, "out": 1})
	one, two := member(t, b, "in"), member(t, b, "in")
	p := transactional(t, b, "p")
	send(t, p, tp("out", 0), "1")
	aborted(t, p.Commit(ctx, broker.GroupMember{Group: "absent"}, at("in", 0, 1), nil), true)
	check(t, p.Abort(ctx))
	expect(t, one, "assigned in[0] in[1]").Done()
	stale := one.Member()

	refused := func(why string, member broker.GroupMember) {
		t.Helper()
		send(t, p, tp("out", 0), why)
		err := p.Commit(ctx, member, at("in", 0, 1), nil)
		aborted(t, err, true)
		aborted(t, p.Flush(ctx), true)
		aborted(t, p.Commit(ctx, one.Member(), at("in", 0, 1), nil), true)
		check(t, p.Abort(ctx))
	}
	refused("unknown member", broker.GroupMember{Group: "g", MemberID: "x", Generation: 1})
	refused("no member", broker.GroupMember{Group: "g", Generation: -1})
	refused("unknown instance", broker.GroupMember{Group: "g", MemberID: stale.MemberID, Generation: 1, InstanceID: "x"})

	expect(t, two, "")
	check(t, p.Commit(ctx, stale, at("in", 0, 1), nil)) // while the group waits for one
	expect(t, one, "revoked in[1]").Done()
	refused("old generation", stale)
	check(t, p.Commit(ctx, one.Member(), at("in", 0, 2), nil))
	expect(t, two, "assigned in[1]").Done()

	last := one.Member()
	clock.Advance(6 * time.Second)
	expect(t, two, "")
	clock.Advance(6 * time.Second)
	expect(t, two, "assigned in[0]").Done()
	refused("expelled", last)
	refused("expelled, asked anew", one.Member())
	expect(t, one, "lost in[0]").Done()
	expect(t, one, "")
	expect(t, two, "revoked in[1]").Done()
	expect(t, one, "assigned in[1]").Done()

	// Kafka would take it, and move the offset of somebody else's partition.
	err := p.Commit(ctx, one.Member(), at("in", 0, 9), nil)
	unknown(t, err)
	equal(t, "offsets", b.Committed("g"), at("in", 0, 2))
	equal(t, "records", contents(b, tp("out", 0)), []string(nil))
}

func TestMarkersMayTakeTheirTime(t *testing.T) {
	ctx := t.Context()
	b, clock := newBroker(t, map[string]int32{"in": 1, "out": 2})
	g := member(t, b, "in")
	expect(t, g, "assigned in[0]").Done()
	b.MarkerDelay = func(tp broker.TopicPartition) time.Duration { return time.Duration(tp.Partition) * time.Second }
	p := transactional(t, b, "p")
	send(t, p, tp("out", 0), "1")
	send(t, p, tp("out", 1), "1")
	check(t, p.Commit(ctx, g.Member(), at("in", 0, 1), nil))
	equal(t, "offsets", b.Committed("g"), at("in", 0, 1))
	equal(t, "without delay", ends(t, b, tp("out", 0)), [2]int64{2, 2})
	equal(t, "with delay", ends(t, b, tp("out", 1)), [2]int64{0, 1})
	clock.Advance(time.Second)
	equal(t, "after the delay", ends(t, b, tp("out", 1)), [2]int64{2, 2})
	equal(t, "records", contents(b, tp("out", 1)), []string{"0:k=1"})

	send(t, p, tp("out", 1), "2")
	commit(t, p)
	equal(t, "with delay", ends(t, b, tp("out", 1)), [2]int64{2, 3})
	send(t, p, tp("out", 0), "3")
	check(t, p.Flush(ctx))
	equal(t, "when the next transaction has begun", ends(t, b, tp("out", 1)), [2]int64{4, 4})
	send(t, p, tp("out", 1), "4")
	commit(t, p)
	transactional(t, b, "p")
	equal(t, "when the id was taken over", contents(b, tp("out", 1)), []string{"0:k=1", "2:k=2", "4:k=4"})
}

// A transaction that has taken in offsets may still be committed when its member is long gone.
func TestCommittedOffsetsWaitForTransactions(t *testing.T) {
	for _, how := range []string{"committed", "aborted", "not waited for"} {
		t.Run(how, func(t *testing.T) {
			ctx := t.Context()
			b, clock := newBroker(t, map[string]int32{"in": 1, "out": 1})
			g := member(t, b, "in")
			expect(t, g, "assigned in[0]").Done()
			check(t, g.Commit(ctx, at("in", 0, 1), nil))
			p := transactional(t, b, "p")
			send(t, p, tp("out", 0), "1")
			var offsets map[broker.TopicPartition]int64
			b.OnCall = func(op simbroker.Op) (err error) {
				if op.Kind != simbroker.OpEndTransaction {
					return nil
				}
				b.OnCall = nil
				if how == "not waited for" {
					offsets, err = b.CommittedOffsets(ctx, "g", tp("in", 0))
					return err
				}
				return simbroker.ErrLate
			}
			err := p.Commit(ctx, g.Member(), at("in", 0, 2), nil)
			if how == "not waited for" {
				onlyFenced(t, err)
				equal(t, "offsets", offsets, at("in", 0, 1))
				return
			}
			unknown(t, err)
			waited := 0
			b.Wait = func(deadline time.Time) {
				if waited++; waited < 3 {
					return
				}
				if how == "committed" {
					b.DeliverLate()
				} else {
					clock.Set(deadline)
				}
			}
			offsets, err = b.CommittedOffsets(ctx, "g", tp("in", 0))
			check(t, err)
			want := map[string]map[broker.TopicPartition]int64{"committed": at("in", 0, 2), "aborted": at("in", 0, 1)}
			equal(t, "offsets", offsets, want[how])
			equal(t, "waits", waited, 3)
		})
	}
}

func TestOnlyATransactionalProducerCommits(t *testing.T) {
	b, _ := newBroker(t, nil)
	p := newProducer(t, b, broker.ProducerConfig{})
	if err := p.Commit(t.Context(), broker.GroupMember{}, nil, nil); err == nil {
		t.Fatal("Commit without a TransactionalID")
	}
	if err := p.Abort(t.Context()); err == nil {
		t.Fatal("Abort without a TransactionalID")
	}
}

func TestAnOversizedRecordAbortsItsTransaction(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"out": 1})
	p := newProducer(t, b, broker.ProducerConfig{TransactionalID: "p", MaxRecordBytes: 5})
	send(t, p, tp("out", 0), "1", "too long")
	err := p.Flush(t.Context())
	aborted(t, err, false)
	if _, ok := errors.AsType[*broker.DeliveryError](err); !ok {
		t.Fatalf("error is %v", err)
	}
	check(t, p.Abort(t.Context()))
	send(t, p, tp("out", 0), "2")
	commit(t, p)
	equal(t, "values", values(b, tp("out", 0)), []string{"2"})
}
