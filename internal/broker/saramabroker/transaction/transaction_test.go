package transaction_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
)

func TestATransactionIsSeenAsAWholeOrNotAtAll(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "txn", 3)
	group := k.Name("txn-group")
	input := broker.TopicPartition{Topic: k.Topic(t, "txn-input", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("txn"), Compression: "lz4"})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	seen := make(map[int32][]string)
	var want []string
	for i := range int32(3) {
		f.Start(broker.TopicPartition{Topic: topic, Partition: i}, 0)
	}
	for round := range 6 {
		for i := range int32(3) {
			if err := p.Send(brokertest.Within(t), broker.TopicPartition{Topic: topic, Partition: i}, brokertest.Numbered(round*10, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if round%2 == 1 {
			if round == 3 { // what was acknowledged before the abort is not seen either
				if err := p.Flush(brokertest.Within(t)); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Abort(brokertest.Within(t)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want = append(want, brokertest.Values(brokertest.Numbered(round*10, 10))...)
		err := p.Commit(brokertest.Within(t), broker.GroupMember{Group: group, Generation: -1}, map[broker.TopicPartition]int64{input: int64(round)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range int32(3) {
			for len(seen[i]) < len(want) {
				batch := brokertest.Poll(t, f)
				seen[batch.Partition] = append(seen[batch.Partition], brokertest.Values(batch.Records)...)
				batch.Release()
			}
		}
		for i := range int32(3) {
			if diff := cmp.Diff(want, seen[i]); diff != "" {
				t.Fatalf("partition %d after round %d: %s", i, round, diff)
			}
		}
		got, err := c.CommittedOffsets(brokertest.Within(t), group, input)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[broker.TopicPartition]int64{input: int64(round)}, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestOffsetsAloneMakeATransaction(t *testing.T) {
	k, c := brokertest.Start(t)
	group := k.Name("offsets-only")
	input := broker.TopicPartition{Topic: k.Topic(t, "offsets-only", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("txn")})
	if err := p.Commit(brokertest.Within(t), broker.GroupMember{Group: group, Generation: -1}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Abort(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	for offset := range int64(3) {
		want := map[broker.TopicPartition]int64{input: offset}
		text := fmt.Sprintf("note %d", offset)
		detail := broker.CommitDetail{LeaderEpoch: int32(offset) - 1, Metadata: text}
		if err := p.Commit(brokertest.Within(t), broker.GroupMember{Group: group, Generation: -1}, want, broker.CommitDetails{input: detail}); err != nil {
			t.Fatal(err)
		}
		got, err := c.Commits(brokertest.Within(t), group, input)
		if diff := cmp.Diff(map[broker.TopicPartition]broker.Commit{input: {Offset: offset, CommitDetail: detail}}, got); diff != "" || err != nil {
			t.Fatal(diff, err)
		}
	}
}

func TestAProducerThatWasTakenOverFromIsFenced(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "zombie", 1)}
	group := broker.GroupMember{Group: k.Name("zombie"), Generation: -1}
	for name, use := range map[string]func(broker.Producer) error{
		"commit": func(p broker.Producer) error { return p.Commit(brokertest.Within(t), group, nil, nil) },
		"commit offsets": func(p broker.Producer) error {
			return p.Commit(brokertest.Within(t), group, map[broker.TopicPartition]int64{tp: 1}, nil)
		},
		"abort": func(p broker.Producer) error { return p.Abort(brokertest.Within(t)) },
		"send": func(p broker.Producer) error {
			err := errors.Join(p.Send(brokertest.Within(t), tp, brokertest.Numbered(100, 1)), p.Flush(brokertest.Within(t)))
			if errors.Is(err, broker.ErrAborted) { // kfake notices only that the transaction has ended
				err = p.Abort(brokertest.Within(t))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := k.Name("zombie")
			zombie := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: id})
			brokertest.Send(t, zombie, tp, brokertest.Numbered(0, 5)...)
			heir := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: id})
			if err := heir.Flush(brokertest.Within(t)); err != nil { // waits until the zombie is fenced
				t.Fatal(err)
			}
			// The client has no text for one of the codes that say so.
			if err := use(zombie); !errors.Is(err, weir.ErrFenced) || strings.Contains(err.Error(), "how did this happen") {
				t.Errorf("got %v, want %v", err, weir.ErrFenced)
			}
			if err := zombie.Send(brokertest.Within(t), tp, brokertest.Numbered(0, 1)); !errors.Is(err, weir.ErrFenced) {
				t.Errorf("send after that: got %v, want %v", err, weir.ErrFenced)
			}
			brokertest.Send(t, heir, tp, brokertest.Numbered(7, 1)...)
			if err := heir.Commit(brokertest.Within(t), group, nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	latest, err := c.Offsets(brokertest.Within(t), broker.Latest, tp)
	if err != nil {
		t.Fatal(err)
	}
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	if diff := cmp.Diff([]string{"7", "7", "7", "7"}, brokertest.ReadTo(t, f, tp, latest[tp])); diff != "" {
		t.Error(diff)
	}
}

func TestOffsetsOfAMemberThatIsNoneAbortTheTransaction(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "stale", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("stale")})
	group := k.Name("stale")
	for round, member := range []broker.GroupMember{
		{Group: group, MemberID: "nobody", Generation: 3},
		{Group: group, MemberID: "nobody", Generation: 3, InstanceID: "static"},
	} {
		brokertest.Send(t, p, tp, brokertest.Numbered(round, 1)...)
		err := p.Commit(brokertest.Within(t), member, map[broker.TopicPartition]int64{tp: 1}, nil)
		if !errors.Is(err, broker.ErrAborted) || !errors.Is(err, weir.ErrFenced) {
			t.Fatalf("got %v, want %v and %v", err, broker.ErrAborted, weir.ErrFenced)
		}
		if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(0, 1)); !errors.Is(err, broker.ErrAborted) {
			t.Fatalf("send before the abort: got %v, want %v", err, broker.ErrAborted)
		}
		if err := p.Abort(brokertest.Within(t)); err != nil {
			t.Fatal(err)
		}
	}
	brokertest.Send(t, p, tp, brokertest.Numbered(9, 1)...)
	if err := p.Commit(brokertest.Within(t), broker.GroupMember{Group: group, Generation: -1}, map[broker.TopicPartition]int64{tp: 1}, nil); err != nil {
		t.Fatal(err)
	}
	brokertest.WantCommitted(t, c, tp, "9")
}

func TestATransactionThatStaysOpenForTooLongIsFenced(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "slow", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("slow"), TransactionTimeout: 200 * time.Millisecond})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 3)...)
	ctx := brokertest.Within(t)
	for { // the cluster looks for such transactions brokertest.Now and then
		ends, err := c.Offsets(ctx, broker.End, tp)
		if err != nil {
			t.Fatal(err)
		}
		if ends[tp] == 4 { // the records and the mark of the abort
			break
		}
	}
	if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); !errors.Is(err, weir.ErrFenced) {
		t.Errorf("got %v, want %v", err, weir.ErrFenced)
	}
	brokertest.WantCommitted(t, c, tp)
}

func TestCloseAbortsAnOpenTransaction(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "close", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("close")})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 3)...)
	p.Close()
	if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(0, 1)); err == nil {
		t.Error("a closed producer sends")
	}
	brokertest.WantCommitted(t, c, tp)
}

