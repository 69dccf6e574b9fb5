package simbroker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

func written(records []broker.Record) []string {
	var lines []string
	for _, r := range records {
		line := fmt.Sprintf("%d:%s", r.Offset, r.Key)
		if r.Value != nil {
			line += "=" + string(r.Value)
		}
		lines = append(lines, line)
	}
	return lines
}

func newFetcher(t *testing.T, b *simbroker.Broker) broker.Fetcher {
	t.Helper()
	f, err := b.NewFetcher(broker.FetcherConfig{})
	check(t, err)
	return f
}

// fetch polls until there is nothing, and writes each batch as "topic[partition] records next/end".
func fetch(t *testing.T, f broker.Fetcher) []string {
	t.Helper()
	var batches []string
	for {
		batch, err := f.Poll(t.Context(), 0)
		check(t, err)
		if batch == nil {
			return batches
		}
		batches = append(batches, fmt.Sprintf("%s %v %d/%d", batch.TopicPartition, written(batch.Records), batch.NextOffset, batch.EndOffset))
		batch.Release()
	}
}

func fill(t *testing.T, b *simbroker.Broker, tp broker.TopicPartition, count int) {
	t.Helper()
	for i := range count {
		check(t, b.Append(tp, record("k", fmt.Sprint(i))))
	}
}

func TestFetcherIsFairAndBatchesAreBounded(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 2, "b": 1})
	b.MaxBatchRecords = 2
	fill(t, b, tp("a", 0), 5)
	fill(t, b, tp("b", 0), 3)
	f := newFetcher(t, b)
	f.Start(tp("a", 0), 0)
	f.Start(tp("a", 1), 0)
	f.Start(tp("b", 0), 1)
	equal(t, "batches", fetch(t, f), []string{
		"a[0] [0:k=0 1:k=1] 2/5",
		"b[0] [1:k=1 2:k=2] 3/3",
		"a[0] [2:k=2 3:k=3] 4/5",
		"a[0] [4:k=4] 5/5",
	})
	fill(t, b, tp("a", 1), 1)
	equal(t, "batches of a partition that was empty", fetch(t, f), []string{"a[1] [0:k=0] 1/1"})
}

func TestFetcherFollowsStartStopPauseResumeAndWake(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1, "b": 1})
	b.MaxBatchRecords = 1
	fill(t, b, tp("a", 0), 2)
	fill(t, b, tp("b", 0), 2)
	f := newFetcher(t, b)
	f.Start(tp("a", 0), 0)
	f.Start(tp("b", 0), 0)
	f.Pause(tp("a", 0))
	equal(t, "while a is paused", fetch(t, f), []string{"b[0] [0:k=0] 1/2", "b[0] [1:k=1] 2/2"})
	f.Start(tp("a", 0), 1)
	equal(t, "a starts elsewhere while paused", fetch(t, f), []string(nil))
	f.Start(tp("b", 0), 1)
	f.Resume(tp("a", 0))
	equal(t, "a resumed, b starts again", fetch(t, f), []string{"a[0] [1:k=1] 2/2", "b[0] [1:k=1] 2/2"})

	f.Start(tp("a", 0), 0)
	f.Wake()
	equal(t, "woken", fetch(t, f), []string(nil))
	f.Stop(tp("b", 0))
	f.Start(tp("b", 0), 0)
	f.Stop(tp("a", 0))
	equal(t, "a stopped", fetch(t, f), []string{"b[0] [0:k=0] 1/2", "b[0] [1:k=1] 2/2"})

	check(t, f.Close())
	if _, err := f.Poll(t.Context(), 0); err == nil {
		t.Fatal("a closed fetcher polls")
	}
}

func TestStopKeepsTheOrderOfTurns(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 3})
	f := newFetcher(t, b)
	for partition := range int32(3) {
		fill(t, b, tp("a", partition), 1)
		f.Start(tp("a", partition), 0)
	}
	batch, err := f.Poll(t.Context(), 0)
	check(t, err)
	batch.Release()
	f.Stop(tp("a", 0))
	f.Stop(tp("a", 0))
	equal(t, "the others", fetch(t, f), []string{"a[1] [0:k=0] 1/1", "a[2] [0:k=0] 1/1"})
}

func TestFetcherWaitsForATopicThatDoesNotExistYet(t *testing.T) {
	b, _ := newBroker(t, nil)
	f := newFetcher(t, b)
	f.Start(tp("late", 0), 0)
	equal(t, "before", fetch(t, f), []string(nil))
	create(t, b, "late", 1, nil)
	fill(t, b, tp("late", 0), 1)
	equal(t, "after", fetch(t, f), []string{"late[0] [0:k=0] 1/1"})
}

func TestFetcherMovesOverHoles(t *testing.T) {
	b, _ := newBroker(t, nil)
	create(t, b, "state", 1, map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "0"})
	state := tp("state", 0)
	check(t, b.Append(state, record("a", "1"), record("b", "1"), record("a", "2"), broker.Record{Key: []byte("b")}))
	check(t, b.Compact("state"))
	check(t, b.Compact("state"))
	f := newFetcher(t, b)
	f.Start(state, 0)
	equal(t, "from the start", fetch(t, f), []string{"state[0] [2:a=2] 4/4"})
	f.Start(state, 3)
	equal(t, "in a hole", fetch(t, f), []string{"state[0] [] 4/4"})
}

func TestAnOffsetOutOfRangeStopsOnlyItsPartition(t *testing.T) {
	for _, offset := range []int64{0, 5, -1} {
		b, _ := newBroker(t, map[string]int32{"a": 1, "b": 1})
		fill(t, b, tp("a", 0), 4)
		fill(t, b, tp("b", 0), 1)
		check(t, b.DeleteRecords(tp("a", 0), 2))
		f := newFetcher(t, b)
		f.Start(tp("a", 0), offset)
		f.Start(tp("b", 0), 0)
		_, err := f.Poll(t.Context(), 0)
		outOfRange, ok := errors.AsType[*broker.OffsetOutOfRangeError](err)
		if !ok {
			t.Fatalf("offset %d: error is %v", offset, err)
		}
		equal(t, "error", *outOfRange, broker.OffsetOutOfRangeError{TopicPartition: tp("a", 0), Offset: offset, Earliest: 2, End: 4})
		equal(t, "the other partition", fetch(t, f), []string{"b[0] [0:k=0] 1/1"})
	}
}

func TestAReleasedBatchIsOverwrittenAndTheLogIsNot(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	check(t, b.Append(tp("a", 0), broker.Record{Key: []byte("key"), Value: []byte("value"), Headers: []weir.Header{{Key: "h", Value: []byte("header")}}}))
	f := newFetcher(t, b)
	f.Start(tp("a", 0), 0)
	batch, err := f.Poll(t.Context(), 0)
	check(t, err)
	kept := batch.Records[0]
	_ = append(kept.Key, "overrun"...)
	equal(t, "value after an append to the key", string(kept.Value), "value")
	equal(t, "unreleased", b.Unreleased(), 1)

	batch.Release()
	equal(t, "unreleased", b.Unreleased(), 0)
	for what, data := range map[string][]byte{"key": kept.Key, "value": kept.Value, "header": kept.Headers[0].Value} {
		if !bytes.Equal(data, bytes.Repeat([]byte{0xDB}, len(data))) {
			t.Errorf("%s is %q after Release", what, data)
		}
	}
	equal(t, "log", contents(b, tp("a", 0)), []string{"0:key=value"})
	mustPanic(t, "second Release", batch.Release)
}

func TestPollEndsWithItsContext(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"a": 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newFetcher(t, b).Poll(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
}
