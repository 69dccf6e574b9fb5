package sink_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// target takes batches, or fails.
type target struct {
	batches [][]string
	fail    error
}

func (t *target) write(_ context.Context, records []weir.Record[string, int]) error {
	if t.fail != nil {
		err := t.fail
		t.fail = nil
		return err
	}
	var batch []string
	for _, r := range records {
		batch = append(batch, fmt.Sprint(r.Key, r.Value, " @", r.Millis, " of ", r.Origin.Offset, string(r.Headers[0].Value)))
	}
	t.batches = append(t.batches, batch)
	return nil
}

// add adds n records, all in the same memory.
func add(tb testing.TB, w sink.Writer[string, int], n int) {
	tb.Helper()
	origin, header := weir.Origin{Topic: "in"}, []byte("h0")
	r := weir.Record[string, int]{Key: "k", Origin: &origin, Headers: []weir.Header{{Key: "h", Value: header}}}
	for i := range n {
		r.Value, r.Millis, origin.Offset, header[1] = i, int64(10*i), int64(100+i), byte('0'+i)
		if err := w.Add(tb.Context(), &r); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestABatchHoldsWhatWasAddedInOrder(t *testing.T) {
	var to target
	w := sink.NewBatchWriter(to.write, sink.BatchOptions{MaxRecords: 2, HoldRecords: 3})
	if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil || to.batches != nil {
		t.Errorf("an empty writer wrote %v, %v", to.batches, err)
	}
	add(t, w, 2)
	if w.Full() {
		t.Error("full with 2 of 3 records")
	}
	w.Discard()
	add(t, w, 3)
	if !w.Full() {
		t.Error("not full with 3 of 3 records")
	}
	for range 2 { // the second has nothing to do
		if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil {
			t.Fatal(err)
		}
	}
	want := [][]string{{"k0 @0 of 100h0", "k1 @10 of 101h1"}, {"k2 @20 of 102h2"}}
	if diff := cmp.Diff(want, to.batches); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestABatchThatWasRefusedIsWrittenWithTheNextFlushAndNoOtherIs(t *testing.T) {
	var to target
	refused := &weir.RetryLaterError{Err: errors.New("busy")}
	first := true
	w := sink.NewBatchWriter(func(ctx context.Context, records []weir.Record[string, int]) error {
		err := to.write(ctx, records)
		if first {
			first, to.fail = false, refused
		}
		return err
	}, sink.BatchOptions{MaxRecords: 1})
	add(t, w, 3)
	if err := w.Flush(t.Context(), sink.Checkpoint{}); !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"k0 @0 of 100h0"}, {"k1 @10 of 101h1"}, {"k2 @20 of 102h2"}}
	if diff := cmp.Diff(want, to.batches); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestAFlushEndsWithItsContext(t *testing.T) {
	var to target
	w := sink.NewBatchWriter(to.write, sink.BatchOptions{})
	add(t, w, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("partitions are given up")
	cancel(why)
	if err := w.Flush(ctx, sink.Checkpoint{}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil || len(to.batches) != 1 {
		t.Errorf("the record is gone: %v, %v", to.batches, err)
	}
}