func TestARefusedRecordAbortsTheTransactionOnly(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "refused", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("refused")})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 3)...)
	err := p.Send(brokertest.Within(t), tp, []broker.Record{{Value: make([]byte, 1<<20+1)}}) // the cluster finds it too large
	if err == nil {
		err = p.Flush(brokertest.Within(t))
	}
	if _, ok := errors.AsType[*broker.DeliveryError](err); !ok || !errors.Is(err, broker.ErrAborted) {
		t.Fatalf("got %v, want a delivery error and %v", err, broker.ErrAborted)
	}
	if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); !errors.Is(err, broker.ErrAborted) {
		t.Fatalf("got %v, want %v", err, broker.ErrAborted)
	}
	if err := p.Abort(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	brokertest.Send(t, p, tp, brokertest.Numbered(5, 2)...)
	if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	brokertest.WantCommitted(t, c, tp, "5", "6")
}

func TestATransactionThatCouldNotFlushInTimeHasToBeAborted(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "canceled", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{TransactionalID: k.Name("canceled")})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 3)...)
	if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(3, 3)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Commit(ctx, broker.GroupMember{}, nil, nil); !errors.Is(err, broker.ErrAborted) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v and %v", err, broker.ErrAborted, context.Canceled)
	}
	if err := p.Abort(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	brokertest.Send(t, p, tp, brokertest.Numbered(8, 2)...)
	if err := p.Commit(brokertest.Within(t), broker.GroupMember{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	brokertest.WantCommitted(t, c, tp, "8", "9")
}
