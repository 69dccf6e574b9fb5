package sink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
	w := sink.NewBatchWriter(to.write, sink.BatchOptions{MaxRecords: 2, HoldRecords: 3, AtCheckpoint: true})
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
	}, sink.BatchOptions{MaxRecords: 1, AtCheckpoint: true})
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

func TestABatchIsBoundedByBytes(t *testing.T) {
	var to target
	w := sink.NewBatchWriter(to.write, sink.BatchOptions{MaxBytes: 30, HoldBytes: 70, AtCheckpoint: true, Size: func(any, any) int { return 7 }}) // and 3 of the header
	add(t, w, 6)
	if w.Full() {
		t.Error("full with 60 of 70 bytes")
	}
	add(t, w, 1)
	if !w.Full() {
		t.Error("not full with 70 of 70 bytes")
	}
	if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil {
		t.Fatal(err)
	}
	if got := []int{len(to.batches[0]), len(to.batches[1]), len(to.batches[2])}; !cmp.Equal(got, []int{3, 3, 1}) {
		t.Errorf("batches of %v records", got)
	}
	to.batches = nil
	w = sink.NewBatchWriter(to.write, sink.BatchOptions{MaxBytes: 1, HoldBytes: 1})
	add(t, w, 2)
	if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil || len(to.batches) != 2 {
		t.Errorf("records that are larger than a batch: %v, %v", to.batches, err)
	}
}

func TestABatchIsBoundedByAge(t *testing.T) {
	var to target
	now := time.Unix(0, 0)
	w := sink.NewBatchWriter(to.write, sink.BatchOptions{MaxAge: time.Minute, Now: func() time.Time { return now }})
	if w.Full() {
		t.Error("full without a record")
	}
	add(t, w, 1)
	now = now.Add(59 * time.Second)
	add(t, w, 1)
	if w.Full() {
		t.Error("full after 59 seconds")
	}
	if now = now.Add(time.Second); !w.Full() {
		t.Error("not full after a minute")
	}
	if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil || w.Full() {
		t.Errorf("full after a flush, %v", err)
	}
	add(t, w, 1)
	if w.Full() {
		t.Error("the age of the records before counts")
	}
}

func TestRefusedRecordsAreNamedByTheirOriginAndNotWrittenAgain(t *testing.T) {
	var to target
	poison := errors.New("too long for the column")
	w := sink.NewBatchWriter(to.write, sink.BatchOptions{MaxRecords: 3, AtCheckpoint: true})
	add(t, w, 4)
	to.fail = fmt.Errorf("insert: %w", sink.RecordErrors{{Index: 1, Err: poison}})
	err := w.Flush(t.Context(), sink.Checkpoint{})
	refused, ok := errors.AsType[sink.RecordErrors](err)
	if !ok || len(refused) != 1 || refused[0].Origin != (weir.Origin{Topic: "in", Offset: 101}) || !errors.Is(err, poison) {
		t.Fatalf("got %+v, %v", refused, err)
	}
	if err := w.Flush(t.Context(), sink.Checkpoint{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"k3 @30 of 103h3"}}, to.batches); diff != "" {
		t.Errorf("batches after the refusal (-want +got):\n%s", diff)
	}
	add(t, w, 1)
	to.fail = sink.RecordErrors{{Index: 1, Err: poison}}
	if err := w.Flush(t.Context(), sink.Checkpoint{}); errors.As(err, &refused) || !strings.Contains(err.Error(), "record 1 of a batch of 1 records") {
		t.Errorf("an index beyond the batch: %v", err)
	}
}

func TestABatchWithWrongOptionsDoesNotConnect(t *testing.T) {
	t.Parallel()
	write := func(context.Context, []weir.Record[string, int]) error { return nil }
	for want, s := range map[string]sink.Sink[string, int]{
		"the function of sink.Batch is nil":            sink.Batch[string, int](nil, sink.BatchOptions{}),
		"MaxRecords is -1, and must not be negative":   sink.Batch(write, sink.BatchOptions{MaxRecords: -1}),
		"HoldBytes is -64, and must not be negative":   sink.Batch(write, sink.BatchOptions{HoldBytes: -64}),
		"MaxAge is -1m0s, and must not be negative":    sink.Batch(write, sink.BatchOptions{MaxAge: -time.Minute}),
		"MaxBytes is -1, and must not be negative\nHo": sink.Batch(write, sink.BatchOptions{MaxBytes: -1, HoldRecords: -1}),
	} {
		if err := s.Connect(t.Context()); !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), want) {
			t.Errorf("Connect returns %v, want %q", err, want)
		}
	}
	if err := sink.Batch(write, sink.BatchOptions{}).Connect(t.Context()); err != nil {
		t.Error(err)
	}
}
